"""What no input reaches: the constant operands of every node, computed by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, helper, numpy_helper

from .behaviour import outputs, session

RANDOM = {
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}
Key = tuple[str, str]  # the body a node stands in, and its name


def bodies(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    for a in node.attribute:
        if a.type == AttributeProto.GRAPH:
            yield a.name, a.g


def free_names(graph: GraphProto) -> set[str]:
    """The names that a body takes from outside."""
    own = {i.name for i in graph.input} | {i.name for i in graph.initializer}
    found: set[str] = set()
    for node in graph.node:
        found |= reads(node) - own
        own |= set(node.output)
    return (found | {o.name for o in graph.output}) - own - {""}


def reads(node: NodeProto) -> set[str]:
    """The names a node reads, those of its bodies included."""
    found = {name for name in node.input if name}
    for _, body in bodies(node):
        found |= free_names(body)
    return found


@dataclass
class Use:
    """A constant operand: where it is read, and its values."""

    graph: GraphProto
    node: NodeProto | None  # None: an output of the body
    slot: int
    name: str
    values: np.ndarray | None = None


class Uses:
    """The constant operands of all nodes that an input reaches, by body, node and slot."""

    def __init__(self, model: ModelProto) -> None:
        self.found: dict[tuple[Key, int], Use] = {}
        self.nodes: dict[Key, tuple[GraphProto, NodeProto]] = {}
        self._constant: set[str] = set()
        self._computed: list[NodeProto] = []
        self._stored: dict[str, onnx.TensorProto] = {}
        self._handed_on: set[str] = set()
        self._walk(model.graph, "")
        self._fill(model)

    def _walk(self, graph: GraphProto, path: str) -> None:
        inputs = {i.name for i in graph.input}
        for tensor in graph.initializer:
            self._constant.add(tensor.name)
            self._stored[tensor.name] = tensor
        self._constant -= (inputs - self._handed_on) if path else set()
        for node in graph.node:
            if node.op_type not in RANDOM and reads(node) <= self._constant:
                self._constant |= {o for o in node.output if o}
                self._computed.append(node)
                continue
            key = (path, node.name or node.output[0])
            self.nodes[key] = (graph, node)
            for slot, name in enumerate(node.input):
                if name in self._constant:
                    self.found[(key, slot)] = Use(graph, node, slot, name)
            for attribute, body in bodies(node):
                if node.op_type == "Loop":
                    self._hand_on(node, body)
                self._walk(body, f"{path}/{key[1]}.{attribute}")
        if path:
            for slot, output in enumerate(graph.output):
                if output.name in self._constant:
                    self.found[((path, "outputs"), slot)] = Use(graph, None, slot, output.name)

    def _hand_on(self, node: NodeProto, body: GraphProto) -> None:
        """States that a loop returns as they are: in the body they are what the loop began with."""
        source = {n.output[0]: n.input[0] for n in body.node if n.op_type == "Identity"}
        for slot in range(2, len(node.input)):
            inside, outside = body.input[slot].name, node.input[slot]
            name = body.output[slot - 1].name
            while name in source:
                name = source[name]
            if name == inside and outside in self._constant:
                self._handed_on.add(inside)
                self._constant.add(inside)
                self._computed.append(helper.make_node("Identity", [outside], [inside]))

    def _fill(self, model: ModelProto) -> None:
        wanted = {u.name for u in self.found.values()}
        values = {n: numpy_helper.to_array(t) for n, t in self._stored.items() if n in wanted}
        missing = sorted(wanted - set(values))
        if missing:
            wanted_ones = [onnx.ValueInfoProto(name=name) for name in missing]
            needed: set[str] = set(missing)
            nodes = []
            for node in reversed(self._computed):
                if needed & set(node.output):
                    nodes.append(node)
                    needed |= reads(node)
            stored = [t for n, t in self._stored.items() if n in needed]
            graph = helper.make_graph(nodes[::-1], "constants", [], wanted_ones, stored)
            part = helper.make_model(
                graph, opset_imports=model.opset_import, functions=model.functions
            )
            part.ir_version = model.ir_version
            found = outputs(session(part), {})
            values |= dict(zip(missing, found, strict=True))
        for use in self.found.values():
            use.values = values[use.name]


def stored_tensors(model: ModelProto) -> list[onnx.TensorProto]:
    """Every initializer and Constant tensor, bodies included, once per place where it is stored."""

    def walk(graph: GraphProto) -> Iterator[onnx.TensorProto]:
        yield from graph.initializer
        for node in graph.node:
            for a in node.attribute:
                if a.type == AttributeProto.TENSOR:
                    yield a.t
                elif a.type == AttributeProto.GRAPH:
                    yield from walk(a.g)

    return list(walk(model.graph))
