"""The second implementation of masking.

Which channels went is read off the files: constant operands of the same node are compared, and what
is missing in the pruned one is set to zero in a copy of the original.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, helper, numpy_helper

from .constants import Key, Uses

# Slots where zero is no silence: dividing by it, its logarithm, a variance, a scale.
NOT_ZERO = {
    ("BatchNormalization", 4),
    ("Div", 1),
    ("Pow", 1),
    ("Mod", 1),
    ("QuantizeLinear", 1),
    ("DequantizeLinear", 1),
}
# Where the zero point of a quantized operand stands: there such numbers are silent.
ZERO_POINT = {
    ("MatMulInteger", 1): 3,
    ("ConvInteger", 1): 3,
    ("DynamicQuantizeMatMul", 1): 3,
    ("DynamicQuantizeLSTM", 1): 9,
    ("DynamicQuantizeLSTM", 2): 11,
}
Kept = list[np.ndarray]  # by axis


def close(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    return bool(
        np.all(np.abs(a.astype(np.float64) - b) <= 2e-6 * max(np.abs(a).max(initial=0.0), 1e-30))
    )


def rows(a: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(a, axis, 0).reshape(a.shape[axis], a.size // max(1, a.shape[axis]))


def along(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray | None:
    """Ascending positions of `b` in `a` along one axis; no other axis differs."""
    x, y = rows(a, axis), rows(b, axis)
    found, at = [], 0
    for row in y:
        while at < len(x) and not close(x[at], row):
            at += 1
        if at == len(x):
            return None
        found.append(at)
        at += 1
    return np.array(found, np.int64)


def by_values(a: np.ndarray, b: np.ndarray) -> Kept | None:
    """Positions of `b` in `a` along several axes at once: each number votes for where it stood."""
    order = np.argsort(a, axis=None, kind="stable")
    flat = a.reshape(-1)[order].astype(np.float64)
    wanted = b.astype(np.float64).reshape(-1)
    right = np.clip(np.searchsorted(flat, wanted), 0, len(flat) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(flat[left] - wanted) < np.abs(flat[right] - wanted), left, right)
    places = np.unravel_index(order[nearest], a.shape)
    kept = []
    for axis, place in enumerate(places):
        votes = np.zeros((b.shape[axis], a.shape[axis]), np.int64)
        here = np.unravel_index(np.arange(b.size), b.shape)[axis]
        np.add.at(votes, (here, place), 1)
        kept.append(votes.argmax(1))
    return kept if close(a[np.ix_(*kept)], b) else None


def within(row: np.ndarray, longer: np.ndarray) -> bool:
    """Whether all numbers of `row` occur in `longer`, in the same order."""
    at = 0
    for value in row:
        while at < len(longer) and longer[at] != value:
            at += 1
        if at == len(longer):
            return False
        at += 1
    return True


def by_order(a: np.ndarray, b: np.ndarray) -> Kept | None:
    """The same where numbers repeat, as quantized ones do: a row of `b` holds some of the numbers of a row of `a`."""
    kept = [np.arange(n) for n in a.shape]
    scale = max(float(np.abs(a).max(initial=0.0)), 1e-30)
    current, small = np.round(a / scale, 5), np.round(b / scale, 5)
    axes = [i for i in range(a.ndim) if a.shape[i] != b.shape[i]]
    for axis in axes[:-1]:
        x, y = rows(current, axis), rows(small, axis)
        found, at = [], 0
        for row in y:
            while at < len(x) and not within(row, x[at]):
                at += 1
            if at == len(x):
                return None
            found.append(at)
            at += 1
        kept[axis] = np.array(found, np.int64)
        current = np.take(current, kept[axis], axis)
    last = along(current, small, axes[-1])
    if last is None:
        return None
    kept[axes[-1]] = last
    return kept


def match(a: np.ndarray, b: np.ndarray) -> Kept | None:
    """By axis, the positions of `a` that make `b`; None where there are no such."""
    if a.ndim != b.ndim or any(m < n for m, n in zip(a.shape, b.shape, strict=True)):
        return None
    axes = [i for i in range(a.ndim) if a.shape[i] != b.shape[i]]
    kept: Kept = [np.arange(n) for n in a.shape]
    if len(axes) == 1:
        found = along(a, b, axes[0])
        if found is None:
            return None
        kept[axes[0]] = found
        return kept
    return by_values(a, b) or by_order(a, b)


def doubtful(a: np.ndarray, kept: Kept) -> list[np.ndarray]:
    """By axis, what went but looks like something that stayed: matching may have confused the two."""
    found = []
    for axis, stays in enumerate(kept):
        here = a[
            np.ix_(
                *[
                    np.arange(n) if i == axis else k
                    for i, (k, n) in enumerate(zip(kept, a.shape, strict=True))
                ]
            )
        ]
        x = rows(here, axis)
        gone = np.setdiff1d(np.arange(a.shape[axis]), stays)
        found.append(np.array([g for g in gone if any(close(x[g], x[s]) for s in stays)], np.int64))
    return found


@dataclass
class Masked:
    """The original with what went set to zero."""

    model: ModelProto
    uses: Uses  # of `model`
    kept: dict[tuple[Key, int], Kept] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    changed: int = 0

    def store(self, values: np.ndarray) -> str:
        """A new initializer of the masked model."""
        self.changed += 1
        name = f"masked.{self.changed}"
        self.model.graph.initializer.append(
            numpy_helper.from_array(np.array(values, order="C"), name)
        )
        return name


def masked(original: ModelProto, pruned: ModelProto) -> Masked:
    """Mask in a copy of `original` whatever constant operands lack in `pruned`."""
    copy = ModelProto()
    copy.CopyFrom(original)
    whole, small = Uses(copy), Uses(pruned)
    done = Masked(copy, whole)
    for (key, slot), use in whole.found.items():
        quantized = use.node is not None and ZERO_POINT.get((use.node.op_type, slot))
        if use.values is None or use.values.dtype.kind != "f" and not quantized:
            continue
        label = f"{key[0]}:{key[1]}[{slot}]"
        other = small.found.get((key, slot))
        if other is None or other.values is None:
            done.missing.append(label)
            continue
        a, b = use.values, other.values
        if a.shape == b.shape:
            if not close(a, b):
                done.unmatched.append(f"{label} has other values")
            continue
        kept = match(a, b)
        if kept is None:
            done.unmatched.append(f"{label} {list(a.shape)} -> {list(b.shape)}")
            continue
        done.kept[(key, slot)] = kept
        if use.node is not None and (use.node.op_type, slot) in NOT_ZERO:
            continue
        looks_alike = doubtful(a, kept)
        if any(map(len, looks_alike)):
            done.doubtful.append(label)
        stays = np.zeros(a.shape, bool)
        stays[np.ix_(*(np.union1d(k, d) for k, d in zip(kept, looks_alike, strict=True)))] = True
        silent = np.zeros((), a.dtype)
        if quantized and (zero := whole.found.get((key, quantized))) and zero.values is not None:
            silent = zero.values.reshape(-1)[0]
        name = done.store(np.where(stays, a, silent))
        if use.node is not None:
            use.node.input[slot] = name
        else:
            fresh = f"{name}.out"
            use.graph.node.append(helper.make_node("Identity", [name], [fresh], name=fresh))
            use.graph.output[slot].name = fresh
    return done
