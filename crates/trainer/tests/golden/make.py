"""Golden values for the optimiser, the schedule, the moving average and the decay groups.

Run as   python make.py   in this folder, with torch 2.15.0, timm 1.0.31, numpy 2.4.6 on an
x86-64 CPU; takes a few seconds. It writes optimiser.json, schedule.json and groups.json.
"""

import json
import math

import numpy as np
import timm
import torch
from timm.optim import param_groups_weight_decay
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEma

torch.set_num_threads(1)

# Sizes that are no multiple of a vector's length, and a scalar.
SHAPES = {"fc.weight": [5, 7], "fc.bias": [37], "pos_embed": [1, 3, 4], "tau": []}


class Net(torch.nn.Module):
    def __init__(self, rng, dtype):
        super().__init__()
        self.fc = torch.nn.Module()
        make = lambda name: torch.nn.Parameter(
            torch.tensor(rng.normal(size=SHAPES[name]), dtype=dtype)
        )
        self.fc.weight = make("fc.weight")
        self.fc.bias = make("fc.bias")
        self.pos_embed = make("pos_embed")
        self.tau = make("tau")


def flat(tensor):
    return tensor.detach().double().reshape(-1).tolist()


def optimiser(dtype, betas, eps, clip, steps):
    """A training on made-up gradients, some of them exactly zero, with a rate that changes."""
    rng = np.random.default_rng(7)
    net = Net(rng, dtype)
    start = {name: flat(p) for name, p in net.named_parameters()}
    groups = param_groups_weight_decay(net, 0.05, no_weight_decay_list=["pos_embed"])
    adamw = torch.optim.AdamW(groups, lr=1.0, betas=betas, eps=eps)
    ema = ModelEma(net, decay=0.9)
    rates, gradients, norms = [], [], []
    for step in range(steps):
        lr = 0.02 * (1 + math.cos(step / 3)) + 1e-4
        for group in adamw.param_groups:
            group["lr"] = lr
        given = {}
        for name, p in net.named_parameters():
            g = rng.normal(size=SHAPES[name]) * 10.0 ** rng.uniform(-4, 1)
            if name == "fc.bias":
                g[:5] = 0.0
            p.grad = torch.tensor(g, dtype=dtype)
            given[name] = flat(p.grad)
        if clip is not None:
            norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), clip).item())
        adamw.step()
        ema.update(net)
        rates.append(lr)
        gradients.append(given)
    return {
        "betas": betas,
        "eps": eps,
        "clip": clip,
        "norms": norms,
        "lr": rates,
        "start": start,
        "gradients": gradients,
        "end": {name: flat(p) for name, p in net.named_parameters()},
        "ema": {name: flat(p) for name, p in ema.ema.named_parameters()},
        "exp_avg": {n: flat(adamw.state[p]["exp_avg"]) for n, p in net.named_parameters()},
        "exp_avg_sq": {n: flat(adamw.state[p]["exp_avg_sq"]) for n, p in net.named_parameters()},
    }


def schedule(cadence, epochs, warmup, peak, floor, warmup_lr, steps_per_epoch):
    """The rate at the first and last step of each epoch, by driving timm's scheduler."""
    per_step = cadence == "step"
    unit = steps_per_epoch if per_step else 1
    p = torch.nn.Parameter(torch.zeros(1))
    sgd = torch.optim.SGD([p], lr=peak)
    scheduler = CosineLRScheduler(
        sgd,
        t_initial=epochs * unit,
        lr_min=floor,
        warmup_t=warmup * unit,
        warmup_lr_init=warmup_lr,
        t_in_epochs=not per_step,
    )
    if per_step:
        scheduler.step_update(0)
    rates, updates = [], 0
    for epoch in range(epochs):
        used = []
        for _ in range(steps_per_epoch):
            used.append(sgd.param_groups[0]["lr"])
            updates += 1
            scheduler.step_update(updates)
        rates.append([used[0], used[-1]])
        # DeiT's main.py (and the paper's code) against timm's own train.py.
        scheduler.step(epoch if cadence == "epoch-lagged" else epoch + 1)
    return {
        "cadence": cadence,
        "epochs": epochs,
        "warmup_epochs": warmup,
        "lr": peak,
        "min_lr": floor,
        "warmup_lr": warmup_lr,
        "steps_per_epoch": steps_per_epoch,
        "rates": rates,
    }


def groups(name):
    """Which parameters of a timm model decay."""
    model = timm.create_model(name, num_classes=3)
    listed = sorted(model.no_weight_decay())
    decayed = {
        id(p)
        for group in param_groups_weight_decay(model, 0.05, no_weight_decay_list=listed)
        if group["weight_decay"] > 0
        for p in group["params"]
    }
    keep = lambda n: ".1." not in n and not any(f".{i}." in n for i in range(2, 30))
    return {
        "model": name,
        "no_weight_decay": listed,
        "parameters": [
            [n, p.ndim, id(p) in decayed] for n, p in model.named_parameters() if keep(n)
        ],
    }


def write(name, value):
    with open(name, "w") as f:
        json.dump(value, f)
        f.write("\n")


f32, f64 = torch.float32, torch.float64
write(
    "optimiser.json",
    {
        "shapes": SHAPES,
        "decay": 0.05,
        "ema_decay": 0.9,
        "f32": optimiser(f32, [0.9, 0.999], 1e-8, None, 12),
        "f64": optimiser(f64, [0.9, 0.999], 1e-8, None, 12),
        # First rate below one half: PyTorch's lerp takes its other branch.
        "f64_low_beta": optimiser(f64, [0.3, 0.95], 1e-3, None, 5),
        "f64_clipped": optimiser(f64, [0.9, 0.999], 1e-8, 1.5, 5),
    },
)
write(
    "schedule.json",
    [
        schedule("epoch-lagged", 400, 5, 5e-4, 1e-5, 1e-6, 2),
        schedule("epoch-lagged", 500, 20, 5e-4, 1e-5, 1e-6, 2),
        schedule("epoch-lagged", 6, 0, 1e-3, 0.0, 1e-6, 2),
        schedule("epoch", 12, 3, 1e-3, 1e-5, 1e-5, 2),
        schedule("epoch", 4, 4, 1e-3, 1e-5, 1e-5, 2),
        schedule("step", 12, 2, 1e-3, 1e-5, 1e-6, 13),
        schedule("step", 3, 0, 2e-3, 0.0, 0.0, 7),
    ],
)
write("groups.json", [groups("deit_tiny_patch16_224"), groups("cait_xxs24_224")])
