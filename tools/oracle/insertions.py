"""Mutations that put nodes between a tensor and what reads it."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, helper

from .mutant import Mutant


def identity(m: Mutant) -> bool:
    e = m.edge(floats=False)
    return e is not None and m.between(
        *e, lambda x: wrap(m, x, ["Identity"] * m.dice.choice([1, 2]))
    )


def wrap(m: Mutant, x: str, ops: list[str]) -> tuple[list[NodeProto], str]:
    nodes = []
    for op in ops:
        nodes.append(m.op(op, x))
        x = nodes[-1].output[0]
    return nodes, x


def casts(m: Mutant) -> bool:
    def build(x: str):
        a = m.op(
            "Cast",
            x,
            to=m.dice.choice([TensorProto.DOUBLE, TensorProto.DOUBLE, TensorProto.FLOAT16]),
        )
        b = m.op("Cast", a.output[0], to=TensorProto.FLOAT)
        return [a, b], b.output[0]

    e = m.edge()
    return e is not None and m.between(*e, build)


def transposes(m: Mutant) -> bool:
    e = m.edge(2)
    if e is None:
        return False

    def build(x: str):
        perm = list(range(len(m.kinds[x][1])))
        m.dice.shuffle(perm)
        a = m.op("Transpose", x, perm=perm)
        nodes, y = wrap(m, a.output[0], m.dice.choice([[], ["Relu"], ["Tanh"]]))
        b = m.op("Transpose", y, perm=[int(i) for i in np.argsort(perm)])
        return [a, *nodes, b], b.output[0]

    return m.between(*e, build)


def reshapes(m: Mutant) -> bool:
    """Flattened and back by its own shape, or by zeros and one −1."""
    e = m.edge(2)
    if e is None:
        return False

    def build(x: str):
        rank = len(m.kinds[x][1])
        if m.dice.random() < 0.5:
            shape = m.op("Shape", x)
            flat = m.op("Reshape", x, m.store(np.array([-1], np.int64)))
            nodes, y = wrap(m, flat.output[0], m.dice.choice([[], ["Relu"]]))
            back = m.op("Reshape", y, shape.output[0])
            return [shape, flat, *nodes, back], back.output[0]
        sizes = [0] * (rank - 1) + [-1]
        same = m.op("Reshape", x, m.store(np.array(sizes, np.int64)))
        return [same], same.output[0]

    return m.between(*e, build)


def squeezes(m: Mutant) -> bool:
    e = m.edge(1)
    if e is None:
        return False

    def build(x: str):
        axis = m.dice.randrange(len(m.kinds[x][1]) + 1)
        if m.opset >= 13:
            axes = m.store(np.array([axis], np.int64))
            a = m.op("Unsqueeze", x, axes)
            b = m.op("Squeeze", a.output[0], axes)
        else:
            a = m.op("Unsqueeze", x, axes=[axis])
            b = m.op("Squeeze", a.output[0], axes=[axis])
        return [a, b], b.output[0]

    return m.between(*e, build)


def cut_and_joined(m: Mutant) -> bool:
    """Two slices of an axis, joined again: as they were, or the other way round."""
    e = m.edge(2)
    if e is None or m.opset < 10:
        return False
    shape = m.kinds[e[1]][1]
    axes = [a for a, d in enumerate(shape) if isinstance(d, int) and d > 1]
    if not axes:
        return False

    def build(x: str):
        axis = m.dice.choice(axes)
        at = m.dice.randrange(1, int(shape[axis]))
        ints = lambda v: m.store(np.array([v], np.int64))  # noqa: E731
        a = m.op("Slice", x, ints(0), ints(at), ints(axis))
        b = m.op("Slice", x, ints(at), ints(2**31 - 1), ints(axis))
        halves = [a.output[0], b.output[0]]
        if m.dice.random() < 0.5:
            halves.reverse()
        c = m.op("Concat", *halves, axis=axis)
        return [a, b, c], c.output[0]

    return m.between(*e, build)


def padded_and_cut(m: Mutant) -> bool:
    e = m.edge(2)
    if e is None or m.opset < 11:
        return False
    shape = m.kinds[e[1]][1]

    def build(x: str):
        rank = len(shape)
        axis = m.dice.randrange(rank)
        before = m.dice.choice([0, 1, 2])
        pads = [0] * (2 * rank)
        pads[axis], pads[rank + axis] = before, 2 - before
        a = m.op("Pad", x, m.store(np.array(pads, np.int64)))
        start, end = (2, 2**31 - 1) if m.dice.random() < 0.5 else (0, -2)
        ints = lambda v: m.store(np.array([v], np.int64))  # noqa: E731
        b = m.op("Slice", a.output[0], ints(start), ints(end), ints(axis))
        return [a, b], b.output[0]

    return m.between(*e, build)


def twice_and_once(m: Mutant) -> bool:
    """Joined with itself, and one of the two taken: by Split or by Gather."""
    e = m.edge(2)
    if e is None or m.opset < 13:
        return False
    shape = m.kinds[e[1]][1]
    axes = [a for a, d in enumerate(shape) if isinstance(d, int)]
    if not axes:
        return False

    def build(x: str):
        axis = m.dice.choice(axes)
        n = int(shape[axis])
        a = m.op("Concat", x, x, axis=axis)
        kind = m.dice.choice(["split", "gather", "add"])
        if kind == "gather":
            index = (
                m.dice.sample(range(2 * n), n)
                if m.dice.random() < 0.5
                else [2 * i for i in range(n)]
            )
            b = m.op("Gather", a.output[0], m.store(np.array(index, np.int64)), axis=axis)
            return [a, b], b.output[0]
        name = m.fresh("split")
        sizes = m.store(np.array([n, n], np.int64))
        s = helper.make_node(
            "Split", [a.output[0], sizes], [f"{name}_0", f"{name}_1"], name=name, axis=axis
        )
        if kind == "split":
            return [a, s], s.output[m.dice.choice([0, 1])]
        c = m.op("Add", s.output[0], s.output[1])
        return [a, s, c], c.output[0]

    return m.between(*e, build)


def scaled(m: Mutant) -> bool:
    """A constant for each position of one axis, or of all."""
    e = m.edge(1)
    if e is None:
        return False
    shape = m.kinds[e[1]][1]

    def build(x: str):
        sizes = [d if isinstance(d, int) else 1 for d in shape]
        kept = m.dice.randrange(len(sizes))
        if m.dice.random() < 0.7:
            sizes = [d if i == kept else 1 for i, d in enumerate(sizes)]
        a = m.op(
            m.dice.choice(["Add", "Mul"]),
            x,
            m.store((1 + m.numbers.standard_normal(sizes)).astype(np.float32)),
        )
        return [a], a.output[0]

    return m.between(*e, build)


def function_added(m: Mutant) -> bool:
    e = m.edge()
    ops = [m.dice.choice(["Relu", "Sigmoid", "Tanh", "Abs", "Softplus", "Neg"])]
    return e is not None and m.between(*e, lambda x: wrap(m, x, ops))
