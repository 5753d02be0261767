"""Kept channels, group by group: the program against Torch-Pruning."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
import torch_pruning as tp
from onnx import numpy_helper
from torch import Tensor, nn
from torch_pruning.pruner import function

import program
from zoo import build
from torch_pruning_side import IMPORTANCE, pruner

RATIO = 0.5
NEAR_TIE = 1e-5  # relative gap of two scores that rounding may swap

OUT = (function.prune_conv_out_channels, function.prune_linear_out_channels)
IN = (function.prune_conv_in_channels, function.prune_linear_in_channels)
NORM = (function.prune_batchnorm_out_channels, function.prune_layernorm_out_channels)
DEPTHWISE = (function.prune_depthwise_conv_out_channels,)


class Choice(NamedTuple):
    """A group of Torch-Pruning: its layers, scores and what each layer keeps."""

    root: str
    kept: dict[str, list[int]]  # producing weight -> kept channels
    scores: np.ndarray  # as Torch-Pruning ranks them
    parts: dict[str, list[np.ndarray]]  # item scores by kind, in double precision


class Difference(NamedTuple):
    """A group whose kept channels differ, and why."""

    layers: list[str]
    ours: list[int]
    theirs: list[int]
    reason: str


@dataclass
class Comparison:
    """The result for one model and one criterion."""

    model: str
    criterion: str
    groups: int = 0
    layers: int = 0
    equal: int = 0  # groups
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def item_scores(group: tp.Group, power: int, size: int) -> dict[str, list[np.ndarray]]:
    """Σ|w|^p of every item per root channel, by the kind of the item."""
    parts: dict[str, list[np.ndarray]] = {"out": [], "in": [], "norm": [], "depthwise": []}
    for i, (dep, indices) in enumerate(group):
        layer, prune_fn = dep.layer, dep.pruning_fn
        weight = getattr(layer, "weight", None)
        if not isinstance(weight, Tensor) or not isinstance(layer, nn.Module):
            continue
        values = weight.detach().double().abs().pow(power)
        if prune_fn in OUT:
            kind, per_index = "out", values.flatten(1).sum(1)
        elif prune_fn in DEPTHWISE:
            kind, per_index = "depthwise", values.flatten(1).sum(1)
        elif prune_fn in IN:
            kind, per_index = "in", values.transpose(0, 1).flatten(1).sum(1)
        elif prune_fn in NORM:
            kind, per_index = "norm", values
        else:
            continue
        score = torch.zeros(size, dtype=torch.float64)
        score.index_add_(0, torch.tensor(group[i].root_idxs), per_index[indices])
        parts[kind].append(score.numpy())
    return parts


def torch_pruning_choices(model: nn.Module, example: Tensor, criterion: str) -> list[Choice]:
    """What Torch-Pruning would remove in one local step."""
    names = {module: name for name, module in model.named_modules()}
    importance = IMPORTANCE[criterion]()
    power = importance.p
    seen: dict[nn.Module, tuple[np.ndarray, dict[str, list[np.ndarray]]]] = {}

    def record(group: tp.Group, **_: Any) -> Tensor | None:
        scores = importance(group)
        if scores is not None:
            root = group[0].dep.target.module
            seen[root] = scores.numpy(), item_scores(group, power, len(scores))
        return scores

    found: list[Choice] = []
    for group in pruner(model, example, record, RATIO, 1).step(interactive=True):
        kept: dict[str, list[int]] = {}
        for dep, indices in group:
            layer = dep.layer
            if dep.pruning_fn in OUT + DEPTHWISE and isinstance(layer, nn.Module):
                gone = set(indices)
                channels = range(layer.weight.shape[0])
                kept[f"{names[layer]}.weight"] = [c for c in channels if c not in gone]
        root = group[0].dep.target.module
        found.append(Choice(names[root], kept, *seen[root]))
    return found


def same_weights(path: Path, model: nn.Module) -> str:
    """Empty if every parameter of the module is in the file under its name."""
    stored = {i.name: numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
    for name, value in model.named_parameters():
        if name not in stored:
            return f"{name} is not in {path.name}"
        if not np.array_equal(stored[name], value.detach().numpy()):
            return f"{name} differs in {path.name}"
    return ""


def our_choices(binary: Path, model: Path, criterion: str) -> dict[str, list[int]]:
    """Kept channels by the weight that produces them, and the groups' layers."""
    options = [
        "--criterion", criterion, "--scheme", "local", "--ratio", str(RATIO), "--steps", "1",
        "--no-verify", "--no-latency",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run = program.prune(binary, model, options, Path(folder) / "out.onnx")
    if run.report is None or run.done.code != program.PRUNED:
        raise RuntimeError(f"{model.name} {criterion}: {run.message}")
    shapes = {i.name: i.dims for i in onnx.load(model).graph.initializer}
    kept: dict[str, list[int]] = {}
    for group in run.report["groups"]:
        for tensor, axis in group["members"]:
            dims = shapes[tensor]
            if axis == 0 and len(dims) >= 2 and dims[0] == group["before"]:
                kept[tensor] = group["kept"]
    return kept


def lowest(scores: np.ndarray, keep: int) -> tuple[list[int], float]:
    """The channels that stay when the lowest go (ties by index), and the score at the cut."""
    order = np.argsort(scores, kind="stable")
    cut = len(scores) - keep
    return sorted(order[cut:].tolist()), float(scores[order[cut - 1]] + scores[order[cut]]) / 2


def reason(choice: Choice, ours: list[int], theirs: list[int]) -> str:
    """The first explanation of a difference that reproduces what is kept here."""
    if len(ours) != len(theirs):
        return f"{len(ours)} channels kept, not {len(theirs)}"
    parts = choice.parts
    scored = parts["out"] + parts["in"] + parts["norm"]
    variants = {
        "same scores in double precision": scored,
        "depthwise weights scored too": scored + parts["depthwise"],
    }
    swapped = sorted(set(ours) ^ set(theirs))
    distances: dict[str, float] = {}
    for label, items in variants.items():
        scores = np.mean(items, axis=0)
        kept, cut = lowest(scores, len(ours))
        distances[label] = float(np.abs(scores[swapped] - cut).max() / scores.mean())
        if kept == ours:
            return f"{label}; scores within {distances[label]:.1e} of the cut"
    label, least = min(distances.items(), key=lambda item: item[1])
    verdict = "near tie" if least < NEAR_TIE else "unexplained"
    return f"{verdict}, {label}; scores within {least:.1e} of the cut"


def compare(binary: Path, folder: Path, name: str, criterion: str) -> Comparison:
    """Compare one model under one criterion."""
    result = Comparison(name, criterion)
    path = folder / f"{name}_tsbn.onnx"
    model, example = build(name)
    if problem := same_weights(path, model):
        result.notes.append(problem)
        return result
    ours = our_choices(binary, path, criterion)
    choices = torch_pruning_choices(model, example, criterion)
    layers = {layer for choice in choices for layer in choice.kept}
    for layer in sorted(ours.keys() ^ layers):
        side = "here" if layer in ours else "by Torch-Pruning"
        result.notes.append(f"{layer}: pruned {side} only")
    for choice in choices:
        shared = [layer for layer in choice.kept if layer in ours]
        if not shared:
            continue
        result.groups += 1
        result.layers += len(shared)
        wrong = [layer for layer in shared if ours[layer] != choice.kept[layer]]
        result.equal += not wrong
        if wrong:
            kept, theirs = ours[wrong[0]], choice.kept[wrong[0]]
            why = reason(choice, kept, theirs)
            if any(ours[layer] != kept for layer in shared):
                why = f"another group structure; {why}"
            result.differences.append(Difference(wrong, kept, theirs, why))
    return result
