#!/usr/bin/env python3
"""Shapes and values that the program works out, against the node tests of the onnx package.

Each of its tests is a small model with inputs and the outputs that they give. Three questions are asked of each:

  load   the program reads it, or refuses it for a reason that is told
  infer  declared output shapes taken away, the shapes it works out are those of the outputs
  fold   inputs made constants and the output made the shape of a further tensor, that tensor has the values as sizes

What the program leaves open (a size that only a run can tell) is no failure; what it works out and is wrong is one.

Usage: python tools/check_node_tests.py [--binary PATH] [--only GLOB] [--markdown FILE]

The exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import program
from onnx import ModelProto, TensorProto, helper, numpy_helper

PASS, OPEN, REFUSED, SKIPPED, FAIL = "pass", "left open", "refused", "not asked", "FAIL"
MOST = 128  # elements of an output that become sizes,
RANK = 8  # so many of one tensor
LARGEST = 4096  # a size that is asked for


@dataclass
class Answer:
    question: str
    test: str
    result: str
    why: str = ""


def inspect(binary: Path, model: ModelProto, folder: Path) -> tuple[list | None, str]:
    """Shapes of the outputs, or why there are none."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    done = subprocess.run(
        [str(binary), "inspect", str(path), "--json"], capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
        return None, (lines or [f"exit code {done.returncode}: {done.stderr[-200:]}"])[0]
    return json.loads(done.stdout)["model"]["outputs"], ""


def without_shapes(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    del copy.graph.value_info[:]
    return copy


def infer(binary: Path, case, outputs: list, folder: Path) -> Answer:
    found, why = inspect(binary, without_shapes(case.model), folder)
    if found is None:
        return Answer("infer", case.name, REFUSED, why)
    open_sizes = False
    for told, value in zip(found, outputs, strict=True):
        if not isinstance(value, np.ndarray):
            return Answer("infer", case.name, SKIPPED, "an output is no tensor")
        shape = told.get("shape")
        if shape is None:
            open_sizes = True
            continue
        if len(shape) != value.ndim:
            return Answer("infer", case.name, FAIL, f"{shape} is {list(value.shape)}")
        for a, b in zip(shape, value.shape, strict=True):
            open_sizes |= not isinstance(a, int)
            if isinstance(a, int) and a != b:
                return Answer("infer", case.name, FAIL, f"{shape} is {list(value.shape)}")
    return Answer("infer", case.name, OPEN if open_sizes else PASS)


def as_sizes(value: np.ndarray) -> tuple[float, int] | None:
    """Factor and offset that make sizes of an output; None where it has no such."""
    if value.dtype.kind not in "fiub" or not 0 < value.size <= MOST:
        return None
    numbers = value.astype(np.float64).reshape(-1)
    if not np.isfinite(numbers).all():
        return None
    factor = 8.0 if value.dtype.kind == "f" else 1.0
    scaled = numbers * factor
    # What rounds one way or the other says nothing.
    if value.dtype.kind == "f" and (np.abs(scaled - np.round(scaled)) > 0.49).any():
        return None
    offset = int(1 - min(0, np.floor(scaled.min())))
    return None if scaled.max() + offset > LARGEST else (factor, offset)


def folded(model: ModelProto, inputs: list, value: np.ndarray) -> tuple[ModelProto, list[int]] | None:
    """The model on constants, with one more tensor whose sizes are the values of the first output."""
    how = as_sizes(value)
    if how is None or any(not isinstance(x, np.ndarray) for x in inputs):
        return None
    factor, offset = how
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for given, x in zip(graph.input, inputs, strict=True):
        if x.dtype.kind not in "fiub":
            return None
        graph.initializer.append(numpy_helper.from_array(x, given.name))
    del graph.input[:]
    graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), "sizes.flat"))
    graph.initializer.append(numpy_helper.from_array(np.array([offset], np.int64), "sizes.offset"))
    last = graph.output[0].name
    numbers = value.reshape(-1)
    if value.dtype.kind == "f":
        graph.node.append(helper.make_node("Cast", [last], ["sizes.float"], to=TensorProto.DOUBLE))
        half = numpy_helper.from_array(np.array(factor, np.float64), "sizes.factor")
        graph.initializer.append(half)
        graph.node.append(helper.make_node("Mul", ["sizes.float", "sizes.factor"], ["sizes.scaled"]))
        graph.node.append(helper.make_node("Floor", ["sizes.scaled"], ["sizes.whole"]))
        numbers = np.floor(numbers.astype(np.float64) * factor)
        last = "sizes.whole"
    graph.node.append(helper.make_node("Cast", [last], ["sizes.int"], to=TensorProto.INT64))
    graph.node.append(helper.make_node("Reshape", ["sizes.int", "sizes.flat"], ["sizes.list"]))
    graph.node.append(helper.make_node("Add", ["sizes.list", "sizes.offset"], ["sizes"]))
    del graph.output[:]
    for at in range(0, value.size, RANK):
        where = np.arange(at, min(at + RANK, value.size))
        graph.initializer.append(numpy_helper.from_array(where, f"sizes.at.{at}"))
        graph.node.append(helper.make_node("Gather", ["sizes", f"sizes.at.{at}"], [f"sizes.{at}"]))
        graph.node.append(helper.make_node("ConstantOfShape", [f"sizes.{at}"], [f"sized.{at}"]))
        sized = helper.make_tensor_value_info(f"sized.{at}", TensorProto.FLOAT, None)
        graph.output.append(sized)
    for opset in copy.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version < 9:
            return None
    return copy, [int(n) + offset for n in numbers.astype(np.int64)]


