"""Small changes to a model that onnxruntime may still load: one function each, told apart by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)

from .insertions import (
    casts,
    cut_and_joined,
    function_added,
    identity,
    padded_and_cut,
    reshapes,
    scaled,
    squeezes,
    transposes,
    twice_and_once,
    wrap,
)
from .mutant import Mutant

FAMILIES = [
    [
        "Relu",
        "Sigmoid",
        "Tanh",
        "Softplus",
        "Abs",
        "Neg",
        "Identity",
        "Elu",
        "LeakyRelu",
        "HardSigmoid",
        "Exp",
        "Erf",
    ],
    ["Add", "Sub", "Mul", "Max", "Min", "Div"],
    [
        "ReduceMean",
        "ReduceSum",
        "ReduceMax",
        "ReduceL2",
        "ReduceMin",
        "ReduceLogSumExp",
        "ReduceSumSquare",
    ],
    ["GlobalAveragePool", "GlobalMaxPool"],
    ["MaxPool", "AveragePool"],
    ["Softmax", "LogSoftmax", "Hardmax"],
]
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}


def attribute_changed(m: Mutant) -> bool:
    n = m.node(lambda n: any(a.type in (1, 2, 6, 7) for a in n.attribute))
    if n is None:
        return False
    a = m.dice.choice([a for a in n.attribute if a.type in (1, 2, 6, 7)])
    if a.type == AttributeProto.FLOAT:
        a.f *= m.dice.choice([0.5, 2.0, -1.0])
    elif a.type == AttributeProto.INT:
        a.i += m.dice.choice([-1, 1, 1, 2])
    elif a.type == AttributeProto.INTS and a.ints:
        kind = m.dice.choice(["one", "one", "all", "shuffle"])
        values = list(a.ints)
        if kind == "shuffle":
            m.dice.shuffle(values)
        else:
            by = m.dice.choice([-1, 1])
            at = m.dice.randrange(len(values))
            values = [v + by if kind == "all" or i == at else v for i, v in enumerate(values)]
        del a.ints[:]
        a.ints.extend(values)
    else:
        return False
    return True


def attribute_dropped(m: Mutant) -> bool:
    n = m.node(
        lambda n: (
            any(a.type != AttributeProto.GRAPH for a in n.attribute) and n.op_type != "Constant"
        )
    )
    if n is None:
        return False
    n.attribute.remove(m.dice.choice([a for a in n.attribute if a.type != AttributeProto.GRAPH]))
    return True


def rewired(m: Mutant) -> bool:
    """An input becomes another tensor of the same type and shape."""
    places = []
    order: list[str] = [i.name for i in m.graph.input] + [i.name for i in m.graph.initializer]
    for n in m.graph.node:
        for i, x in enumerate(n.input):
            kind = m.kinds.get(x)
            others = [o for o in order if o != x and kind and m.kinds.get(o) == kind]
            if others:
                places.append((n, i, others))
        order += list(n.output)
    if not places:
        return False
    n, i, others = m.dice.choice(places)
    n.input[i] = m.dice.choice(others)
    return True


def duplicated(m: Mutant) -> bool:
    """A node twice, each with some of the readers."""
    at = m.dice.randrange(len(m.graph.node))
    copy = NodeProto()
    copy.CopyFrom(m.graph.node[at])
    if len(copy.output) != 1 or copy.op_type in ("If", "Loop", "Scan"):
        return False
    copy.name, old = m.fresh("copy"), copy.output[0]
    copy.output[0] = f"{copy.name}_y"
    readers = [(n, i) for n in m.graph.node for i, x in enumerate(n.input) if x == old]
    if not readers:
        return False
    for n, i in m.dice.sample(readers, m.dice.randint(1, len(readers))):
        n.input[i] = copy.output[0]
    m.graph.node.insert(at + 1, copy)
    return True


def initializer_shared(m: Mutant) -> bool:
    by_shape: dict[tuple, list[str]] = {}
    for t in m.graph.initializer:
        if t.data_type in FLOATS:
            by_shape.setdefault((t.data_type, tuple(t.dims)), []).append(t.name)
    names = m.pick([v for v in by_shape.values() if len(v) > 1])
    if not names:
        return False
    keep, gone = m.dice.sample(names, 2)
    for n in m.graph.node:
        for i, x in enumerate(n.input):
            if x == gone:
                n.input[i] = keep
    return True


def size_changed(m: Mutant) -> bool:
    """A size everywhere it occurs in the weights, or along one axis of one of them."""
    weights = [
        t for t in m.graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) >= 1
    ]
    t = m.pick([t for t in weights if max(t.dims, default=0) > 2])
    if t is None:
        return False
    old = m.dice.choice([d for d in t.dims if d > 2])
    new = m.dice.choice([old - 1, old + 1, old * 2, max(1, old // 2)])
    for w in weights if m.dice.random() < 0.7 else [t]:
        a = numpy_helper.to_array(w)
        for axis, d in enumerate(a.shape):
            if d == old:
                a = np.take(a, [i % d for i in range(new)], axis)
        a = a * (1 + 0.1 * m.numbers.standard_normal(a.shape)).astype(np.float32)
        w.CopyFrom(numpy_helper.from_array(np.array(a, order="C"), w.name))
    return True


def axis_opened(m: Mutant) -> bool:
    stored = {t.name for t in m.graph.initializer}
    places = [
        (i, a)
        for i in m.graph.input
        if i.name not in stored
        for a, d in enumerate(i.type.tensor_type.shape.dim)
        if d.dim_value
    ]
    place = m.pick(places)
    if place is None:
        return False
    i, axis = place
    d = i.type.tensor_type.shape.dim[axis]
    symbol, size = m.fresh("size"), d.dim_value
    m.opened[symbol] = (size, m.dice.choice([size * 2, size + 1, max(1, size - 1)]))
    d.dim_param = symbol
    forget_shapes(m)
    return True


def forget_shapes(m: Mutant) -> None:
    """Shapes that the file tells may no longer be true."""
    del m.graph.value_info[:]
    for o in m.graph.output:
        for d in o.type.tensor_type.shape.dim:
            d.Clear()


def operator_swapped(m: Mutant) -> bool:
    known = {op for family in FAMILIES for op in family}
    n = m.node(lambda n: n.op_type in known and n.domain in ("", "ai.onnx"))
    if n is None:
        return False
    family = next(f for f in FAMILIES if n.op_type in f)
    n.op_type = m.dice.choice([op for op in family if op != n.op_type])
    if family[0] == "Relu":
        del n.attribute[:]
    return True


def bypassed(m: Mutant) -> bool:
    """A node left out where its input has its output's shape."""
    n = m.node(
        lambda n: (
            len(n.output) == 1
            and any(m.kinds.get(i) == m.kinds.get(n.output[0], 0) for i in n.input)
        )
    )
    if n is None:
        return False
    x = next(i for i in n.input if m.kinds.get(i) == m.kinds.get(n.output[0]))
    for other in m.graph.node:
        for i, name in enumerate(other.input):
            if name == n.output[0]:
                other.input[i] = x
    return True


