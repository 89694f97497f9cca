"""hard.safetensors: torch's cross entropy against the teacher's argmax. See case.py.

The case `token` is DeiT's hard distillation through the distillation token.
"""

import torch
import torch.nn.functional as F
from case import Cases

cases = Cases("hard")
for name, loss in {"default": {}, "token": {"head": "distillation", "weight": 0.5}}.items():
    head = loss.get("head", "mean")

    def terms(student, teacher, params):
        labels = teacher["logits.mean"].argmax(dim=1)
        return {"": (F.cross_entropy(student[f"logits.{head}"], labels), 1.0)}

    student = {f"logits.{head}": 3 * torch.randn(6, 5) for head in ("mean", "class", "distillation")}
    cases.add(name, loss, terms, student, {"logits.mean": 3 * torch.randn(6, 5)})
cases.save()
