"""Prunes one file once and checks what comes out, apart from the program.

The checks are the ONNX checker with full shape inference, and a run in onnxruntime at
batch 1 and, where the batch is open, 3, whose outputs must have the names, shapes and
types of the original's.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import onnx

import program
from model_checks import Behaviour, Shape, behaviour, compare, inputs_of, open_axes, short, valid

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
    difference: float | None = None  # masked against removed, share of an element's scale
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
    not_exported: str = ""  # the error of the exporter, where it made no file

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


class Way(NamedTuple):
    """How files are pruned."""

    binary: Path
    scheme: str
    threads: int
    scratch: Path  # folder for pruned files and for what is known of the originals
    furthest: bool = False  # keep what falls short of the target, and find the best there is


def examine(way: Way, original: Original, model: str, criterion: str, speedup: str) -> Line:
    """Prune once and check the result."""
    line = Line(model, criterion, way.scheme, speedup)
    options = [
        "--criterion", criterion, "--scheme", way.scheme, "--seed", "0",
        "--runtime", "ort", "--ort-library", str(program.onnxruntime_library()),
        "--threads", str(way.threads), "--no-latency", *original.options(),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(dir=way.scratch, prefix="coverage-") as folder:
        output = Path(folder) / "pruned.onnx"
        target = ["--speedup", speedup, *(["--force"] if way.furthest else [])]
        run = program.prune(way.binary, original.path, [*options, *target], output, LIMIT)
        line.code, line.seconds, line.peak_mb = run.done.code, run.done.seconds, run.done.peak_mb
        if run.report is None:
            line.fail = short(run.message)
            return line
        read(run.report, line)
        if run.done.code == program.MISSED and not way.furthest:
            line.fail = f"not reached: {short(str(run.report['missed']))}"
        elif run.done.code not in (program.PRUNED, program.MISSED) or not output.exists():
            line.fail = short(run.message)
        else:
            check(original, output, line)
            if run.report["verification"] is None:
                doubt = f"not verified: {run.report['not_verified']}"
                line.fail = "; ".join(filter(None, [line.fail, short(doubt)]))
        if way.furthest:
            far = [*options, "--speedup", FAR, "--force", "--dry-run", "--no-verify"]
            furthest = program.prune(way.binary, original.path, far, output, LIMIT)
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
