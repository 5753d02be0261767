"""The page of the sweep that `coverage.py --sweep` writes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from coverage_page import figure

Row = dict[str, Any]

EXPORTERS = {"_ts": "TorchScript", "_dynamo": "default", "_tsbn": "TorchScript, BatchNorm kept"}


def parts(model: str) -> tuple[str, str, str]:
    """Source, name and exporter of a file that the table calls `source/name_variant`."""
    source, _, file = model.partition("/")
    suffix = next((s for s in EXPORTERS if file.endswith(s)), "")
    return source, file.removesuffix(suffix), EXPORTERS.get(suffix, "other")


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def table(header: str, aligned: str, rows: list[list[str]]) -> list[str]:
    lines = [f"| {header} |", f"| {aligned} |"]
    return [*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in rows), ""]


def summary(rows: list[Row], failed_exports: list[Row], missing: list[str]) -> list[str]:
    """One line for each source and exporter: how many of how many that the exporter was tried on."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        source, _, exporter = parts(row["model"])
        groups[source, exporter].append(row)
    failed: dict[tuple[str, str], int] = defaultdict(int)
    for row in failed_exports:
        failed[row["source"], EXPORTERS["_" + row["variant"]]] += 1
    waiting: dict[tuple[str, str], int] = defaultdict(int)
    for model in missing:
        source, _, exporter = parts(model)
        waiting[source, exporter] += 1
    lines = []
    for key in sorted({*groups, *failed, *waiting}):
        good = [r for r in groups[key] if not r["fail"]]
        full = [r for r in good if r["excess"] is not None and r["excess"] >= -1e-6]
        exported = len(groups[key]) + waiting[key]
        lines.append([
            *key, str(exported + failed[key]), str(exported), str(len(groups[key])),
            str(len(good)), str(len(full)), figure(slowest(groups[key]), ".2f", " s"),
        ])  # fmt: skip
    header = "source | exporter | tried | exported | examined | came out | at 2x | slowest grouping"
    return table(header, "--- | --- | ---: | ---: | ---: | ---: | ---: | ---:", lines)


def slowest(rows: list[Row]) -> float | None:
    return max((r["stages"]["analyse"] for r in rows if "analyse" in r["stages"]), default=None)


def sweep_page(
    rows: list[Row], exports: list[Row], missing: dict[str, list[str]], untried: list[str],
    version: str,
) -> str:  # fmt: skip
    """The whole sweep as Markdown: what failed comes first."""
    failed = [r for r in rows if r["fail"]]
    passed = sorted((r for r in rows if not r["fail"]), key=lambda r: parts(r["model"]))
    short_of = [r for r in passed if r["excess"] is not None and r["excess"] < -1e-6]
    not_exported = [r for r in exports if not r["ok"]]
    sources = sorted({parts(r["model"])[0] for r in rows})
    lines = [
        "# Coverage", "",
        f"{len(rows)} of {len(rows) + len(missing)} exported model files were examined: {len(passed)} came out, "
        f"{len(passed) - len(short_of)} of them with twice the speed or more; {len(failed)} failed.", "",
        "Every architecture of a source is exported with random weights by both exporters of",
        "PyTorch and pruned with l2 to half its MACs, or to the best that its structure allows. A",
        "file counts when the program verified it (silenced equals removed), the ONNX checker",
        "accepts it with full shape inference, and onnxruntime gives outputs of the original's",
        "names, shapes and types at batch 1 and, where the batch is open, at batch 3.", "",
        "[COVERAGE_MATRIX.md](COVERAGE_MATRIX.md) tries every criterion on a few of them.", "",
        f"Made with {version} by", "",
        "```sh",
        f"tools/.venv/bin/python tools/export_models.py {' '.join(sources)}",
        "tools/.venv/bin/python tools/coverage.py --sweep --markdown docs/COVERAGE.md",
        "```", "",
        *summary(rows, not_exported, sorted(missing)),
    ]  # fmt: skip
    if failed:
        lines += ["## What failed", ""]
        cells = [[*parts(r["model"]), r["fail"]] for r in failed]
        lines += table("source | model | exporter | reason", "--- | --- | --- | ---", cells)
    if short_of:
        lines += ["## What did not reach 2x", "", "The weights that hold it back, by what froze them.", ""]
        cells = [
            [*parts(r["model"]), f"{r['reached']:.3f}x", "; ".join(r["frozen"]) or "–"]
            for r in short_of
        ]
        header = "source | model | exporter | speed-up | frozen because"
        lines += table(header, "--- | --- | --- | ---: | ---", cells)
    if not_exported:
        lines += ["## What the exporter did not export", ""]
        cells = [
            [r["source"], r["name"], EXPORTERS["_" + r["variant"]], (r["notes"] or [""])[-1]]
            for r in not_exported
        ]
        lines += table("source | model | exporter | its error", "--- | --- | --- | ---", cells)
    if missing:
        lines += [f"{len(missing)} exported files were not examined yet: {', '.join(sorted(missing))}.", ""]
    if untried:
        lines += [f"{len(untried)} models were not exported yet: {', '.join(sorted(untried))}.", ""]
    lines += [
        "## All", "",
        "*Best* is the greatest speed-up that the structure allows with a tenth of each group kept.",
        "The difference is between silenced and removed, as a share of the largest output; a dash",
        "stands where every group is mixed. *Grouping* is the time of shapes and groups.", "",
    ]  # fmt: skip
    cells = [
        [
            *parts(r["model"]), f"{r['reached']:.3f}x", figure(r["best"], ".1f", "x"),
            figure(r["difference"], ".1e"), ", ".join(r["batches"]) or "–",
            figure(r["stages"].get("analyse"), ".2f", " s"), figure(r["seconds"] or None, ".1f", " s"),
        ]
        for r in passed
    ]  # fmt: skip
    header = "source | model | exporter | speed-up | best | difference | batches | grouping | time"
    aligned = "--- | --- | --- | ---: | ---: | ---: | --- | ---: | ---:"
    return "\n".join([*lines, *table(header, aligned, cells)])
