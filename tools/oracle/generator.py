"""Whole networks: what goes in, which blocks, what comes out."""

from __future__ import annotations

import numpy as np

from .blocks import activation, affine, linear
from .control import controlled
from .dense import dense_block, layer_norm, some_width, width
from .net import INT64, Net, Value
from .pictures import conv, flat, picture_block, some_channels
from .tokens import one_row, token_block
from .weights import weight

OPSETS = [9, 10, 11, 12, 13, 13, 14, 15, 16, 17, 17, 18, 18, 19, 20, 21, 22]


def heads(net: Net, x: Value) -> None:
    """One to three outputs from [batch, .., width]."""
    kind = net.dice.choice(["plain", "plain", "hidden", "two", "narrow"])
    if kind == "hidden":
        x = activation(net, linear(net, x, some_width(net)))
    net.output(linear(net, x, net.dice.choice([3, 5, 10])))
    if kind == "two":
        net.output(linear(net, activation(net, linear(net, x, some_width(net))), 4))
    if kind == "narrow":
        net.output(net.same("Sigmoid", linear(net, x, 1)))


def steps(net: Net, x: Value, block, fewest: int = 1, most: int = 3) -> Value:
    for _ in range(net.dice.randint(fewest, most)):
        x = block(net, x)
    return x


def dense_or_control(net: Net, x: Value) -> Value:
    return controlled(net, x) if net.dice.random() < 0.3 else dense_block(net, x)


def pictures(net: Net) -> None:
    channels = net.dice.choice([1, 3, 3])
    kind = net.dice.choice(["fixed", "fixed", "open", "length"])
    if kind == "fixed":
        side = net.dice.choice([4, 6, 8])
        x = net.input("x", ("N", channels, side, net.dice.choice([side, side, side + 1])))
    elif kind == "open":
        net.features.add("open height and width")
        x = net.input("x", ("N", channels, "H", "W"))
        net.sizes = [{"N": 1, "H": 8, "W": 11}, {"N": 3, "H": 6, "W": 7}]
    else:
        net.features.add("open length")
        x = net.input("x", ("N", channels, "L"))
        net.sizes = [{"N": 1, "L": 13}, {"N": 3, "L": 8}]
    x = activation(net, conv(net, x, some_channels(net)), 1)
    x = steps(net, x, picture_block, 1, 4)
    end = net.dice.choice(["head", "head", "head", "map", "both"])
    if end in ("map", "both"):
        net.output(conv(net, x, net.dice.choice([1, 2, 5]), 1))
    if end != "map":
        heads(net, steps(net, flat(net, x), dense_or_control, 0, 1))


def numbers(net: Net) -> None:
    x = net.input("x", ("N", net.dice.choice([3, 5, 8, 12])))
    x = linear(net, x, some_width(net)) if net.dice.random() < 0.8 else x
    x = steps(net, x, dense_or_control, 1, 4)
    heads(net, x)


def sequence(net: Net) -> None:
    if net.dice.random() < 0.7:
        net.features.add("open length")
        length: int | str = "L"
        net.sizes = [{"N": 1, "L": 7}, {"N": 3, "L": 5}]
    else:
        length = 6
    words = net.dice.random() < 0.5
    table = None
    if words:
        n = some_width(net)
        x = net.input("ids", ("N", length), INT64, 9)
        table = weight(net, 9, n, scale=0.7)
        x = Value(net.op("Gather", table, x, axis=0), ("N", length, n))
        if net.dice.random() < 0.4:
            x = layer_norm(net, x)
    else:
        x = linear(net, net.input("x", ("N", length, 5)), some_width(net))
    x = steps(net, x, token_block, 1, 3)
    if net.dice.random() < 0.25:
        x = controlled(net, x)
    end = net.dice.choice(["row", "row", "all", "tied"])
    if end == "tied" and table is not None:
        net.features.add("tied")
        x = linear(net, x, n)
        net.output(
            Value(net.op("MatMul", x, net.op("Transpose", table, perm=[1, 0])), ("N", length, 9))
        )
        return
    heads(net, x if end == "all" else one_row(net, x))


def towers(net: Net) -> None:
    """Two or three inputs through one network, joined alike or not."""
    count = net.dice.choice([2, 2, 2, 3])
    kind = net.dice.choice(["numbers", "numbers", "pictures", "sequence"])
    if kind == "pictures":
        inputs = [net.input(f"x{i}", ("N", 2, 6, 6)) for i in range(count)]
    elif kind == "sequence":
        net.sizes = [{"N": 1, "L": 6}, {"N": 3, "L": 4}]
        inputs = [net.input(f"x{i}", ("N", "L", 4)) for i in range(count)]
    else:
        n = net.dice.choice([4, 6, 8])
        inputs = [net.input(f"x{i}", ("N", n)) for i in range(count)]
    net.features.add("towers")

    def tower(x: Value) -> Value:
        if kind == "pictures":
            x = steps(
                net, activation(net, conv(net, x, some_channels(net)), 1), picture_block, 0, 2
            )
            x = flat(net, x)
        elif kind == "sequence":
            x = one_row(net, steps(net, linear(net, x, some_width(net)), token_block, 0, 1))
        x = steps(net, x, dense_block, 0, 2)
        return linear(net, x, some_width(net), bias=True)  # zero where it is masked

    joined(net, net.again(tower, inputs))


