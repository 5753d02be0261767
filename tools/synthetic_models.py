#!/usr/bin/env python3
"""Large networks with random weights, built node by node: sizes of real models without a training framework.

  resnet50    25.6 M parameters, BatchNormalization kept
  vit_b_16    86 M parameters, attention spelled with MatMul and Softmax
  decoder_1b  1.1 G parameters: rotary grouped-query attention, SwiGLU, RMS normalisation, external data

For timings of the program before and after a change; accuracy means nothing here.

Usage: python tools/synthetic_models.py FOLDER [resnet50 vit_b_16 decoder_1b]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


class Net:
    """A graph that is being built."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list = []
        self.weights: list = []
        self.count = 0

    def name(self, hint: str) -> str:
        self.count += 1
        return f"{hint}_{self.count}"

    def weight(self, *shape: int, fan: int | None = None) -> str:
        name = self.name("w")
        scale = (2.0 / fan) ** 0.5 if fan else 1.0
        values = self.random.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def constant(self, values) -> str:
        name = self.name("c")
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes) -> str:
        out = self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=f"node_{self.count}", **attributes))
        return out

    def linear(self, x: str, width: int, outputs: int, bias: bool = True) -> str:
        y = self.op("MatMul", x, self.weight(width, outputs, fan=2 * width))
        return self.op("Add", y, self.constant(np.zeros(outputs, np.float32))) if bias else y

    def model(self, given: list, output: str, shape: list) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [output], ["output"]))
        outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "synthetic", given, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def image(side: int):
    return helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, side, side])


