"""The page of the sweep that `coverage.py --sweep` writes."""

from __future__ import annotations

from collections import Counter, defaultdict
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


def summary(rows: list[Row], untried: list[str]) -> list[str]:
    """One line for each source and exporter: how many of how many."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        source, _, exporter = parts(row["model"])
        groups[source, exporter].append(row)
    waiting = Counter((source, exporter) for source, _, exporter in map(parts, untried))
    lines = []
    for key in sorted({*groups, *waiting}):
        exported = [r for r in groups[key] if not r["not_exported"]]
        good = [r for r in exported if not r["fail"]]
        lines.append([
            *key, str(len(groups[key]) + waiting[key]), str(len(groups[key])), str(len(exported)),
            str(len(good)), str(sum(map(full, good))), figure(slowest(exported), ".2f", " s"),
        ])  # fmt: skip
    header = "source | exporter | models | tried | exported | came out | at 2x | slowest grouping"
    return table(header, "--- | --- | ---: | ---: | ---: | ---: | ---: | ---:", lines)


def full(row: Row) -> bool:
    """Whether the target was reached."""
    return row["excess"] is not None and row["excess"] >= -1e-6


def slowest(rows: list[Row]) -> float | None:
    return max((r["stages"]["analyse"] for r in rows if "analyse" in r["stages"]), default=None)


def by_architecture(rows: list[Row], untried: list[str]) -> list[str]:
    """One line for each source: the architectures that come out from either exporter."""
    models: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        source, name, _ = parts(row["model"])
        models[source][name].append(row)
    for file in untried:
        source, name, _ = parts(file)
        models[source][name]  # is a model, too
    lines = []
    for source, found in sorted(models.items()):
        exported = [[r for r in tries if not r["not_exported"]] for tries in found.values()]
        exported = [tries for tries in exported if tries]
        good = [tries for tries in exported if not any(r["fail"] for r in tries)]
        lines.append([source, str(len(found)), str(len(exported)), str(len(good))])
    return table("source | models | exported | came out", "--- | ---: | ---: | ---:", lines)


def sweep_page(rows: list[Row], untried: list[str], version: str) -> str:
    """The whole sweep as Markdown: what failed comes first."""
    not_exported = sorted((r for r in rows if r["not_exported"]), key=lambda r: parts(r["model"]))
    examined = [r for r in rows if not r["not_exported"]]
    failed = [r for r in examined if r["fail"]]
    passed = sorted((r for r in examined if not r["fail"]), key=lambda r: parts(r["model"]))
    short_of = [r for r in passed if not full(r)]
    lines = [
        "# Coverage", "",
        f"{len(examined)} exported model files were examined: {len(passed)} came out, "
        f"{len(passed) - len(short_of)} of them with twice the speed or more; {len(failed)} failed.", "",
        "Every architecture of a source is exported with random weights by both exporters of",
        "PyTorch and pruned with l2 to half its MACs, or to the best that its structure allows. A",
        "file counts when the program verified it (masked equals removed), the ONNX checker",
        "accepts it with full shape inference, and onnxruntime gives outputs of the original's",
        "names, shapes and types at batch 1 and, where the batch is open, at batch 3.", "",
        "[COVERAGE_MATRIX.md](COVERAGE_MATRIX.md) tries every criterion on a few of them.", "",
        f"Made with {version} by", "",
        "```sh",
        "tools/.venv/bin/python tools/coverage.py --sweep --resume --markdown docs/COVERAGE.md",
        "```", "",
        "which goes on with the table [coverage.jsonl](coverage.jsonl).", "",
        "A model counts when every file of it does that an exporter gave:", "",
        *by_architecture(rows, untried),
        "By exporter:", "",
        *summary(rows, untried),
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
        cells = [[*parts(r["model"]), r["not_exported"]] for r in not_exported]
        lines += table("source | model | exporter | its error", "--- | --- | --- | ---", cells)
    if untried:
        lines += ["## What was not tried yet", ""]
        waiting: dict[tuple[str, str], list[str]] = defaultdict(list)
        for source, name, exporter in map(parts, untried):
            waiting[source, exporter].append(name)
        cells = [[*key, ", ".join(names)] for key, names in sorted(waiting.items())]
        lines += table("source | exporter | models", "--- | --- | ---", cells)
    lines += [
        "## All", "",
        "*Best* is the greatest speed-up that the structure allows with a tenth of each group kept.",
        "The difference is between masked and removed, as a share of an element's scale; a dash",
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
