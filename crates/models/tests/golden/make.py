"""Golden files for crates/models: what timm computes on tiny DeiT and CaiT models.

Made with: python 3.11, torch 2.15.0, timm 1.0.31, safetensors 0.8.0; run as

    cd crates/models/tests/golden && python make.py

Writes, beside this script:

* ``deit.safetensors``, ``cait.safetensors``. Metadata key ``config``: the sizes, as the JSON of a
  ``ModelConfig``. Tensors, all f32:
    - ``weights.<name>``: timm's state dict, every tensor of it, names and shapes untouched;
    - ``images`` [B, 3, H, W]; ``logits`` [B, K]; ``taps.<i>`` [B, C, h, w]: what
      ``forward_intermediates`` returns (the residual stream after block i, un-normed, without the
      class token);
    - ``cotangent.logits``, ``cotangent.taps.<i>``: fixed random tensors; the scalar is
      sum(logits * cotangent.logits) + sum_i sum(taps.i * cotangent.taps.i);
    - ``scalar`` []; ``gradient.<name>`` and ``gradient.images``: its derivatives.
Everything is computed in f64 from weights that are exact in f32, and stored rounded to f32. The weights make
every parameter matter: LayerScale about 1, norm weights away from 1, every bias, token and embedding of order
0.3, attention logits far from flat. (With timm's initial LayerScale of 1e-5, a model without any blocks would
pass.) Heights and widths differ, the MLP is not four times as wide, 3 and 5 heads are no power of two.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models.cait import Cait
from timm.models.vision_transformer import VisionTransformer

HERE = Path(__file__).parent

DEIT = dict(family="deit", img_size=[12, 20], patch_size=4, in_chans=3, num_classes=7, embed_dim=30, depth=3,
            num_heads=5, mlp_ratio=2.5, drop_path=0.0)
CAIT = dict(family="cait", img_size=[20, 12], patch_size=4, in_chans=3, num_classes=6, embed_dim=21, depth=3,
            num_heads=3, mlp_ratio=2.5, drop_path=0.0, depth_token_only=2, init_values=0.1)


def timm_arguments(config):
    """The keyword arguments of timm's classes for one of our configurations."""
    arguments = {key: value for key, value in config.items() if key != "family"}
    arguments["drop_path_rate"] = arguments.pop("drop_path")
    return arguments


def fill(model, seed):
    """Overwrites every parameter with random values of which each one matters (see the header)."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        values = torch.randn(parameter.shape, generator=generator)
        if "gamma_" in name or ("norm" in name and name.endswith("weight")):
            values = 1 + 0.25 * values
        elif ".proj_l.weight" in name or ".proj_w.weight" in name:
            values = torch.eye(parameter.shape[0]) + 0.4 * values
        elif name == "pos_embed" or name == "cls_token" or name.endswith("bias"):
            values = 0.3 * values
        else:  # linear and convolution weights: 1.5 / sqrt(fan in)
            values = 1.5 * values / parameter[0].numel() ** 0.5
        parameter.data = values.double()  # randn is f32, so the f64 weights are exact in f32


def golden(model, config, seed, path):
    """Runs `model` forward and backward and writes one golden file."""
    fill(model, seed)
    model.eval()
    generator = torch.Generator().manual_seed(seed + 1)
    draw = lambda shape: torch.randn(shape, generator=generator).double()
    images = draw((2, 3, *config["img_size"])).requires_grad_()
    last, taps = model.forward_intermediates(images)
    logits = model.forward_head(last)
    assert torch.equal(logits, model(images)) and len(taps) == config["depth"]

    cotangents = {"cotangent.logits": draw(logits.shape)}
    scalar = (logits * cotangents["cotangent.logits"]).sum()
    for i, tap in enumerate(taps):
        cotangents[f"cotangent.taps.{i}"] = draw(tap.shape)
        scalar = scalar + (tap * cotangents[f"cotangent.taps.{i}"]).sum()
    scalar.backward()

    tensors = {f"weights.{name}": value for name, value in model.state_dict().items()}
    assert len(tensors) == len(list(model.named_parameters())), "a buffer in the state dict"
    tensors |= {f"gradient.{name}": value.grad for name, value in model.named_parameters()}
    tensors |= {"images": images, "gradient.images": images.grad, "logits": logits, "scalar": scalar}
    tensors |= {f"taps.{i}": tap for i, tap in enumerate(taps)} | cotangents
    tensors = {name: value.detach().float().contiguous() for name, value in tensors.items()}
    save_file(tensors, path, metadata={"config": json.dumps(config)})
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes, scalar {scalar.item():.6f}")


def main():
    torch.set_num_threads(1)
    golden(VisionTransformer(**timm_arguments(DEIT)), DEIT, 10, HERE / "deit.safetensors")
    golden(Cait(**timm_arguments(CAIT)), CAIT, 20, HERE / "cait.safetensors")


if __name__ == "__main__":
    main()
