"""manifold.safetensors, and ../manifold_tokens.safetensors: fine-grained manifold distillation. See case.py.

`relation_errors` follows the definition in the paper (arXiv 2107.01378, section 3.2) and the order of axes, the
normalisation and the means of the code released with it (github.com/Hao840/manifold-distillation, losses.py). The cases
draw at least as many tokens as there are, so that their order does not matter; manifold_tokens.safetensors has `student`,
`teacher`, 5 `tokens` of 2 x 6, the three `terms` and the gradient `grad` of the third for the student.
"""

import torch
import torch.nn.functional as F
from case import Cases, resized
from features import GRIDS, PAIRS, SAME, inputs
from safetensors.torch import save_file


def relation_errors(student, teacher, tokens):
    # [B, C, H, W] -> unit tokens [B, N, C]
    s, t = (F.normalize(x.flatten(2).transpose(1, 2), dim=-1) for x in (student, teacher))
    grams = [lambda x: x @ x.transpose(-1, -2)] * 3
    views = [lambda x: x, lambda x: x.transpose(0, 1), lambda x: x.flatten(0, 1)[tokens]]
    return [F.mse_loss(gram(view(s)), gram(view(t))) for gram, view in zip(grams, views)]


def terms(weights):
    def of(student, teacher, params):
        sums = torch.zeros(3)
        for s, t in PAIRS:
            ours = student[f"map.{s}"]
            theirs = resized(teacher[f"map.{t}"], ours.shape[2:])
            everything = torch.arange(ours.shape[0] * ours.shape[2] * ours.shape[3])
            sums = sums + torch.stack(relation_errors(ours, theirs, everything))
        return {name: (sums[i] / len(PAIRS), weights[i]) for i, name in enumerate(("patch", "sample", "random"))}

    return of


cases = Cases("manifold")
cases.add("default", {"pairs": PAIRS}, terms([4.0, 0.1, 0.2]), *inputs(SAME, False))
keys = {"pairs": PAIRS, "grid": "spectral-resize", "patch": 1.0, "sample": 0.5, "random": 2.0, "weight": 0.3}
cases.add("resize", keys, terms([1.0, 0.5, 2.0]), *inputs(GRIDS, False))
cases.save()

student, teacher = torch.randn(2, 3, 2, 3, requires_grad=True), torch.randn(2, 5, 2, 3)
tokens = torch.tensor([7, 0, 11, 3, 8])
found = relation_errors(student, teacher, tokens)
(grad,) = torch.autograd.grad(found[2], student)
found = {"tokens": tokens, "terms": torch.stack(found), "grad": grad, "student": student, "teacher": teacher}
save_file({k: x.detach().contiguous() for k, x in found.items()}, "../manifold_tokens.safetensors")
