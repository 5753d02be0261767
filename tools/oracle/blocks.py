"""What blocks of all kinds are made of: activations, linear layers, joins."""

from __future__ import annotations

from .net import Net, Value
from .weights import weight

ACTIVATIONS = [
    "relu",
    "sigmoid",
    "tanh",
    "leaky",
    "elu",
    "softplus",
    "silu",
    "gelu",
    "clip",
    "prelu",
    "abs",
    "hard",
    "where",
    "none",
]


def activation(net: Net, x: Value, channel: int = -1) -> Value:
    """One of the functions that act on each number by itself; `channel` is the axis of a slope per channel."""
    kind = net.dice.choice(ACTIVATIONS)
    match kind:
        case "relu":
            return net.same("Relu", x)
        case "sigmoid":
            return net.same("Sigmoid", x)
        case "tanh":
            return net.same("Tanh", x)
        case "leaky":
            return net.same("LeakyRelu", x, alpha=0.1)
        case "elu":
            return net.same("Elu", x)
        case "softplus":
            return net.same("Softplus", x)
        case "silu":
            return net.same("Mul", x, net.op("Sigmoid", x))
        case "gelu":
            half = net.op("Mul", x, net.number(0.5))
            erf = net.op("Erf", net.op("Div", x, net.number(1.41421356)))
            return x.like(net.op("Mul", half, net.op("Add", erf, net.number(1.0))))
        case "clip":
            if net.opset >= 11:
                return net.same("Clip", x, net.number(-1.0), net.number(1.5))
            return net.same("Clip", x, min=-1.0, max=1.5)
        case "prelu":
            size = x.shape[channel]
            behind = len(x.shape) - 1 - channel % len(x.shape)
            if not isinstance(size, int):
                return net.same("Relu", x)
            return net.same("PRelu", x, net.vector(size, 0.2, 0.1, (size, *[1] * behind)))
        case "abs":
            return net.same("Abs", x)
        case "hard":
            return net.same("HardSwish", x) if net.opset >= 14 else net.same("HardSigmoid", x)
        case "where":
            positive = net.op("Greater", x, net.number(0.0))
            return x.like(net.op("Where", positive, x, net.op("Mul", x, net.number(0.3))))
    return x


def linear(net: Net, x: Value, out: int, bias: bool | None = None) -> Value:
    """A linear layer over the last axis: Gemm, or MatMul with or without an addition."""
    width = x.shape[-1]
    assert isinstance(width, int)
    bias = net.dice.random() < 0.75 if bias is None else bias
    # Where no bias is asked for, Gemm may have one of a single number.
    if len(x.shape) == 2 and net.dice.random() < 0.5:
        turned = net.dice.random() < 0.5
        w = weight(net, out, width) if turned else weight(net, width, out)
        one = net.dice.random() < 0.3
        more = [net.vector(out)] if bias else [net.vector(1)] if one else []
        if net.opset < 11 and not more:
            more = [net.vector(1)]
        return Value(
            net.op("Gemm", x, w, *more, transB=1 if turned else None), (*x.shape[:-1], out)
        )
    y = Value(net.op("MatMul", x, weight(net, width, out)), (*x.shape[:-1], out))
    if bias:
        b = net.vector(out)
        y = y.like(net.op("Add", y, b) if net.dice.random() < 0.5 else net.op("Add", b, y))
    return y


def affine(net: Net, x: Value) -> Value:
    """A scale and a shift per channel of the last axis."""
    width = x.shape[-1]
    assert isinstance(width, int)
    y = net.same("Mul", x, net.vector(width, 1.0))
    return net.same("Add", y, net.vector(width)) if net.dice.random() < 0.7 else y
