#!/usr/bin/env python3
"""A fixed sample of the onnx package's node tests, with the shapes that onnxruntime gives them, for the tests in Rust.

Each line of the file is one small model and the shapes of its outputs:

  infer  declared output shapes are taken away; the shapes are those of a run
  fold   inputs are constants, and the shapes of further outputs are the values that a run gives of them

`check_node_tests.py` asks the same of all tests. Only what onnxruntime runs is taken, up to a few models per operator.

Usage: python tools/export_node_sample.py [-o fixtures/node_tests.jsonl.gz]
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter
from pathlib import Path

import check_node_tests as node_tests
import numpy as np
import onnx
import onnxruntime

MOST = 6  # models per operator and question
LARGEST = 16_384  # bytes of a model
OLDEST = 7  # opset that the program reads


def run(model: onnx.ModelProto, inputs: list) -> list | None:
    """The outputs; None where onnxruntime does not run the model, or an output is no tensor."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        names = [given.name for given in session.get_inputs()]
        outputs = session.run(None, dict(zip(names, inputs, strict=True)))
    except Exception:  # whatever stops it, the test is not for the sample
        return None
    return outputs if all(isinstance(value, np.ndarray) for value in outputs) else None


def questions(case):
    """Which questions a test can be asked, as (question, model, shapes)."""
    inputs = list(case.data_sets[0][0])
    outputs = run(case.model, inputs)
    if outputs is None:
        return
    yield "infer", node_tests.without_shapes(case.model), [list(value.shape) for value in outputs]
    made = node_tests.folded(case.model, inputs, outputs[0])
    if made is not None:
        model, sizes = made
        yield "fold", model, [sizes[at : at + node_tests.RANK] for at in range(0, len(sizes), node_tests.RANK)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("fixtures/node_tests.jsonl.gz"))
    args = parser.parse_args()
    taken: Counter = Counter()
    lines = []
    for case in sorted(node_tests.cases("*"), key=lambda case: case.name):
        operators = {node.op_type for node in case.model.graph.node}
        opset = max((i.version for i in case.model.opset_import if i.domain in ("", "ai.onnx")), default=7)
        if len(operators) != 1 or opset < OLDEST:
            continue
        (operator,) = operators
        for question, model, shapes in questions(case):
            del model.metadata_props[:]
            stored = model.SerializeToString(deterministic=True)
            if taken[operator, question] == MOST or len(stored) > LARGEST:
                continue
            taken[operator, question] += 1
            entry = {"name": case.name, "question": question, "model": stored.hex(), "shapes": shapes}
            lines.append(json.dumps(entry, separators=(",", ":")))
    with args.output.open("wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())
    versions = f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}"
    counts = Counter(question for (_, question), n in taken.items() for _ in range(n))
    print(f"{versions}: {dict(counts)}, {args.output.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
