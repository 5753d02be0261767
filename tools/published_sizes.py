#!/usr/bin/env python3
"""Compare model sizes with those PruningBench publishes for local pruning.

With the local scheme the parameters that are left depend on the target alone and not on
the criterion or the trained weights, so randomly initialised networks of the same shape
must come out at the published sizes.

Usage: python tools/published_sizes.py TABLE.csv [--models DIR] [--binary PATH]
       [--steps N] [--markdown FILE]

TABLE.csv is the PruningBench leaderboard with the columns model, dataset, scheme,
speedup and params_percent.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import program

NETWORKS = {
    "ResNet18": "cifar_resnet18_tsbn",
    "ResNet50": "cifar_resnet50_tsbn",
    "VGG19": "cifar_vgg19_bn_tsbn",
}
DATASET, SCHEME = "CIFAR100", "local"


class Row(NamedTuple):
    """One network at one target."""

    network: str
    target: float
    speedup: float
    params_percent: float
    published: float

    @property
    def deviation(self) -> float:
        """Difference in percentage points of the whole network."""
        return self.params_percent - self.published


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


def measure(args: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    wanted = published(args.table)
    with tempfile.TemporaryDirectory() as folder:
        for (network, target), percent in sorted(wanted.items()):
            if network not in NETWORKS:
                continue
            model = args.models / f"{NETWORKS[network]}.onnx"
            options = [
                "--criterion", "l2", "--scheme", SCHEME, "--steps", str(args.steps),
                "--speedup", f"{target:g}x", "--no-verify", "--no-latency",
            ]  # fmt: skip
            run = program.prune(args.binary, model, options, Path(folder) / "out.onnx")
            if run.report is None or run.done.code != program.PRUNED:
                print(f"{network} {target:g}x: {run.message}", file=sys.stderr)
                continue
            left = 100 * run.report["after"]["params"] / run.report["before"]["params"]
            rows.append(Row(network, target, run.report["speedup"], left, percent))
    return rows


def table(rows: list[Row]) -> list[str]:
    lines = [
        "| network | target | speed-up | parameters left | published | difference |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        lines.append(
            f"| {r.network} | {r.target:g}x | {r.speedup:.4f}x | {r.params_percent:.2f} % "
            f"| {r.published:.2f} % | {r.deviation:+.2f} |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare sizes with the published ones.")
    parser.add_argument("table", type=Path, help="the leaderboard as CSV")
    parser.add_argument("--models", type=Path, default=program.MODELS, help="folder of the exports")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--steps", type=int, default=400)
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
        command = f"tools/.venv/bin/python tools/published_sizes.py pruningbench.csv --steps {args.steps}"
        args.markdown.write_text("\n".join([
            "# Sizes against PruningBench", "",
            "Parameters that are left after local pruning, as a share of the whole network, against",
            "the leaderboards of PruningBench (CIFAR-100). They depend on the target and not on the",
            "criterion, so networks of the same shape with random weights are compared.", "",
            *lines, "", summary, "",
            f"Made with {program.version(args.binary)} by", "",
            "```sh", command, "```", "",
        ]))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
