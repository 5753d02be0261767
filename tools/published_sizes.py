#!/usr/bin/env python3
"""Compare model sizes with those PruningBench publishes for local pruning.

With the local scheme the parameters that are left depend on the target alone and not on
the criterion or the trained weights, so randomly initialised networks of the same shape
must come out at the published sizes.

PruningBench takes steps of 1/400 of every layer and stops after the first that reaches
the target. The same is done here: the smallest number of steps is searched for, each
tried with --ratio k/400 in one step. Parameters are those that are trained, as published:
the running statistics of BatchNorm, which the program counts too, are left out. What
reaches the target is decided twice: by the program's MACs, and by operations as
Torch-Pruning counts them, with those of biases, BatchNorm, activations and pooling.

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
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import onnx

import program

MODULES = ("Relu", "MaxPool")
NETWORKS = {  # export, and what of its layers are modules, for only those are counted there
    "ResNet18": ("cifar_resnet18_tsbn", ()),
    "ResNet50": ("cifar_resnet50_tsbn", ()),
    "VGG19": ("cifar_vgg19_bn_tsbn", MODULES),
}
DATASET, SCHEME, STEPS = "CIFAR100", "local", 400


class Size(NamedTuple):
    """A pruned network."""

    speedup: float  # in MACs
    operations: float  # speed-up in operations as Torch-Pruning counts them
    trained: float  # percent of the trained parameters that are left
    counted: float  # percent of the parameters as the program counts them


class Row(NamedTuple):
    """One network at one target."""

    network: str
    target: float
    published: float  # percent of the parameters
    by_macs: int  # first of 400 steps whose MACs reach the target
    macs: Size
    by_operations: int  # first of 400 steps whose operations reach it
    operations: Size
    exact: Size  # pruned with the speed-up as the target

    @property
    def deviation(self) -> float:
        """Difference in percentage points of the whole network."""
        return self.macs.trained - self.published

    @property
    def deviation_by_operations(self) -> float:
        return self.operations.trained - self.published


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


class Cost(NamedTuple):
    """What a file holds and takes."""

    trained: int  # parameters without running statistics
    operations: int  # as Torch-Pruning counts them


def cost(path: Path, modules: tuple[str, ...]) -> Cost:
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    dims = {i.name: list(i.dims) for i in graph.initializer}
    values = {v.name: v for v in [*graph.value_info, *graph.input, *graph.output]}
    weights: set[str] = set()
    operations = 0

    def elements(name: str) -> int:
        sizes = [d.dim_value for d in values[name].type.tensor_type.shape.dim]
        return math.prod(sizes[1:])

    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):  # the weight of a Gemm is output × input
            each = math.prod(dims[node.input[1]][1:]) + len(node.input[2:3])
            operations += elements(node.output[0]) * each
        elif node.op_type == "BatchNormalization":
            operations += elements(node.output[0]) * 2
        elif node.op_type in modules:
            operations += elements(node.input[0])
        if node.op_type in ("Conv", "Gemm", "BatchNormalization"):
            weights.update(node.input[1:3])
    return Cost(sum(math.prod(dims[name]) for name in weights), operations)


class Network:
    """A network that is pruned again and again."""

    def __init__(self, binary: Path, model: Path, modules: tuple[str, ...]) -> None:
        self.binary, self.model, self.modules = binary, model, modules
        self.whole = cost(model, modules)
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
            left, report = cost(output, self.modules), run.report
        return Size(
            report["speedup"],
            self.whole.operations / left.operations,
            100 * left.trained / self.whole.trained,
            100 * report["after"]["params"] / report["before"]["params"],
        )

    def after(self, steps: int) -> Size:
        if steps not in self.sizes:
            self.sizes[steps] = self.prune(["--ratio", f"{steps / STEPS:g}", "--steps", "1"])
        return self.sizes[steps]

    def steps_to(self, target: float, operations: bool) -> int:
        """The smallest number of steps that reaches the target."""
        low, high = 0, STEPS - 1  # `low` does not reach it, `high` does
        while high - low > 1:
            middle = (low + high) // 2
            size = self.after(middle)
            if (size.operations if operations else size.speedup) >= target:
                high = middle
            else:
                low = middle
        return high


def measure(args: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    networks = {
        name: Network(args.binary, args.models / f"{stem}.onnx", modules)
        for name, (stem, modules) in NETWORKS.items()
    }
    for (name, target), percent in sorted(published(args.table).items()):
        if name not in networks:
            continue
        network = networks[name]
        macs, operations = (network.steps_to(target, by) for by in (False, True))
        exact = network.prune(["--speedup", f"{target:g}x"])
        sizes = network.after(macs), network.after(operations)
        rows.append(Row(name, target, percent, macs, sizes[0], operations, sizes[1], exact))
        print(rows[-1], flush=True)
    return rows


def table(rows: list[Row]) -> list[str]:
    lines = [
        "| network | target | published | step by MACs | speed-up | trained | difference | all "
        "| step by operations | trained | difference | exact target | trained | all |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        lines.append(
            f"| {r.network} | {r.target:g}x | {r.published:.2f} % "
            f"| {r.by_macs} | {r.macs.speedup:.4f}x | {r.macs.trained:.2f} % | {r.deviation:+.2f} "
            f"| {r.macs.counted:.2f} % | {r.by_operations} | {r.operations.trained:.2f} % "
            f"| {r.deviation_by_operations:+.2f} | {r.exact.speedup:.4f}x "
            f"| {r.exact.trained:.2f} % | {r.exact.counted:.2f} % |"
        )
    return lines


def worst(rows: list[Row], deviation: Callable[[Row], float]) -> str:
    row = max(rows, key=lambda r: abs(deviation(r)))
    return f"{deviation(row):+.2f} percentage points ({row.network}, {row.target:g}x)"


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
    summary = (
        f"{len(rows)} sizes. Largest difference with steps by MACs: {worst(rows, lambda r: r.deviation)}; "
        f"with steps by operations: {worst(rows, lambda r: r.deviation_by_operations)}."
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
            f"the target. The same is done here with `--ratio k/{STEPS} --steps 1`, for the smallest k that",
            "reaches it: by MACs, as the program counts them, and by operations, as Torch-Pruning counts",
            "them: with one for each element that gets a bias, two for each that BatchNorm passes on and,",
            "in VGG, one for each that goes into ReLU or MaxPool. The published share is of trained",
            "parameters, and so are the columns named so and the differences, in percentage points.",
            "The program counts the running statistics of BatchNorm too; that is the share of all. The",
            "last three columns are what `--speedup` gives, which stops within a channel of the target",
            "and not on a whole step.", "",
            *lines, "", summary, "",
            f"Made with {program.version(args.binary)} by", "",
            "```sh", "tools/.venv/bin/python tools/published_sizes.py pruningbench.csv", "```", "",
        ]))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
