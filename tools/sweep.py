"""The sweep: every architecture of the zoo is exported, pruned, checked and removed again."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import zoo
from examine import Line, Original, Way, examine
from program import ROOT

SOURCES = tuple(s for s in zoo.SOURCES if s not in ("matrix", "tiny", "large"))
VARIANTS = ("ts", "dynamo")
TABLE = ROOT / "docs" / "coverage.jsonl"
CRITERION, SPEEDUP = "l2", "2x"


class Task(NamedTuple):
    """A file that is to be made and examined."""

    source: str
    name: str
    variant: str

    @property
    def file(self) -> str:
        """What the table calls it."""
        return f"{self.source}/{self.name}_{self.variant}"


class Export(NamedTuple):
    """How files are exported."""

    folder: Path
    limit: float  # seconds for one file
    threads: int
    keep: bool


def tasks(
    sources: Iterable[str], variants: Iterable[str], globs: Iterable[str], done: set[str]
) -> list[Task]:
    """The files that are not in the table, one exporter after the other."""
    globs = list(globs)
    models = {s: list(zoo.models(s)) for s in sources}
    found = [Task(s, name, v) for v in variants for s, names in models.items() for name in names]
    chosen = [t for t in found if any(fnmatch.fnmatch(t.file.partition("/")[2], g) for g in globs)]
    return [t for t in chosen if t.file not in done]


def work(way: Way, export: Export, task: Task) -> Line:
    """Export a file unless it is there, prune it, check the result."""
    folder = export.folder / task.source
    path = folder / f"{task.name}_{task.variant}.onnx"
    was_there = path.exists()
    if not was_there:
        made = export_one(export, task, folder)
        if not made["ok"]:
            why = (made["notes"] or [""])[-1]
            return Line(task.file, CRITERION, way.scheme, SPEEDUP, not_exported=why)
    try:
        original = Original(path, way.threads, way.scratch)
        return examine(way, original, task.file, CRITERION, SPEEDUP)
    except Exception as error:  # one file must not stop the others
        why = f"not examined: {type(error).__name__}: {error}"
        return Line(task.file, CRITERION, way.scheme, SPEEDUP, fail=why[:300])
    finally:
        if not (was_there or export.keep):
            for part in folder.glob(f"{path.name}*"):
                part.unlink()


def export_one(export: Export, task: Task, folder: Path) -> dict[str, Any]:
    """How the export of a file went."""
    import export_models  # brings torch along, which the matrix does without

    folder.mkdir(parents=True, exist_ok=True)
    entry = zoo.models(task.source)[task.name]
    way = export_models.Way(folder, export.threads, export.limit, quick=True)
    export_models.make(entry, task.name, task.variant, way)
    rows = map(json.loads, (folder / export_models.TABLE).read_text().splitlines())
    return next(
        row for row in reversed(list(rows))
        if (row["name"], row["variant"]) == (task.name, task.variant)
    )  # fmt: skip
