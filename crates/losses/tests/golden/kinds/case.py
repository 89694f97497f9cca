"""What the scripts of this folder share.

Each script makes the file of one kind of loss: cases, which are a loss, its inputs, and the values and gradients that
PyTorch gives. Run with torch 2.15.0 (CPU), numpy and safetensors, from this folder: `python kl.py`, and so on. The test
`tests/kinds.rs` reads every file of this folder; there is nothing else to write for a new one.

    <case>/loss              the loss's table as JSON, as bytes
    <case>/student/<output>  inputs, float64; outputs are `logits.<head>`, `map.<tap>`, `prefix.<tap>`
    <case>/teacher/<output>
    <case>/labels            [B], int64, where there are any
    <case>/targets           [B, K], float64, where there are any
    <case>/param/<name>      parameters of the loss, named below its own path
    <case>/term/<name>       each term before any weighting; `-` where it has no name
    <case>/total             the terms times their factors, times the loss's weight
    <case>/grad/student/<output>, <case>/grad/param/<name>
                             gradients of the total; none where it does not depend on the input
"""

import json

import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class Cases:
    def __init__(self, kind, seed=0):
        self.kind, self.tensors = kind, {}
        torch.manual_seed(seed)

    def add(self, name, loss, terms, student, teacher=None, params=None, labels=None, targets=None):
        """`terms(student, teacher, params)` gives {name: (value, factor)}."""
        teacher, params = teacher or {}, params or {}
        for x in [*student.values(), *params.values()]:
            x.requires_grad_()
        inputs = {f"student/{k}": x for k, x in student.items()} | {f"param/{k}": x for k, x in params.items()}
        table = {"kind": self.kind} | loss
        found = terms(student, teacher, params)
        total = table.get("weight", 1.0) * sum(factor * value for value, factor in found.values())
        grads = torch.autograd.grad(total, inputs.values(), allow_unused=True)
        out = {"loss": torch.tensor(list(json.dumps(table).encode()), dtype=torch.uint8), "total": total}
        out |= inputs | {f"teacher/{k}": x for k, x in teacher.items()}
        out |= {f"term/{k or '-'}": value for k, (value, _) in found.items()}
        out |= {f"grad/{k}": g for k, g in zip(inputs, grads) if g is not None}
        out |= {k: x for k, x in {"labels": labels, "targets": targets}.items() if x is not None}
        self.tensors |= {f"{name}/{k}": x.detach().contiguous().clone() for k, x in out.items()}

    def save(self):
        save_file(self.tensors, f"{self.kind}.safetensors")


def pooled(map, channels):
    """The teacher's map averaged to the student's channels, as SpectralKD's released code does."""
    return torch.nn.functional.adaptive_avg_pool3d(map, (channels, None, None))


def projected(map, weight, bias):
    """A linear layer on the channels at every position."""
    return torch.nn.functional.linear(map.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


def resized(map, size):
    """Both axes resampled by their spectra, as SciPy's `resample` does; in the numbers of torch's FFT."""
    for axis, m in ((3, size[1]), (2, size[0])):
        n = map.shape[axis]
        if n == m:
            continue
        spectrum = torch.fft.fft(map, dim=axis, norm="forward").movedim(axis, -1)
        low = min(n, m)
        out = torch.zeros(*spectrum.shape[:-1], m, dtype=spectrum.dtype)
        half = (low + 1) // 2  # bins 0 .. below the Nyquist bin of the smaller size
        out[..., :half] = spectrum[..., :half]
        if half > 1:
            out[..., m - (half - 1) :] = spectrum[..., n - (half - 1) :]
        if low % 2 == 0:
            k = low // 2
            if m > n:  # split between the two frequencies that it stands for
                out[..., k] = spectrum[..., k] / 2
                out[..., m - k] = spectrum[..., k] / 2
            else:  # the two that meet in it are added
                out[..., k] = spectrum[..., k] + spectrum[..., n - k]
        map = torch.fft.ifft(out, norm="forward").real.movedim(-1, axis)
    return map


def linear(inputs, outputs):
    """Weight and bias of a torch Linear at its start."""
    layer = torch.nn.Linear(inputs, outputs)
    return layer.weight.detach(), layer.bias.detach()