def output_added(m: Mutant) -> bool:
    e = m.edge()
    if e is None or e[1] in {o.name for o in m.graph.output}:
        return False
    m.graph.output.append(helper.make_tensor_value_info(e[1], TensorProto.FLOAT, None))
    return True


def constant_as_node(m: Mutant) -> bool:
    t = m.pick(list(m.graph.initializer))
    if t is None or t.name in {i.name for i in m.graph.input}:
        return False
    node = helper.make_node("Constant", [], [t.name], name=m.fresh("constant"), value=t)
    m.graph.node.insert(0, node)
    m.graph.initializer.remove(t)
    return True


def weight_behind(m: Mutant) -> bool:
    """A weight that some nodes read through another node."""
    t = m.pick(
        [t for t in m.graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) >= 1]
    )
    if t is None:
        return False
    rank = len(t.dims)

    def build(x: str):
        kind = m.dice.choice(["Identity", "Transpose", "Mul", "Cast", "Abs", "Tanh"])
        if kind == "Transpose":
            a = m.op("Transpose", x, perm=list(range(rank))[::-1])
            b = m.op("Transpose", a.output[0], perm=list(range(rank))[::-1])
            return [a, b], b.output[0]
        if kind == "Cast":
            a = m.op("Cast", x, to=TensorProto.DOUBLE)
            b = m.op("Cast", a.output[0], to=TensorProto.FLOAT)
            return [a, b], b.output[0]
        more = [m.store(np.array(0.7, np.float32))] if kind == "Mul" else []
        a = m.op(kind, x, *more)
        return [a], a.output[0]

    return m.between(-1, t.name, build)


