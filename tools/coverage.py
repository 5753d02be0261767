#!/usr/bin/env python3
"""Prune models with criteria at targets and check the results.

Two tables are made so. The matrix prunes the files of some folders with every criterion
at several targets, small files before large ones and those of --last at the end. The
sweep (--sweep) exports every architecture that the zoo knows, prunes it with l2 to twice
the speed, or to the best that its structure allows, says what that is, and removes the
file that it exported unless --keep is given.

Every run adds a line to the table at once; with --resume, those already in it are not
repeated, with --retry only those that came out. --markdown writes the whole table as a
page, with the runs that are missing; with --page-only nothing is run for it.

Usage: python tools/coverage.py [--models GLOB ...] [--last GLOB ...] [--folder DIR ...]
       [--criteria l2 l1 ...] [--speedups 2x 4x ...] [--scheme NAME] [--binary PATH]
       [--jobs N] [--out FILE.jsonl] [--markdown FILE.md] [--resume] [--retry] [--page-only]
       python tools/coverage.py --sweep [--sources NAME ...] [--variants ts dynamo] [--keep]
       [--models GLOB ...] [--limit SECONDS] and the last three lines of options
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import program
import sweep
from coverage_page import page
from examine import Line, Original, Way, examine
from sweep_page import sweep_page

CRITERIA = ("l2", "l1", "fpgm", "bnscale", "lamp", "random")


class Task(NamedTuple):
    """The runs that are to be made on one model in one go."""

    path: Path
    runs: list[tuple[str, str]]  # criterion and speed-up


def model_files(args: argparse.Namespace) -> list[Path]:
    found = [p for folder in args.folder for p in sorted(folder.glob("*.onnx"))]
    chosen = [p for p in found if any(fnmatch.fnmatch(p.stem, g) for g in args.models)]
    late = {p for p in chosen if any(fnmatch.fnmatch(p.stem, g) for g in args.last)}
    return sorted(chosen, key=lambda p: (p in late, p.stat().st_size))


def tasks(args: argparse.Namespace, done: Iterable[tuple[str, ...]]) -> list[Task]:
    """What is still to be made, in order."""
    found = []
    for criteria in (args.criteria[:1], args.criteria[1:]):
        for path in model_files(args):
            runs = [(c, s) for c in criteria for s in args.speedups]
            runs = [r for r in runs if (path.stem, r[0], args.scheme, r[1]) not in done]
            if runs:
                found.append(Task(path, runs))
    return found


def work(way: Way, out: Path, task: Task) -> list[Line]:
    """Make the runs of a task and add each to the table as it ends."""
    original = Original(task.path, way.threads, way.scratch)
    lines = []
    for criterion, speedup in task.runs:
        if criterion == "bnscale" and not original.has_batch_norm:
            continue
        line = examine(way, original, task.path.stem, criterion, speedup)
        add(line, out)
        lines.append(line)
    return lines


def export_and_work(way: Way, out: Path, export: sweep.Export, task: sweep.Task) -> list[Line]:
    line = sweep.work(way, export, task)
    add(line, out)
    return [line]


def add(line: Line, out: Path) -> None:
    with out.open("a") as table:
        table.write(json.dumps(asdict(line)) + "\n")
    print(line.text(), flush=True)


def missing(args: argparse.Namespace, way: Way, done: Iterable[tuple[str, ...]]) -> dict[str, list[str]]:
    """By model, the runs that were not made."""
    found: dict[str, list[str]] = {}
    for path, runs in tasks(args, done):
        bnscale = any(c == "bnscale" for c, _ in runs)
        drop = bnscale and not Original(path, way.threads, way.scratch).has_batch_norm
        if left := [f"{c} {s}" for c, s in runs if not (drop and c == "bnscale")]:
            found[path.stem] = found.get(path.stem, []) + left
    return found


def stored(out: Path) -> dict[tuple[str, ...], Line]:
    """The lines of a table, the last one of each run."""
    texts = out.read_text().splitlines() if out.exists() else []
    lines = (Line(**json.loads(text)) for text in texts)
    return {line.key: line for line in lines}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prune and check every model.")
    parser.add_argument("--models", nargs="+", default=["*"], metavar="GLOB")
    parser.add_argument("--last", nargs="+", default=[], metavar="GLOB", help="models that come last")
    parser.add_argument("--folder", nargs="+", type=Path, default=[program.MODELS], help="of models")
    parser.add_argument("--criteria", nargs="+", default=list(CRITERIA))
    parser.add_argument("--speedups", nargs="+", default=["2x", "4x"])
    parser.add_argument("--scheme", default="protected-global")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--resume", action="store_true", help="keep the lines of --out")
    parser.add_argument("--retry", action="store_true", help="keep those that came out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="models at the same time")
    parser.add_argument("--scratch", type=Path, default=program.ROOT / "target" / "coverage")
    parser.add_argument("--page-only", action="store_true", help="write the page from --out")
    parser.add_argument("--sweep", action="store_true", help="every architecture, once")
    parser.add_argument("--sources", nargs="+", default=list(sweep.SOURCES), metavar="NAME")
    parser.add_argument("--variants", nargs="+", default=list(sweep.VARIANTS), choices=sweep.VARIANTS)
    parser.add_argument("--keep", action="store_true", help="keep the files that were exported")
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds for one export")
    args = parser.parse_args()
    args.resume |= args.page_only or args.retry
    args.out = args.out or (sweep.TABLE if args.sweep else Path("coverage.jsonl"))
    return args


def main() -> int:
    args = arguments()
    args.scratch.mkdir(parents=True, exist_ok=True)
    way = Way(args.binary, args.scheme, args.threads, args.scratch, args.sweep)
    lines = stored(args.out) if args.resume else {}
    if args.retry:
        lines = {key: line for key, line in lines.items() if not (line.fail or line.not_exported)}
    if not args.resume:
        args.out.write_text("")
    if args.sweep:
        names = {line.model for line in lines.values()}
        todo = sweep.tasks(args.sources, args.variants, args.models, names)
        export = sweep.Export(args.scratch / "exports", args.limit, args.threads, args.keep)
        run = partial(export_and_work, way, args.out, export)
    else:
        todo = tasks(args, lines)
        run = partial(work, way, args.out)
    # Not a Pool, whose processes may not start the one that exports.
    with ProcessPoolExecutor(args.jobs, get_context("spawn")) as pool:
        running = [] if args.page_only else [pool.submit(run, task) for task in todo]
        for made in as_completed(running):
            lines |= {line.key: line for line in made.result()}
    failed = sum(bool(line.fail) for line in lines.values())
    print(f"{len(lines)} runs, {failed} failed")
    if args.markdown:
        rows, version = [asdict(line) for line in lines.values()], program.version(args.binary)
        if args.sweep:
            left = sweep.tasks(args.sources, args.variants, ["*"], {row["model"] for row in rows})
            text = sweep_page(rows, [task.file for task in left], version)
        else:
            text = page(rows, missing(args, way, lines), version)
        args.markdown.write_text(text)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
