"""spectral-band.safetensors: SpectralKD's loss with all bins outside a band set to zero. See case.py.

The radius of a bin is that of numpy's fftfreq and rfftfreq. All over the denominator of the whole loss.
"""

import numpy as np
import torch
from case import Cases
from features import add_all, half_spectrum

cases = Cases("spectral-band")
for band, cutoff in (("low", 0.3), ("high", 0.3), ("high", 0.0), ("dc", None)):

    def loss(student, teacher):
        h, w = student.shape[2:]
        radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None, :])
        keep = {"low": lambda: radius <= cutoff, "high": lambda: radius > cutoff, "dc": lambda: radius == 0}[band]()
        error = half_spectrum(student) - half_spectrum(teacher)
        return (error * torch.tensor(keep)).square().mean()

    keys = {"band": band} | ({} if cutoff is None else {"cutoff": cutoff})
    # A bias is no part of a high band: the projector has none.
    add_all(cases, loss, keys, f"{band}-{cutoff}-", bias=band != "high")
cases.save()
