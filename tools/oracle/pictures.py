"""Blocks over pictures [batch, channels, height, width], which may be open, and over signals [batch, channels, length]."""

from __future__ import annotations

import numpy as np

from .blocks import activation, linear
from .net import Net, Value
from .weights import weight


def channels(x: Value) -> int:
    size = x.shape[1]
    assert isinstance(size, int)
    return size


def some_channels(net: Net) -> int:
    return net.dice.choice([4, 6, 8, 12, 16])


def halved(d: int | str, up: bool) -> int | str:
    if isinstance(d, int):
        return (d + 1) // 2 if up else d // 2
    return f"{d}/{'c' if up else 'f'}"


def conv(
    net: Net,
    x: Value,
    out: int,
    kernel: int = 3,
    stride: int = 1,
    group: int = 1,
    bias: bool | None = None,
) -> Value:
    rank = len(x.shape) - 2
    w = weight(net, out, channels(x) // group, *[kernel] * rank)
    bias = net.dice.random() < 0.6 if bias is None else bias
    inputs = [w, net.vector(out)] if bias else [w]
    p = kernel // 2
    name = net.op(
        "Conv",
        x,
        *inputs,
        kernel_shape=[kernel] * rank,
        strides=[stride] * rank,
        pads=[p] * 2 * rank,
        group=group,
    )
    space = x.shape[2:] if stride == 1 else tuple(halved(d, True) for d in x.shape[2:])
    return Value(name, (x.shape[0], out, *space))


def batch_norm(net: Net, x: Value) -> Value:
    c = channels(x)
    mean, shift, scale = net.vector(c), net.vector(c), net.vector(c, 1.0)
    var = net.remembered(lambda: net.store(np.abs(net.draw(c, around=1.0, scale=0.3)) + 0.1, "var"))
    return net.same("BatchNormalization", x, scale, shift, mean, var)


def norm(net: Net, x: Value) -> Value:
    kind = net.dice.choice(["batch", "batch", "instance", "affine", "group", "none"])
    c = channels(x)
    if kind == "batch":
        return batch_norm(net, x)
    if kind == "instance" and not small(x):
        return net.same("InstanceNormalization", x, net.vector(c, 1.0), net.vector(c))
    if kind == "affine":
        behind = [1] * (len(x.shape) - 2)
        y = net.same("Mul", x, net.vector(c, 1.0, shape=(c, *behind)))
        return net.same("Add", y, net.vector(c, shape=(1, c, *behind)))
    if kind == "group" and net.opset >= 21 and c % 2 == 0:
        net.features.add("normalisation")
        return net.same("GroupNormalization", x, net.vector(c, 1.0), net.vector(c), num_groups=2)
    return x


def small(x: Value) -> bool:
    """Whether a plane may be too small to have a spread."""
    return any(not isinstance(d, int) or d < 3 for d in x.shape[2:])


def plain(net: Net, x: Value) -> Value:
    y = conv(net, x, some_channels(net), net.dice.choice([1, 3, 3]), net.dice.choice([1, 1, 1, 2]))
    return activation(net, norm(net, y), 1)


def residual(net: Net, x: Value) -> Value:
    h = activation(net, norm(net, conv(net, x, some_channels(net))), 1)
    y = norm(net, conv(net, h, channels(x), net.dice.choice([1, 3])))
    return activation(net, y.like(net.op("Add", x, y)), 1)


def down(net: Net, x: Value) -> Value:
    n = some_channels(net)
    y = norm(net, conv(net, x, n, 3, 2))
    short = conv(net, x, n, 1, 2)
    return y.like(net.op("Add", y, short))


def padded_shortcut(net: Net, x: Value) -> Value:
    more = net.dice.choice([2, 4])
    y = norm(net, conv(net, x, channels(x) + more))
    return y.like(net.op("Add", net.pad(x, 1, more // 2, more - more // 2), y))


def inverted(net: Net, x: Value) -> Value:
    n = channels(x) * 2
    h = activation(net, norm(net, conv(net, x, n, 1)), 1)
    h = activation(net, norm(net, conv(net, h, n, 3, group=n)), 1)
    if net.dice.random() < 0.5:
        h = squeeze_excite(net, h)
    y = norm(net, conv(net, h, channels(x), 1))
    return y.like(net.op("Add", x, y)) if net.dice.random() < 0.6 else y


def squeeze_excite(net: Net, x: Value) -> Value:
    c = channels(x)
    pooled = Value(net.op("GlobalAveragePool", x), (*x.shape[:2], *[1] * (len(x.shape) - 2)))
    if net.dice.random() < 0.5 or len(x.shape) != 4:
        h = activation(net, conv(net, pooled, 4, 1), 1)
        s = conv(net, h, c, 1)
    else:
        flat = Value(net.op("Flatten", pooled), (x.shape[0], c))
        h = linear(net, activation(net, linear(net, flat, 4)), c)
        s = net.unsqueeze(net.unsqueeze(h, 2), 3)
    return net.same("Mul", x, net.op("Sigmoid", s))


def grouped(net: Net, x: Value) -> Value:
    c = channels(x)
    g = net.dice.choice([g for g in (2, 3, 4, c) if c % g == 0] or [1])
    return activation(net, conv(net, x, g * net.dice.choice([1, 2, 3]), group=g), 1)


def inception(net: Net, x: Value) -> Value:
    parts = [
        activation(net, conv(net, x, some_channels(net), k), 1)
        for k in net.dice.choice([(1, 3), (1, 1, 3)])
    ]
    if net.dice.random() < 0.4:
        parts.append(x)
    y = net.concat(parts, 1)
    return norm(net, y)


def cross_stage(net: Net, x: Value) -> Value:
    c = channels(x)
    at = net.dice.choice([c // 2, max(1, c // 3)])
    a, b = net.split(x, [at, c - at], 1)
    b = residual(net, b)
    return net.concat([b, a] if net.dice.random() < 0.5 else [a, b], 1)


def cut(net: Net, x: Value) -> Value:
    c = channels(x)
    return net.slice(
        x, 1, net.dice.randrange(max(1, c // 2)), c - net.dice.randrange(max(1, c // 3))
    )


def shuffled(net: Net, x: Value) -> Value:
    c = channels(x)
    if len(x.shape) != 4 or c % 2 or not all(isinstance(d, int) for d in x.shape[2:]):
        return plain(net, x)
    h, w = x.shape[2:]
    assert isinstance(h, int) and isinstance(w, int)
    y = net.reshape(x, (x.shape[0], 2, c // 2, h, w), (0, 2, c // 2, h, w))
    y = net.transpose(y, (0, 2, 1, 3, 4))
    return net.reshape(y, x.shape, (0, c, h, w) if net.dice.random() < 0.5 else (-1, c, h, w))


def shape_computed(net: Net, x: Value) -> Value:
    """Channels last and back, with a shape that is computed from the input's own."""
    if len(x.shape) != 4:
        return plain(net, x)
    c = channels(x)
    size = net.op("Shape", x)
    batch = net.op("Gather", size, net.ints(0), axis=0)
    rest = net.op("Gather", size, net.ints(2, 3), axis=0)
    asked = net.op("Concat", batch, net.ints(c), net.ints(-1), axis=0)
    y = Value(net.op("Reshape", x, asked), (x.shape[0], c, "HW"))
    y = net.transpose(y, (0, 2, 1))
    y = activation(net, linear(net, y, c))
    y = net.transpose(y, (0, 2, 1))
    asked = net.op("Concat", batch, net.ints(c), rest, axis=0)
    net.features.add("shape arithmetic")
    return Value(net.op("Reshape", y, asked), x.shape)


def up(net: Net, x: Value) -> Value:
    c, rank = channels(x), len(x.shape) - 2
    kind = net.dice.choice(["transpose", "transpose", "pixels", "resize"])
    space = tuple(2 * d if isinstance(d, int) else f"2{d}" for d in x.shape[2:])
    if kind == "pixels" and rank == 2:
        y = conv(net, x, 4 * net.dice.choice([2, 4]), 1)
        mode = net.dice.choice(["DCR", "CRD"]) if net.opset >= 11 else None
        name = net.op("DepthToSpace", y, blocksize=2, mode=mode)
        return Value(name, (x.shape[0], channels(y) // 4, *space))
    if kind == "resize" and net.opset >= 11:
        scales = net.store(np.array([1, 1] + [2] * rank, np.float32), "scales")
        name = net.op(
            "Resize",
            x,
            "" if net.opset >= 13 else net.store(np.zeros(0, np.float32)),
            scales,
            mode="nearest",
        )
        return Value(name, (x.shape[0], c, *space))
    n = some_channels(net)
    group = 2 if c % 2 == 0 and net.dice.random() < 0.3 else 1
    w = weight(net, c, n // group, *[2] * rank)
    inputs = [w, net.vector(n)] if net.dice.random() < 0.6 else [w]
    name = net.op(
        "ConvTranspose", x, *inputs, kernel_shape=[2] * rank, strides=[2] * rank, group=group
    )
    return Value(name, (x.shape[0], n, *space))


def pooled(net: Net, x: Value) -> Value:
    rank = len(x.shape) - 2
    if any(isinstance(d, int) and d < 4 or isinstance(d, str) and "/" in d for d in x.shape[2:]):
        return plain(net, x)
    op = net.dice.choice(["MaxPool", "AveragePool"])
    name = net.op(op, x, kernel_shape=[2] * rank, strides=[2] * rank)
    return Value(name, (*x.shape[:2], *(halved(d, False) for d in x.shape[2:])))


def squared(net: Net, x: Value) -> Value:
    """Layers over channels last, between two transpositions."""
    rank = len(x.shape)
    y = net.transpose(x, (0, *range(2, rank), 1))
    y = activation(net, linear(net, y, some_channels(net)))
    if net.dice.random() < 0.3:
        y = net.slice(y, -1, 1, channels(x) if channels(x) < 4 else 4)
        y = linear(net, y, 8)
    return net.transpose(y, (0, rank - 1, *range(1, rank - 1)))


def pyramid(net: Net, x: Value) -> Value:
    """One head over two levels."""
    rank = len(x.shape) - 2
    n = some_channels(net)
    a, b = conv(net, x, n, 1), conv(net, x, n, 3, 2)
    own = net.dice.random() < 0.3

    def head(v: Value) -> Value:
        h = conv(net, v, some_channels(net), bias=True)
        if own:
            c = channels(h)
            made = [
                net.store(net.draw(c, around=1.0 if i == 0 else 0.0, scale=0.2), "own")
                for i in range(2)
            ]
            shape = [1] * rank
            h = net.same("Mul", h, net.op("Reshape", made[0], net.ints(c, *shape)))
            h = net.same("Add", h, net.op("Reshape", made[1], net.ints(c, *shape)))
        h = activation(net, h, 1)
        return conv(net, h, 6, 1)

    a, b = net.again(head, [a, b])
    pooled_b = Value(net.op("GlobalAveragePool", b), (*b.shape[:2], *[1] * rank))
    return a.like(net.op("Add", a, pooled_b))


def attention_map(net: Net, x: Value) -> Value:
    """A map of one channel that all channels are multiplied with."""
    m = net.op("Sigmoid", conv(net, x, 1, 1))
    return net.same("Mul", x, m)


def repeated(net: Net, x: Value) -> Value:
    from .dense import in_a_row

    start = conv(net, x, some_channels(net), 1)
    return in_a_row(net, lambda v: residual(net, v), start, net.dice.choice([2, 3]))


PICTURES = [
    plain, plain, plain, residual, residual, down, padded_shortcut, inverted, squeeze_excite, grouped, inception,
    cross_stage, cut, shuffled, shape_computed, up, pooled, squared, pyramid, pyramid, attention_map, repeated,
]  # fmt: skip


def picture_block(net: Net, x: Value) -> Value:
    return net.dice.choice(PICTURES)(net, x)


def flat(net: Net, x: Value) -> Value:
    """[batch, features]: by a pool, or as it lies where sizes are known."""
    c = channels(x)
    space = x.shape[2:]
    known = [d for d in space if isinstance(d, int)]
    kind = net.dice.choice(["pool", "mean", "flatten", "reshape"])
    if len(known) < len(space) or int(np.prod(known)) > 40:
        kind = net.dice.choice(["pool", "mean", "max"])
    if kind in ("flatten", "reshape"):
        n = c * int(np.prod(known))
        if kind == "flatten":
            return Value(net.op("Flatten", x), (x.shape[0], n))
        asked = net.dice.choice([(0, -1), (-1, n), (0, n)])
        return net.reshape(x, (x.shape[0], n), asked)
    if kind == "mean":
        return net.reduce("ReduceMean", x, tuple(range(2, len(x.shape))), False)
    op = "GlobalAveragePool" if kind == "pool" else "GlobalMaxPool"
    return Value(net.op("Flatten", net.op(op, x)), (x.shape[0], c))
