"""Any model of the registry at full size, ours against timm, on weights and images that no file of the repository holds.

    python crates/models/tests/parity.py [--seed 0] [--batch 2] [--folder /tmp/parity] [--xtask BINARY] [NAME ...]

Needs Python with torch and timm (made with torch 2.15.0, timm 1.0.31), and `cargo`. For every NAME (default: the whole
registry) it draws weights of which every tensor matters, runs timm in float32 and float64, runs `cargo xtask features` on
the same file, and prints the relative RMS difference of the logits and of the worst tap from timm's float64, beside that
of timm's own float32. Exits with 1 if one of ours is above 1e-4.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import timm
import torch
from safetensors.torch import load_file, save_file

LIMIT = 1e-4


def draw(model, generator):
    """Weights of ordinary size, with norms, biases, scales, tokens and tables that are not at their first values."""
    state = {}
    for name, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith(("relative_position_index", "attn_mask")):
            continue
        if "norm" in name and name.endswith("weight"):
            state[name] = 1 + 0.2 * noise
        elif "gamma" in name:
            state[name] = 0.3 + 0.1 * noise
        elif name.endswith("bias"):
            state[name] = 0.1 * noise
        elif "proj_l" in name or "proj_w" in name:
            state[name] = torch.eye(len(value)) + 0.2 * noise
        elif "pos_embed" in name or "token" in name or "table" in name:
            state[name] = 0.3 * noise
        else:
            state[name] = noise * value[0].numel() ** -0.5
    return state


def outputs(model, images):
    with torch.inference_mode():
        _, taps = model.forward_intermediates(images, norm=False)
        return {"logits": model(images), **{f"features.{i}": tap for i, tap in enumerate(taps)}}


def difference(a, b):
    return ((a.double() - b).square().mean() / b.square().mean()).sqrt().item()


def worst(found, expected):
    taps = [difference(found[name], expected[name]) for name in expected if name != "logits"]
    return difference(found["logits"], expected["logits"]), max(taps)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp/parity"))
    parser.add_argument("--xtask", help="a built xtask instead of `cargo run`")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    xtask = [arguments.xtask] if arguments.xtask else ["cargo", "run", "--quiet", "--package", "xtask", "--"]
    registry = json.loads(subprocess.run([*xtask, "models", "--json"], check=True, capture_output=True).stdout)
    names = arguments.names or [entry["name"] for entry in registry]
    failed = False
    print(f"{'model':<35} {'logits':>9} {'taps':>9}   timm in float32: {'logits':>9} {'taps':>9}", flush=True)
    for name in names:
        generator = torch.Generator().manual_seed(arguments.seed)
        model = timm.create_model(name, pretrained=False).eval()
        weights, images, features = (arguments.folder / f"{kind}.safetensors" for kind in ("weights", "images", "features"))
        state = draw(model, generator)
        save_file(state, weights)
        size = model.pretrained_cfg["input_size"]
        batch = torch.randn(arguments.batch, *size, generator=generator)
        save_file({"images": batch}, images)
        model.load_state_dict(state, strict=False)
        single = outputs(model, batch)
        expected = outputs(model.double(), batch.double())
        command = ["features", "--model", name, "--weights", weights, "--input", images, "--output", features]
        subprocess.run([*xtask, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ours, theirs = worst(load_file(features), expected), worst(single, expected)
        failed |= not max(ours) < LIMIT
        print(f"{name:<35} {ours[0]:>9.1e} {ours[1]:>9.1e}   {'':<16} {theirs[0]:>9.1e} {theirs[1]:>9.1e}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
