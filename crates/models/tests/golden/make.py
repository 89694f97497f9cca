"""Golden files for crates/models: what timm computes on tiny models.

Made with: python 3.11, torch 2.15.0, timm 1.0.31, safetensors 0.8.0; run as

    cd crates/models/tests/golden && python make.py

Writes, beside this script:

* ``deit.safetensors``, ``distilled.safetensors``, ``cait.safetensors``, ``swin.safetensors``. Metadata key ``config``: the sizes, as the JSON of a
  ``ModelConfig``. Tensors, all f32:
    - ``weights.<name>``: timm's state dict, every tensor of it, names and shapes untouched;
    - ``images`` [B, 3, H, W]; ``logits`` [B, K]; ``taps.<i>`` [B, C, h, w]: what
      ``forward_intermediates`` returns (the residual stream after block or stage i, un-normed,
      without class and distillation token);
    - ``cotangent.logits``, ``cotangent.taps.<i>``: fixed random tensors; the scalar is
      sum(logits * cotangent.logits) + sum_i sum(taps.i * cotangent.taps.i);
    - ``scalar`` []; ``gradient.<name>`` and ``gradient.images``: its derivatives.
Everything is computed in f64 from weights that are exact in f32, and stored rounded to f32. The weights make
every parameter matter: LayerScale about 1, norm weights away from 1, every bias, token and embedding of order
0.3 or more, attention logits far from flat. (With timm's initial LayerScale of 1e-5, a model without any blocks would
pass.) Heights and widths differ, the MLP is not four times as wide, 3 and 5 heads are no power of two. In Swin, patches of 2 x 2 do not tile the image (timm does not see the last row and
column), maps are 9 x 14, 5 x 7, 3 x 4 and 2 x 2 for windows of 3 x 3: the first two are padded and shifted both ways,
the third is shifted one way, the last has smaller windows; two are merged from an odd map.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models.cait import Cait
from timm.models.deit import VisionTransformerDistilled
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

HERE = Path(__file__).parent

DEIT = dict(family="deit", img_size=[12, 20], patch_size=4, in_chans=3, num_classes=7, embed_dim=30, depth=3,
            num_heads=5, mlp_ratio=2.5, drop_path=0.0)
CAIT = dict(family="cait", img_size=[20, 12], patch_size=4, in_chans=3, num_classes=6, embed_dim=21, depth=3,
            num_heads=3, mlp_ratio=2.5, drop_path=0.0, depth_token_only=2, init_values=0.1)
DISTILLED = DEIT | dict(img_size=[20, 12], num_classes=5, embed_dim=24, depth=2, num_heads=3, distilled=True)
SWIN = dict(family="swin", img_size=[19, 29], patch_size=2, in_chans=3, num_classes=6, embed_dim=5,
            depths=[2, 2, 2, 1], num_heads=[5, 2, 4, 5], window_size=3, mlp_ratio=1.5, drop_path=0.0)


def timm_arguments(config):
    """The keyword arguments of timm's classes for one of our configurations."""
    arguments = {key: value for key, value in config.items() if key not in ("family", "distilled")}
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
        elif name.endswith("relative_position_bias_table"):
            pass
        elif name in ("pos_embed", "cls_token", "dist_token") or name.endswith("bias"):
            values = 0.3 * values
        else:  # linear and convolution weights: 1.5 / sqrt(fan in)
            values = 1.5 * values / parameter[0].numel() ** 0.5
        parameter.data = values.double()  # randn is f32, so the f64 weights are exact in f32


def golden(model, config, seed, path):
    """Runs `model` forward and backward and writes one golden file."""
    model.double().eval()
    fill(model, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    draw = lambda shape: torch.randn(shape, generator=generator).double()
    images = draw((2, 3, *config["img_size"])).requires_grad_()
    last, taps = model.forward_intermediates(images)
    logits = model.forward_head(last)
    assert torch.equal(logits, model(images)) and len(taps) == len(model.feature_info)

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
    golden(VisionTransformerDistilled(**timm_arguments(DISTILLED)), DISTILLED, 30, HERE / "distilled.safetensors")
    golden(SwinTransformer(**timm_arguments(SWIN)), SWIN, 40, HERE / "swin.safetensors")


if __name__ == "__main__":
    main()
