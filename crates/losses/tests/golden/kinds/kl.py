"""kl.safetensors: tau^2 KL(teacher || student), "batchmean", with torch's kl_div. See case.py.

The case `token` is DeiT's soft distillation through the distillation token, without that code's division by K.
"""

import torch
import torch.nn.functional as F
from case import Cases

cases = Cases("kl")
for name, loss in {
    "default": {},
    "cold": {"tau": 0.5, "weight": 0.9},
    "warm": {"tau": 3.0},
    "token": {"tau": 3.0, "head": "distillation", "weight": 0.5},
}.items():
    tau, head = loss.get("tau", 1.0), loss.get("head", "mean")

    def terms(student, teacher, params):
        log_p = F.log_softmax(student[f"logits.{head}"] / tau, dim=1)
        log_q = F.log_softmax(teacher["logits.mean"] / tau, dim=1)
        return {"": (F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * (tau * tau), 1.0)}

    student = {f"logits.{head}": 3 * torch.randn(6, 5) for head in ("mean", "class", "distillation")}
    cases.add(name, loss, terms, student, {"logits.mean": 3 * torch.randn(6, 5)})
cases.save()
