#!/usr/bin/env python3
"""Prune every model with every criterion at every target and check the results.

Each result is checked here, apart from the program: the ONNX checker with full shape
inference, and a run in onnxruntime at batch 1 and, where the batch is open, 3, whose
outputs must have the names, shapes and types of the original's.

Usage: python tools/coverage.py [--models GLOB ...] [--folder DIR ...]
       [--criteria l1 l2 ...] [--speedups 2x 4x ...] [--scheme NAME] [--binary PATH]
       [--out FILE.jsonl] [--markdown FILE.md] [--resume]

Every run adds a line to the table at once; with --resume, those already in it are not
repeated. --markdown writes the whole table as a page.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import onnx

import program
from coverage_page import page
from model_checks import Behaviour, Shape, behaviour, compare, inputs_of, short, valid

CRITERIA = ("l1", "l2", "lamp", "fpgm", "bnscale", "random")
SHAPES: dict[str, Shape] = {"ppocrv6_det_small": (1, 3, 320, 320)}  # of open spatial sizes
LIMIT = 1800.0  # seconds for one run


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
    """A model file and, once asked for, what it gives."""

    def __init__(self, path: Path, threads: int) -> None:
        self.path, self.threads = path, threads
        proto = onnx.load(path, load_external_data=False)
        self.has_batch_norm = any(n.op_type == "BatchNormalization" for n in proto.graph.node)
        shape = SHAPES.get(path.stem)
        self.shapes = {inputs_of(proto)[0]: shape} if shape else {}
        self._facts: tuple[str, Behaviour] | None = None

    @property
    def facts(self) -> tuple[str, Behaviour]:
        """The checker's complaint about the original, and its outputs."""
        if self._facts is None:
            self._facts = valid(self.path), behaviour(self.path, self.shapes, self.threads)
        return self._facts

    def options(self) -> list[str]:
        items = [f"{name}:{'x'.join(map(str, s))}" for name, s in self.shapes.items()]
        return ["--shapes", ",".join(items)] if items else []


def check(original: Original, output: Path, line: Line) -> None:
    """Add what the checker and onnxruntime say about `output`."""
    complaint, before = original.facts
    problems = []
    found = valid(output)
    line.checker = not found
    if found and not complaint:
        problems.append(f"checker: {found}")
    verdicts = compare(before, behaviour(output, original.shapes, original.threads))
    line.batches = {str(batch): not wrong for batch, wrong in verdicts.items()}
    problems += [f"batch {batch}: {wrong}" for batch, wrong in verdicts.items() if wrong]
    if not verdicts:
        reason = next(iter(before.errors.values()), "")
        line.warnings.append(f"onnxruntime does not run the original: {reason}")
    line.fail = "; ".join(problems)


def examine(args: argparse.Namespace, original: Original, criterion: str, speedup: str) -> Line:
    """Prune once and check the result."""
    line = Line(original.path.stem, criterion, args.scheme, speedup)
    options = [
        "--criterion", criterion, "--scheme", args.scheme, "--speedup", speedup, "--seed", "0",
        "--runtime", "ort", "--ort-library", str(program.onnxruntime_library()),
        "--threads", str(args.threads), "--no-latency", *original.options(),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(dir=args.scratch, prefix="coverage-") as folder:
        output = Path(folder) / "pruned.onnx"
        run = program.prune(args.binary, original.path, options, output, LIMIT)
        line.code, line.seconds, line.peak_mb = run.done.code, run.done.seconds, run.done.peak_mb
        if run.report is None:
            line.fail = short(run.message)
            return line
        read(run.report, line)
        if run.done.code == program.MISSED:
            line.fail = f"not reached: {short(str(run.report['missed']))}"
        elif run.done.code != program.PRUNED or not output.exists():
            line.fail = short(run.message)
        else:
            check(original, output, line)
            if run.report["verification"] is None:
                doubt = next((w for w in line.warnings if "verif" in w), "not verified")
                line.fail = "; ".join(filter(None, [line.fail, short(doubt)]))
    return line


def read(report: dict[str, Any], line: Line) -> None:
    line.reached = report["speedup"]
    line.excess = 100 * (report["speedup"] / float(line.speedup.rstrip("xX")) - 1)
    line.stages = {k: round(v, 3) for k, v in report["seconds"].items()}
    line.warnings = [short(w) for w in report["warnings"]]
    verdict = report["verification"]
    if verdict:
        line.difference = verdict["difference"]
        line.compared, line.mixed = verdict["compared"], verdict["mixed"]


def model_files(args: argparse.Namespace) -> list[Path]:
    found = [p for folder in args.folder for p in sorted(folder.glob("*.onnx"))]
    chosen = [p for p in found if any(fnmatch.fnmatch(p.stem, g) for g in args.models)]
    return sorted(chosen, key=lambda p: p.stat().st_size)


def tasks(args: argparse.Namespace, done: set[tuple[str, ...]]) -> Iterator[Line]:
    """All runs that are still to be made, the quick models first."""
    for path in model_files(args):
        original = Original(path, args.threads)
        for speedup in args.speedups:
            for criterion in args.criteria:
                if criterion == "bnscale" and not original.has_batch_norm:
                    continue
                if (path.stem, criterion, args.scheme, speedup) not in done:
                    yield examine(args, original, criterion, speedup)


def main() -> int:
    parser = argparse.ArgumentParser(description="Prune and check every model.")
    parser.add_argument("--models", nargs="+", default=["*"], metavar="GLOB")
    parser.add_argument("--folder", nargs="+", type=Path, default=[program.MODELS])
    parser.add_argument("--criteria", nargs="+", default=list(CRITERIA))
    parser.add_argument("--speedups", nargs="+", default=["2x", "4x"])
    parser.add_argument("--scheme", default="protected-global")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--out", type=Path, default=Path("coverage.jsonl"))
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--resume", action="store_true", help="keep the lines of --out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="folder for pruned files")
    args = parser.parse_args()
    if args.scratch:
        args.scratch.mkdir(parents=True, exist_ok=True)

    lines: dict[tuple[str, ...], Line] = {}
    if args.resume and args.out.exists():
        for text in args.out.read_text().splitlines():
            line = Line(**json.loads(text))
            lines[line.key] = line
    with args.out.open("a" if args.resume else "w") as table:
        for line in tasks(args, set(lines)):
            lines[line.key] = line
            print(line.text(), flush=True)
            table.write(json.dumps(asdict(line)) + "\n")
            table.flush()
    failed = sum(bool(line.fail) for line in lines.values())
    print(f"{len(lines)} runs, {failed} failed")
    if args.markdown:
        text = page([asdict(line) for line in lines.values()], program.version(args.binary))
        args.markdown.write_text(text)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
