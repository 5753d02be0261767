"""Checks of a pruned ONNX file against its original, made without the program."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

BATCHES = (1, 3)
FREE_SIZES = {1: 7, 3: 12}  # by batch, of an open dimension that is not named by the user
CHECKER_LIMIT = 160  # characters of an error that are kept
DATA_SIZED = {"NonZero", "NonMaxSuppression", "Unique", "Compress", "Loop"}  # operators

Shape = tuple[int, ...]
Outputs = list[tuple[str, Shape, str]]


def short(error: Exception | str) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:3])
    return text[:CHECKER_LIMIT] + ("…" if len(text) > CHECKER_LIMIT else "")


def valid(path: Path) -> str:
    """Empty if the file passes the ONNX checker with strict shape inference."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:  # the checker raises several unrelated types
        return short(error)
    return ""


@dataclass
class Behaviour:
    """What a file gives: outputs by batch, or why it gives none."""

    outputs: dict[int, Outputs] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Behaviour:
        """Read back what was written as JSON."""
        outputs = {
            int(b): [(name, tuple(shape), kind) for name, shape, kind in found]
            for b, found in stored["outputs"].items()
        }
        return cls(outputs, {int(b): error for b, error in stored["errors"].items()})


class Feed:
    """Random inputs of a model at a chosen batch size."""

    def __init__(self, inputs: list[Any], shapes: dict[str, Shape]) -> None:
        self.inputs = [(i.name, i.type, list(i.shape)) for i in inputs]
        self.shapes = shapes
        first = self.inputs[0][2] if self.inputs else []
        self.batch_name = first[0] if first and not isinstance(first[0], int) else None

    @property
    def batches(self) -> tuple[int, ...]:
        return BATCHES if self.batch_name is not None else BATCHES[:1]

    def shape(self, name: str, dims: list[Any], batch: int) -> Shape:
        given = self.shapes.get(name)
        sizes: list[int] = []
        for axis, dim in enumerate(dims):
            if self.batch_name is not None and (axis == 0 or dim == self.batch_name):
                sizes.append(batch)
            elif isinstance(dim, int):
                sizes.append(dim)
            else:
                sizes.append(given[axis] if given else FREE_SIZES[batch])
        return tuple(sizes)

    def values(self, batch: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(7)
        feed = {}
        for name, kind, dims in self.inputs:
            shape = self.shape(name, dims, batch)
            if "float" in kind or "double" in kind:
                dtype = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
                feed[name] = rng.standard_normal(shape).astype(dtype.get(kind, np.float32))
            else:
                dtype = {"tensor(int32)": np.int32, "tensor(bool)": np.bool_}
                feed[name] = np.ones(shape, dtype.get(kind, np.int64))  # tokens, masks
        return feed


def behaviour(path: Path, shapes: dict[str, Shape], threads: int) -> Behaviour:
    """Run the file in onnxruntime at every batch size that its inputs allow."""
    found = Behaviour()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        found.errors = {BATCHES[0]: short(error)}
        return found
    feed = Feed(session.get_inputs(), shapes)
    names = [o.name for o in session.get_outputs()]
    for batch in feed.batches:
        try:
            values = session.run(None, feed.values(batch))
        except Exception as error:
            found.errors[batch] = short(error)
            continue
        found.outputs[batch] = [
            (name, v.shape, str(v.dtype)) for name, v in zip(names, values, strict=True)
        ]
        broken = [
            name
            for name, v in zip(names, values, strict=True)
            if np.issubdtype(v.dtype, np.floating) and not np.isfinite(v).all()
        ]
        if broken:
            found.errors[batch] = f"{broken[0]} is not finite"
    return found


def open_axes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """By output, the axes whose sizes the data decides: how many objects were found."""
    if not DATA_SIZED & {node.op_type for node in model.graph.node}:
        return {}
    given = {d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim}
    return {
        o.name: [
            axis
            for axis, d in enumerate(o.type.tensor_type.shape.dim)
            if not d.HasField("dim_value") and d.dim_param not in given - {""}
        ]
        for o in model.graph.output
    }


def fixed(output: tuple[str, Shape, str], open_axes: dict[str, list[int]]) -> tuple[Any, ...]:
    """An output's name, shape and type, without the sizes that the data decides."""
    name, shape, kind = output
    sizes = [None if a in open_axes.get(name, ()) else n for a, n in enumerate(shape)]
    return name, tuple(sizes), kind


def compare(
    original: Behaviour, pruned: Behaviour, open_axes: dict[str, list[int]]
) -> dict[int, str]:
    """For each batch at which the original runs: empty, or what is wrong."""
    verdict: dict[int, str] = {}
    for batch, want in original.outputs.items():
        if batch in original.errors:
            continue
        if batch in pruned.errors or batch not in pruned.outputs:
            first = next(iter(pruned.errors.values()), "no result")
            verdict[batch] = pruned.errors.get(batch, first)
            continue
        got = pruned.outputs[batch]
        bad = [
            (g, w)
            for g, w in zip(got, want, strict=False)
            if fixed(g, open_axes) != fixed(w, open_axes)
        ]
        if len(got) != len(want):
            verdict[batch] = f"{len(got)} outputs, not {len(want)}"
        elif bad:
            verdict[batch] = f"output {bad[0][0]}, not {bad[0][1]}"
        else:
            verdict[batch] = ""
    return verdict


def inputs_of(model: onnx.ModelProto) -> list[str]:
    constants = {i.name for i in model.graph.initializer}
    return [i.name for i in model.graph.input if i.name not in constants]
