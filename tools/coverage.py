#!/usr/bin/env python3
"""Prune models with criteria at targets and check the results.

Two tables are made so. The matrix prunes some models with every criterion at several
targets. The sweep (--sweep) prunes every architecture that the zoo knows once, with l2 to
twice the speed, or to the best that its structure allows; it also says what that is.

Each result is checked here, apart from the program: the ONNX checker with full shape
inference, and a run in onnxruntime at batch 1 and, where the batch is open, 3, whose
outputs must have the names, shapes and types of the original's.

Usage: python tools/coverage.py [--models GLOB ...] [--last GLOB ...] [--folder DIR ...]
       [--criteria l2 l1 ...] [--speedups 2x 4x ...] [--scheme NAME] [--binary PATH]
       [--jobs N] [--out FILE.jsonl] [--markdown FILE.md] [--resume] [--retry] [--page-only]
       python tools/coverage.py --sweep [the same]

The first criterion runs on all models before the others start, small models before large
ones and those of --last at the end. Every run adds a line to the table at once; with
--resume, those already in it are not repeated, with --retry only those that came out. A
file that appears while the sweep runs waits for the next run. --markdown writes the whole table as a
page, with the runs that are missing; with --page-only nothing is run for it.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import onnx

import program
import zoo
from coverage_page import page
from model_checks import Behaviour, Shape, behaviour, compare, inputs_of, open_axes, short, valid
from sweep_page import sweep_page

CRITERIA = ("l2", "l1", "fpgm", "bnscale", "lamp", "random")
SHAPES: dict[str, Shape] = {"ppocrv6_det_small": (1, 3, 320, 320)}  # of open spatial sizes
LIMIT = 1800.0  # seconds for one run
FAR = "1000x"  # a target that no model reaches: what comes out is the best there is
NATURAL = {"graph input", "graph output", "spatial axis", "kernel axis"}  # reasons to freeze


@dataclass
class Line:
    """One run and what its checks found."""

    model: str
    criterion: str
    scheme: str
    speedup: str
    code: int = 0
    reached: float | None = None
    excess: float | None = None  # percent above the target
    difference: float | None = None  # silenced against removed, share of the largest output
    compared: int = 0
    mixed: int = 0
    checker: bool | None = None
    batches: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mb: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    best: float | None = None  # the most that the structure allows
    frozen: list[str] = field(default_factory=list)  # what holds most weights, with the reason
    fail: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.model, self.criterion, self.scheme, self.speedup

    def text(self) -> str:
        def number(value: float | None, form: str) -> str:
            return "-" if value is None else format(value, form)

        batches = " ".join(f"b{b}:{'ok' if ok else 'NO'}" for b, ok in self.batches.items())
        checker = {True: "ok", False: "NO", None: "-"}[self.checker]
        return (
            f"{self.model:30} {self.criterion:8} {self.speedup:>4} "
            f"{number(self.reached, '.4f'):>8}x {number(self.excess, '+.3f'):>7} % "
            f"diff {number(self.difference, '.1e'):>7} checker {checker:2} {batches or 'b1:-':11} "
            f"{self.seconds:6.1f} s {self.fail and 'FAIL ' + self.fail}"
        )


class Original:
    """A model file and what it gives, which is found out once and kept in `cache`."""

    def __init__(self, path: Path, threads: int, cache: Path) -> None:
        self.path, self.threads = path, threads
        name = f"{path.parent.name}-{path.stem}"
        stored = cache / f"original-{name}-{path.stat().st_mtime_ns}.json"
        if not stored.exists():
            stored.write_text(json.dumps(self.facts()))
        facts = json.loads(stored.read_text())
        self.has_batch_norm: bool = facts["batch_norm"]
        self.shapes = shapes_of(path, facts["input"])
        self.behaviour = Behaviour.of(facts["behaviour"])
        self.open_axes: dict[str, list[int]] = facts["open_axes"]

    def facts(self) -> dict[str, Any]:
        proto = onnx.load(self.path, load_external_data=False)
        name = inputs_of(proto)[0]
        batch_norm = any(n.op_type == "BatchNormalization" for n in proto.graph.node)
        sized_by_data = open_axes(proto)
        del proto
        found = behaviour(self.path, shapes_of(self.path, name), self.threads)
        return {
            "input": name, "batch_norm": batch_norm, "open_axes": sized_by_data,
            "behaviour": asdict(found),
        }  # fmt: skip

    def options(self) -> list[str]:
        items = [f"{name}:{'x'.join(map(str, s))}" for name, s in self.shapes.items()]
        return ["--shapes", ",".join(items)] if items else []


def shapes_of(path: Path, name: str) -> dict[str, Shape]:
    shape = SHAPES.get(path.stem)
    return {name: shape} if shape else {}


def check(original: Original, output: Path, line: Line) -> None:
    """Add what the checker and onnxruntime say about `output`."""
    before = original.behaviour
    problems = []
    found = valid(output)
    line.checker = not found
    if found and not valid(original.path):
        problems.append(f"checker: {found}")
    after = behaviour(output, original.shapes, original.threads)
    verdicts = compare(before, after, original.open_axes)
    line.batches = {str(batch): not wrong for batch, wrong in verdicts.items()}
    problems += [f"batch {batch}: {wrong}" for batch, wrong in verdicts.items() if wrong]
    if not verdicts:
        reason = next(iter(before.errors.values()), "")
        line.warnings.append(f"onnxruntime does not run the original: {reason}")
    line.fail = "; ".join(problems)


def examine(args: argparse.Namespace, original: Original, criterion: str, speedup: str) -> Line:
    """Prune once and check the result."""
    line = Line(name_of(args, original.path), criterion, args.scheme, speedup)
    options = [
        "--criterion", criterion, "--scheme", args.scheme, "--seed", "0",
        "--runtime", "ort", "--ort-library", str(program.onnxruntime_library()),
        "--threads", str(args.threads), "--no-latency", *original.options(),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(dir=args.scratch, prefix="coverage-") as folder:
        output = Path(folder) / "pruned.onnx"
        target = ["--speedup", speedup, *(["--force"] if args.sweep else [])]
        run = program.prune(args.binary, original.path, [*options, *target], output, LIMIT)
        line.code, line.seconds, line.peak_mb = run.done.code, run.done.seconds, run.done.peak_mb
        if run.report is None:
            line.fail = short(run.message)
            return line
        read(run.report, line)
        if run.done.code == program.MISSED and not args.sweep:
            line.fail = f"not reached: {short(str(run.report['missed']))}"
        elif run.done.code not in (program.PRUNED, program.MISSED) or not output.exists():
            line.fail = short(run.message)
        else:
            check(original, output, line)
            if run.report["verification"] is None:
                doubt = next((w for w in line.warnings if "verif" in w), "not verified")
                line.fail = "; ".join(filter(None, [line.fail, short(doubt)]))
        if args.sweep:
            far = [*options, "--speedup", FAR, "--force", "--dry-run", "--no-verify"]
            furthest = program.prune(args.binary, original.path, far, output, LIMIT)
            line.best = furthest.report and furthest.report["speedup"]
            line.frozen = obstacles(run.report)
            if line.reached is not None and line.reached <= 1.0 and not line.fail:
                line.fail = "nothing can be removed"
    return line


def obstacles(report: dict[str, Any]) -> list[str]:
    """The reasons, beyond those that lie in the nature of a network, that freeze most axes."""
    found: Counter[tuple[str, str]] = Counter()
    for axis in report["frozen"]:
        if axis["reason"] not in NATURAL:
            found[axis["reason"], axis["at"].split(" ")[0]] += len(axis["members"])
    return [f"{reason}: {at} ({n})" for (reason, at), n in found.most_common(3) if n]


def read(report: dict[str, Any], line: Line) -> None:
    line.reached = report["speedup"]
    line.excess = 100 * (report["speedup"] / float(line.speedup.rstrip("xX")) - 1)
    line.stages = {k: round(v, 3) for k, v in report["seconds"].items()}
    line.warnings = [short(w) for w in report["warnings"]]
    verdict = report["verification"]
    if verdict:
        line.difference = verdict["difference"]
        line.compared, line.mixed = verdict["compared"], verdict["mixed"]


def name_of(args: argparse.Namespace, path: Path) -> str:
    """What the table calls a file: in the sweep, with its source."""
    return f"{path.parent.name}/{path.stem}" if args.sweep else path.stem


def model_files(args: argparse.Namespace) -> list[Path]:
    found = [p for folder in args.folder for p in sorted(folder.glob("*.onnx"))]
    chosen = [p for p in found if any(fnmatch.fnmatch(p.stem, g) for g in args.models)]
    late = {p for p in chosen if any(fnmatch.fnmatch(p.stem, g) for g in args.last)}
    return sorted(chosen, key=lambda p: (p in late, p.stat().st_size))


class Task(NamedTuple):
    """The runs that are to be made on one model in one go."""

    path: Path
    runs: list[tuple[str, str]]  # criterion and speed-up


def tasks(args: argparse.Namespace, done: Iterable[tuple[str, ...]]) -> list[Task]:
    """What is still to be made, in order."""
    found = []
    for criteria in (args.criteria[:1], args.criteria[1:]):
        for path in model_files(args):
            runs = [(c, s) for c in criteria for s in args.speedups]
            name = name_of(args, path)
            runs = [r for r in runs if (name, r[0], args.scheme, r[1]) not in done]
            if runs:
                found.append(Task(path, runs))
    return found


def work(args: argparse.Namespace, task: Task) -> list[Line]:
    """Make the runs of a task and add each to the table as it ends."""
    original = Original(task.path, args.threads, args.scratch)
    lines = []
    for criterion, speedup in task.runs:
        if criterion == "bnscale" and not original.has_batch_norm:
            continue
        line = examine(args, original, criterion, speedup)
        with args.out.open("a") as table:
            table.write(json.dumps(asdict(line)) + "\n")
        print(line.text(), flush=True)
        lines.append(line)
    return lines


def missing(args: argparse.Namespace, done: Iterable[tuple[str, ...]]) -> dict[str, list[str]]:
    """By model, the runs that were not made."""
    found: dict[str, list[str]] = {}
    for path, runs in tasks(args, done):
        bnscale = any(c == "bnscale" for c, _ in runs)
        drop = bnscale and not Original(path, args.threads, args.scratch).has_batch_norm
        if left := [f"{c} {s}" for c, s in runs if not (drop and c == "bnscale")]:
            name = name_of(args, path)
            found[name] = found.get(name, []) + left
    return found


def exports(args: argparse.Namespace) -> list[dict[str, Any]]:
    """How the exports went, the last try of each file."""
    found = {}
    for table in (folder / "exports.jsonl" for folder in args.folder):
        for row in map(json.loads, table.read_text().splitlines() if table.exists() else []):
            found[table.parent.name, row["name"], row["variant"]] = row
    return [{"source": source, **row} for (source, *_), row in found.items()]


def untried(rows: list[dict[str, Any]]) -> list[str]:
    """Models of the sources in the table that no exporter was tried on."""
    tried = {(row["source"], row["name"]) for row in rows}
    sources = [s for s in zoo.SOURCES if s in {source for source, _ in tried}]
    return [f"{s}/{name}" for s in sources for name in zoo.models(s) if (s, name) not in tried]


def main() -> int:
    parser = argparse.ArgumentParser(description="Prune and check every model.")
    parser.add_argument("--models", nargs="+", default=["*"], metavar="GLOB")
    parser.add_argument("--last", nargs="+", default=[], metavar="GLOB", help="models that come last")
    parser.add_argument("--sweep", action="store_true", help="every architecture, once")
    parser.add_argument("--folder", nargs="+", type=Path, help="of models; with --sweep, of sources")
    parser.add_argument("--criteria", nargs="+")
    parser.add_argument("--speedups", nargs="+")
    parser.add_argument("--scheme", default="protected-global")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--out", type=Path, default=Path("coverage.jsonl"))
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--resume", action="store_true", help="keep the lines of --out")
    parser.add_argument("--retry", action="store_true", help="keep those that came out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="models at the same time")
    parser.add_argument(
        "--scratch", type=Path, default=program.ROOT / "target" / "coverage",
        help="folder for pruned files and for what is known of the originals",
    )  # fmt: skip
    parser.add_argument("--page-only", action="store_true", help="write the page from --out")
    args = parser.parse_args()
    args.resume |= args.page_only or args.retry
    args.criteria = args.criteria or (["l2"] if args.sweep else list(CRITERIA))
    args.speedups = args.speedups or (["2x"] if args.sweep else ["2x", "4x"])
    args.folder = args.folder or [program.MODELS]
    if args.sweep:
        args.folder = [f / s for f in args.folder for s in zoo.SOURCES if (f / s).is_dir()]
    args.scratch.mkdir(parents=True, exist_ok=True)

    lines: dict[tuple[str, ...], Line] = {}
    if args.resume and args.out.exists():
        for text in args.out.read_text().splitlines():
            line = Line(**json.loads(text))
            lines[line.key] = line
    if args.retry:
        lines = {key: line for key, line in lines.items() if not line.fail}
    if not args.resume:
        args.out.write_text("")
    todo = [] if args.page_only else tasks(args, lines)
    with get_context("spawn").Pool(args.jobs, maxtasksperchild=8) as pool:
        for made in pool.imap_unordered(partial(work, args), todo):
            lines |= {line.key: line for line in made}
    failed = sum(bool(line.fail) for line in lines.values())
    print(f"{len(lines)} runs, {failed} failed")
    if args.markdown:
        rows = [asdict(line) for line in lines.values()]
        left, version = missing(args, lines), program.version(args.binary)
        if args.sweep:
            tries = exports(args)
            text = sweep_page(rows, tries, left, untried(tries), version)
        else:
            text = page(rows, left, version)
        args.markdown.write_text(text)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
