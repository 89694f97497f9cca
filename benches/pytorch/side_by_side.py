"""Ours and PyTorch's in turn, A B A B ..., every case in a process of its own, and the ratios.

    python benches/pytorch/side_by_side.py                              the standard list, three pairs of each
    python benches/pytorch/side_by_side.py --bf16                       and the step with bf16 weights and autocast
    python benches/pytorch/side_by_side.py --case step --case loss-56 --pairs 5 --runs 20 --threads 2 --json ratios.json
    python benches/pytorch/side_by_side.py --case "infer --student deit_small_patch16_224 --batch 8"

To be run with a Python that has torch and timm (README.md), on a machine that does nothing else. A is `xtask speed
CASE --json`, built first; B is speed.py beside this file with the same arguments. A ratio is torch's number over ours,
of the neighbours in one pair: above 1 we are faster, or hold less memory. This file itself needs the standard library
only, and must not import torch: a process inherits the peak memory of the one that started it.
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from speed import STANDARD, cores, machine, positive

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NAMES = STANDARD | {"step-bf16": ["step", "--dtype", "bf16-teacher"]}
KINDS = ("step", "train", "infer", "loss")
SIDES = ("ours", "torch")


@dataclass(frozen=True)
class Case:
    """A row of the table: its name and both sides' arguments."""

    name: str
    ours: list[str]
    torch: list[str]


@dataclass(frozen=True)
class Ratios:
    """torch's number over ours, of every pair."""

    pairs: list[float]
    median: float
    min: float
    max: float

    @classmethod
    def of(cls, ours: Iterable[float], torch: Iterable[float]) -> "Ratios":
        """From both sides' numbers in the order of the pairs."""
        pairs = [b / a for a, b in zip(ours, torch, strict=True)]
        return cls(pairs, statistics.median(pairs), min(pairs), max(pairs))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.min:.2f}..{self.max:.2f})"


class Failed(Exception):
    """A command that did not do what it should."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=positive, default=3, help="processes of each side for a case (default 3)")
    parser.add_argument("--runs", type=positive, help="timed runs in a process (default 10, loss 50)")
    parser.add_argument("--threads", type=positive, default=cores(), help="default: all cores")
    parser.add_argument(
        "--case",
        action="append",
        metavar="CASE",
        help=f"{', '.join(NAMES)}; or arguments of `xtask speed` in quotes; repeatable (default: all but the last)",
    )
    parser.add_argument("--bf16", action="store_true", help="also the step, ours bf16-teacher, theirs bf16 autocast")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every number that was measured")
    parser.add_argument("--no-build", action="store_true", help="take xtask as it is")
    parser.add_argument("--xtask", type=pathlib.Path, metavar="BINARY", help="another binary; implies --no-build")
    args = parser.parse_args()
    try:
        args.cases = [named(name) for name in args.case or STANDARD]
    except ValueError as error:
        parser.error(str(error))
    if args.bf16 and "step-bf16" not in (args.case or []):
        args.cases.append(named("step-bf16"))
    return args


def named(name: str) -> Case:
    """The case of a name, or of the arguments of `xtask speed`.

    Raises ValueError where it is neither.
    """
    words = NAMES.get(name) or shlex.split(name)
    if not words or words[0] not in KINDS:
        raise ValueError(f"no case {name!r}: {', '.join(NAMES)}, or arguments that begin with {', '.join(KINDS)}")
    return Case(name, words, theirs(words))


def theirs(words: list[str]) -> list[str]:
    """The same for speed.py: bf16 is autocast there, and the loss has one form, the released code's."""
    pairs = zip(["", *words], words)
    kept = [word for before, word in pairs if "--form" not in (before, word) and not word.startswith("--form=")]
    return ["bf16" if word == "bf16-teacher" else word for word in kept]


def cargo_environment() -> dict[str, str]:
    """What .cargo/config.toml sets for the programs that cargo runs."""
    with open(ROOT / ".cargo" / "config.toml", "rb") as file:
        return tomllib.load(file)["env"]


def command(words: list[object], what: str) -> str:
    """What a command writes to stdout.

    Raises Failed with the end of what it wrote to stderr.
    """
    environment = os.environ | cargo_environment()
    try:
        done = subprocess.run([*map(str, words)], cwd=ROOT, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise Failed(f"{what} did not start: {error}") from error
    if done.returncode != 0:
        tail = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-15:])
        raise Failed(f"{what} failed (exit status {done.returncode}): {shlex.join(map(str, words))}\n{tail}")
    return done.stdout


def build(args: argparse.Namespace) -> pathlib.Path:
    """The binary of ours, built first unless told otherwise.

    The dev profile of this workspace is optimised, so `target/debug` is what to time.

    Raises Failed where the build fails.
    """
    if args.xtask:
        return args.xtask.resolve()
    if not args.no_build:
        note("cargo build -p xtask ...")
        done = subprocess.run(["cargo", "build", "--package", "xtask"], cwd=ROOT)
        if done.returncode != 0:
            raise Failed("cargo build -p xtask failed, with what it says above")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return ROOT / target / "debug" / ("xtask.exe" if os.name == "nt" else "xtask")


def measure(words: list[object], tool: str) -> dict:
    """One process, one case: the JSON that it prints."""
    text = command(words, tool)
    try:
        result = json.loads(text)
        if result["tool"] != tool or not result["median_s"] > 0 or not result["peak_rss_mib"] > 0:
            raise ValueError("other content")
    except (ValueError, KeyError, TypeError) as error:
        what = f"{tool} printed no result of a case ({error!r})"
        raise Failed(f"{what}: {shlex.join(map(str, words))}\n{text[-500:]}") from error
    return result


