"""Wall time and memory of a whole pruning run: the program against Torch-Pruning."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import program

SIDE = Path(__file__).with_name("torch_pruning_side.py")
CASES = (
    ("resnet50", "l2", "resnet50_tsbn"),
    ("resnet50", "fpgm", "resnet50_tsbn"),
    ("resnet18", "l2", "resnet18_tsbn"),
    ("mobilenet_v2", "l2", "mobilenet_v2_tsbn"),
    ("vit_small_patch16_224", "l2", "vit_small_patch16_224_ts"),
)
STEPS, SPEEDUP, SCHEME = 400, 2.0, "local"


@dataclass
class Series:
    """Repeated runs of one side."""

    seconds: list[float] = field(default_factory=list)
    without_counting: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    last: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    def add(self, seconds: float, without: float, peak_mb: float, result: dict[str, Any]) -> None:
        self.seconds.append(seconds)
        self.without_counting.append(without)
        self.peak_mb = max(self.peak_mb, peak_mb)
        self.last = result

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.seconds), max(self.seconds)


@dataclass
class Timing:
    """One model under one criterion."""

    model: str
    criterion: str
    theirs: Series = field(default_factory=Series)
    ours: Series = field(default_factory=Series)  # nothing but pruning
    whole: Series = field(default_factory=Series)  # with verification and latency


def time_theirs(case: tuple[str, str, str], threads: int, series: Series) -> None:
    """One run of Torch-Pruning in a process of its own; imports do not count."""
    model, criterion, _ = case
    done = program.execute([
        sys.executable, SIDE, model, criterion, "--steps", str(STEPS),
        "--speedup", str(SPEEDUP), "--threads", str(threads),
    ])  # fmt: skip
    try:
        result = json.loads(done.output.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        result = {"error": f"exit code {done.code}: {done.output.strip()[-200:]}"}
    if "error" in result:
        series.error = result["error"]
        return
    without = result["setup"] + result["pruning"]
    series.add(without + result["counting"], without, done.peak_mb, result)


def time_ours(args: Any, case: tuple[str, str, str], options: list[str], series: Series) -> None:
    """One run of the program, from the start of its process to its end."""
    _, criterion, export = case
    with tempfile.TemporaryDirectory() as folder:
        run = program.prune(
            args.binary, args.models / f"{export}.onnx",
            ["--criterion", criterion, "--scheme", SCHEME, "--steps", str(STEPS),
             "--speedup", f"{SPEEDUP:g}x", "--threads", str(args.threads), *options],
            Path(folder) / "out.onnx",
        )  # fmt: skip
    if run.report is None or run.done.code != program.PRUNED:
        series.error = run.message
        return
    series.add(run.done.seconds, run.done.seconds, run.done.peak_mb, run.report)


def measure(args: Any, show: Callable[[str], None]) -> list[Timing]:
    """All cases, the sides alternating within each repetition."""
    runtime = ["--runtime", "ort", "--ort-library", str(program.onnxruntime_library())]
    timings = {case: Timing(case[0], case[1]) for case in CASES}
    for case, timing in timings.items():
        for _ in range(args.repeat):
            time_ours(args, case, ["--no-verify", "--no-latency"], timing.ours)
            if not timing.theirs.error:
                time_theirs(case, args.threads, timing.theirs)
            time_ours(args, case, runtime, timing.whole)
        for name in ("theirs", "ours", "whole"):
            s: Series = getattr(timing, name)
            figures = f"{s.median:.3f} s {s.spread} {s.peak_mb:.0f} MB" if s.seconds else s.error
            show(f"{timing.model} {timing.criterion} {name}: {figures} {brief(s.last)}")
    return list(timings.values())


def brief(result: dict[str, Any]) -> str:
    keys = ("steps", "speedup", "setup", "pruning", "counting", "seconds")
    return json.dumps({k: result[k] for k in keys if k in result})


def table(timings: list[Timing]) -> list[str]:
    """The figures as a Markdown table."""
    lines = [
        "| model | criterion | Torch-Pruning | without counting | steps | onnx-prune | steps | ratio "
        "| whole command | peak memory |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for t in timings:
        theirs, ours, whole = t.theirs, t.ours, t.whole
        if theirs.seconds:
            cells = [spread(theirs), f"{statistics.median(theirs.without_counting):.2f} s"]
            cells.append(str(theirs.last["steps"]))
        else:
            cells = ["fails", "", ""]
        cells += [spread(ours), str(ours.last.get("steps", "")), ratio(theirs, ours), spread(whole)]
        peaks = [f"{s.peak_mb:.0f}" if s.seconds else "–" for s in (theirs, ours, whole)]
        lines.append(f"| {t.model} | {t.criterion} | {' | '.join(cells)} | {' / '.join(peaks)} MB |")
    for t in timings:
        for who, s in (("Torch-Pruning", t.theirs), ("onnx-prune", t.ours), ("whole command", t.whole)):
            if s.error:
                lines += ["", f"{who} on {t.model}, {t.criterion}: `{s.error}`"]
    return lines


def spread(s: Series) -> str:
    if not s.seconds:
        return "fails"
    low, high = s.spread
    return f"{s.median:.2f} s ({low:.2f}–{high:.2f})"


def ratio(theirs: Series, ours: Series) -> str:
    if not (theirs.seconds and ours.seconds):
        return "–"
    without = statistics.median(theirs.without_counting)
    return f"{theirs.median / ours.median:.0f} ({without / ours.median:.0f})"
