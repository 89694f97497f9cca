"""What `gpu_run` has found so far, as one JSON file and one table: gpu_report.py OUT REVISION.

OUT holds lines of JSON from each part: parts, check (`doctor --check`), ours (`speed`), torch (on_cuda.py), and the card's
line of `nvidia-smi`. A line that is cut off, as of a program that was ended, is left out.
"""

import json
import sys
from pathlib import Path

DEIT, CAIT = "deit_tiny_patch16_224", "cait_s24_224"
SWIN = "swin_tiny_patch4_window7_224"

# What a case of `speed` is called in on_cuda.py: the command and the student.
CASES = {
    ("step", DEIT): "step",
    ("train", DEIT): "train",
    ("step", SWIN): "step-swin",
    ("infer", DEIT): "infer",
    ("infer", CAIT): "infer-cait",
    ("infer", SWIN): "infer-swin",
}
# The columns of the table: the key of a row, and the heading.
COLUMNS = {
    "ours f32": "ours f32",
    "torch f32": "torch f32",
    "ours tf32": "ours tf32",
    "torch tf32": "torch tf32",
    "ours tf32 bf16-teacher": "tf32+bf16 t.",
    "torch amp": "torch amp",
}


def lines(path: Path) -> list[dict]:
    """The whole lines of a file of JSON lines."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def check(records: list[dict]) -> dict:
    """The comparisons in short: the verdict, what fails, and the farthest tensor of each precision."""
    cases = [record for record in records if "case" in record]
    verdicts = [record for record in records if "passed" in record]
    # A check that did not come to its end says nothing good.
    summary = verdicts[-1] if verdicts else {"passed": False, "verdict": "the check did not come to its end"}
    worst: dict[str, tuple] = {}
    failed, refused = [], []
    for case in cases:
        distances = {name: x["distance"] for name, x in case["tensors"].items() if isinstance(x, dict)}
        limit = case["limit"]
        others = [name for name, x in case["tensors"].items() if not isinstance(x, dict)]
        over = [name for name, x in distances.items() if limit is not None and x > limit]
        if case["error"] and limit is None:
            refused.append(case["case"])
        elif case["error"] or others or over or not case["tensors"]:
            failed.append({"case": case["case"], "precision": case["precision"], "error": case["error"], "tensors": others + over})
        if distances:
            name = max(distances, key=distances.get)
            entry = (distances[name], case["case"], name)
            worst[case["precision"]] = max(worst.get(case["precision"], entry), entry)
    return {**summary, "cases": len(cases), "worst": worst, "failed": failed, "not_computed": refused}


def rows(ours: list[dict], torch: list[dict]) -> list[dict]:
    """Median ms of each case, batch and setting on both sides."""
    table: dict[tuple, dict] = {}
    for record in ours:
        key = (CASES.get((record["case"], record["student"]), record["case"]), record["batch"])
        table.setdefault(key, {})[f"ours {record['dtype']}"] = 1e3 * record["median_s"]
    for record in torch:
        if "median_ms" in record:
            table.setdefault((record["case"], record["batch"]), {})[f"torch {record['setting']}"] = record["median_ms"]
    return [{"case": case, "batch": batch, **times} for (case, batch), times in table.items()]


def text(found: dict) -> str:
    """For people."""
    verdict = found["check"]
    out = [f"{found['card'] or 'no card'}; revision {found['revision']}", f"check: {verdict['verdict']}"]
    for precision, (distance, case, tensor) in verdict["worst"].items():
        out.append(f"  {precision}: farthest {distance:.1e}, {tensor} of {case}")
    for failed in verdict["failed"]:
        out.append(f"  NOT RIGHT: {failed['case']} in {failed['precision']}: {failed['error'] or ', '.join(failed['tensors'][:4])}")
    if verdict["not_computed"]:
        out.append(f"  not computed in bf16: {', '.join(verdict['not_computed'])}")
    headings = "".join(f"{heading:>14}" for heading in COLUMNS.values())
    out += ["", "median ms of a run", f"{'case':<12}{'batch':>6}{headings}{'f32 ratio':>11}"]
    for row in found["rows"]:
        cells = "".join(f"{row[name]:>14.1f}" if name in row else f"{'-':>14}" for name in COLUMNS)
        both = "ours f32" in row and "torch f32" in row
        ratio = f"{row['ours f32'] / row['torch f32']:>10.2f}x" if both else f"{'-':>11}"
        out.append(f"{row['case']:<12}{row['batch']:>6}{cells}{ratio}")
    ended = [part for part in found["parts"] if part["code"] != 0]
    out += [""] + [f"{part['part']} ended with {part['code']} after {part['seconds']} s: {part['command']}" for part in ended]
    return "\n".join(out) + "\n"


def main() -> None:
    """Writes found.json and table.txt."""
    out, revision = Path(sys.argv[1]), Path(sys.argv[2])
    card = out / "machine.jsonl"
    errors = {path.stem: path.read_text()[-2000:] for path in sorted(out.glob("*.err")) if path.stat().st_size}
    ours, torch, compared = lines(out / "ours.jsonl"), lines(out / "torch.jsonl"), lines(out / "check.jsonl")
    found = {
        "card": card.read_text().strip() if card.exists() else "",
        "revision": " ".join(revision.read_text().split()) if revision.exists() else "unknown",
        "check": check(compared),
        "rows": rows(ours, torch),
        "parts": lines(out / "parts.jsonl"),
        "ours": ours,
        "torch": torch,
        "compared": compared,
        "errors": errors,
    }
    (out / "found.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "table.txt").write_text(text(found))


if __name__ == "__main__":
    main()
