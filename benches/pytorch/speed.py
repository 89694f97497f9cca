"""PyTorch's time and memory for the cases of `cargo xtask speed`, with the same flags and the same JSON.

    python benches/pytorch/speed.py                     every case of the standard list, each in a process of its own
    python benches/pytorch/speed.py step                teacher cait_s24_224, student deit_tiny, batch 8
    python benches/pytorch/speed.py step --dtype bf16   the same with both forward passes in bfloat16 autocast
    python benches/pytorch/speed.py step --student swin_tiny_patch4_window7_224 --teacher swin_small_patch4_window7_224
    python benches/pytorch/speed.py train --batch 16
    python benches/pytorch/speed.py infer --student cait_s24_224 --batch 8 --threads 2 --runs 10 --warmup 2 --json
    python benches/pytorch/speed.py loss --shape 8,96,56,56

What runs is in cases.py. Weights, images and labels are drawn before the timing; nothing is downloaded. README.md says
how to install torch and timm. Beside the fields of `cargo xtask speed` the JSON has `imported_rss_mib`, the memory held
after the imports. Torch is imported in the process that times and in no other: a process inherits the peak memory of the
one that started it.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

DEIT, CAIT = "deit_tiny_patch16_224", "cait_s24_224"
SWIN_TINY, SWIN_SMALL = "swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"
SWIN_STEP = ["step", "--student", SWIN_TINY, "--teacher", SWIN_SMALL]

# The standard list: what a case is called, and its arguments (the same for `cargo xtask speed`).
STANDARD = {
    "step": ["step"],
    "train": ["train"],
    "infer": ["infer"],
    "infer-cait": ["infer", "--student", CAIT, "--batch", "8"],
    "infer-swin": ["infer", "--student", SWIN_TINY, "--batch", "8"],
    "step-swin": SWIN_STEP,
    "loss-14": ["loss", "--shape", "8,192,14,14"],
    "loss-56": ["loss", "--shape", "8,96,56,56"],
}

# Multiply-adds of one image's forward pass, as `cargo xtask models NAME --json` counts them ("macs").
MULTIPLY_ADDS = {
    "deit_tiny_patch16_224": 1_258_411_200,
    "deit_small_patch16_224": 4_608_338_304,
    "cait_xxs24_224": 2_533_076_160,
    "cait_s24_224": 9_346_529_664,
    "swin_tiny_patch4_window7_224": 4_509_194_496,
    "swin_small_patch4_window7_224": 8_768_534_784,
}


def arguments() -> argparse.Namespace:
    """The command line, with each case's own defaults filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=["step", "train", "infer", "loss"], help="default: the list")
    parser.add_argument("--student", help=f"timm's name (default {DEIT}); the model of train and infer")
    parser.add_argument("--teacher", help=f"timm's name (default {CAIT}); step only")
    parser.add_argument("--batch", type=positive, help="images in a batch (default: step 8, train and infer 16)")
    parser.add_argument("--shape", type=shape, help="features B,C,H,W (default 8,192,14,14); loss only")
    parser.add_argument("--threads", type=positive, default=cores(), help="default: all cores")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="bf16: autocast (default f32)")
    parser.add_argument("--runs", type=positive, help="timed runs (default 10, loss 50)")
    parser.add_argument("--warmup", type=natural, help="runs before them (default 2, loss 5)")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each case")
    args = parser.parse_args()
    unused = {
        None: ["student", "teacher", "batch", "shape"],
        "step": ["shape"],
        "train": ["teacher", "shape"],
        "infer": ["teacher", "shape"],
        "loss": ["student", "teacher", "batch"],
    }
    for flag in unused[args.case]:
        if getattr(args, flag) is not None:
            parser.error(f"--{flag} has no meaning for {args.case or 'the standard list'}")
    if args.case == "loss" and args.dtype != "f32":
        parser.error("the loss is computed in f32, as the released code does")
    return defaults(args)


def defaults(args: argparse.Namespace) -> argparse.Namespace:
    """Fills in what depends on the case. Without one nothing is filled in: each case will do it."""
    if args.case is None:
        return args
    if args.case == "loss":
        args.shape = args.shape or [8, 192, 14, 14]
        args.batch = args.shape[0]
    else:
        args.student = args.student or DEIT
        args.batch = args.batch or (8 if args.case == "step" else 16)
    if args.case == "step":
        args.teacher = args.teacher or CAIT
    args.runs = args.runs or (50 if args.case == "loss" else 10)
    args.warmup = (5 if args.case == "loss" else 2) if args.warmup is None else args.warmup
    return args


def positive(text: str) -> int:
    """A whole number above zero."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


def natural(text: str) -> int:
    """A whole number that is not negative."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def shape(text: str) -> list[int]:
    """Four sizes with commas between them."""
    sizes = [positive(size) for size in text.split(",")]
    if len(sizes) != 4:
        raise argparse.ArgumentTypeError(f"{text} is not B,C,H,W")
    return sizes


