"""rkd.safetensors: relational knowledge distillation. See case.py.

The formulas are those of the paper (arXiv 1904.05068, sections 3.2.1 and 3.2.2) with the axes, the epsilons and the
means over all elements of the code released with it (github.com/lenscloth/RKD, metric/loss.py and metric/utils.py): a
distance is by |a|^2 + |b|^2 - 2 a.b, at least 1e-6 between two images, and divided by the mean of those that are not 0.
An image is the mean of its map, whatever its grid. In `outlier`, one image of the teacher's is so far from all others
that errors of distances leave the parabola of the smooth L1 loss, as those of angles do in every case.
"""

import torch
import torch.nn.functional as F
from case import Cases
from features import PAIRS, inputs

SAME = [(5, 3, 4, 5), (5, 4, 3, 3)], [(5, 7, 4, 5), (5, 2, 3, 3)]
GRIDS = [(5, 3, 2, 3), (5, 4, 1, 1)], [(5, 7, 3, 2), (5, 2, 4, 4)]


def distances(x):
    square = (x * x).sum(dim=1)
    found = (square[:, None] + square - 2 * x @ x.T).clamp(min=1e-12).sqrt()
    found = found.masked_fill(torch.eye(len(x), dtype=torch.bool), 0)
    return found / found[found > 0].mean()


def cosines(x):
    unit = F.normalize(x[None] - x[:, None], dim=2)
    return torch.einsum("ijc,ikc->ijk", unit, unit)


def terms(weights):
    def of(student, teacher, params):
        pairs = [(student[f"map.{s}"].mean(dim=(2, 3)), teacher[f"map.{t}"].mean(dim=(2, 3))) for s, t in PAIRS]
        found = {}
        for name, relation in {"distance": distances, "angle": cosines}.items():
            losses = [F.smooth_l1_loss(relation(s), relation(t)) for s, t in pairs]
            found[name] = (sum(losses) / len(losses), weights[name])
        return found

    return of


cases = Cases("rkd")
for name, loss, shapes in [
    ("default", {}, SAME),
    ("outlier", {"distance": 2.0, "angle": 0.5, "weight": 0.3}, SAME),
    ("grids", {"angle": 10.0}, GRIDS),
]:
    student, teacher, _ = inputs(shapes, False)
    if name == "outlier":
        teacher["map.1"][2] += 5
    weights = {"distance": 25.0, "angle": 50.0} | loss
    cases.add(name, {"pairs": PAIRS} | loss, terms(weights), student, teacher)
    with torch.no_grad():
        pairs = [(student[f"map.{s}"].mean(dim=(2, 3)), teacher[f"map.{t}"].mean(dim=(2, 3))) for s, t in PAIRS]
        worst = {r: max((r(s) - r(t)).abs().max().item() for s, t in pairs) for r in (distances, cosines)}
    assert worst[cosines] > 1 and (worst[distances] > 1 or name != "outlier"), (name, worst)
cases.save()
