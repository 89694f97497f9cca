"""Golden file for the heads and prefix tokens of a DeiT: what timm computes on the tiny models of ``make.py``.

Made with: python 3.11, torch 2.15.0, timm 1.0.31, safetensors 0.8.0; run after ``make.py`` as

    cd crates/models/tests/golden && python heads.py

Reads weights and images of ``deit.safetensors`` and ``distilled.safetensors``, and writes ``heads.safetensors`` with,
for each MODEL of "deit" and "distilled", all f32 of f64 results,

* ``MODEL.prefix.<i>`` [B, P, C]: the prefix tokens after block i, as ``forward_intermediates`` returns them with
  ``return_prefix_tokens=True`` (un-normed); ``MODEL.cotangent.prefix.<i>``: a fixed random tensor of that shape;
* for the distilled one ``distilled.class`` and ``distilled.distillation`` [B, K]: what it returns in training after
  ``set_distilled_training(True)`` (nothing is dropped), with their cotangents;
* for the distilled one ``distilled.gradient.<WHAT>.<name>``, WHAT being "prefix", "class" or "distillation": the
  derivatives of sum_i sum(prefix.i * cotangent.prefix.i), of sum(class * cotangent.class), and of
  sum(distillation * cotangent.distillation), of all parameters that have one.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

from make import timm_arguments

HERE = Path(__file__).parent


def load(name, kind):
    """The model of a golden file, in f64, and its images."""
    with safe_open(HERE / f"{name}.safetensors", "pt") as file:
        config = json.loads(file.metadata()["config"])
        weights = {key.removeprefix("weights."): file.get_tensor(key).double()
                   for key in file.keys() if key.startswith("weights.")}
        images = file.get_tensor("images").double()
    model = kind(**timm_arguments(config)).double()
    model.load_state_dict(weights)
    return model, images


def golden(name, kind, seed):
    """Prefix tokens, heads and gradients of one model."""
    model, images = load(name, kind)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}

    def scalar(values):
        """The sum of products with fixed random tensors, which are kept with the values."""
        total = 0
        for key, value in values.items():
            cotangent = torch.randn(value.shape, generator=generator).double()
            tensors[f"{name}.{key}"], tensors[f"{name}.cotangent.{key}"] = value, cotangent
            total = total + (value * cotangent).sum()
        return total

    intermediates = model.eval().forward_intermediates(images, return_prefix_tokens=True, intermediates_only=True)
    scalars = {"prefix": scalar({f"prefix.{i}": prefix for i, (_, prefix) in enumerate(intermediates)})}
    if hasattr(model, "head_dist"):
        model.set_distilled_training(True)
        heads = dict(zip(["class", "distillation"], model.train()(images)))
        scalars |= {what: scalar({what: logits}) for what, logits in heads.items()}
        parameters = dict(model.named_parameters())
        for what, value in scalars.items():
            found = torch.autograd.grad(value, parameters.values(), allow_unused=True, retain_graph=True)
            tensors |= {f"{name}.gradient.{what}.{key}": gradient
                        for key, gradient in zip(parameters, found) if gradient is not None}
    return tensors


def main():
    torch.set_num_threads(1)
    tensors = golden("deit", VisionTransformer, 50) | golden("distilled", VisionTransformerDistilled, 60)
    tensors = {key: value.detach().float().contiguous() for key, value in tensors.items()}
    path = HERE / "heads.safetensors"
    save_file(tensors, path)
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
