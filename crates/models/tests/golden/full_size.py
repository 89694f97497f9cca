"""Golden files for crates/models: what timm computes on full-size models.

Made with: python 3.11, torch 2.15.0, timm 1.0.31, safetensors 0.8.0; run as

    cd crates/models/tests/golden && python full_size.py

Weights and images would be tens of megabytes, so they are a formula that ``tests/full_size.rs`` computes to the same
bits. Number i of the tensor NAME is, with 64-bit integers that wrap,

    z = fnv1a(NAME) + (i + 1) * 0x9E3779B97F4A7C15        (FNV-1a, then splitmix64)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;  z = (z ^ z >> 27) * 0x94D049BB133111EB;  z = z ^ z >> 31
    u = (z >> 40) / 2^23 - 1                              (uniform in [-1, 1), 24 bits, exact)
    value = f32(centre + spread * u)                      (in f64, rounded once)

with, for a weight, the centre and spread of ``law`` below; for ``images`` [2, 3, H, W] 0 and sqrt(3); for the
cotangents ``cotangent.logits`` and ``cotangent.taps.<i>`` 0 and 1. The laws make every tensor matter and keep the
models well conditioned: torch's own f32 is within 2e-4 of f64, which is asserted.

Writes for each model NAME ``NAME.safetensors``, all f32 of f64 results:

* ``logits`` [2, 1000];
* ``taps`` [T, 33]: of each tap the root of its mean square, and 32 of its values, number k of them at the place
  z mod (number of values), z being that of number k of the tensor "places.taps.<i>";
* ``gradients`` [P, 33]: the same of the derivative of the scalar sum(logits * cotangent.logits) +
  sum_i sum(taps.<i> * cotangent.taps.<i>) by each parameter, in the order of their names ("places.<name>").
"""

from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
MODELS = ["deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "cait_xxs24_224", "swin_tiny_patch4_window7_224"]
PLACES = 32


def words(name, count):
    """The words z of numbers 0 to count - 1 of a tensor."""
    hash = 0xCBF29CE484222325
    for byte in name.encode():
        hash = ((hash ^ byte) * 0x100000001B3) % 2**64
    z = np.uint64(hash) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return z ^ z >> np.uint64(31)


def numbers(name, shape, centre, spread):
    """The tensor of a name and a shape."""
    u = (words(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return torch.from_numpy((centre + spread * u).astype(np.float32).reshape(shape))


def law(name, shape):
    """Centre and spread of a weight. Square matrices of talking heads have the centre on their diagonal only."""
    if name.endswith(".proj_w.bias"):
        return 0.0, 0.005  # it is added to the attention to every token
    if name.endswith("bias"):
        return 0.0, 0.1
    if "norm" in name:
        return 1.0, 0.2
    if "gamma_" in name:
        return 0.5, 0.1
    if ".proj_l." in name or ".proj_w." in name:
        return 1.0, 0.1
    if name.endswith("relative_position_bias_table"):
        return 0.0, 1.0
    if name.endswith(("pos_embed", "_token")):
        return 0.0, 0.3
    return 0.0, 1.5 / float(np.prod(shape[1:])) ** 0.5  # linear layers and the patch embedding


def weight(name, shape):
    """The weight of a name and a shape."""
    centre, spread = law(name, shape)
    if ".proj_l.weight" in name or ".proj_w.weight" in name:
        diagonal = torch.eye(shape[0], dtype=torch.float64) * centre
        u = numbers(name, shape, 0.0, 1.0).double()  # exact
        return (diagonal + spread * u).float()
    return numbers(name, shape, centre, spread)


def run(model, dtype):
    """Logits, taps and gradients by name."""
    model = model.to(dtype)
    model.zero_grad()
    size = model.patch_embed.img_size
    images = numbers("images", (2, 3, *size), 0.0, 3.0**0.5).to(dtype)
    last, taps = model.forward_intermediates(images)
    logits = model.forward_head(last)
    scalar = (logits * numbers("cotangent.logits", tuple(logits.shape), 0.0, 1.0)).sum()
    for i, tap in enumerate(taps):
        scalar = scalar + (tap * numbers(f"cotangent.taps.{i}", tuple(tap.shape), 0.0, 1.0)).sum()
    scalar.backward()
    gradients = {name: value.grad.double().clone() for name, value in sorted(model.named_parameters())}
    return logits.detach().double(), [tap.detach().double() for tap in taps], gradients


def rms(values):
    return values.square().mean().sqrt()


def summary(name, values):
    """The root of the mean square and the values at the hashed places."""
    places = words(f"places.{name}", PLACES) % np.uint64(values.numel())
    return torch.cat([rms(values)[None], values.flatten()[torch.from_numpy(places.astype(np.int64))]])


def check_conditioning(name, exact, rough):
    """torch's f32 against its f64."""
    largest = max(rms(value) for value in exact[2].values())
    error = lambda a, b: (rms(a - b) / rms(b)).item()
    logits, taps = error(rough[0], exact[0]), max(map(error, rough[1], exact[1]))
    gradients = {}
    for key, value in exact[2].items():
        if rms(value) > 1e-9 * largest:  # proj_l.bias and k.bias are noise
            found = rough[2][key]
            if key.endswith("qkv.bias"):  # the middle third is
                value, found = ([v.reshape(3, -1)[[0, 2]] for v in (value, found)])
            gradients[key] = error(found, value)
    worst = max(gradients, key=gradients.get)
    print(f"{name}: torch's f32 is off by {logits:.1e} (logits), {taps:.1e} (taps), {gradients[worst]:.1e} ({worst})")
    least = min((rms(value) / largest, key) for key, value in exact[2].items() if key in gradients)
    print(f"  the smallest gradient is {least[0]:.1e} of the largest: {least[1]}; logits' RMS {rms(exact[0]):.2f}, "
          f"taps' {', '.join(f'{rms(tap):.2f}' for tap in exact[1])}", flush=True)
    assert max(logits, taps) < 2e-5 and gradients[worst] < 2e-4


def main():
    torch.set_num_threads(1)
    timm.layers.set_fused_attn(False)
    for name in MODELS:
        model = timm.create_model(name, pretrained=False).eval()
        for key, parameter in model.named_parameters():
            parameter.data = weight(key, tuple(parameter.shape))
        rough = run(model, torch.float32)
        exact = run(model, torch.float64)  # the weights are exact in both
        check_conditioning(name, exact, rough)
        logits, taps, gradients = exact
        tensors = dict(logits=logits, taps=torch.stack([summary(f"taps.{i}", tap) for i, tap in enumerate(taps)]),
                       gradients=torch.stack([summary(key, value) for key, value in gradients.items()]))
        path = HERE / f"{name}.safetensors"
        save_file({key: value.float().contiguous() for key, value in tensors.items()}, path)
        print(f"  {path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