def compare(case: Case, xtask: pathlib.Path, args: argparse.Namespace) -> dict:
    """All pairs of one case, with the ratios."""
    common = ["--threads", args.threads, "--json"] + (["--runs", args.runs] if args.runs else [])
    ours, torch = [], []
    for pair in range(args.pairs):
        for tool, sides, words in (
            ("spectralkd", ours, [xtask, "speed", *case.ours, *common]),
            ("torch", torch, [sys.executable, HERE / "speed.py", *case.torch, *common]),
        ):
            start = time.monotonic()
            sides.append(measure(words, tool))
            ms, took = 1e3 * sides[-1]["median_s"], time.monotonic() - start
            note(f"{case.name}, pair {pair + 1} of {args.pairs}: {tool} {ms:.2f} ms ({took:.0f} s)")
    ratios = {
        "time_ratio": Ratios.of((a["median_s"] for a in ours), (b["median_s"] for b in torch)),
        "memory_ratio": Ratios.of((a["peak_rss_mib"] for a in ours), (b["peak_rss_mib"] for b in torch)),
        "memory_ratio_without_imports": Ratios.of(
            (a["peak_rss_mib"] for a in ours), (b["peak_rss_mib"] - b["imported_rss_mib"] for b in torch)
        ),
    }
    result = {"case": asdict(case), "ours": ours, "torch": torch}
    return result | {key: asdict(value) for key, value in ratios.items()}


def table(result: dict) -> str:
    """One case for people: a line for each pair, and what they come to."""
    faster, smaller = Ratios(**result["time_ratio"]), Ratios(**result["memory_ratio"])
    ms, mib = ([[r[key] for r in result[side]] for side in SIDES] for key in ("median_s", "peak_rss_mib"))
    names = ("pair", "ours ms", "torch ms", "torch/ours", "ours MiB", "torch MiB", "torch/ours")
    lines = [f"{result['case']['name']}: {heading(result)}"]
    lines.append("  {:<7}{:>10}{:>11}{:>12}{:>12}{:>11}{:>12}".format(*names))
    for pair, numbers in enumerate(zip(*ms, faster.pairs, *mib, smaller.pairs, strict=True), 1):
        lines.append(row(str(pair), *numbers))
    middle = [statistics.median(side) for side in (*ms, *mib)]
    lines.append(row("median", *middle[:2], faster.median, *middle[2:], smaller.median))
    return "\n".join([*lines, f"  torch/ours: time {faster}, memory {smaller}"])


def row(name: str, a: float, b: float, faster: float, a_mib: float, b_mib: float, smaller: float) -> str:
    """A line of the table, from seconds and MiB."""
    return f"  {name:<7}{1e3 * a:>10.2f}{1e3 * b:>11.2f}{faster:>12.2f}{a_mib:>12.0f}{b_mib:>11.0f}{smaller:>12.2f}"


def heading(result: dict) -> str:
    """Which models, batch and number types."""
    a, b = result["ours"][0], result["torch"][0]
    if a["shape"]:
        return f"features {','.join(map(str, a['shape']))}, {a['threads']} threads"
    models = a["student"] + (f" <- {a['teacher']}" if a["teacher"] else "")
    types = a["dtype"] if a["dtype"] == b["dtype"] else f"ours {a['dtype']}, torch {b['dtype']}"
    return f"{models}, batch {a['batch']}, {types}, {a['threads']} threads"


def footer(results: list[dict], loads: tuple[float, float]) -> str:
    """Every case in one line, then machine, versions and what to know of the numbers."""
    a, b = results[0]["ours"][0], results[0]["torch"][0]
    width = 2 + max(len(result["case"]["name"]) for result in results)
    pairs = len(results[0]["ours"])
    lines = [f"torch/ours, median of {pairs} pairs (min..max); last: memory less what torch's imports hold"]
    for result in results:
        name = result["case"]["name"].ljust(width)
        faster, smaller = (str(Ratios(**result[key])) for key in ("time_ratio", "memory_ratio"))
        beyond = result["memory_ratio_without_imports"]["median"]
        lines.append(f"  {name}time {faster:<22}memory {smaller:<22}{beyond:.2f}")
    lines += [
        f"machine: {a['machine']}; load average {loads[0]:.1f} before and {loads[1]:.1f} after",
        f"ours:    spectralkd {a['version']}",
        f"torch:   {b['version']}; its process holds {b['imported_rss_mib']:.0f} MiB after the imports",
    ]
    return "\n".join(lines)


def note(text: str) -> None:
    """A line of progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def load() -> float:
    """The load average of the last minute: programs that wanted a core."""
    return os.getloadavg()[0]


def run(args: argparse.Namespace) -> None:
    """Builds, measures, prints and writes."""
    xtask, before = build(args), load()
    if before > 0.5:
        note(f"load average {before:.1f}: something else runs here, or did a minute ago; the ratios may not hold")
    results = []
    for case in args.cases:
        results.append(compare(case, xtask, args))
        print(table(results[-1]) + "\n", flush=True)
    after = load()
    print(footer(results, (before, after)), flush=True)
    if args.json:
        content = {"machine": machine(), "pairs": args.pairs, "threads": args.threads, "load_average": [before, after]}
        content["cases"] = results
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """0, or 1 after one clear error."""
    args = arguments()
    try:
        run(args)
    except (Failed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