def fold(binary: Path, case, inputs: list, outputs: list, folder: Path) -> Answer:
    made = folded(case.model, inputs, outputs[0]) if isinstance(outputs[0], np.ndarray) else None
    if made is None:
        return Answer("fold", case.name, SKIPPED, "no small numbers")
    model, wanted = made
    found, why = inspect(binary, model, folder)
    if found is None:
        return Answer("fold", case.name, REFUSED, why)
    if any(told.get("shape") is None for told in found):
        return Answer("fold", case.name, OPEN)
    shape = [n for told in found for n in told["shape"]]
    if not all(isinstance(n, int) for n in shape):
        return Answer("fold", case.name, OPEN)
    right = shape == wanted
    return Answer("fold", case.name, PASS if right else FAIL, "" if right else f"{shape} is {wanted}")


def cases(only: str) -> list:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        return [c for c in collect_testcases(None) if fnmatch.fnmatch(c.name, only)]


def table(answers: list[Answer]) -> str:
    kinds = [PASS, OPEN, REFUSED, SKIPPED, FAIL]
    lines = ["| | " + " | ".join(kinds) + " |", "| --- |" + " ---: |" * len(kinds)]
    for question in ("load", "infer", "fold"):
        count = Counter(a.result for a in answers if a.question == question)
        lines.append(f"| {question} | " + " | ".join(str(count[k]) for k in kinds) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--only", default="*", help="names of tests")
    args = parser.parse_args()
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in cases(args.only):
            inputs, outputs = (list(part) for part in case.data_sets[0])
            told, why = inspect(args.binary, case.model, folder)
            panic = told is None and "exit code" in why
            answers.append(
                Answer("load", case.name, PASS if told is not None else FAIL if panic else REFUSED, why)
            )
            answers.append(infer(args.binary, case, outputs, folder))
            answers.append(fold(args.binary, case, inputs, outputs, folder))
    for a in answers:
        if a.result == FAIL:
            print(f"{a.question} {a.test}: {a.why}")
    print(f"onnx {onnx.__version__}, {len(answers) // 3} tests\n\n{table(answers)}\n")
    for question in ("load", "infer"):
        reasons = Counter(a.why.split(":", 2)[-1].strip() for a in answers if a.question == question and a.result == REFUSED)
        for reason, n in reasons.most_common(12):
            print(f"{question} refused, {n}: {reason[:120]}")
    return int(any(a.result == FAIL for a in answers))


if __name__ == "__main__":
    sys.exit(main())
