"""Writes the inputs of this folder: small models that are hard on a program that reads them. A name begins with what
is to come of it: `pruned`, `frozen` (nothing to prune) or `refused`.

    python make.py
"""

import pathlib

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(0)


def weight(name, *shape):
    return numpy_helper.from_array(RNG.standard_normal(shape).astype(np.float32), name)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=f"{op} {output}", **attributes)


def save(name, nodes, inputs, initializers, output="y", opset=17, functions=()):
    def value(name, dims, dtype=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, dtype, dims)

    given = [value(*i) for i in inputs]
    out = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, name, given, [out], initializers)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8, functions=list(functions))
    (HERE / f"{name}.onnx").write_bytes(ModelProto.SerializeToString(model, deterministic=True))


def layers(f, *more, rank=2):
    """Two layers with 12 channels between, and the nodes that `f` puts there, from `a` to `b`."""
    nodes = [node("MatMul", ["x", "w1"], "a"), *f, node("MatMul", ["b", "w2"], "y")]
    return nodes, [("x", ["N", 6])], [weight("w1", 6, 12), weight("w2", 12, 4), *more]


def rolled(x, out, shift, axis, op="Add"):
    consts = [ints("zero", 0), ints("shift", shift), ints("end", 2**31 - 1), ints("axis", axis)]
    nodes = [
        node("Slice", [x, "shift", "end", "axis"], f"{out} rest"),
        node("Slice", [x, "zero", "shift", "axis"], f"{out} first"),
        node("Concat", [f"{out} rest", f"{out} first"], f"{out} rolled", axis=axis),
        node(op, [x, f"{out} rolled"], out),
    ]
    return nodes, consts


# The input is as long as the roll would take steps.
nodes, consts = rolled("x", "sum", 1, 2)
conv = [node("Conv", ["sum", "w1"], "a", strides=[8]), node("Relu", ["a"], "r"), node("Conv", ["r", "w2"], "y")]
save("pruned-rolled_input", nodes + conv, [("x", [1, 1, 160000])], consts + [weight("w1", 8, 1, 9), weight("w2", 4, 8, 3)])

nodes, consts = rolled("a", "b", 1, 1)
save("frozen-rolled_channels", *layers(nodes, *consts))

nodes, consts = rolled("a", "b", 6, 1, "Mul")
save("pruned-halves_change_places", *layers(nodes, *consts))

# Broadcast with sizes that only a run can tell.
nodes, inputs, consts = layers([node("Mul", ["a", "s"], "b")])
save("frozen-open_scale", nodes, inputs + [("s", ["K"])], consts)
save("pruned-scale_of_one", nodes, inputs + [("s", [1])], consts)

# Sizes below zero and beyond 64 bits; elements that come and go.
reshapes = {"negative": [0, 0, -7], "too_many": [12, 2**31], "overflow": [2**62, 2**62, 4]}
for name, sizes in reshapes.items():
    f = [node("Reshape", ["a", "sizes"], "c"), node("Slice", ["c", "zero", "two", "two"], "b")]
    # How many rows there are, a file with an open size does not tell.
    fate = "pruned" if name == "overflow" else "frozen"
    save(f"{fate}-reshape_{name}", *layers(f, ints("sizes", *sizes), ints("zero", 0), ints("two", 2)))

save("refused-comparison_of_nothing", *layers([node("GreaterOrEqual", [], "c"), node("Where", ["c", "a", "a"], "b")]))

# Doubled many times: more parts than atoms in the universe.
for op, attributes in {"Concat": {"axis": 1}, "Mul": {}}.items():
    f = [node(op, ["a" if k == 0 else f"d{k}"] * 2, f"d{k + 1}", **attributes) for k in range(60)]
    f += [node("ReduceMean", ["d60"], "m", axes=[1], keepdims=1), node("Mul", ["a", "m"], "b")]
    save(f"{'frozen' if op == 'Concat' else 'pruned'}-doubled_by_{op.lower()}", *layers(f))
f = [node("Shape", ["a"], "s0"), *(node("Mul", [f"s{k}"] * 2, f"s{k + 1}") for k in range(60))]
save("frozen-squared_shape", *layers([*f, node("Expand", ["a", "s60"], "b")]))


# Functions that call themselves, or that would grow as a power.
def function(name, nodes):
    return helper.make_function("own", name, ["i"], ["o"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)])


def call(name, x, out):
    return node(name, [x], out, domain="own")


relu = function("F0", [node("Relu", ["i"], "o")])
nested = [function(f"F{k}", [call(f"F{k - 1}", "i", "t"), call(f"F{k - 1}", "t", "o")]) for k in range(1, 31)]
save("pruned-function_in_function", *layers([call("F3", "a", "b")]), functions=[relu, *nested[:3]])
save("frozen-functions_grow", *layers([call("F30", "a", "b")]), functions=[relu, *nested])
save("refused-recursion", *layers([call("F", "a", "b")]), functions=[function("F", [call("F", "i", "t"), call("F", "t", "o")])])

# An axis of many parts, which thousands of nodes touch.
nodes, consts = rolled("x", "sum", 7, 2)
last = [call("F12", "sum", "a"), node("Conv", ["a", "w1"], "r"), node("Conv", ["r", "w2"], "y")]
consts += [weight("w1", 8, 1, 9), weight("w2", 4, 8, 3)]
save("pruned-rolled_input_in_functions", nodes + last, [("x", [1, 1, 160000])], consts, functions=[relu, *nested[:12]])


# Branches in the other order, of which one is never taken.
def branch(name, w):
    out = helper.make_tensor_value_info(f"o_{name}", TensorProto.FLOAT, None)
    return helper.make_graph([node("MatMul", ["a", w], f"o_{name}")], name, [], [out])


condition = numpy_helper.from_array(np.array(True), "c")
f = [helper.make_node("If", ["c"], ["b"], else_branch=branch("no", "w_no"), then_branch=branch("yes", "w_yes"))]
save("pruned-branches_in_the_other_order", *layers(f, condition, weight("w_yes", 12, 12), weight("w_no", 12, 12)))

# A function that reads what it is not given, in a call that is not written out.
lost = function("F0", [node("Add", ["i", "nowhere"], "o")])
save("refused-function_without_its_input", *layers([call("F30", "a", "b")]), functions=[lost, *nested])

# Products of matrices that do not fit together.
for name, last in {
    "gemm": node("Gemm", ["b", "w3"], "z"),
    "matmul": node("MatMul", ["b", "w3"], "z"),
}.items():
    nodes, inputs, consts = layers([node("Relu", ["a"], "b")])
    more = [last, node("MatMul", ["z", "w4"], "y")]
    save(f"frozen-{name}_of_other_sizes", nodes[:-1] + more, inputs, [consts[0], weight("w3", 10, 12), weight("w4", 12, 4)])

# A split by sizes that only a run tells.
f = [helper.make_node("Split", ["a", "parts"], ["l", "r"], axis=1), node("Add", ["l", "l"], "b")]
nodes, inputs, consts = layers(f)
save("frozen-split_by_a_run", nodes, inputs + [("parts", [2], TensorProto.INT64)], consts)
