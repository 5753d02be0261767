"""Prunes one model and says what came of it, by checks that are not the program's."""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto

from . import command
from .behaviour import Feed, difference, outputs, random_feed, session
from .constants import Uses, stored_tensors
from .masking import masked
from .mixing import Mixer, see_kept_alone

TOLERANCE = 5e-4  # of an output's spread
SECONDS = 60.0

# What can become of a model. The first three are as they should be.
PRUNED, NOTHING, UNTOLD, SKIPPED = (
    "pruned",
    "nothing prunable",
    "shapes only",
    "original does not run",
)
WRONG, SHAPES, BROKEN = "wrong outputs", "wrong shapes", "does not run"
REFUSED, CRASHED, HUNG = "refused", "crashed", "hung"
FIGURES, LARGER, UNTIED, ASYMMETRIC = "wrong figures", "larger file", "untied", "not symmetric"
FAULTS = [WRONG, SHAPES, BROKEN, CRASHED, HUNG, REFUSED, ASYMMETRIC, UNTIED, LARGER, FIGURES]


@dataclass
class Subject:
    """A model, and what is known of it besides its file."""

    model: ModelProto
    sizes: list[dict[str, int]]
    below: dict[str, int] = field(default_factory=dict)
    fixed: dict = field(default_factory=dict)
    mixers: list[Mixer] = field(default_factory=list)
    swapped: tuple[str, str] | None = None
    sums: bool = False  # whether it adds up over channels what no constant tells the channels of

    def feeds(self, inputs: list) -> list[Feed]:
        feeds = []
        for i, sizes in enumerate(self.sizes):
            feed = random_feed(inputs, sizes, 11 + i, self.below)
            for name, values in self.fixed.items():
                feed[name] = values(sizes)
            feeds.append(feed)
        return feeds


@dataclass
class Verdict:
    """What came of one model."""

    outcome: str
    why: str = ""
    also: list[str] = field(default_factory=list)  # further faults
    difference: float = 0.0  # to the masked original
    change: float = 0.0  # to the original
    mixed: int = 0  # groups that an operator mixes across, by the report
    spelled_out: int = 0  # operators that were made to see the kept channels alone
    options: str = ""
    unverified: bool = False  # whether the program could not verify what it should

    @property
    def faults(self) -> list[str]:
        return [f for f in [self.outcome, *self.also] if f in FAULTS]


def options(seed: int, runtime: str | None = None) -> list[str]:
    """How to prune, drawn from the seed."""
    dice = random.Random(seed + 12345)
    target = dice.choice(
        [f"--ratio={dice.uniform(0.15, 0.75):.2f}"] * 3
        + [f"--speedup={dice.uniform(1.2, 2.5):.2f}", f"--params={dice.uniform(0.4, 0.8):.2f}"]
    )
    # Weights that stay keep their values: by them what went is told.
    chosen = [target, "--force", "--no-refit", "--no-latency", "--threads=1", f"--seed={seed % 1000}"]
    chosen.append(f"--criterion={dice.choice(['l1', 'l2', 'random', 'random', 'fpgm', 'lamp'])}")
    chosen.append(
        f"--scheme={dice.choice(['protected-global', 'local', 'local', 'global', 'isomorphic'])}"
    )
    axes = dice.choice([None, None, None, "all", "default,residual", "default,heads"])
    if axes:
        chosen.append(f"--axes={axes}")
    if dice.random() < 0.2:
        chosen.append(f"--round-to={dice.choice([2, 4])}")
    if dice.random() < 0.4:
        chosen.append("--no-verify")
    chosen.append(f"--runtime={runtime or dice.choice(['tract', 'ort'])}")
    return chosen


WHOLE = {
    TensorProto.INT64,
    TensorProto.INT32,
    TensorProto.BOOL,
    TensorProto.STRING,
}  # sizes and positions


def count(model: ModelProto) -> int:
    """Elements of the floats, and of quantized weights, that a file stores."""
    return sum(int(np.prod(t.dims)) for t in stored_tensors(model) if t.data_type not in WHOLE)


ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Where", "PRelu"}


