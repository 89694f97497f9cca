"""dist.safetensors: DIST's two relations. See case.py.

The formulas are equations 8 to 10 of the paper (arXiv 2205.10536), with the epsilon of the code released with it
(github.com/hunto/image_classification_sota, lib/models/losses/dist_kd.py) and the factor tau^2 of its later form. In
`dead-class` a class has probability 0 in the whole batch: its correlation is that of a vector of zeros.
"""

import torch
from case import Cases


def correlation(x, y):
    x, y = x - x.mean(dim=1, keepdim=True), y - y.mean(dim=1, keepdim=True)
    return (x * y).sum(dim=1) / (x.norm(dim=1) * y.norm(dim=1) + 1e-8)


cases = Cases("dist")
for name, loss in {
    "default": {},
    "warm": {"tau": 3.0, "beta": 2.0, "gamma": 0.5, "weight": 0.7},
    "token": {"head": "distillation"},
    "dead-class": {},
}.items():
    tau, head = loss.get("tau", 1.0), loss.get("head", "mean")

    def terms(student, teacher, params):
        p, q = ((x / tau).softmax(dim=1) for x in (student[f"logits.{head}"], teacher["logits.mean"]))
        return {
            "inter": (tau**2 * (1 - correlation(p, q).mean()), loss.get("beta", 1.0)),
            "intra": (tau**2 * (1 - correlation(p.T, q.T).mean()), loss.get("gamma", 1.0)),
        }

    student = {f"logits.{head}": torch.randn(6, 5) for head in ("mean", "class", "distillation")}
    if name == "dead-class":
        student["logits.mean"][:, 2] = -1e4
    cases.add(name, loss, terms, student, {"logits.mean": 2 * torch.randn(6, 5)})
cases.save()
