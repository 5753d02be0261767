"""The page that `coverage.py` writes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Row = dict[str, Any]

EXPORTERS = {
    "_tsbn": "TorchScript, BatchNorm kept",
    "_ts": "TorchScript",
    "_dynamo": "dynamo",
}


def ordered(values: set[str], first: tuple[str, ...] = ()) -> list[str]:
    return sorted(values, key=lambda v: (first.index(v) if v in first else len(first), v))


def biggest(rows: list[Row], key: str) -> float | None:
    return max((r[key] for r in rows if r[key] is not None), default=None)


def figure(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else format(value, form) + unit


def model_row(model: str, rows: list[Row]) -> str:
    """One line for all runs on a model: how many came out, and the worst figures."""
    passed = [r for r in rows if not r["fail"]]
    suffix = next((s for s in EXPORTERS if model.endswith(s)), "")
    batches = sorted({int(b) for r in passed for b in r["batches"]})
    cells = [
        model.removesuffix(suffix),
        EXPORTERS.get(suffix, "other"),
        f"{len(passed)} / {len(rows)}",
        figure(biggest(passed, "excess"), "+.3f", " %"),
        figure(biggest(passed, "difference"), ".1e"),
        ", ".join(map(str, batches)) or "–",
        figure(biggest(rows, "seconds"), ".1f", " s"),
    ]
    return "| " + " | ".join(cells) + " |"


def failures(rows: list[Row]) -> list[str]:
    lines = ["| model | criterion | target | reason |", "| --- | --- | --- | --- |"]
    for r in rows:
        reason = r["fail"].replace("|", "\\|")
        lines.append(f"| {r['model']} | {r['criterion']} | {r['speedup']} | {reason} |")
    return lines


def absent(missing: dict[str, list[str]]) -> list[str]:
    if not missing:
        return ["No run is missing.", ""]
    count = sum(len(runs) for runs in missing.values())
    return [
        "## What is missing", "",
        f"{count} runs were not made, for lack of time:", "",
        *(f"- {model}: {', '.join(runs)}" for model, runs in missing.items()), "",
    ]  # fmt: skip


def page(rows: list[Row], missing: dict[str, list[str]], version: str) -> str:
    """The whole table as Markdown."""
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_model[row["model"]].append(row)
    failed = [r for r in rows if r["fail"]]
    passed = [r for r in rows if not r["fail"]]
    whole = sum(not any(r["fail"] for r in group) for group in by_model.values())
    criteria = ordered({r["criterion"] for r in rows}, ("l1", "l2", "lamp", "fpgm", "bnscale", "random"))
    speedups = sorted({r["speedup"] for r in rows}, key=lambda s: float(s.rstrip("xX")))
    schemes = ordered({r["scheme"] for r in rows})
    command = (
        f"tools/.venv/bin/python tools/coverage.py --criteria {' '.join(criteria)} "
        f"--speedups {' '.join(speedups)} --scheme {schemes[0]} --markdown docs/COVERAGE_MATRIX.md"
    )
    lines = [
        "# Coverage of the criteria", "",
        f"{len(passed)} of {len(rows)} runs came out, on {len(by_model)} model files; on {whole} files all of",
        "them. A run is one model file, one criterion and one target. It counts when the program",
        "reached the target and verified its result (masked equals removed), the ONNX checker",
        "accepts the file with full shape inference, and onnxruntime gives outputs of the original's",
        "names, shapes and types at batch 1 and, where the batch is open, at batch 3.", "",
        f"Criteria: {', '.join(criteria)} (bnscale where the file has BatchNormalization). "
        f"Targets: {', '.join(speedups)}. Scheme: {', '.join(schemes)}.", "",
        f"Made with {version}, on exports with random weights (`tools/export_models.py`), by", "",
        "```sh", command, "```", "",
        f"Largest excess over a target: {figure(biggest(passed, 'excess'), '+.3f', ' %')}. "
        f"Largest difference between masked and removed: "
        f"{figure(biggest(passed, 'difference'), '.1e')} of an element's scale.", "",
    ]  # fmt: skip
    if failed:
        lines += ["## What failed", "", *failures(failed), ""]
    lines += absent(missing)
    lines += [
        "## By model", "",
        "The excess over the target and the difference between masked and removed are the worst",
        "of the runs that came out; a dash stands where every group is mixed, so that nothing can",
        "be compared. The time is the largest of all runs, with verification.", "",
        "| model | exporter | runs | excess | difference | batches | time |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: |",
    ]  # fmt: skip
    failing_first = sorted(by_model, key=lambda m: (not any(r["fail"] for r in by_model[m]), m))
    lines += [model_row(model, by_model[model]) for model in failing_first]
    return "\n".join([*lines, ""])
