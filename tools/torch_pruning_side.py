#!/usr/bin/env python3
"""What Torch-Pruning does: its pruner on a model of the zoo, and its iterative loop.

Run as a program, it prunes one model step by step until a speed-up is reached and
prints one line of JSON, with seconds of each part, steps, speed-up and parameters, or the error.

Usage: python tools/torch_pruning_side.py MODEL CRITERION [--steps N] [--speedup S]
       [--threads N]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from zoo import build

IMPORTANCE = {
    "l1": lambda: tp.importance.GroupMagnitudeImportance(p=1),
    "l2": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "fpgm": lambda: tp.importance.FPGMImportance(p=2),
}  # group_reduction and normalizer are "mean" by default


def classifier(model: nn.Module) -> nn.Module:
    """The layer that gives the output: the last linear one."""
    return [m for m in model.modules() if isinstance(m, nn.Linear)][-1]


def pruner(
    model: nn.Module, example: Tensor, importance: Any, ratio: float, steps: int
) -> tp.pruner.BasePruner:
    """A local pruner that leaves the classifier's outputs alone."""
    heads = {m.qkv: m.num_heads for m in model.modules() if hasattr(m, "qkv")}
    return tp.pruner.BasePruner(
        model, example, importance=importance, pruning_ratio=ratio, iterative_steps=steps,
        ignored_layers=[classifier(model)], num_heads=heads,
    )  # fmt: skip


def contractions(model: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates of convolutions and linear layers alone."""
    total = 0

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [m.register_forward_hook(count) for m in layers]
    with torch.no_grad():
        model(example)
    for hook in hooks:
        hook.remove()
    return total


def run_loop(name: str, criterion: str, steps: int, speedup: float) -> dict[str, Any]:
    """The usual loop: one step, count, until the target is reached."""
    model, example = build(name)
    found: dict[str, Any] = {"model": name, "criterion": criterion}
    whole = contractions(model, example)
    start = time.perf_counter()
    base, base_params = tp.utils.count_ops_and_params(model, example)
    counting = time.perf_counter() - start
    start = time.perf_counter()
    prune = pruner(model, example, IMPORTANCE[criterion](), 1.0, steps)
    found["setup"] = time.perf_counter() - start
    pruning = 0.0
    for step in range(1, steps + 1):
        start = time.perf_counter()
        prune.step()
        pruning += time.perf_counter() - start
        start = time.perf_counter()
        macs, params = tp.utils.count_ops_and_params(model, example)
        counting += time.perf_counter() - start
        if base / macs >= speedup:
            break
    found |= {"steps": step, "pruning": pruning, "counting": counting}
    found |= {"speedup": base / macs, "params_percent": 100 * params / base_params}
    return found | {"contractions": whole / contractions(model, example)}


def main() -> int:
    parser = argparse.ArgumentParser(description="Prune one model with Torch-Pruning.")
    parser.add_argument("model")
    parser.add_argument("criterion", choices=IMPORTANCE)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--speedup", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads)
    try:
        result = run_loop(args.model, args.criterion, args.steps, args.speedup)
    except Exception as error:  # whatever it is, it is the result
        result = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