def measure(args: argparse.Namespace) -> dict:
    """Runs one case in this process."""
    import timm
    import torch

    import cases

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    imported = peak_mib()
    run = {
        "step": lambda: cases.step(args.student, args.teacher, args.batch, args.dtype),
        "train": lambda: cases.train(args.student, args.batch, args.dtype),
        "infer": lambda: cases.infer(args.student, args.batch, args.dtype),
        "loss": lambda: cases.loss(args.shape),
    }[args.case]()
    seconds = timed(run, args.warmup, args.runs)
    peak = peak_mib()
    quartiles = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 3
    work, sgemm = gflop(args), sgemm_ceiling(torch)
    rate = work / quartiles[1] if work else None
    return {
        "tool": "torch",
        "case": args.case,
        "student": args.student,
        "teacher": args.teacher,
        "shape": args.shape,
        "batch": args.batch,
        "threads": args.threads,
        "dtype": args.dtype,
        "form": None,
        "warmup": args.warmup,
        "runs": args.runs,
        "seconds": seconds,
        "median_s": quartiles[1],
        "min_s": min(seconds),
        "q1_s": quartiles[0],
        "q3_s": quartiles[2],
        "max_s": max(seconds),
        "images_per_s": args.batch / quartiles[1],
        "gflop": work,
        "gflop_per_s": rate,
        "ceiling": {"sgemm_gflop_per_s": sgemm},
        "share_of_sgemm": rate / sgemm if rate else None,
        "share_of_fma": None,
        "peak_rss_mib": peak,
        "imported_rss_mib": imported,
        "machine": machine(),
        "version": f"torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), timm {timm.__version__}",
    }


def timed(run: Callable[[], None], warmup: int, runs: int) -> list[float]:
    """Seconds of each of `runs` runs, after `warmup` that do not count."""
    for _ in range(warmup):
        run()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def peak_mib() -> float:
    """The most memory that this process has held so far, in MiB (Linux counts in KiB, macOS in bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def gflop(args: argparse.Namespace) -> float | None:
    """1e9 floating-point operations of one run: two per multiply-add; training costs three forward passes."""
    if args.case == "loss":
        return None
    students = MULTIPLY_ADDS.get(args.student)
    teachers = MULTIPLY_ADDS.get(args.teacher) if args.case == "step" else 0
    if students is None or teachers is None:
        return None
    passes = 1 if args.case == "infer" else 3
    return 2 * args.batch * (passes * students + teachers) / 1e9


def sgemm_ceiling(torch, size: int = 2048, runs: int = 5) -> float:
    """The best GFLOP/s of a large float32 product, on as many threads as the case had."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    with torch.inference_mode():
        best = min(timed(lambda: torch.mm(a, b), 1, runs))
    return 2 * size**3 / best / 1e9


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {cores()} cores"


def line(result: dict) -> str:
    """A result for people."""
    what = ",".join(map(str, result["shape"])) if result["shape"] else result["student"]
    if result["teacher"]:
        what = f"{what} <- {result['teacher']}"
    if result["batch"] and not result["shape"]:
        what = f"{what}, batch {result['batch']}"
    ms = {key: 1e3 * result[f"{key}_s"] for key in ("median", "q1", "q3")}
    text = f"{result['case']} {what}, {result['dtype']}, {result['threads']} threads\n"
    text += f"  {ms['median']:.2f} ms (half of {result['runs']} runs within {ms['q1']:.2f}..{ms['q3']:.2f})"
    text += f", {result['images_per_s']:.1f} images/s, {result['peak_rss_mib']:.0f} MiB"
    if result["gflop"]:
        share = 100 * result["share_of_sgemm"]
        text += f", {result['gflop_per_s']:.0f} GFLOP/s = {share:.0f} % of torch.mm's"
    return text


def standard_list(args: argparse.Namespace) -> int:
    """Every case of the standard list in a process of its own; 1 if one failed."""
    common = ["--threads", str(args.threads)] + (["--json"] if args.json else [])
    for flag in ("runs", "warmup"):
        if getattr(args, flag) is not None:
            common += [f"--{flag}", str(getattr(args, flag))]
    for case in STANDARD.values():
        dtype = ["--dtype", args.dtype] if case[0] != "loss" else []
        if subprocess.run([sys.executable, __file__, *case, *common, *dtype], check=False).returncode != 0:
            print(f"speed.py {' '.join(case)} failed", file=sys.stderr)
            return 1
    return 0


def main() -> int:
    """Runs what the command line asks for."""
    args = arguments()
    if args.case is None:
        return standard_list(args)
    result = measure(args)
    print(json.dumps(result) if args.json else line(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
