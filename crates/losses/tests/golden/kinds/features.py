"""What the scripts of the losses on aligned feature maps share: the alignments, each on two pairs of layers."""

import torch
from case import linear, pooled, projected, resized

# Student's maps [B, C, H, W] by tap, and the teacher's.
SAME = [(2, 3, 4, 5), (2, 4, 3, 3)], [(2, 7, 4, 5), (2, 4, 3, 3)]
GRIDS = [(2, 3, 4, 5), (2, 2, 6, 3)], [(2, 7, 6, 3), (2, 3, 3, 4)]
WIDER = [(2, 6, 2, 3), (2, 4, 3, 3)], [(2, 4, 2, 3), (2, 5, 3, 3)]
ALIGNMENTS = {
    "pool": ({}, SAME),
    "resize": ({"grid": "spectral-resize"}, GRIDS),
    "project": ({"width": "project"}, WIDER),
    "project-resize": ({"width": "project", "grid": "spectral-resize"}, GRIDS),
}
PAIRS = [[0, 1], [1, 0]]


def inputs(shapes, project, bias=True):
    """Maps of student and teacher, the student's tap 0 paired with the teacher's last; projectors."""
    ours, theirs = shapes
    student = {f"map.{i}": torch.randn(shape) for i, shape in enumerate(ours)}
    teacher = {f"map.{len(theirs) - 1 - i}": torch.randn(shape) + 0.2 for i, shape in enumerate(theirs)}
    params = {}
    for i, (s, t) in enumerate(PAIRS if project else []):
        weight, offset = linear(student[f"map.{s}"].shape[1], teacher[f"map.{t}"].shape[1])
        params |= {f"projectors.{i}.weight": weight} | ({f"projectors.{i}.bias": offset} if bias else {})
    return student, teacher, params


def aligned(student, teacher, params):
    """The pairs of maps, brought to one shape."""
    for i, (s, t) in enumerate(PAIRS):
        ours, theirs = student[f"map.{s}"], teacher[f"map.{t}"]
        theirs = resized(theirs, ours.shape[2:])
        if params:
            ours = projected(ours, params[f"projectors.{i}.weight"], params.get(f"projectors.{i}.bias"))
        elif ours.shape[1] < theirs.shape[1]:
            theirs = pooled(theirs, ours.shape[1])
        yield ours, theirs


def mean(loss):
    """The terms of a loss that is the mean of `loss(student, teacher)` over the pairs."""

    def terms(student, teacher, params):
        losses = [loss(s, t) for s, t in aligned(student, teacher, params)]
        return {"": (sum(losses) / len(losses), 1.0)}

    return terms


def add_all(cases, loss, keys=None, prefix="", bias=True):
    """A case for every alignment."""
    for name, (alignment, shapes) in ALIGNMENTS.items():
        table = {"pairs": PAIRS, "weight": 0.2} | alignment | (keys or {})
        cases.add(prefix + name, table, mean(loss), *inputs(shapes, "width" in alignment, bias))


def half_spectrum(x):
    """Real and imaginary parts of the ortho half spectrum, as SpectralKD's released code stacks them."""
    spectrum = torch.fft.rfft2(x, dim=(2, 3), norm="ortho")
    return torch.stack([spectrum.real, spectrum.imag], dim=1)
