"""mse.safetensors: torch's mse_loss of features, plain and at the spectral loss's weight. See case.py."""

import torch
import torch.nn.functional as F
from case import Cases
from features import PAIRS, SAME, aligned, add_all, half_spectrum, inputs, mean

cases = Cases("mse")
add_all(cases, F.mse_loss)


def matched(student, teacher, params):
    """Times the ratio of the spectral loss to it, both of the teacher's (pooled) maps against zero."""
    maps = [theirs for _, theirs in aligned(student, teacher, params)]
    spectral = sum(half_spectrum(x).square().mean() for x in maps)
    ratio = spectral / sum(x.square().mean() for x in maps)
    (value, _) = mean(F.mse_loss)(student, teacher, params)[""]
    return {"": (value, ratio)}


cases.add("matched", {"pairs": PAIRS, "weight": 0.2, "matched": True}, matched, *inputs(SAME, False))
cases.save()
