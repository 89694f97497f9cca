"""spectral.safetensors: SpectralKD's loss as its released code computes it, with torch.fft.rfft2. See case.py."""

import torch.nn.functional as F
from case import Cases
from features import add_all, half_spectrum

cases = Cases("spectral")
add_all(cases, lambda student, teacher: F.mse_loss(half_spectrum(student), half_spectrum(teacher)))
cases.save()
