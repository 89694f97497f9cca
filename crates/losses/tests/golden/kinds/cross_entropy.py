"""cross-entropy.safetensors: torch's cross entropy with smoothing, on labels and on soft targets. See case.py."""

import torch
import torch.nn.functional as F
from case import Cases

cases = Cases("cross-entropy")
for name, loss in {
    "default": {},
    "plain": {"smoothing": 0.0, "weight": 0.1},
    "class-head": {"head": "class", "smoothing": 0.3},
}.items():
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    student = {f"logits.{head}": 3 * torch.randn(6, 5) for head in ("mean", "class", "distillation")}
    s, head = loss.get("smoothing", 0.1), loss.get("head", "mean")

    def terms(student, teacher, params):
        return {"": (F.cross_entropy(student[f"logits.{head}"], labels, label_smoothing=s), 1.0)}

    cases.add(name, loss, terms, student, labels=labels)

labels, other, share = torch.tensor([0, 4, 2, 1]), torch.tensor([1, 2, 4, 0]), 0.3
targets = share * F.one_hot(labels, 5).double() + (1 - share) * F.one_hot(other, 5).double()
cases.add(
    "mixed",
    {"smoothing": 0.1},
    lambda student, teacher, params: {"": (F.cross_entropy(student["logits.mean"], targets, label_smoothing=0.1), 1.0)},
    {"logits.mean": 3 * torch.randn(4, 5)},
    labels=labels,
    targets=targets,
)
cases.save()