def sharing(uses: Uses) -> list[list[tuple]]:
    """Weights of two axes and more that several computing nodes read: which operands."""
    by_name = defaultdict(list)
    for at, use in uses.found.items():
        if (
            use.values is not None
            and use.values.dtype.kind == "f"
            and use.values.ndim >= 2
            and use.node is not None
            and use.node.op_type not in ELEMENTWISE
        ):
            if min(sorted(use.values.shape)[-2:]) > 1:
                by_name[use.name].append(at)
    return [places for places in by_name.values() if len(places) > 1]


def contents(
    folder: Path, subject: Subject, asked: list[str], binary: Path
) -> tuple[command.Finished, Path, Path]:
    source, output = folder / "model.onnx", folder / "out.onnx"
    source.write_bytes(subject.model.SerializeToString())
    return command.prune(binary, source, output, asked, SECONDS), source, output


def judge(
    subject: Subject, asked: list[str], binary: Path, folder: Path, strict: bool = True
) -> Verdict:
    """Prune the model in `folder` and check what came out."""
    text = " ".join(asked)
    try:
        whole = session(subject.model)
        feeds = subject.feeds(whole.get_inputs())
        wanted = [outputs(whole, f) for f in feeds]
    except Exception as error:  # onnxruntime raises several unrelated types
        return Verdict(SKIPPED, str(error)[:200], options=text)
    done, source, output = contents(folder, subject, asked, binary)
    if done.code is None:
        return Verdict(HUNG, f"after {SECONDS} s", options=text)
    if done.code < 0 or "panicked" in done.stderr or done.code > 100:
        return Verdict(CRASHED, f"exit code {done.code}: {done.message}", options=text)
    if command.NOTHING.search(done.stderr):
        return Verdict(NOTHING, done.message, options=text)
    if done.code not in (command.PRUNED, command.MISSED) or not output.exists():
        return Verdict(REFUSED, f"exit code {done.code}: {done.message}", options=text)
    verdict = examine(subject, whole, feeds, wanted, output, done)
    verdict.options = text
    if strict:
        verdict.also += figures(subject.model, source, output, done)
    verified = (done.report or {}).get("verification") is not None
    verdict.unverified = "--no-verify" not in asked and not verified
    if verdict.outcome in (PRUNED, UNTOLD) and verdict.also:
        verdict.outcome, verdict.also = verdict.also[0].split(":")[0], verdict.also
        verdict.why = verdict.also[0]
        verdict.also = [a.split(":")[0] for a in verdict.also[1:]]
    return verdict


def examine(
    subject: Subject, whole, feeds: list[Feed], wanted: list[list[np.ndarray]], output: Path, done
) -> Verdict:
    pruned = onnx.load(output)
    report = done.report or {"groups": []}
    mixed = sum(g["mixed"] and g["after"] < g["before"] for g in report["groups"])
    try:
        small, got = opened(pruned, feeds)
    except Exception as error:
        return Verdict(BROKEN, str(error)[:300], mixed=mixed)
    for a, b in zip(wanted, got, strict=True):
        if [(x.shape, x.dtype) for x in a] != [(y.shape, y.dtype) for y in b]:
            return Verdict(
                SHAPES, f"{[y.shape for y in b]}, not {[x.shape for x in a]}", mixed=mixed
            )
    if not all(np.isfinite(v).all() for out in wanted for v in out if v.dtype.kind == "f"):
        return Verdict(UNTOLD, "the original's outputs are not finite", mixed=mixed)
    shared = sharing(Uses(subject.model))
    silent = masked(subject.model, pruned)
    spelled_out = see_kept_alone(silent, subject.mixers)
    change = max(difference(a, b) for a, b in zip(wanted, got, strict=True))
    verdict = Verdict(PRUNED, change=change, mixed=mixed, spelled_out=spelled_out)
    try:
        expected = session(silent.model)
        told = [outputs(expected, f) for f in feeds]
    except Exception as error:
        return Verdict(UNTOLD, f"masked original: {error}"[:300], mixed=mixed)
    if not all(np.isfinite(v).all() for out in told for v in out if v.dtype.kind == "f"):
        return Verdict(
            UNTOLD,
            "zero is no silence here: the masked original's outputs are not finite",
            mixed=mixed,
        )
    apart = [difference(a, b) for a, b in zip(told, got, strict=True)]
    verdict.difference = max(apart)
    if TOLERANCE < verdict.difference <= 10 * noise(expected, feeds, told):
        verdict.outcome = UNTOLD
        verdict.why = f"differs by {verdict.difference:.2e} of the spread, which is rounding"
    elif not verdict.difference <= TOLERANCE:
        odd = "; ".join((silent.unmatched + silent.missing)[:4])
        verdict.outcome = (
            UNTOLD if spelled_out < mixed or silent.doubtful or (subject.sums and mixed) else WRONG
        )
        verdict.why = f"differs by {verdict.difference:.2e} of the spread {odd}"
        return verdict
    verdict.also = untied(shared, pruned) + symmetric(subject, whole, small, feeds)
    return verdict


