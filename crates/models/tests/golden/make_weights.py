"""Golden files for loading weights in crates/models: what timm makes of checkpoints for other sizes, and torch's archives.

Made with: python 3.11, torch 2.15.0, timm 1.0.31, safetensors 0.8.0 (without scipy); run as

    cd crates/models/tests/golden && python make_weights.py

Writes, beside this script:

* ``adapted.safetensors``. Metadata key ``cases``: a JSON list of {source, target, changed}, where ``source`` and
  ``target`` are ModelConfigs as JSON and ``changed`` names the tensors that timm changed or drew anew. Tensors, f32:
    - ``SOURCE.<name>``, SOURCE being the key ``source`` of a case: the state dict of the checkpoint;
    - ``CASE.<name>``, CASE being the key ``name``: the tensors of ``changed`` but for new classifiers, as
      ``create_model(..., pretrained=True)`` has them. (CaiT's ``pos_embed``, which timm does not adapt, is that of
      timm's ``resample_abs_pos_embed``.)
* ``plain.pth`` the state dict ``deit``, ``protocol4.pth`` in a newer pickle; ``nested.pth`` the same in a training checkpoint, with all that such files
  hold: wrapped names, parameters, other types, strides, shared storages, an optimiser, arguments;
  ``legacy.pth``, the format of PyTorch before 1.6; ``scripted.pth``, a TorchScript module; ``microsoft.pth``, the
  state dict ``swin`` with the names and buffers of Microsoft's files.
* ``published.json``: by model, the ``config.json`` that timm writes for the hub (``save_config_for_hf``).

All weights are eighths between -2 and 2, which every type of float can hold.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from timm.models import create_model
from timm.models._hub import save_config_for_hf

HERE = Path(__file__).parent

DEIT = dict(family="deit", img_size=[20, 20], patch_size=4, in_chans=3, num_classes=7, embed_dim=6, depth=1,
            num_heads=2, mlp_ratio=2.0, drop_path=0.0)
CAIT = DEIT | dict(family="cait", depth_token_only=1, init_values=0.1)
SWIN = dict(family="swin", img_size=[32, 32], patch_size=2, in_chans=3, num_classes=7, embed_dim=6, depths=[2, 2],
            num_heads=[1, 2], window_size=4, mlp_ratio=2.0, drop_path=0.0)

SOURCES = {
    "deit": DEIT,
    "wide": DEIT | dict(img_size=[12, 20]),
    "distilled": DEIT | dict(distilled=True),
    "cait": CAIT,
    "swin": SWIN,
}
CASES = {
    "deit_larger": ("deit", dict(img_size=[36, 28])),
    "deit_smaller": ("deit", dict(img_size=[12, 8])),
    "deit_grey": ("deit", dict(in_chans=1)),
    "deit_two_channels": ("deit", dict(in_chans=2)),
    "deit_seven_channels": ("deit", dict(in_chans=7)),
    "deit_classes": ("deit", dict(num_classes=3)),
    "deit_all": ("deit", dict(img_size=[28, 28], in_chans=1, num_classes=10)),
    "wide_to_tall": ("wide", dict(img_size=[20, 12])),
    "wide_to_square": ("wide", dict(img_size=[24, 24])),
    "distilled_larger": ("distilled", dict(img_size=[24, 44], num_classes=2)),
    "cait_larger": ("cait", dict(img_size=[36, 28])),
    "cait_all": ("cait", dict(img_size=[8, 12], in_chans=1, num_classes=10)),
    "swin_larger_window": ("swin", dict(img_size=[64, 64], window_size=7)),
    "swin_smaller_window": ("swin", dict(window_size=2)),
    "swin_narrow": ("swin", dict(img_size=[32, 6])),
    "swin_small": ("swin", dict(img_size=[12, 12])),
    "swin_grey_classes": ("swin", dict(in_chans=1, num_classes=3)),
}
PUBLISHED = ["deit_tiny_patch16_224.fb_in1k", "deit_tiny_distilled_patch16_224.fb_in1k", "cait_xxs24_384.fb_dist_in1k",
             "swin_tiny_patch4_window7_224.ms_in22k", "deit3_small_patch16_224.fb_in1k"]
ENTRYPOINTS = dict(deit="deit_tiny_patch16_224", cait="cait_xxs24_224", swin="swin_tiny_patch4_window7_224")


def timm_model(config, **more):
    """timm's model of these sizes."""
    arguments = {key: value for key, value in config.items() if key not in ("family", "drop_path", "distilled")}
    name = "deit_tiny_distilled_patch16_224" if config.get("distilled") else ENTRYPOINTS[config["family"]]
    arguments["img_size"] = tuple(arguments["img_size"])
    return create_model(name, **arguments, **more)


