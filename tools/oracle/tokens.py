"""Blocks over sequences [batch, length, width]: attention, convolutions over time, recurrent layers."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from .blocks import activation, linear
from .dense import dense_block, some_width, width
from .net import Net, Value
from .weights import weight


def attention(net: Net, x: Value) -> Value:
    heads, dim = net.dice.choice([(1, 4), (2, 4), (2, 6), (4, 3)])
    inner = heads * dim
    if net.dice.random() < 0.4:
        q, k, v = net.split(linear(net, x, 3 * inner), [inner] * 3, -1)
    else:
        q, k, v = (linear(net, x, inner) for _ in range(3))

    def to_heads(y: Value) -> Value:
        y = net.reshape(
            y,
            (*x.shape[:2], heads, dim),
            (0, 0, heads, dim) if net.dice.random() < 0.5 else (0, 0, heads, -1),
        )
        return net.transpose(y, (0, 2, 1, 3))

    q, k, v = to_heads(q), to_heads(k), to_heads(v)
    if net.dice.random() < 0.15:  # linear attention: not zero where its input is
        q, k = activation(net, q), activation(net, k)
        net.features.add("linear attention")
    k = net.transpose(k, (0, 1, 3, 2))
    scores = Value(net.op("MatMul", q, k), (x.shape[0], heads, x.shape[1], x.shape[1]))
    scores = net.same("Mul", scores, net.number(dim**-0.5))
    if net.dice.random() < 0.3:
        scores = net.same("Add", scores, net.store(net.draw(1, heads, 1, 1), "bias"))
    y = Value(net.op("MatMul", net.softmax(scores), v), q.shape)
    y = net.reshape(
        net.transpose(y, (0, 2, 1, 3)),
        (*x.shape[:2], inner),
        (0, 0, inner) if net.dice.random() < 0.5 else (0, 0, -1),
    )
    y = linear(net, y, width(x))
    net.features.add("attention")
    return y.like(net.op("Add", x, y)) if net.dice.random() < 0.7 else y


def feed_forward(net: Net, x: Value) -> Value:
    h = activation(net, linear(net, x, 2 * some_width(net)))
    y = linear(net, h, width(x))
    return y.like(net.op("Add", y, x))


def over_time(net: Net, x: Value) -> Value:
    """A convolution over time, between two transpositions."""
    y = net.transpose(x, (0, 2, 1))
    n = some_width(net)
    w = weight(net, n, width(x), 3)
    y = Value(
        net.op("Conv", y, w, net.vector(n), kernel_shape=[3], pads=[1, 1]),
        (x.shape[0], n, x.shape[1]),
    )
    y = activation(net, y, 1)
    if net.dice.random() < 0.5:
        d = weight(net, n, 1, 3)
        y = net.same("Conv", y, d, kernel_shape=[3], pads=[1, 1], group=n)
    return net.transpose(y, (0, 2, 1))


def recurrent(net: Net, x: Value) -> Value:
    """LSTM, GRU or RNN over time."""
    kind = net.dice.choice(["LSTM", "GRU", "GRU", "RNN"])
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    h = net.dice.choice([4, 6, 8])
    both = net.dice.random() < 0.3
    ways = 2 if both else 1
    n = width(x)
    y = net.transpose(x, (1, 0, 2))
    w, r = weight(net, ways, gates * h, n, scale=0.4), weight(net, ways, gates * h, h, scale=0.4)
    inputs: list[str | Value] = [y, w, r]
    if net.dice.random() < 0.8:
        inputs.append(net.vector(2 * gates * h * ways, shape=(ways, 2 * gates * h)))
    more = {"linear_before_reset": net.dice.choice([0, 1])} if kind == "GRU" else {}
    out = net.op(kind, *inputs, hidden_size=h, direction="bidirectional" if both else None, **more)
    net.features.add(kind)
    shape = (x.shape[1], ways, x.shape[0], h)
    if not both:
        return net.transpose(net.squeeze(Value(out, shape), 1), (1, 0, 2))
    y = net.transpose(Value(out, shape), (2, 0, 1, 3))
    return net.reshape(
        y, (*x.shape[:2], ways * h), (0, 0, -1) if net.dice.random() < 0.5 else (0, 0, ways * h)
    )


def scanned(net: Net, x: Value) -> Value:
    """A recurrent cell written as Scan, over time."""
    h, n = some_width(net), width(x)
    axis = net.dice.choice([0, 1])
    y = net.transpose(x, (1, 0, 2)) if axis == 0 else x
    rows = net.op("Gather", net.op("Shape", x), net.ints(0), axis=0)
    if net.dice.random() < 0.6:
        zeros = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
        start = net.op("ConstantOfShape", net.op("Concat", rows, net.ints(h), axis=0), value=zeros)
    else:
        start = linear(net, net.reduce("ReduceMean", x, (1,), False), h).name
    state, step = net.fresh("state"), net.fresh("step")

    def cell() -> list[Value]:
        a = net.op("MatMul", step, weight(net, n, h))
        b = net.op("MatMul", state, weight(net, h, h))
        if net.dice.random() < 0.5:
            a = net.op("Add", a, net.vector(h))
        new = net.op("Tanh", net.op("Add", a, b))
        if net.dice.random() < 0.3:
            old = net.op("Mul", state, net.op("Sigmoid", net.op("MatMul", step, weight(net, n, h))))
            new = net.op("Add", new, old)
        out = Value(new, (x.shape[0], h))
        if net.dice.random() < 0.3:
            out = linear(net, out, some_width(net))
        return [Value(new, (x.shape[0], h)), out]

    shapes: list[int] = []

    def build() -> list[Value]:
        results = cell()
        shapes.append(width(results[1]))
        return results

    inputs = [
        helper.make_tensor_value_info(state, TensorProto.FLOAT, None),
        helper.make_tensor_value_info(step, TensorProto.FLOAT, None),
    ]
    body = net.body(build, inputs, "cell")
    _, out = net.nodes(
        "Scan", [start, y], 2, body=body, num_scan_inputs=1,
        scan_input_axes=[axis] if axis else None, scan_output_axes=[axis] if axis else None,
    )  # fmt: skip
    net.features.add("Scan")
    length = Value(out, (x.shape[1], x.shape[0], shapes[0]))
    return net.transpose(length, (1, 0, 2)) if axis == 0 else Value(out, (*x.shape[:2], shapes[0]))


def counted_positions(net: Net, x: Value) -> Value:
    """Positions that are looked up in a table, as many as the length."""
    size = net.op("Gather", net.op("Shape", x), net.store(np.array(1, np.int64)), axis=0)
    zero, one = net.store(np.array(0, np.int64)), net.store(np.array(1, np.int64))
    if net.opset < 11:
        return x
    table = weight(net, 12, width(x), scale=0.5)
    rows = net.op("Gather", table, net.op("Range", zero, size, one), axis=0)
    return net.same("Add", x, rows)


def token_block(net: Net, x: Value) -> Value:
    kinds = [
        attention,
        attention,
        feed_forward,
        over_time,
        recurrent,
        scanned,
        scanned,
        counted_positions,
    ]
    if net.dice.random() < 0.35:
        return dense_block(net, x)
    return net.dice.choice(kinds)(net, x)


def one_row(net: Net, x: Value) -> Value:
    """[batch, width] of a sequence: a mean, the last step, the first, or the largest."""
    kind = net.dice.choice(["mean", "first", "last", "max", "sum"])
    if kind in ("mean", "max", "sum"):
        op = {"mean": "ReduceMean", "max": "ReduceMax", "sum": "ReduceSum"}[kind]
        return net.reduce(op, x, (1,), False)
    index = net.store(np.array(0 if kind == "first" or net.opset < 11 else -1, np.int64), "i")
    return Value(net.op("Gather", x, index, axis=1), (x.shape[0], x.shape[2]))
