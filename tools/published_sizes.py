#!/usr/bin/env python3
"""Compare model sizes with those PruningBench publishes for local pruning.

With the local scheme the parameters that are left depend on the target alone and not on
the criterion or the trained weights, so randomly initialised networks of the same shape
must come out at the published sizes.

PruningBench takes steps of 1/400 of every layer and stops after the first that reaches
the target. The same is done here: the smallest number of steps is searched for, each
tried with --ratio k/400 in one step. Parameters are those that are trained, as published:
the running statistics of BatchNorm, which the program counts too, are left out.

Usage: python tools/published_sizes.py TABLE.csv [--models DIR] [--binary PATH]
       [--markdown FILE]

TABLE.csv is the PruningBench leaderboard with the columns model, dataset, scheme,
speedup and params_percent.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import onnx

import program

NETWORKS = {
    "ResNet18": "cifar_resnet18_tsbn",
    "ResNet50": "cifar_resnet50_tsbn",
    "VGG19": "cifar_vgg19_bn_tsbn",
}
DATASET, SCHEME, STEPS = "CIFAR100", "local", 400
LATER = 3  # steps beyond the target that are searched for the published size


class Size(NamedTuple):
    """A pruned network."""

    speedup: float
    trained: float  # percent of the trained parameters that are left
    counted: float  # percent of the parameters as the program counts them


class Row(NamedTuple):
    """One network at one target."""

    network: str
    target: float
    steps: int  # of 400
    stepped: Size
    exact: Size  # pruned with the speed-up as the target
    published: float

    @property
    def deviation(self) -> float:
        """Difference in percentage points of the whole network."""
        return self.stepped.trained - self.published


def published(table: Path) -> dict[tuple[str, float], float]:
    """The published percentage of parameters by network and speed-up."""
    found: dict[tuple[str, float], set[float]] = defaultdict(set)
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["dataset"] == DATASET and row["scheme"] == SCHEME and row["params_percent"]:
                found[row["model"], float(row["speedup"])].add(float(row["params_percent"]))
    for key, values in found.items():
        if len(values) > 1:
            print(f"{key[0]} {key[1]:g}x: published with {sorted(values)}", file=sys.stderr)
    return {key: min(values) for key, values in found.items()}


def parameters(path: Path) -> int:
    """Elements of trainable initializers."""
    graph = onnx.load(path).graph
    statistics = {name for n in graph.node if n.op_type == "BatchNormalization" for name in n.input[3:5]}
    floats = (t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT)
    return sum(math.prod(t.dims) for t in floats if t.name not in statistics)


def shrink(args: argparse.Namespace, model: Path, goal: list[str], output: Path) -> float:
    """Prunes to a goal and gives the speed-up."""
    options = ["--criterion", "l2", "--scheme", SCHEME, *goal, "--no-verify", "--no-latency"]
    run = program.prune(args.binary, model, options, output)
    if run.report is None or run.done.code != program.PRUNED:
        raise RuntimeError(f"{model.stem} {' '.join(goal)}: {run.message}")
    return float(run.report["speedup"])


def at_step(args: argparse.Namespace, model: Path, step: int, output: Path) -> float:
    """Prunes by one of `args.steps` linear steps."""
    return shrink(args, model, ["--ratio", str(step / args.steps), "--steps", "1"], output)


def whole_step(args: argparse.Namespace, model: Path, target: float, output: Path) -> int:
    """The first step that reaches the target."""
    low, high = 1, args.steps - 1
    while low < high:
        middle = (low + high) // 2
        reached = at_step(args, model, middle, output) >= target
        low, high = (low, middle) if reached else (middle + 1, high)
    return low


def trained(path: Path) -> int:
    """Parameters without running statistics: Gemm, Conv and BatchNorm weights and biases."""
    graph = onnx.load(path).graph
    sizes = {i.name: int(np.prod(i.dims)) for i in graph.initializer}
    weights = {
        name
        for node in graph.node
        if node.op_type in ("Conv", "Gemm", "BatchNormalization")
        for name in node.input[1:3]
    }
    return sum(sizes[name] for name in weights)


class Network:
    """A network that is pruned again and again."""

    def __init__(self, binary: Path, model: Path) -> None:
        self.binary, self.model = binary, model
        self.trained = trained(model)
        self.sizes: dict[int, Size] = {}

    def prune(self, target: list[str]) -> Size:
        options = [
            "--criterion", "l2", "--scheme", SCHEME, *target, "--no-verify", "--no-latency",
        ]  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "out.onnx"
            run = program.prune(self.binary, self.model, options, output)
            if run.report is None or run.done.code != program.PRUNED:
                raise RuntimeError(f"{self.model.stem} {' '.join(target)}: {run.message}")
            counted: dict[str, Any] = run.report
            return Size(
                counted["speedup"],
                100 * trained(output) / self.trained,
                100 * counted["after"]["params"] / counted["before"]["params"],
            )

    def after(self, steps: int) -> Size:
        if steps not in self.sizes:
            self.sizes[steps] = self.prune(["--ratio", f"{steps / STEPS:g}", "--steps", "1"])
        return self.sizes[steps]

    def steps_to(self, speedup: float) -> int:
        """The smallest number of steps that reaches the speed-up."""
        low, high = 0, STEPS - 1  # `low` does not reach it, `high` does
        while high - low > 1:
            middle = (low + high) // 2
            if self.after(middle).speedup >= speedup:
                high = middle
            else:
                low = middle
        return high


def measure(args: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    networks = {
        name: Network(args.binary, args.models / f"{stem}.onnx") for name, stem in NETWORKS.items()
    }
    for (name, target), percent in sorted(published(args.table).items()):
        if name in networks:
            network = networks[name]
            steps = network.steps_to(target)
            exact = network.prune(["--speedup", f"{target:g}x"])
            rows.append(Row(name, target, steps, network.after(steps), exact, percent))
            print(rows[-1], flush=True)
    return rows


def table(rows: list[Row]) -> list[str]:
    lines = [
        "| network | target | published | steps | speed-up | trained parameters left | difference "
        "| all parameters left | exact speed-up | trained | all |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        lines.append(
            f"| {r.network} | {r.target:g}x | {r.published:.2f} % | {r.steps} "
            f"| {r.stepped.speedup:.4f}x | {r.stepped.trained:.2f} % | {r.deviation:+.2f} "
            f"| {r.stepped.counted:.2f} % | {r.exact.speedup:.4f}x | {r.exact.trained:.2f} % "
            f"| {r.exact.counted:.2f} % |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare sizes with the published ones.")
    parser.add_argument("table", type=Path, help="the leaderboard as CSV")
    parser.add_argument("--models", type=Path, default=program.MODELS, help="folder of the exports")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    args = parser.parse_args()

    rows = measure(args)
    if not rows:
        return 1
    worst = max(rows, key=lambda r: abs(r.deviation))
    summary = (
        f"{len(rows)} sizes; the largest difference is {worst.deviation:+.2f} percentage points "
        f"({worst.network}, {worst.target:g}x)."
    )
    lines = table(rows)
    print("\n".join([*lines, "", summary]))
    if args.markdown:
        args.markdown.write_text("\n".join([
            "# Sizes against PruningBench", "",
            "Parameters that are left after local pruning, as a share of the whole network, against",
            "the leaderboards of PruningBench (CIFAR-100). They depend on the target and not on the",
            "criterion, so networks of the same shape with random weights are compared.", "",
            f"PruningBench takes steps of 1/{STEPS} of every layer and stops after the first that reaches",
            f"the target. The same is done here: steps is the smallest k for which `--ratio k/{STEPS} --steps 1`",
            "reaches it. The published share is of trained parameters, and so is the difference, in",
            "percentage points; the program counts the running statistics of BatchNorm too, which gives",
            "the column of all parameters. The last three columns are what `--speedup` gives, which does",
            "not stop on whole steps.", "",
            *lines, "", summary, "",
            f"Made with {program.version(args.binary)} by", "",
            "```sh", "tools/.venv/bin/python tools/published_sizes.py pruningbench.csv", "```", "",
        ]))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
