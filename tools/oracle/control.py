"""If and Loop around blocks, with constant conditions and with ones that only a run knows."""

from __future__ import annotations

import numpy as np
from onnx import AttributeProto, TensorProto, helper

from .blocks import activation, linear
from .dense import dense_block, some_width, width
from .net import BOOL, INT64, Net, Value
from .weights import weight


def scalar_of(net: Net, x: Value) -> str:
    """One number of an input, of rank 0."""
    flat = net.op("Reshape", x, net.ints(-1))
    return net.op("Gather", flat, net.store(np.array(0, np.int64)), axis=0)


def condition(net: Net, x: Value) -> str:
    kind = net.dice.choice(["constant", "node", "data", "data", "input", "computed"])
    net.features.add(f"condition: {kind}")
    value = net.dice.random() < 0.5
    if kind == "constant":
        return net.store(np.array(value), "cond")
    if kind == "node":
        return net.op("Constant", value=helper.make_tensor("c", TensorProto.BOOL, [], [value]))
    if kind == "computed":  # from constants
        return net.op("Greater", net.number(1.0), net.number(0.5 if value else 1.5))
    if kind == "input":
        name = net.fresh("flag")
        net.input(name, (), BOOL)
        return name
    return net.op("Greater", scalar_of(net, x), net.number(0.0))


def keeping(net: Net, x: Value, block, out: int) -> Value:
    y = block(net, x)
    return linear(net, y, out)


def chosen(net: Net, x: Value) -> Value:
    """If: two branches of blocks, in either order of attributes."""
    cond = condition(net, x)
    out = some_width(net)
    kind = net.dice.choice(["two", "two", "bypass", "weights"])
    if kind == "weights":
        return chosen_weight(net, x, cond, out)

    def branch(deep: bool):
        def build() -> list[Value]:
            if deep:
                return [
                    linear(
                        net,
                        dense_block(net, x)
                        if net.dice.random() < 0.6
                        else activation(net, linear(net, x, some_width(net))),
                        out,
                    )
                ]
            return [linear(net, x, out)]

        return build

    if kind == "bypass":
        x = linear(net, x, out)
        yes = net.body(lambda: [activation(net, linear(net, x, out))], [], "then")
        no = net.body(lambda: [x], [], "else")
    else:
        yes, no = (
            net.body(branch(True), [], "then"),
            net.body(branch(net.dice.random() < 0.5), [], "else"),
        )
    if net.dice.random() < 0.3:
        yes, no = no, yes
    name = net.op("If", cond, then_branch=yes, else_branch=no)
    reorder(net)
    net.features.add("If")
    return Value(name, (*x.shape[:-1], out))


def reorder(net: Net) -> None:
    """Attributes in the other order, now and then."""
    node = net.last
    if net.dice.random() < 0.5:
        attributes = [AttributeProto.FromString(a.SerializeToString()) for a in node.attribute]
        del node.attribute[:]
        node.attribute.extend(reversed(attributes))


def chosen_weight(net: Net, x: Value, cond: str, out: int) -> Value:
    """If between two weights."""
    n = width(x)
    yes = net.body(lambda: [Value(weight(net, n, out), (n, out))], [], "then")
    no = net.body(lambda: [Value(weight(net, n, out), (n, out))], [], "else")
    w = net.op("If", cond, then_branch=yes, else_branch=no)
    reorder(net)
    net.features.add("If between weights")
    return Value(net.op("MatMul", x, w), (*x.shape[:-1], out))


def looped(net: Net, x: Value) -> Value:
    """Loop: a layer or a block that is applied to its own output."""
    x = linear(net, x, some_width(net))
    n = width(x)
    net.features.add("Loop")
    i, going, state = net.fresh("i"), net.fresh("going"), net.fresh("state")
    trips = trip_count(net, x)
    go = loop_condition(net)
    carried_weight = net.dice.random() < 0.35
    scans = net.dice.random() < 0.3
    inner: list[str] = []
    inputs: list[str | Value] = [trips, go, x]
    infos = [
        helper.make_tensor_value_info(i, INT64, []),
        helper.make_tensor_value_info(going, BOOL, []),
        helper.make_tensor_value_info(state, TensorProto.FLOAT, None),
    ]
    if carried_weight:  # states that the body hands on unchanged
        hidden = some_width(net)
        inputs += [weight(net, n, hidden), weight(net, hidden, n)]
        inner = [net.fresh("carried"), net.fresh("carried")]
        infos += [helper.make_tensor_value_info(c, TensorProto.FLOAT, None) for c in inner]
        net.features.add("weights as states")

    def build() -> list[Value]:
        v = Value(state, x.shape)
        if inner:
            h = net.op("Tanh", net.op("MatMul", v, inner[0]))
            y = v.like(net.op("MatMul", h, inner[1]))
        else:
            y = linear(net, activation(net, linear(net, v, some_width(net))), n)
        kind = net.dice.choice(["add", "replace", "mean"])
        if kind == "add":
            y = y.like(net.op("Add", v, y))
        elif kind == "mean":
            y = y.like(net.op("Mul", net.op("Add", v, y), net.number(0.5)))
        y = net.same("Tanh", y)
        keep = Value(going, ())
        if net.dice.random() < 0.3:
            total = net.reduce("ReduceMax", y, tuple(range(len(y.shape))), False)
            keep = Value(net.op("Less", total, net.number(50.0)), ())
        results = [keep, y, *(Value(c, ()) for c in inner)]
        if scans:
            results.append(y)
        return results

    body = net.body(build, infos, "round")
    body.output[0].type.tensor_type.elem_type = BOOL
    outputs = 1 + len(inner) + (1 if scans else 0)
    made = net.nodes("Loop", inputs, outputs, body=body)
    y = Value(made[0], x.shape)
    if scans:  # [rounds, batch, .., width]
        seen = net.reduce("ReduceMean", Value(made[-1], ("T", *x.shape)), (0,), False)
        y = y.like(net.op("Add", y, linear(net, seen, n)))
    return y


def trip_count(net: Net, x: Value) -> str:
    kind = net.dice.choice(["constant", "constant", "node", "shape", "input"])
    net.features.add(f"trips: {kind}")
    count = net.dice.choice([1, 2, 3])
    if kind == "constant":
        return net.store(np.array(count, np.int64), "trips")
    if kind == "node":
        return net.op("Constant", value=helper.make_tensor("t", INT64, [], [count]))
    if kind == "shape":
        return net.op("Gather", net.op("Shape", x), net.store(np.array(0, np.int64)), axis=0)
    name = net.fresh("trips")
    net.input(name, (), INT64)
    net.fixed[name] = lambda sizes: np.array(sizes["N"], np.int64)
    return name


def loop_condition(net: Net) -> str:
    if net.dice.random() < 0.3:
        return ""
    return net.store(np.array(True), "cond")


def controlled(net: Net, x: Value) -> Value:
    return net.dice.choice([chosen, chosen, looped])(net, x)
