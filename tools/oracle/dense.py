"""Blocks over the last axis: linear layers, residuals, joins, cuts, normalisations."""

from __future__ import annotations

from collections.abc import Callable

from .blocks import activation, affine, linear
from .mixing import Mixer
from .net import Net, Value

Block = Callable[[Net, Value], Value]


def width(x: Value) -> int:
    size = x.shape[-1]
    assert isinstance(size, int)
    return size


def some_width(net: Net) -> int:
    return net.dice.choice([4, 6, 8, 10, 12, 16])


def layer(net: Net, x: Value) -> Value:
    return activation(net, linear(net, x, some_width(net)))


def residual(net: Net, x: Value) -> Value:
    h = activation(net, linear(net, x, some_width(net)))
    y = linear(net, h, width(x))
    return y.like(net.op("Add", x, y) if net.dice.random() < 0.5 else net.op("Add", y, x))


def gated(net: Net, x: Value) -> Value:
    n = some_width(net)
    a, b = linear(net, x, n), linear(net, x, n)
    return b.like(net.op("Mul", net.op("Sigmoid", a), b))


def fused_gate(net: Net, x: Value) -> Value:
    n = some_width(net)
    a, b = net.split(linear(net, x, 2 * n), [n, n], -1)
    return b.like(net.op("Mul", activation(net, a), b))


def branches(net: Net, x: Value) -> Value:
    parts = [layer(net, x) for _ in range(net.dice.choice([2, 2, 3]))]
    if net.dice.random() < 0.3:
        parts.append(x)
    return net.concat(parts, -1)


def parts(net: Net, x: Value) -> Value:
    n = width(x)
    at = net.dice.randrange(1, n)
    a, b = net.split(x, [at, n - at], -1)
    if net.dice.random() < 0.5:
        a, b = b, a
    if net.dice.random() < 0.5:
        a = activation(net, affine(net, a))
    return net.concat([a, b], -1)


def cut(net: Net, x: Value) -> Value:
    n = width(x)
    step = 2 if net.opset >= 10 and n >= 4 and net.dice.random() < 0.3 else 1
    start = net.dice.randrange(0, max(1, n // 3))
    return net.slice(x, -1, start, n - net.dice.randrange(0, max(1, n // 3)), step)


def padded(net: Net, x: Value) -> Value:
    return net.pad(x, -1, net.dice.randrange(3), net.dice.randrange(1, 4))


def widened_shortcut(net: Net, x: Value) -> Value:
    more = net.dice.choice([2, 4])
    y = linear(net, activation(net, x), width(x) + more)
    short = net.pad(x, -1, 0, more)
    return y.like(net.op("Add", y, short))


def sum_of_functions(net: Net, x: Value) -> Value:
    """Two functions of one and the same input, added: no residual stream."""
    n = some_width(net)
    return Value(
        net.op("Add", linear(net, activation(net, x), n), linear(net, activation(net, x), n)),
        (*x.shape[:-1], n),
    )


def scaled(net: Net, x: Value) -> Value:
    return affine(net, x)


def regrouped(net: Net, x: Value) -> Value:
    """The last axis as groups by channels and back, with the groups turned."""
    n = width(x)
    g = next((g for g in (4, 3, 2) if n % g == 0), None)
    if g is None:
        return x
    lead = tuple(0 for _ in x.shape[:-1])
    y = net.reshape(x, (*x.shape[:-1], g, n // g), (*lead, g, n // g))
    rank = len(y.shape)
    y = net.transpose(y, (*range(rank - 2), rank - 1, rank - 2))
    if net.dice.random() < 0.5:
        y = activation(net, y)
    return net.reshape(y, x.shape, (*lead, n))


def layer_norm(net: Net, x: Value) -> Value:
    n = width(x)
    net.features.add("normalisation")
    if net.opset >= 17 and net.dice.random() < 0.5:
        inputs = [net.vector(n, 1.0)] + ([net.vector(n)] if net.dice.random() < 0.8 else [])
        return net.same("LayerNormalization", x, *inputs, axis=-1)
    witness = net.same("Mul", x, net.vector(n, 1.0))  # tells what is kept
    by = net.last.name
    mean = net.reduce("ReduceMean", witness, (-1,), True)
    net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, False))
    centred = net.op("Sub", witness, mean)
    square = witness.like(
        net.op("Mul", centred, centred)
        if net.dice.random() < 0.5
        else net.op("Pow", centred, net.number(2.0))
    )
    variance = net.reduce("ReduceMean", square, (-1,), True)
    net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, False))
    deviation = net.op("Sqrt", net.op("Add", variance, net.number(1e-5)))
    return affine(net, x.like(net.op("Div", centred, deviation)))


def rms_norm(net: Net, x: Value) -> Value:
    n = width(x)
    net.features.add("normalisation")
    witness = net.same("Mul", x, net.vector(n, 1.0))
    by = net.last.name
    mean = net.reduce("ReduceMean", witness.like(net.op("Mul", witness, witness)), (-1,), True)
    net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, False))
    root = net.op("Sqrt", net.op("Add", mean, net.number(1e-6)))
    return affine(net, x.like(net.op("Div", witness, root)))


def softmaxed(net: Net, x: Value) -> Value:
    witness = net.same("Mul", x, net.vector(width(x), 1.0))
    by = net.last.name
    y = net.softmax(witness)
    net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, True))
    net.features.add("softmax")
    return y