def opened(model: ModelProto, feeds: list[Feed]) -> tuple:
    """A session and its outputs; as users run it where it does not run unoptimized.

    Two casts in a row that a loop's body reads are taken away by onnxruntime 1.32 before it looks who reads them,
    unless it optimizes.
    """
    try:
        small = session(model)
        return small, [outputs(small, f) for f in feeds]
    except Exception:
        small = session(model, optimized=True)
        return small, [outputs(small, f) for f in feeds]


def noise(model, feeds: list[Feed], told: list[list[np.ndarray]]) -> float:
    """How far the outputs move when the inputs move by their last digits."""
    dice = np.random.default_rng(5)
    worst = 0.0
    for feed, before in zip(feeds, told, strict=True):
        moved = {
            name: (v * (1 + 1e-7 * dice.standard_normal(v.shape))).astype(v.dtype)
            if v.dtype.kind == "f"
            else v
            for name, v in feed.items()
        }
        worst = max(worst, difference(before, outputs(model, moved)))
    return worst


def untied(shared: list[list[tuple]], pruned: ModelProto) -> list[str]:
    """Weights that several operands shared in the original and no longer do."""
    small = Uses(pruned)
    found = []
    for places in shared:
        names = {small.found[p].name for p in places if p in small.found}
        if len(names) > 1:
            found.append(
                f"{UNTIED}: {places[0][0][1]} and {places[1][0][1]} read {sorted(names)[:3]}"
            )
    return found[:1]


def symmetric(subject: Subject, whole, small, feeds: list[Feed]) -> list[str]:
    """Two towers with one set of weights, joined alike: f(a, b) = f(b, a)."""
    if subject.swapped is None:
        return []
    a, b = subject.swapped
    for feed in feeds:
        turned = {**feed, a: feed[b], b: feed[a]}
        apart = difference(outputs(small, feed), outputs(small, turned))
        before = difference(
            outputs(whole, feed), outputs(whole, turned)
        )  # rounding, where a norm divides by little
        if apart > TOLERANCE + 10 * before:
            return [f"{ASYMMETRIC}: differs by {apart:.2e}"]
    return []


def figures(original: ModelProto, source: Path, output: Path, done) -> list[str]:
    """Printed figures against a count of the written file, and its size against the original's."""
    found = []
    report = done.report
    before, after = source.stat().st_size, output.stat().st_size
    if after > before + 256:
        found.append(f"{LARGER}: {before} -> {after} bytes")
    if report is None:
        return [*found, f"{FIGURES}: no report"]
    if report["after"]["bytes"] != after:
        found.append(f"{FIGURES}: {report['after']['bytes']} bytes, the file has {after}")
    own = count(onnx.load(output))
    stated = report["after"]["params"]
    slack = count(original) - report["before"]["params"]
    if abs(own - stated) > max(slack, 0) + 0.02 * own + 24:
        found.append(f"{FIGURES}: {stated:.0f} parameters, the file has {own}")
    return found


def clean(folder: Path) -> None:
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            path.unlink()