def overridable(m: Mutant) -> bool:
    """A weight that is a graph input with a default too, as old files have it."""
    t = m.pick([t for t in m.graph.initializer if t.data_type == TensorProto.FLOAT])
    if t is None or t.name in {i.name for i in m.graph.input}:
        return False
    m.graph.input.append(helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)))
    return True


def conditional(m: Mutant) -> bool:
    """A node in both branches of an If: alike, or with a function in one."""
    at = m.dice.randrange(len(m.graph.node))
    n = m.graph.node[at]
    kind = m.kinds.get(n.output[0], (0, []))[0]
    if len(n.output) != 1 or kind != TensorProto.FLOAT or n.op_type in ("If", "Loop", "Scan"):
        return False
    output = n.output[0]
    branches = []
    for i in range(2):
        copy = NodeProto()
        copy.CopyFrom(n)
        copy.name = m.fresh("branch")
        copy.output[0] = f"{copy.name}_y"
        nodes, y = [copy], copy.output[0]
        if i and m.dice.random() < 0.6:
            more, y = wrap(m, y, ["Tanh"])
            nodes += more
        out = helper.make_tensor_value_info(y, TensorProto.FLOAT, None)
        branches.append(helper.make_graph(nodes, m.fresh("body"), [], [out]))
    cond = m.store(np.array(m.dice.random() < 0.5))
    before: list[NodeProto] = []
    x = m.graph.input[0]
    if (
        m.dice.random() < 0.5
        and x.type.tensor_type.elem_type == TensorProto.FLOAT
        and m.opset >= 13
    ):
        total = m.op("ReduceSum", x.name, keepdims=0)
        more_than = m.op("Greater", total.output[0], m.store(np.array(0, np.float32)))
        before, cond = [total, more_than], more_than.output[0]
    choice = helper.make_node(
        "If", [cond], [output], name=m.fresh("if"), then_branch=branches[0], else_branch=branches[1]
    )
    if m.dice.random() < 0.5:
        attributes = [AttributeProto.FromString(a.SerializeToString()) for a in choice.attribute]
        del choice.attribute[:]
        choice.attribute.extend(attributes[::-1])
    del m.graph.node[at]
    for new in reversed([*before, choice]):
        m.graph.node.insert(at, new)
    return True


def other_opset(m: Mutant) -> bool:
    target = m.dice.choice([v for v in (9, 11, 12, 13, 15, 17, 18, 19, 20, 21, 22) if v != m.opset])
    converted = onnx.version_converter.convert_version(m.model, target)
    m.model.CopyFrom(converted)
    m.opset = target
    return True


MUTATIONS: list[Callable[[Mutant], bool]] = [
    attribute_changed, attribute_changed, attribute_dropped, rewired, rewired, duplicated, initializer_shared,
    initializer_shared, size_changed, size_changed, axis_opened, identity, casts, transposes, reshapes, squeezes,
    cut_and_joined, padded_and_cut, twice_and_once, scaled, function_added, operator_swapped, operator_swapped,
    bypassed, output_added, constant_as_node, weight_behind, weight_behind, overridable, conditional, other_opset,
]  # fmt: skip


def mutate(model: ModelProto, seed: int) -> tuple[Mutant, set[str]]:
    """One to four mutations, and their names."""
    m = Mutant(model, seed)
    done: set[str] = set()
    wanted = m.dice.choice([1, 1, 2, 2, 3, 4])
    for _ in range(4 * wanted):
        mutation = m.dice.choice(MUTATIONS)
        try:
            if mutation(m):
                done.add(mutation.__name__)
        except Exception:  # the version converter and others have limits of their own
            continue
        if len(done) >= wanted:
            break
    forget_shapes(m)
    return m, done