def resnet50() -> onnx.ModelProto:
    n = Net()

    def conv(x: str, inputs: int, outputs: int, kernel: int, stride: int = 1) -> str:
        w = n.weight(outputs, inputs, kernel, kernel, fan=inputs * kernel * kernel)
        y = n.op("Conv", x, w, strides=[stride] * 2, pads=[kernel // 2] * 4, kernel_shape=[kernel] * 2)
        ones, zeros = np.ones(outputs, np.float32), np.zeros(outputs, np.float32)
        scale = n.constant(1.0 + 0.1 * n.random.standard_normal(outputs, dtype=np.float32))
        return n.op("BatchNormalization", y, scale, n.constant(zeros), n.constant(zeros), n.constant(ones))

    x = n.op("Relu", conv("image", 3, 64, 7, 2))
    x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    width = 64
    for stage, blocks in enumerate([3, 4, 6, 3]):
        inner = 64 << stage
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            y = n.op("Relu", conv(x, width, inner, 1))
            y = n.op("Relu", conv(y, inner, inner, 3, stride))
            y = conv(y, inner, 4 * inner, 1)
            if block == 0:
                x = conv(x, width, 4 * inner, 1, stride)
            width = 4 * inner
            x = n.op("Relu", n.op("Add", y, x))
    x = n.op("Flatten", n.op("GlobalAveragePool", x))
    w, b = n.weight(1000, width, fan=width), n.constant(np.zeros(1000, np.float32))
    return n.model([image(224)], n.op("Gemm", x, w, b, transB=1), ["batch", 1000])


def layer_norm(n: Net, x: str, width: int) -> str:
    scale, bias = n.constant(np.ones(width, np.float32)), n.constant(np.zeros(width, np.float32))
    return n.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-6)


def vit_b_16() -> onnx.ModelProto:
    n, width, heads, tokens = Net(), 768, 12, 197
    size = width // heads
    x = n.op("Conv", "image", n.weight(width, 3, 16, 16, fan=768), strides=[16, 16], kernel_shape=[16, 16])
    x = n.op("Reshape", x, n.constant(np.array([0, width, tokens - 1], np.int64)))
    x = n.op("Transpose", x, perm=[0, 2, 1])
    batch = n.op("Shape", x, start=0, end=1)
    shape = n.op("Concat", batch, n.constant(np.array([1, width], np.int64)), axis=0)
    token = n.op("Expand", n.weight(1, 1, width, fan=width), shape)
    x = n.op("Add", n.op("Concat", token, x, axis=1), n.weight(1, tokens, width, fan=width))
    split = n.constant(np.array([0, tokens, heads, size], np.int64))
    merge = n.constant(np.array([0, tokens, width], np.int64))
    root = n.constant(np.array(size**-0.5, np.float32))
    for _ in range(12):
        y = layer_norm(n, x, width)
        parts = [n.op("Reshape", n.linear(y, width, width), split) for _ in range(3)]
        q, v = (n.op("Transpose", parts[i], perm=[0, 2, 1, 3]) for i in (0, 2))
        k = n.op("Transpose", parts[1], perm=[0, 2, 3, 1])
        scores = n.op("Softmax", n.op("Mul", n.op("MatMul", q, k), root), axis=-1)
        y = n.op("Transpose", n.op("MatMul", scores, v), perm=[0, 2, 1, 3])
        x = n.op("Add", x, n.linear(n.op("Reshape", y, merge), width, width))
        y = n.linear(layer_norm(n, x, width), width, 4 * width)
        x = n.op("Add", x, n.linear(gelu(n, y), 4 * width, width))
    x = n.op("Gather", layer_norm(n, x, width), n.constant(np.array(0, np.int64)), axis=1)
    w, b = n.weight(1000, width, fan=width), n.constant(np.zeros(1000, np.float32))
    return n.model([image(224)], n.op("Gemm", x, w, b, transB=1), ["batch", 1000])


def gelu(n: Net, x: str) -> str:
    erf = n.op("Erf", n.op("Div", x, n.constant(np.array(2**0.5, np.float32))))
    half = n.op("Mul", x, n.constant(np.array(0.5, np.float32)))
    return n.op("Mul", half, n.op("Add", erf, n.constant(np.array(1.0, np.float32))))


def decoder_1b() -> onnx.ModelProto:
    n, width, heads, pairs, inner, tokens, words = Net(), 2048, 32, 4, 5632, 128, 32000
    size = width // heads
    given = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", tokens])
    x = n.op("Gather", n.weight(words, width, fan=width), "input_ids", axis=0)
    angles = np.outer(np.arange(tokens), 10000.0 ** (-np.arange(0, size, 2) / size)).astype(np.float32)
    angles = np.concatenate([angles, angles], axis=1)[None, None]
    cos, sin = n.constant(np.cos(angles)), n.constant(np.sin(angles))
    mask = n.constant(np.triu(np.full((1, 1, tokens, tokens), -1e9, np.float32), 1))
    epsilon, two = n.constant(np.array(1e-5, np.float32)), n.constant(np.array(2.0, np.float32))
    root = n.constant(np.array(size**-0.5, np.float32))

    def norm(x: str) -> str:
        mean = n.op("ReduceMean", n.op("Pow", x, two), n.constant(np.array([-1], np.int64)), keepdims=1)
        scaled = n.op("Div", x, n.op("Sqrt", n.op("Add", mean, epsilon)))
        return n.op("Mul", scaled, n.constant(np.ones(width, np.float32)))

    def split(x: str, count: int) -> str:
        x = n.op("Reshape", x, n.constant(np.array([0, tokens, count, size], np.int64)))
        return n.op("Transpose", x, perm=[0, 2, 1, 3])

    def rotate(x: str) -> str:
        ends = [n.constant(np.array([v], np.int64)) for v in (0, size // 2, size, -1)]
        first, last = n.op("Slice", x, ends[0], ends[1], ends[3]), n.op("Slice", x, ends[1], ends[2], ends[3])
        turned = n.op("Concat", n.op("Neg", last), first, axis=-1)
        return n.op("Add", n.op("Mul", x, cos), n.op("Mul", turned, sin))

    def spread(x: str) -> str:
        x = n.op("Unsqueeze", x, n.constant(np.array([2], np.int64)))
        each = heads // pairs
        shape = [n.op("Shape", x, start=0, end=1), n.constant(np.array([pairs, each, tokens, size], np.int64))]
        x = n.op("Expand", x, n.op("Concat", *shape, axis=0))
        return n.op("Reshape", x, n.constant(np.array([0, heads, tokens, size], np.int64)))

    for _ in range(22):
        y = norm(x)
        q = rotate(split(n.linear(y, width, width, bias=False), heads))
        k = spread(rotate(split(n.linear(y, width, pairs * size, bias=False), pairs)))
        v = spread(split(n.linear(y, width, pairs * size, bias=False), pairs))
        scores = n.op("Mul", n.op("MatMul", q, n.op("Transpose", k, perm=[0, 1, 3, 2])), root)
        scores = n.op("Softmax", n.op("Add", scores, mask), axis=-1)
        y = n.op("Transpose", n.op("MatMul", scores, v), perm=[0, 2, 1, 3])
        y = n.op("Reshape", y, n.constant(np.array([0, tokens, width], np.int64)))
        x = n.op("Add", x, n.linear(y, width, width, bias=False))
        y = norm(x)
        gate = n.linear(y, width, inner, bias=False)
        gate = n.op("Mul", gate, n.op("Sigmoid", gate))
        y = n.op("Mul", gate, n.linear(y, width, inner, bias=False))
        x = n.op("Add", x, n.linear(y, inner, width, bias=False))
    return n.model([given], n.linear(norm(x), width, words, bias=False), ["batch", tokens, words])


MODELS = {"resnet50": resnet50, "vit_b_16": vit_b_16, "decoder_1b": decoder_1b}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(MODELS), choices=list(MODELS))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.names:
        model, path = MODELS[name](), args.folder / f"{name}.onnx"
        large = sum(len(w.raw_data) for w in model.graph.initializer) > 1 << 30
        path.with_name(f"{name}.onnx.data").unlink(missing_ok=True)
        onnx.save(model, path, save_as_external_data=large, location=f"{name}.onnx.data" if large else None)
        print(f"{path}: {sum(int(np.prod(w.dims)) for w in model.graph.initializer):,} parameters")


if __name__ == "__main__":
    main()
