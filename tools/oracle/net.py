"""A network that grows node by node, with its shapes, in the words of its operator set."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .mixing import Mixer

Dim = int | str  # str: a size that only a run knows
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


@dataclass(frozen=True)
class Value:
    """A tensor and its shape."""

    name: str
    shape: tuple[Dim, ...]

    def like(self, name: str) -> Value:
        return Value(name, self.shape)


@dataclass
class Scope:
    nodes: list[NodeProto] = field(default_factory=list)
    stored: list[TensorProto] = field(default_factory=list)


class Net:
    """What is being built. `dice` decides the structure, `numbers` the weights."""

    def __init__(self, seed: int, opset: int) -> None:
        self.dice = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.forms = random.Random(seed + 1)  # how weights are given; no part of the structure
        self.opset = opset
        self.scopes = [Scope()]
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.sizes: list[dict[str, int]] = [{"N": 1}, {"N": 3}]
        self.below: dict[str, int] = {}  # inputs of whole numbers
        self.features: set[str] = set()
        self.mixers: list[Mixer] = []
        self.swapped: tuple[str, str] | None = None  # inputs that may change places
        self.fixed: dict[
            str, Callable[[dict[str, int]], np.ndarray]
        ] = {}  # inputs with values of their own
        self.replay: list[str] | None = None
        self.record: list[str] | None = None
        self.plain = False  # weights as initializers only
        self._count = 0

    # -- names, nodes, tensors

    def fresh(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    def nodes(self, op: str, inputs: list[str | Value], outputs: int, **attributes) -> list[str]:
        name = self.fresh(op.lower())
        given = [i.name if isinstance(i, Value) else i for i in inputs]
        made = [f"{name}_y{k}" if outputs > 1 else f"{name}_y" for k in range(outputs)]
        domain = attributes.pop("domain", "")
        kept = {k: v for k, v in attributes.items() if v is not None}
        self.scope.nodes.append(helper.make_node(op, given, made, name=name, domain=domain, **kept))
        return made

    def op(self, op: str, *inputs: str | Value, **attributes) -> str:
        return self.nodes(op, list(inputs), 1, **attributes)[0]

    @property
    def last(self) -> NodeProto:
        return self.scope.nodes[-1]

    def same(self, op: str, x: Value, *more: str | Value, **attributes) -> Value:
        """An operator whose output has the shape of its first input."""
        return x.like(self.op(op, x, *more, **attributes))

    def store(self, values: np.ndarray, kind: str = "c", inside: bool = False) -> str:
        """An initializer of the main graph, or of the body that is being built."""
        name = self.fresh(kind)
        scope = self.scopes[-1] if inside else self.scopes[0]
        scope.stored.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        """A constant of whole numbers: as an initializer or as a node."""
        array = np.array(values, np.int64)
        if self.forms.random() < 0.3:
            return self.op("Constant", value=numpy_helper.from_array(array))
        return self.store(array, "i")

    def number(self, value: float) -> str:
        return self.store(np.array(value, np.float32), "s")

    def draw(self, *shape: int, around: float = 0.0, scale: float = 0.5) -> np.ndarray:
        return (around + scale * self.numbers.standard_normal(shape)).astype(np.float32)

    def vector(
        self, n: int, around: float = 0.0, scale: float = 0.3, shape: tuple[int, ...] = ()
    ) -> str:
        """A bias, a scale, a shift: always stored plainly, shared where a block runs again."""
        return self.remembered(
            lambda: self.store(self.draw(n, around=around, scale=scale).reshape(shape or (n,)), "v")
        )

    def remembered(self, make: Callable[[], str]) -> str:
        if self.replay is not None:
            return self.replay.pop(0)
        if self.record is None:
            return make()
        self.scopes.append(self.scopes[0])  # other bodies will read it too
        name = make()
        self.scopes.pop()
        self.record.append(name)
        return name

    def again(self, block: Callable[[Value], Value], inputs: list[Value]) -> list[Value]:
        """One block with one set of weights, run on several values."""
        start, outer = self.dice.getstate(), (self.record, self.replay)
        if outer != (None, None):  # already inside a block that runs again: share inside of it
            return [block(x) for x in inputs]
        self.record = []
        results = [block(inputs[0])]
        names, self.record = self.record, None
        for x in inputs[1:]:
            self.dice.setstate(start)
            self.replay = list(names)
            results.append(block(x))
            assert not self.replay, "the block did not run alike"
            self.replay = None
        self.features.add("shared weights")
        return results

    # -- inputs and outputs

    def input(self, name: str, shape: tuple[Dim, ...], dtype: int = FLOAT, below: int = 3) -> Value:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        if dtype == INT64:
            self.below[name] = below
        return Value(name, shape)

    def output(self, x: Value, dtype: int = FLOAT) -> None:
        known = [d if isinstance(d, int) or d == "N" else None for d in x.shape]
        name = self.fresh("out")
        self.scope.nodes.append(helper.make_node("Identity", [x.name], [name], name=f"{name}_node"))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, known))

    # -- bodies

    def body(
        self, build: Callable[[], list[Value]], inputs: list[onnx.ValueInfoProto], kind: str
    ) -> GraphProto:
        self.scopes.append(Scope())
        results = build()
        outputs = []
        for r in results:
            name = self.fresh("leaves")
            self.op_named("Identity", r.name, name)
            outputs.append(onnx.ValueInfoProto(name=name))
        scope = self.scopes.pop()
        for o in outputs:
            o.type.tensor_type.elem_type = FLOAT
        return helper.make_graph(scope.nodes, self.fresh(kind), inputs, outputs, scope.stored)

    def op_named(self, op: str, x: str, output: str) -> None:
        self.scope.nodes.append(helper.make_node(op, [x], [output], name=f"{output}_node"))

    # -- operators that changed with the operator set

    def reduce(self, op: str, x: Value, axes: tuple[int, ...], keep: bool) -> Value:
        as_input = self.opset >= (13 if op == "ReduceSum" else 18)
        k = int(keep)
        if as_input:
            name = self.op(op, x, self.ints(*axes), keepdims=k)
        else:
            name = self.op(op, x, axes=list(axes), keepdims=k)
        gone = {a % len(x.shape) for a in axes}
        shape = [1 if i in gone else d for i, d in enumerate(x.shape) if keep or i not in gone]
        return Value(name, tuple(shape))

    def squeeze(self, x: Value, axis: int) -> Value:
        name = (
            self.op("Squeeze", x, self.ints(axis))
            if self.opset >= 13
            else self.op("Squeeze", x, axes=[axis])
        )
        return Value(name, x.shape[:axis] + x.shape[axis + 1 :])

    def unsqueeze(self, x: Value, axis: int) -> Value:
        if self.opset >= 13:
            name = self.op("Unsqueeze", x, self.ints(axis))
        else:
            name = self.op("Unsqueeze", x, axes=[axis])
        return Value(name, (*x.shape[:axis], 1, *x.shape[axis:]))

    def split(self, x: Value, sizes: list[int], axis: int) -> list[Value]:
        if self.opset >= 13:
            made = self.nodes("Split", [x, self.ints(*sizes)], len(sizes), axis=axis)
        else:
            made = self.nodes("Split", [x], len(sizes), axis=axis, split=sizes)
        a = axis % len(x.shape)
        return [
            Value(n, (*x.shape[:a], s, *x.shape[a + 1 :])) for n, s in zip(made, sizes, strict=True)
        ]

    def slice(self, x: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
        a = axis % len(x.shape)
        size = x.shape[a]
        assert isinstance(size, int)
        count = len(range(*slice(start, stop, step).indices(size)))
        if self.opset >= 10:
            name = self.op(
                "Slice", x, self.ints(start), self.ints(stop), self.ints(a), self.ints(step)
            )
        else:
            assert step == 1
            name = self.op("Slice", x, starts=[start], ends=[stop], axes=[a])
        return Value(name, (*x.shape[:a], count, *x.shape[a + 1 :]))

    def pad(self, x: Value, axis: int, before: int, after: int) -> Value:
        rank = len(x.shape)
        a = axis % rank
        pads = [0] * (2 * rank)
        pads[a], pads[rank + a] = before, after
        name = (
            self.op("Pad", x, self.ints(*pads))
            if self.opset >= 11
            else self.op("Pad", x, pads=pads)
        )
        size = x.shape[a]
        assert isinstance(size, int)
        return Value(name, (*x.shape[:a], size + before + after, *x.shape[a + 1 :]))

    def reshape(self, x: Value, shape: tuple[Dim, ...], asked: tuple[int, ...] | str) -> Value:
        return Value(
            self.op("Reshape", x, asked if isinstance(asked, str) else self.ints(*asked)), shape
        )

    def transpose(self, x: Value, perm: tuple[int, ...]) -> Value:
        return Value(self.op("Transpose", x, perm=list(perm)), tuple(x.shape[p] for p in perm))

    def concat(self, xs: list[Value], axis: int) -> Value:
        a = axis % len(xs[0].shape)
        sizes = [x.shape[a] for x in xs]
        assert all(isinstance(s, int) for s in sizes)
        shape = (*xs[0].shape[:a], sum(sizes), *xs[0].shape[a + 1 :])  # type: ignore[arg-type]
        return Value(self.op("Concat", *xs, axis=axis), shape)

    def softmax(self, x: Value, axis: int = -1) -> Value:
        return self.same("Softmax", x, axis=axis if self.opset >= 13 else axis % len(x.shape))

    def model(self) -> ModelProto:
        main = self.scopes[0]
        graph = helper.make_graph(main.nodes, "net", self.inputs, self.outputs, main.stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 4 if self.opset < 10 else 8 if self.opset < 20 else 10
        return model
