"""fitnets.safetensors: torch's mse_loss of the teacher's maps and linearly projected student's maps. See case.py."""

import torch.nn.functional as F
from case import Cases
from features import GRIDS, PAIRS, WIDER, inputs, mean

cases = Cases("fitnets")
cases.add("same", {"pairs": PAIRS, "weight": 0.5}, mean(F.mse_loss), *inputs(WIDER, True))
cases.add("resize", {"pairs": PAIRS, "grid": "spectral-resize"}, mean(F.mse_loss), *inputs(GRIDS, True))
cases.save()
