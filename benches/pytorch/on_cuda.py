"""PyTorch's time and memory on a CUDA card for the cases of cases.py: eager f32, TF32, bf16 autocast, and torch.compile.

    python benches/pytorch/on_cuda.py                                  every case, setting and batch size
    python benches/pytorch/on_cuda.py --cases step,train --batches 256 --settings f32,tf32,amp,compiled-amp
    python benches/pytorch/on_cuda.py --device cpu --cases step --batches 2 --settings f32 --runs 1     does it run at all?

Settings: `f32` with TF32 off; `tf32`; `amp` is bf16 autocast over TF32, with the frozen weights rounded once;
`compiled-...` is the same with models and loss in one `torch.compile`d function (the optimiser is the fused one in all);
`graphs-...` is that with CUDA graphs (mode "reduce-overhead"). Times are medians of events around whole steps after a warm-up. One JSON
line for each; `--budget` starts nothing new after so many seconds. `--profile` counts the kernels of one step instead.
"""

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable

import timm
import torch
import torch.nn.functional as F

import cases

DEIT, CAIT = "deit_tiny_patch16_224", "cait_s24_224"
SWIN_TINY, SWIN_SMALL = "swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"

# Name: student, teacher, whether it trains.
CASES = {
    "step": (DEIT, CAIT, True),
    "train": (DEIT, None, True),
    "step-swin": (SWIN_TINY, SWIN_SMALL, True),
    "infer": (DEIT, None, False),
    "infer-cait": (CAIT, None, False),
    "infer-swin": (SWIN_TINY, None, False),
}


