"""Recomputes a run folder's table.csv and the verdict from results.csv, independently of the Rust code.

Usage: python3 .ci/recompute_table.py RUN_FOLDER
Standard library only; Student's t quantile by bisection of its density's integral.
"""

import csv
import math
import statistics
import sys
import tomllib
from pathlib import Path


def t_cdf(t: float, dof: int) -> float:
    """P(T <= t) for t >= 0, by Simpson's rule on theta = atan(t / sqrt(dof)), where the integrand is smooth."""
    end, steps = math.atan(t / math.sqrt(dof)), 2000
    density = lambda theta: math.cos(theta) ** (dof - 1)
    width = end / steps
    area = density(0.0) + density(end)
    area += sum((4 if i % 2 else 2) * density(i * width) for i in range(1, steps))
    scale = math.exp(math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2)) / math.sqrt(math.pi)
    return 0.5 + scale * area * width / 3


def t_quantile(p: float, dof: int) -> float:
    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, dof) < p else (low, middle)
    return low


def main() -> None:
    folder = Path(sys.argv[1])
    config = tomllib.loads((folder / "config.toml").read_text())["comparison"]
    top1: dict[str, dict[str, float]] = {}
    for row in csv.DictReader((folder / "results.csv").open()):
        top1.setdefault(row["variant"], {})[row["seed"]] = float(row["top1"])

    rows = list(csv.DictReader((folder / "table.csv").open()))
    assert {r["variant"] for r in rows} == set(top1), "table.csv and results.csv name other variants"
    checked = 0
    for row in rows:
        values = list(top1[row["variant"]].values())
        expect = {"seeds": len(values), "top1_mean": statistics.fmean(values),
                  "top1_min": min(values), "top1_max": max(values)}
        if len(values) > 1:
            expect["top1_sd"] = statistics.stdev(values)
        baseline = top1[config["baseline"]]
        if row["variant"] not in (config["baseline"], "floor"):
            pairs = [v - baseline[s] for s, v in top1[row["variant"]].items() if s in baseline]
            expect["difference"] = statistics.fmean(pairs)
            if len(pairs) > 1:
                t = t_quantile(0.5 + config["confidence"] / 2, len(pairs) - 1)
                half = t * statistics.stdev(pairs) / math.sqrt(len(pairs))
                low, high = expect["difference"] - half, expect["difference"] + half
                expect |= {"difference_low": low, "difference_high": high}
                verdict = ("supported" if low > config["effect"]
                           else "refuted" if high < config["effect"] else "undecided")
                assert row["verdict"] == verdict, (row, verdict)
        for key, value in expect.items():
            assert math.isclose(float(row[key]), value, rel_tol=1e-6, abs_tol=1e-9), (row["variant"], key, row[key], value)
            checked += 1
    assert checked >= 4 * len(rows)
    print(f"{checked} numbers of table.csv follow from results.csv")

    report = (folder / "report.html").read_text()
    for row in rows:
        assert f"{float(row['top1_mean']):.2f}" in report, f"the report does not show {row['variant']}'s mean"
    print(f"the report shows the means of all {len(rows)} rows")


if __name__ == "__main__":
    main()
