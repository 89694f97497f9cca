"""Golden file for the registry: what timm knows of each of its models.

Made with: python 3.11, torch 2.15.0, timm 1.0.31, fvcore 0.1.5.post20221221; run as

    cd crates/models/tests/golden && python registry.py

Writes ``registry.json`` beside this script. Under ``models``, one line for each model:

* ``config``: the sizes, as the JSON of a ``ModelConfig``, read off the modules of the model that
  ``timm.create_model(NAME)`` makes (not off the arguments of timm's entry points);
* ``params``, ``tensors``: how many numbers and tensors the state dict has, which holds no buffer;
* ``names``: 64-bit FNV-1a of the lines "NAME SHAPE\\n" of the state dict, sorted, the shape as Python prints a list;
* ``macs``: what fvcore counts for one image (its "flops"), attention unfused, as in timm's published tables;
* ``taps``: of each item of ``feature_info`` channels, rows and columns (the input's over the reduction, rounded up);
* ``undecayed``: the parameters among ``no_weight_decay()``, as ``names``, and how many they are;
* ``timm_tag``, and ``tags``: of each tag the classes, input size, crop_pct, mean, std, interpolation and hub folder.

Under ``resized``, ``config``, ``names``, ``macs`` and ``taps`` (read off ``forward_intermediates``) of some at another
image size, which patches do not tile and windows do not divide.
"""

import json
from pathlib import Path

import timm
import torch
from fvcore.nn import FlopCountAnalysis
from timm.models import get_pretrained_cfg
from timm.models._registry import _model_default_cfgs

HERE = Path(__file__).parent

NAMES = """
deit_tiny_patch16_224 deit_small_patch16_224 deit_base_patch16_224 deit_base_patch16_384
deit_tiny_distilled_patch16_224 deit_small_distilled_patch16_224 deit_base_distilled_patch16_224
deit_base_distilled_patch16_384
cait_xxs24_224 cait_xxs24_384 cait_xxs36_224 cait_xxs36_384 cait_xs24_384 cait_s24_224 cait_s24_384 cait_s36_384
cait_m36_384 cait_m48_448
swin_tiny_patch4_window7_224 swin_small_patch4_window7_224 swin_base_patch4_window7_224
swin_base_patch4_window12_384 swin_large_patch4_window7_224 swin_large_patch4_window12_384
""".split()


RESIZED = dict(deit_tiny_distilled_patch16_224=(230, 114), cait_xxs24_224=(114, 230),
               swin_tiny_patch4_window7_224=(230, 114))


def fnv1a(text):
    """64-bit FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return f"{value:016x}"


def drop_probability(module):
    """The probability of a drop path; timm replaces one of 0 by an identity."""
    return round(getattr(module, "drop_prob", 0.0), 6)  # torch.linspace is f32


def config_of(name, model):
    """The sizes of a model, read off its modules."""
    embed = model.patch_embed
    assert embed.patch_size[0] == embed.patch_size[1]
    config = dict(family=name.split("_")[0], img_size=list(embed.img_size), patch_size=embed.patch_size[0],
                  in_chans=embed.proj.in_channels, num_classes=model.num_classes)
    if config["family"] == "swin":
        blocks = [list(stage.blocks) for stage in model.layers]
        last = blocks[-1][-1]
        first = blocks[0][0]
        assert first.norm1.eps == 1e-5 and model.global_pool == "avg"
        window, _ = first.window_size
        config |= dict(embed_dim=first.dim, depths=[len(b) for b in blocks],
                       num_heads=[b[0].attn.num_heads for b in blocks], window_size=window,
                       mlp_ratio=first.mlp.fc1.out_features / first.dim, drop_path=drop_probability(last.drop_path1))
    else:
        first, last = model.blocks[0], model.blocks[-1]
        assert first.norm1.eps == 1e-6 and model.global_pool == "token"
        width = model.embed_dim
        drop = last.drop_path if config["family"] == "cait" else last.drop_path1
        config |= dict(embed_dim=width, depth=len(model.blocks), num_heads=first.attn.num_heads,
                       mlp_ratio=first.mlp.fc1.out_features / width, drop_path=drop_probability(drop))
        if config["family"] == "cait":
            config |= dict(depth_token_only=len(model.blocks_token_only), init_values=round(first.gamma_1[0].item(), 12))
        else:
            config |= dict(distilled=hasattr(model, "dist_token"))
    return config


def lines(names, state):
    """The text that the digests are of."""
    return "".join(f"{name} {list(state[name].shape)}\n" for name in sorted(names))


def macs_of(model, config):
    """fvcore's count for one image."""
    with torch.no_grad():
        count = FlopCountAnalysis(model, torch.zeros(1, 3, *config["img_size"]))
        return int(count.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def describe_resized(name):
    """One model at another image size."""
    model = timm.create_model(name, pretrained=False, img_size=RESIZED[name]).eval()
    config = config_of(name, model) | dict(window_size=7) if "swin" in name else config_of(name, model)
    state = model.state_dict()
    with torch.no_grad():
        taps = model.forward_intermediates(torch.zeros(1, 3, *RESIZED[name]), intermediates_only=True)
    return dict(config=config, names=fnv1a(lines(state, state)), macs=macs_of(model, config),
                taps=[list(tap.shape[1:]) for tap in taps])


def describe(name):
    """One model's entry."""
    model = timm.create_model(name, pretrained=False).eval()
    state = model.state_dict()
    parameters = dict(model.named_parameters())
    assert state.keys() == parameters.keys(), "a buffer in the state dict"
    config = config_of(name, model)
    height, width = config["img_size"]
    undecayed = [key for key in parameters if key in model.no_weight_decay()]
    taps = [[info["num_chs"], -(-height // info["reduction"]), -(-width // info["reduction"])]
            for info in model.feature_info]
    tags = {}
    for tag, cfg in _model_default_cfgs[name].cfgs.items():
        assert cfg.crop_mode == "center" and cfg.hf_hub_id == "timm/", (name, tag)
        tags[tag] = dict(classes=cfg.num_classes, input_size=cfg.input_size, crop_pct=cfg.crop_pct, mean=cfg.mean,
                         std=cfg.std, interpolation=cfg.interpolation, hub=cfg.hf_hub_id)
    return dict(config=config, params=sum(p.numel() for p in parameters.values()), tensors=len(state),
                names=fnv1a(lines(state, state)), macs=macs_of(model, config), taps=taps,
                undecayed=[len(undecayed), fnv1a(lines(undecayed, state))],
                timm_tag=get_pretrained_cfg(name).tag, tags=tags)


def main():
    torch.set_num_threads(1)
    timm.layers.set_fused_attn(False)
    entries = []
    for name in NAMES:
        entry = describe(name)
        print(name, entry["params"], entry["macs"], flush=True)
        entries.append(f" {json.dumps(name)}: {json.dumps(entry)}")
    resized = [f" {json.dumps(name)}: {json.dumps(describe_resized(name))}" for name in RESIZED]
    text = '{"models": {\n' + ",\n".join(entries) + '\n},\n"resized": {\n' + ",\n".join(resized) + "\n}}\n"
    (HERE / "registry.json").write_text(text)


if __name__ == "__main__":
    main()
