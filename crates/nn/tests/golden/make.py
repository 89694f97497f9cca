"""Golden file for crates/nn: what timm computes with Swin's shifted windows and patch merging.

Made with: python 3.11, torch 2.15.0, timm 1.0.31, safetensors 0.8.0; run as

    cd crates/nn/tests/golden && python make.py

Writes ``swin.safetensors`` beside this script. The cases below stand in ``tests/golden.rs`` once more.
Tensors, all f32, for every case:

* ``<name>.weights.<parameter>``: timm's names and shapes, untouched;
* ``<name>.x`` [B, H W, dim], ``<name>.y``: what ``SwinTransformerBlock._attn`` (roll, pad, partition, attention,
  reverse, crop, roll) or ``PatchMerging`` make of it;
* ``<name>.cotangent``: a fixed random tensor of y's shape; ``<name>.gradient.x`` and
  ``<name>.gradient.<parameter>``: the derivatives of sum(y * cotangent).

Everything is computed in f64 from numbers that are exact in f32, and stored rounded to f32. Position biases and
scores are of order 1, so that each of them matters.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models.swin_transformer import PatchMerging, SwinTransformerBlock

HERE = Path(__file__).parent
BATCH = 2

CASES = [
    # Whole windows, not shifted, not square.
    dict(name="plain", layer="windows", map=[6, 8], dim=6, heads=2, size=[3, 4], shift=[0, 0], qkv_bias=True),
    # Shifted along both sides.
    dict(name="shifted", layer="windows", map=[6, 9], dim=6, heads=3, size=[3, 3], shift=[1, 1], qkv_bias=True),
    # Shifted along one side, padded along both.
    dict(name="padded", layer="windows", map=[5, 7], dim=4, heads=1, size=[4, 3], shift=[0, 2], qkv_bias=False),
    # Shifted and padded along both.
    dict(name="both", layer="windows", map=[7, 5], dim=6, heads=2, size=[3, 4], shift=[1, 2], qkv_bias=True),
    # One window, larger than the map.
    dict(name="one", layer="windows", map=[2, 3], dim=4, heads=2, size=[3, 4], shift=[0, 0], qkv_bias=True),
    dict(name="even", layer="merging", map=[4, 6], dim=3, outputs=5),
    dict(name="odd", layer="merging", map=[5, 3], dim=4, outputs=8),
]


def layer_and_function(case):
    """timm's module, and the function of [B, H, W, C] that it stands for."""
    if case["layer"] == "merging":
        # Its norm's eps is 1e-5, PyTorch's.
        layer = PatchMerging(case["dim"], case["outputs"]).double()
        return layer, layer
    block = SwinTransformerBlock(
        case["dim"], case["map"], num_heads=case["heads"], window_size=case["size"], shift_size=case["shift"],
        always_partition=True, qkv_bias=case["qkv_bias"],
    ).double()
    # The sizes are those asked for.
    assert list(block.window_size) == case["size"] and list(block.shift_size) == case["shift"]
    return block.attn, block._attn


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(11)

    def normal(shape):
        return torch.randn(shape, generator=generator).double()

    tensors = {}
    for case in CASES:
        layer, function = layer_and_function(case)
        height, width = case["map"]
        for name, parameter in sorted(layer.named_parameters()):
            # x is of order 1: scores and biases, too.
            scale = case["dim"] ** -0.5 if name.endswith("weight") and parameter.dim() == 2 else 1.0
            values = normal(parameter.shape) * torch.tensor(scale).float().double()
            parameter.data.copy_(values.float().double())
        x = normal((BATCH, height, width, case["dim"])).requires_grad_()
        y = function(x)
        cotangent = normal(y.shape)
        (y * cotangent).sum().backward()
        put = {"x": x, "y": y, "cotangent": cotangent, "gradient.x": x.grad}
        put = {name: tensor.flatten(1, 2) for name, tensor in put.items()}
        for name, parameter in layer.named_parameters():
            put[f"weights.{name}"] = parameter
            put[f"gradient.{name}"] = parameter.grad
        tensors |= {f"{case['name']}.{name}": tensor.detach().float().contiguous() for name, tensor in put.items()}
    save_file(tensors, HERE / "swin.safetensors")


if __name__ == "__main__":
    main()