def joined(net: Net, ys: list[Value]) -> None:
    a, b = ys[0], ys[1]
    kind = net.dice.choice(["distance", "product", "concat", "apart", "similarity", "sum"])
    if len(ys) == 2 and kind in ("distance", "product", "similarity", "sum"):
        net.swapped = (net.inputs[0].name, net.inputs[1].name)
    if len(ys) == 3:
        kind = net.dice.choice(["concat", "triplet"])
    if kind == "triplet":
        far = net.reduce("ReduceSum", square_of_difference(net, a, ys[2]), (-1,), True)
        near = net.reduce("ReduceSum", square_of_difference(net, a, b), (-1,), True)
        net.output(a.like(net.op("Sub", near, far)))
    elif kind == "distance":
        heads(net, a.like(net.op("Abs", net.op("Sub", a, b))))
    elif kind == "product":
        heads(net, a.like(net.op("Mul", a, b)))
    elif kind == "sum":
        heads(net, activation(net, a.like(net.op("Add", a, b))))
    elif kind == "similarity":
        dot = net.reduce("ReduceSum", a.like(net.op("Mul", a, b)), (-1,), True)
        net.output(dot)
    elif kind == "apart":
        net.output(linear(net, activation(net, a), 4))
        net.output(linear(net, activation(net, b), 4))
    else:
        heads(net, net.concat(ys, -1))


def square_of_difference(net: Net, a: Value, b: Value) -> Value:
    d = net.op("Sub", a, b)
    return a.like(net.op("Mul", d, d))


def several(net: Net) -> None:
    """Inputs of different kinds that meet."""
    x = linear(net, net.input("x", ("N", 6)), some_width(net))
    x = steps(net, x, dense_block, 0, 2)
    other = net.dice.choice(["numbers", "picture", "words", "scale", "open scale", "shape"])
    net.features.add(f"second input: {other}")
    n = width(x)
    if other == "numbers":
        y = linear(net, net.input("z", ("N", 5)), some_width(net))
        x = net.concat([x, y], -1)
    elif other == "picture":
        p = conv(net, net.input("z", ("N", 3, 5, 5)), n)
        x = x.like(net.op("Add", x, flat_pool(net, p)))
    elif other == "words":
        ids = net.input("z", ("N",), INT64, 7)
        x = x.like(net.op("Add", x, net.op("Gather", weight(net, 7, n, scale=0.5), ids, axis=0)))
    elif other == "scale":
        x = net.same("Mul", x, net.input("z", ("N", 1)))
    elif other == "open scale":  # of one number, or of one for each channel
        x = net.same("Mul", x, net.input("z", ("K",)))
        net.sizes = [{"N": 1, "K": 1}, {"N": 3, "K": n}]
    else:  # the shape of a reshape is an input
        shape = net.input("z", (2,), INT64)
        net.fixed["z"] = lambda sizes: np.array([sizes["N"], n], np.int64)
        x = net.reshape(x, x.shape, shape.name)
    heads(net, steps(net, activation(net, affine(net, x)), dense_or_control, 0, 2))


def flat_pool(net: Net, x: Value) -> Value:
    return Value(net.op("Flatten", net.op("GlobalAveragePool", x)), (x.shape[0], x.shape[1]))


def control(net: Net) -> None:
    x = linear(net, net.input("x", ("N", 6)), some_width(net))
    x = steps(net, x, controlled, 1, 2)
    heads(net, x)


KINDS = {
    "pictures": pictures,
    "numbers": numbers,
    "sequence": sequence,
    "towers": towers,
    "several": several,
    "control": control,
}
ODDS = {"pictures": 4, "numbers": 3, "sequence": 4, "towers": 4, "several": 2, "control": 3}


def generate(seed: int) -> tuple[Net, str]:
    """The network of a seed, and its kind."""
    net = Net(seed, 0)
    net.opset = net.dice.choice(OPSETS)
    net.plain = net.dice.random() < 0.25
    kind = net.dice.choices(list(KINDS), [ODDS[k] for k in KINDS])[0]
    KINDS[kind](net)
    net.features |= {f"opset {net.opset}", kind}
    return net, kind
