#!/usr/bin/env python3
"""Compare with Torch-Pruning: which channels are kept, and what a run costs.

Kept channels: one local step at ratio 0.5, group by group, on the same weights; every
difference is listed with what explains it. Speed: 400 linear steps to half the MACs.

Usage: python tools/compare_torch_pruning.py kept|speed|all [--only NAME ...]
       [--criteria l1 l2] [--repeat N] [--threads N] [--models DIR] [--binary PATH]
       [--markdown FILE]
"""

from __future__ import annotations

import argparse
import platform
import sys
import warnings
from pathlib import Path

import torch
import torch_pruning

import compare_kept
import compare_speed
import program

NETWORKS = ("resnet18", "resnet50", "mobilenet_v2", "densenet121")


def kept_section(args: argparse.Namespace) -> list[str]:
    """Compare kept channels and describe the outcome."""
    rows = [
        "| model | criterion | groups | layers | equal groups | different groups |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    details: list[str] = []
    for name in args.only or NETWORKS:
        for criterion in args.criteria:
            c = compare_kept.compare(args.binary, args.models, name, criterion)
            rows.append(
                f"| {name} | {criterion} | {c.groups} | {c.layers} | {c.equal} | {len(c.differences)} |"
            )
            print(rows[-1], flush=True)
            for d in c.differences:
                only_ours = sorted(set(d.ours) - set(d.theirs))
                only_theirs = sorted(set(d.theirs) - set(d.ours))
                details.append(
                    f"- {name}, {criterion}, {d.layers[0]}{more(d.layers)}: {listed(only_ours)} instead of "
                    f"{listed(only_theirs)}; {d.reason}"
                )
                print(details[-1], flush=True)
            details += [f"- {name}, {criterion}: {note}" for note in c.notes]
            for note in c.notes:
                print(f"- {note}", flush=True)
    return [
        "## Kept channels", "",
        "One local step at ratio 0.5 on the same weights (compared tensor by tensor), Torch-Pruning with",
        "GroupMagnitudeImportance, p = 1 or 2, reduction and normalizer mean, the classifier left alone.",
        "A group counts as equal when exactly the same channels stay in all its layers.", "",
        *rows, "", *(["Every difference:", "", *details, ""] if details else []),
    ]  # fmt: skip


def more(layers: list[str]) -> str:
    return f" (and {len(layers) - 1} more)" if len(layers) > 1 else ""


def listed(channels: list[int]) -> str:
    head = ", ".join(map(str, channels[:4]))
    return f"{len(channels)} channels ({head}{', …' if len(channels) > 4 else ''})"


def speed_section(args: argparse.Namespace) -> list[str]:
    """Measure both sides and describe the outcome."""
    timings = compare_speed.measure(args, lambda text: print(text, flush=True))
    lines = compare_speed.table(timings)
    print("\n".join(lines))
    return [
        "## Time and memory", "",
        f"Local scheme, {compare_speed.STEPS} linear steps, until base MACs / pruned MACs is "
        f"{compare_speed.SPEEDUP:g}. The sides",
        f"alternate; median of {args.repeat} (least–most), {args.threads} threads. Torch-Pruning: its pruner is set up and",
        "stepped, and operations are counted after each step to know when to stop; loading, imports",
        "and saving do not count. onnx-prune: the whole process with reading and writing the file,",
        "without verification and latency; the whole command has both. The ratio is to Torch-Pruning",
        "with counting (without). Peak memory: Torch-Pruning / onnx-prune / whole command.", "",
        *lines, "",
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare with Torch-Pruning.")
    parser.add_argument("what", choices=("kept", "speed", "all"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="models for kept channels")
    parser.add_argument("--criteria", nargs="+", default=["l1", "l2"], choices=("l1", "l2"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", type=Path, default=program.MODELS, help="folder of the exports")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--markdown", type=Path, help="write the page to this file")
    args = parser.parse_args()

    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads)
    lines = [
        "# Comparison with Torch-Pruning", "",
        f"{program.version(args.binary)}, Torch-Pruning {torch_pruning.__version__}, PyTorch "
        f"{torch.__version__}, Python {platform.python_version()}, {args.threads} CPU threads. Made by", "",
        "```sh", f"tools/.venv/bin/python tools/compare_torch_pruning.py {args.what} --repeat {args.repeat}", "```", "",
    ]  # fmt: skip
    if args.what in ("kept", "all"):
        lines += kept_section(args)
    if args.what in ("speed", "all"):
        lines += speed_section(args)
    if args.markdown:
        args.markdown.write_text("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
