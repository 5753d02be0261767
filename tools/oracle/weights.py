"""The ways in which a file can hold a weight: as it is, behind nodes, behind arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, numpy_helper

from .net import Net


def plain(net: Net, w: np.ndarray) -> str:
    return net.store(w, "w")


def constant(net: Net, w: np.ndarray) -> str:
    return net.op("Constant", value=numpy_helper.from_array(w))


def inside(net: Net, w: np.ndarray) -> str:
    """An initializer of the body that is being built."""
    return net.store(w, "w", inside=True)


def identity(net: Net, w: np.ndarray) -> str:
    return net.op("Identity", net.op("Identity", net.store(w, "w")))


def cast(net: Net, w: np.ndarray) -> str:
    kind = net.forms.choice([np.float16, np.float64])
    return net.op("Cast", net.store(w.astype(kind), "w"), to=TensorProto.FLOAT)


def transpose(net: Net, w: np.ndarray) -> str:
    perm = list(range(w.ndim))
    net.forms.shuffle(perm)
    return net.op("Transpose", net.store(w.transpose(np.argsort(perm)), "w"), perm=perm)


def reshape(net: Net, w: np.ndarray) -> str:
    flat = w.reshape(-1) if net.forms.random() < 0.5 else w.reshape(w.shape[0], -1)
    return net.op("Reshape", net.store(flat, "w"), net.ints(*w.shape))


def unsqueeze(net: Net, w: np.ndarray) -> str:
    stored = net.store(w[np.newaxis], "w")
    return (
        net.op("Squeeze", stored, net.ints(0))
        if net.opset >= 13
        else net.op("Squeeze", stored, axes=[0])
    )


def concat(net: Net, w: np.ndarray) -> str:
    axis = net.forms.randrange(w.ndim)
    at = w.shape[axis] // 2
    if at == 0:
        return plain(net, w)
    a, b = np.split(w, [at], axis)
    return net.op("Concat", net.store(a, "w"), net.store(b, "w"), axis=axis)


def sliced(net: Net, w: np.ndarray) -> str:
    axis = net.forms.randrange(w.ndim)
    more = np.concatenate([net.draw(*w.shape[:axis], 2, *w.shape[axis + 1 :]), w], axis)
    if net.opset < 10:
        return net.op(
            "Slice", net.store(more, "w"), starts=[2], ends=[more.shape[axis]], axes=[axis]
        )
    end = net.ints(more.shape[axis])
    return net.op("Slice", net.store(more, "w"), net.ints(2), end, net.ints(axis))


def gathered(net: Net, w: np.ndarray) -> str:
    axis = net.forms.randrange(w.ndim)
    order = net.numbers.permutation(w.shape[axis])
    stored = net.store(np.take(w, np.argsort(order), axis), "w")
    return net.op("Gather", stored, net.store(order.astype(np.int64), "i"), axis=axis)


def distinct(q: np.ndarray) -> bool:
    """Whether no two positions of an axis hold the same, so that what is kept can be told."""
    return all(
        len(np.unique(np.moveaxis(q, i, 0).reshape(n, -1), axis=0)) == n
        for i, n in enumerate(q.shape)
    )


def dequantized(net: Net, w: np.ndarray) -> str:
    if net.opset < 10:
        return plain(net, w)
    per_axis = net.opset >= 13 and net.forms.random() < 0.6
    axis = net.forms.randrange(w.ndim)
    signed = net.forms.random() < 0.5
    shape = [w.shape[axis]] if per_axis else []
    scale = (0.004 + 0.004 * net.numbers.random(shape)).astype(np.float32)
    full = scale.reshape([-1 if i == axis else 1 for i in range(w.ndim)]) if per_axis else scale
    low, high, kind, zero = (-127, 127, np.int8, 0) if signed else (0, 255, np.uint8, 128)
    q = np.clip(np.round(w / full) + zero, low, high).astype(kind)
    if not distinct(q):
        return plain(net, w)
    inputs = [net.store(q, "q"), net.store(scale, "scale")]
    if not signed or net.forms.random() < 0.5:
        inputs.append(net.store(np.full(shape, zero, kind), "zero"))
    return net.op("DequantizeLinear", *inputs, axis=axis if per_axis else None)


def cast_and_multiplied(net: Net, w: np.ndarray) -> str:
    """Weight-only int8, written out."""
    scale = np.array(0.004 + 0.004 * net.numbers.random(), np.float32)
    if net.forms.random() < 0.5:
        scale = np.abs(net.draw(w.shape[0], around=0.006, scale=0.001)).reshape(
            -1, *[1] * (w.ndim - 1)
        )
    q = np.clip(np.round(w / scale), -127, 127).astype(np.int8)
    if not distinct(q):
        return plain(net, w)
    x = net.op("Cast", net.store(q, "q"), to=TensorProto.FLOAT)
    if net.forms.random() < 0.4:
        x = net.op("Sub", x, net.store(np.array(3, np.float32)))
    return net.op("Mul", x, net.store(scale.astype(np.float32), "scale"))


def others(net: Net, w: np.ndarray) -> tuple[int, ...]:
    kept = net.forms.randrange(w.ndim)
    return tuple(i for i in range(w.ndim) if i != kept) or (0,)


def reduced(net: Net, op: str, x: str, axes: tuple[int, ...]) -> str:
    if net.opset >= (13 if op == "ReduceSum" else 18):
        return net.op(op, x, net.ints(*axes), keepdims=1)
    return net.op(op, x, axes=list(axes), keepdims=1)


def weight_norm(net: Net, w: np.ndarray) -> str:
    """g * v / |v|, in the two orders that exporters write."""
    axes = others(net, w)
    v = net.store(w, "v")
    g = net.store(np.sqrt((w**2).sum(axis=axes, keepdims=True)) * (0.5 + net.numbers.random()), "g")
    if net.forms.random() < 0.5:
        norm = reduced(net, "ReduceL2", v, axes)
    else:
        norm = net.op("Sqrt", reduced(net, "ReduceSum", net.op("Mul", v, v), axes))
    if net.forms.random() < 0.5:
        return net.op("Mul", v, net.op("Div", g, norm))
    return net.op("Mul", net.op("Div", v, norm), g)


def spectral_norm(net: Net, w: np.ndarray) -> str:
    m = w.reshape(w.shape[0], -1)
    matrix = net.store(w, "v")
    flat = net.op("Reshape", matrix, net.ints(w.shape[0], -1))
    u, v = np.linalg.svd(m)[0][:, 0], np.linalg.svd(m)[2][0]
    left = net.op("MatMul", net.store(u.astype(np.float32).reshape(1, -1), "u"), flat)
    sigma = net.op("MatMul", left, net.store(v.astype(np.float32).reshape(-1, 1), "v"))
    sigma = net.op("Reshape", sigma, net.ints(1))
    return net.op("Div", matrix, sigma)


def standardized(net: Net, w: np.ndarray) -> str:
    axes = tuple(range(1, w.ndim)) or (0,)
    v = net.store(w, "v")
    centred = net.op("Sub", v, reduced(net, "ReduceMean", v, axes))
    variance = reduced(net, "ReduceMean", net.op("Mul", centred, centred), axes)
    deviation = net.op("Sqrt", net.op("Add", variance, net.number(1e-5)))
    return net.op("Mul", net.op("Div", centred, deviation), net.number(0.4))


def scaled(net: Net, w: np.ndarray) -> str:
    """Equalized learning rate, layer scale, BatchNorm folded by hand."""
    axis = net.forms.randrange(w.ndim)
    if net.forms.random() < 0.5:
        return net.op("Mul", net.store(w / np.float32(0.7), "w"), net.number(0.7))
    s = (0.5 + net.numbers.random(w.shape[axis])).astype(np.float32)
    s = s.reshape([-1 if i == axis else 1 for i in range(w.ndim)])
    return net.op("Mul", net.store(w, "w"), net.store(s, "s"))


def low_rank(net: Net, w: np.ndarray) -> str:
    """w + b a, as an adapter leaves it."""
    if w.ndim != 2:
        return scaled(net, w)
    b, a = net.draw(w.shape[0], 2, scale=0.2), net.draw(2, w.shape[1], scale=0.2)
    return net.op("Add", net.store(w, "w"), net.op("MatMul", net.store(b, "b"), net.store(a, "a")))


def squashed(net: Net, w: np.ndarray) -> str:
    return net.op("Tanh", net.store(w, "w"))


def tiled(net: Net, w: np.ndarray) -> str:
    """A weight that repeats itself along its last axis."""
    last = w.shape[-1]
    if last % 2:
        return plain(net, w)
    half = w[..., : last // 2]
    return net.op("Tile", net.store(half, "w"), net.ints(*[1] * (w.ndim - 1), 2))


Form = Callable[[Net, np.ndarray], str]
STORED: dict[str, Form] = {"constant": constant, "identity": identity}
BEHIND: dict[str, Form] = {
    "cast": cast,
    "transpose": transpose,
    "reshape": reshape,
    "unsqueeze": unsqueeze,
    "concat": concat,
    "slice": sliced,
    "gather": gathered,
    "dequantized": dequantized,
}
COMPUTED: dict[str, Form] = {
    "cast and mul": cast_and_multiplied,
    "weight norm": weight_norm,
    "spectral norm": spectral_norm,
    "standardized": standardized,
    "scaled": scaled,
    "low rank": low_rank,
    "squashed": squashed,
    "tiled": tiled,
}
ALL = {**STORED, **BEHIND, **COMPUTED}


def weight(net: Net, *shape: int, scale: float | None = None) -> str:
    """A weight of this shape, in some form; the block that runs again gets the same."""

    def make() -> str:
        fan = max(1, int(np.prod(shape[1:]))) if len(shape) > 2 else shape[0]
        w = net.draw(*shape, scale=scale or (1.2 / fan) ** 0.5)
        if net.plain or net.forms.random() < 0.55:
            if len(net.scopes) > 1 and net.forms.random() < 0.5:
                return inside(net, w)
            return plain(net, w)
        name = net.forms.choice(list(ALL))
        net.features.add(f"weight: {name}")
        return ALL[name](net, w)

    return net.remembered(make)