def mean_added(net: Net, x: Value) -> Value:
    """Less its mean over channels."""
    witness = net.same("Mul", x, net.vector(width(x), 1.0))
    by = net.last.name
    mean = net.reduce("ReduceMean", witness, (-1,), True)
    net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, False))
    return x.like(net.op("Sub", witness, mean))


def unit_length(net: Net, x: Value) -> Value:
    """Divided by its length."""
    witness = net.same("Mul", x, net.vector(width(x), 1.0))
    by = net.last.name
    if net.dice.random() < 0.5:
        total = net.reduce("ReduceL2", witness, (-1,), True)
        net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, False))
        norm = net.op("Add", total, net.number(0.1))
    else:
        total = net.reduce("ReduceSum", x.like(net.op("Mul", witness, witness)), (-1,), True)
        net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, False))
        norm = net.op("Sqrt", net.op("Add", total, net.number(0.1)))
    return x.like(net.op("Div", witness, norm))


def dropped(net: Net, x: Value) -> Value:
    return net.same("Dropout", x)


def tied(net: Net, x: Value) -> Value:
    """There and back by one weight: an autoencoder with tied weights."""
    n, hidden = width(x), some_width(net)
    w = net.remembered(lambda: net.store(net.draw(n, hidden, scale=0.4), "w"))
    h = activation(net, Value(net.op("MatMul", x, w), (*x.shape[:-1], hidden)))
    back = net.op("Transpose", w, perm=[1, 0])
    net.features.add("tied")
    y = x.like(net.op("MatMul", h, back))
    return x.like(net.op("Add", x, y)) if net.dice.random() < 0.4 else y


def repeated(net: Net, x: Value) -> Value:
    """One block with one set of weights, several times in a row."""
    start = linear(net, x, some_width(net))
    inner = net.dice.choice([residual, square, gated_back])

    def block(v: Value) -> Value:
        return inner(net, v)

    return in_a_row(net, block, start, net.dice.choice([2, 3]))


def in_a_row(net: Net, block: Callable[[Value], Value], x: Value, times: int) -> Value:
    if net.record is not None or net.replay is not None:
        return block(x)
    start = net.dice.getstate()
    net.record = []
    x = block(x)
    names, net.record = net.record, None
    for _ in range(times - 1):
        net.dice.setstate(start)
        net.replay = list(names)
        x = block(x)
        net.replay = None
    net.features.add("recursive block")
    return x


def square(net: Net, x: Value) -> Value:
    return activation(net, linear(net, x, width(x)))


def gated_back(net: Net, x: Value) -> Value:
    return linear(net, gated(net, x), width(x))


def expert_choice(net: Net, x: Value) -> Value:
    """Two linear layers, mixed by a gate of one number for each position."""
    n = some_width(net)
    a, b = linear(net, x, n), linear(net, x, n)
    g = net.op("Sigmoid", linear(net, x, 1))
    rest = net.op("Sub", net.number(1.0), g)
    return a.like(net.op("Add", net.op("Mul", a, g), net.op("Mul", b, rest)))


def product_of_two(net: Net, x: Value) -> Value:
    """An activation contracted with an activation: what is not zero at zero may not be left out."""
    n = some_width(net)
    a, b = activation(net, linear(net, x, n)), activation(net, linear(net, x, n))
    a = net.same("Mul", a, net.vector(n, 1.0))
    by = net.last.name
    total = net.reduce("ReduceSum", a.like(net.op("Mul", a, b)), (-1,), True)
    net.mixers.append(Mixer(net.last.name, -1, by, 1, -1, False))
    y = linear(net, x, some_width(net))
    return y.like(net.op("Add", y, total))


DENSE: list[Block] = [
    layer, layer, layer, residual, residual, gated, fused_gate, branches, parts, cut, padded, widened_shortcut,
    sum_of_functions, scaled, regrouped, layer_norm, rms_norm, softmaxed, mean_added, unit_length, dropped, tied,
    repeated, repeated, expert_choice, product_of_two,
]  # fmt: skip


def dense_block(net: Net, x: Value) -> Value:
    return net.dice.choice(DENSE)(net, x)