def fill(model, seed):
    """Random eighths."""
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in sorted(model.named_parameters()):
        parameter.data = torch.randint(-16, 17, parameter.shape, generator=generator) / 8
    return model.state_dict()  # ordered, and with torch's `_metadata`


def adapted(config, source, state):
    """The state dict that timm makes for a model of `config` of the checkpoint `state` for one of `source`."""
    with tempfile.TemporaryDirectory() as folder:
        state = dict(state)
        if config["family"] == "cait":
            grid = [side // config["patch_size"] for side in config["img_size"]]
            state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], grid, num_prefix_tokens=0)
        file = Path(folder) / "model.pth"
        torch.save(state, file)
        overlay = dict(file=str(file), input_size=(source["in_chans"], *source["img_size"]),
                       num_classes=source["num_classes"])
        return timm_model(config, pretrained=True, pretrained_cfg_overlay=overlay).state_dict()


def microsoft(state):
    """The names and buffers of Microsoft's files."""
    named = {}
    for name, value in state.items():
        if ".downsample." in name:
            stage = int(name.split(".")[1])
            name = name.replace(f"layers.{stage}.", f"layers.{stage - 1}.")
        named[name.replace("head.fc.", "head.")] = value
        if name.endswith("relative_position_bias_table"):
            named[name.replace("bias_table", "index")] = torch.zeros(16, 16, dtype=torch.int64)
            named[name.replace("attn.relative_position_bias_table", "attn_mask")] = torch.zeros(4, 16, 16)
    return {"model": named}


def nested(state):
    """A training checkpoint around a state dict."""
    types = [torch.float64, torch.float16, torch.bfloat16, torch.float32]
    wrapped = {}
    for i, (name, value) in enumerate(sorted(state.items())):
        value = value.to(types[i % 4])
        if i % 3 == 0 and value.ndim == 2:
            value = value.t().contiguous().t()  # the same values, columns first
        elif i % 3 == 1:
            value = torch.cat([torch.full((3,), 99.0, dtype=value.dtype), value.flatten()])[3:].view(value.shape)
        wrapped[f"module.{name}"] = torch.nn.Parameter(value) if i % 2 else value
    wrapped["module.blocks.0.attn.attn_mask"] = torch.ones(3, 3, dtype=torch.bool)
    wrapped["module.mask"] = torch.ones(2, dtype=torch.bool)
    parameter = torch.nn.Parameter(torch.ones(4))
    optimiser = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimiser.step()
    return {"epoch": 3, "arch": "deit", "args": argparse.Namespace(lr=1e-3, none=None, names=["a", "b"], big=2**40),
            "optimizer": optimiser.state_dict(), "metric": -1, "state_dict": {"model": wrapped}, "model_ema": None}


def main():
    torch.set_num_threads(1)
    states = {key: fill(timm_model(config), seed) for seed, (key, config) in enumerate(SOURCES.items())}
    tensors = {f"{key}.{name}": value for key, state in states.items() for name, value in state.items()}
    cases = []
    for case, (source, changes) in CASES.items():
        target = SOURCES[source] | changes
        found = adapted(target, SOURCES[source], states[source])
        old = states[source]
        changed = [name for name in found if found[name].shape != old[name].shape or (found[name] != old[name]).any()]
        cases.append(dict(name=case, source=source, source_config=SOURCES[source], target=target, changed=changed))
        tensors |= {f"{case}.{name}": found[name] for name in changed if not name.startswith("head")}
        print(case, changed)
    tensors = {name: value.float().contiguous() for name, value in tensors.items()}
    save_file(tensors, HERE / "adapted.safetensors", metadata={"cases": json.dumps(cases)})

    torch.save(states["deit"], HERE / "plain.pth")
    torch.save(states["deit"], HERE / "protocol4.pth", pickle_protocol=4)
    torch.save(nested(states["deit"]), HERE / "nested.pth")
    torch.save({"model": states["deit"]}, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(2, 2)).save(HERE / "scripted.pth")
    torch.save(microsoft(states["swin"]), HERE / "microsoft.pth")

    published = {}
    for name in PUBLISHED:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "config.json"
            save_config_for_hf(create_model(name), file)
            published[name] = json.loads(file.read_text())
    resized = create_model("swin_tiny_patch4_window7_224", img_size=256, in_chans=1, num_classes=10, drop_path_rate=0.2)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        save_config_for_hf(resized, file, data_config=dict(mean=(0.5,), std=(0.25,)))
        published["resized"] = json.loads(file.read_text())
    (HERE / "published.json").write_text(json.dumps(published, indent=1) + "\n")


if __name__ == "__main__":
    main()