def build(case: str, batch: int, setting: str, device: str) -> Callable[[], None]:
    """A function that runs `case` once."""
    student, teacher, trains = CASES[case]
    kind = setting.rpartition("-")[2]
    fast = kind != "f32"
    torch.backends.cuda.matmul.allow_tf32 = fast
    torch.backends.cudnn.allow_tf32 = fast
    bf16 = kind == "amp"
    casts = (lambda: torch.autocast(device, torch.bfloat16)) if bf16 else contextlib.nullcontext
    images, labels = (x.to(device) for x in cases.batch_of(batch))

    def compiled(f: Callable) -> Callable:
        if setting.startswith("compiled-"):
            return torch.compile(f, fullgraph=False, dynamic=False)
        if setting.startswith("graphs-"):
            return torch.compile(f, fullgraph=False, dynamic=False, mode="reduce-overhead")
        return f

    if not trains:
        net = cases.frozen(student, "bf16" if bf16 else "f32").to(device)
        forward = compiled(net)

        def infer() -> None:
            with torch.inference_mode(), casts():
                forward(images)

        return infer

    ours = cases.model(student).to(device).train()
    adamw = cases.optimiser(ours)
    if teacher is None:

        def loss_of(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            with casts():
                logits = ours(images)
            return F.cross_entropy(logits.float(), labels, label_smoothing=cases.SMOOTHING)
    else:
        theirs = cases.frozen(teacher, "bf16" if bf16 else "f32").to(device)
        pairs = cases.pairs_of(student)

        def loss_of(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            with torch.no_grad(), casts():
                teacher_logits, teacher_taps = cases.with_taps(theirs, images, pairs.teacher)
            with casts():
                logits, taps = cases.with_taps(ours, images, pairs.student)
            return cases.total_loss(logits, taps, teacher_logits, teacher_taps, labels, pairs.weight)

    loss_of = compiled(loss_of)

    def step() -> None:
        if setting.startswith("graphs-"):
            torch.compiler.cudagraph_mark_step_begin()
        loss = loss_of(images, labels)
        adamw.zero_grad(set_to_none=True)
        loss.backward()
        adamw.step()

    return step


def milliseconds(run: Callable[[], None], warmup: int, runs: int, device: str) -> list[float]:
    """Times of `runs` runs."""
    for _ in range(warmup):
        run()
    if device == "cpu":
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        return times
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    marks[0].record()
    for mark in marks[1:]:
        run()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(marks, marks[1:], strict=False)]


def measure(case: str, batch: int, setting: str, args: argparse.Namespace) -> dict:
    """One line of the table."""
    start = time.perf_counter()
    torch.manual_seed(0)
    result = {"tool": "torch", "case": case, "batch": batch, "setting": setting}
    try:
        run = build(case, batch, setting, args.device)
        run()
        if args.device != "cpu":
            torch.cuda.synchronize()
        result["first_s"] = time.perf_counter() - start
        times = milliseconds(run, args.warmup, args.runs, args.device)
        result["median_ms"] = statistics.median(times)
        result["min_ms"], result["max_ms"], result["runs"] = min(times), max(times), len(times)
        result["images_per_s"] = 1e3 * batch / result["median_ms"]
        if args.device != "cpu":
            result["peak_allocated_mib"] = torch.cuda.max_memory_allocated() / 2**20
            result["peak_reserved_mib"] = torch.cuda.max_memory_reserved() / 2**20
    except Exception as error:  # noqa: BLE001  an opponent that fails is a result
        result["error"] = f"{type(error).__name__}: {error}"[:500]
    if args.device != "cpu":
        torch.cuda.empty_cache()
    return result


def profile(case: str, batch: int, setting: str, args: argparse.Namespace) -> dict:
    """Kernels of one step: how many, and the longest by name."""
    from torch.profiler import ProfilerActivity

    run = build(case, batch, setting, args.device)
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    return {"tool": "torch", "case": case, "batch": batch, "setting": setting, **kernels(seen)}


def kernels(seen) -> dict:
    """What a profile of a card holds: launches, copies, and time by kernel."""
    by_name: dict[str, list[float]] = {}
    for event in seen.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            by_name.setdefault(event.name, []).append(event.device_time_total)
    rows = sorted(((sum(us) / 1e3, len(us), name[:110]) for name, us in by_name.items()), reverse=True)
    copies = {name: len(us) for name, us in by_name.items() if name.startswith(("Memcpy", "Memset"))}
    launches = sum(len(us) for name, us in by_name.items() if name not in copies)
    return {
        "launches": launches,
        "copies": copies,
        "kernels_ms": sum(row[0] for row in rows),
        "top": [{"ms": round(ms, 3), "calls": calls, "kernel": name} for ms, calls, name in rows[:25]],
    }


def ceilings() -> dict:
    """What the card does at most: products of 8192 x 8192 matrices of drawn numbers, and a copy of 4 GiB."""
    size, found = 8192, {}
    for name, dtype, tf32 in [("f32", torch.float32, False), ("tf32", torch.float32, True), ("bf16", torch.bfloat16, True)]:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
        times = milliseconds(lambda: torch.mm(a, b), 2, 8, "cuda")
        found[f"{name}_tflop_per_s"] = 2 * size**3 / statistics.median(times) / 1e9
    x = torch.randn(2**30, device="cuda")
    y = torch.empty_like(x)
    times = milliseconds(lambda: y.copy_(x), 2, 8, "cuda")
    found["copy_gb_per_s"] = 2 * 4 * 2**30 / statistics.median(times) / 1e6
    return found


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--batches", default="256,128,32")
    parser.add_argument("--settings", default="f32,tf32,amp,compiled-amp")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--budget", type=float, default=1e9, help="seconds after which nothing new begins")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    start = time.perf_counter()
    device = "cpu" if args.device == "cpu" else torch.cuda.get_device_name()
    head = {"device": device, "version": f"torch {torch.__version__}, timm {timm.__version__}"}
    if args.device != "cpu" and not args.profile:
        head |= ceilings()
    print(json.dumps(head), flush=True)
    for setting in args.settings.split(","):
        for batch in map(int, args.batches.split(",")):
            for case in args.cases.split(","):
                if time.perf_counter() - start > args.budget:
                    print(json.dumps({"case": case, "batch": batch, "setting": setting, "error": "out of time"}), flush=True)
                    continue
                print(json.dumps((profile if args.profile else measure)(case, batch, setting, args)), flush=True)
                torch._dynamo.reset()
    return 0


if __name__ == "__main__":
    sys.exit(main())
