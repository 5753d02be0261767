"""A model that is being changed, and what is known of its tensors."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


class Mutant:
    """A model that is being changed, with the types and shapes of its tensors before the change."""

    def __init__(self, model: ModelProto, seed: int) -> None:
        self.model = ModelProto()
        self.model.CopyFrom(model)
        self.dice = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        self.opened: dict[str, tuple[int, int]] = {}  # symbol: its size before, and another
        self.count = 0
        try:
            known = onnx.shape_inference.infer_shapes(self.model)
        except Exception:  # shape inference fails on some models that run
            known = self.model
        self.kinds: dict[str, tuple[int, list[int | str]]] = {}
        for v in [*known.graph.value_info, *known.graph.input, *known.graph.output]:
            t = v.type.tensor_type
            self.kinds[v.name] = (
                t.elem_type,
                [d.dim_value or d.dim_param or "?" for d in t.shape.dim],
            )
        for i in self.graph.initializer:
            self.kinds[i.name] = (i.data_type, list(i.dims))

    @property
    def graph(self) -> onnx.GraphProto:
        return self.model.graph

    def fresh(self, kind: str) -> str:
        self.count += 1
        return f"mutation_{kind}_{self.count}"

    def pick(self, items: list):
        return self.dice.choice(items) if items else None

    def node(self, wanted: Callable[[NodeProto], bool] = lambda n: True) -> NodeProto | None:
        return self.pick([n for n in self.graph.node if wanted(n)])

    def store(self, values: np.ndarray) -> str:
        name = self.fresh("c")
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        self.kinds[name] = (self.graph.initializer[-1].data_type, list(values.shape))
        return name

    def edge(self, rank: int = 0, floats: bool = True) -> tuple[int, str] | None:
        """A computed tensor that a node of the main graph makes: the node's place, and its name."""
        found = []
        for at, n in enumerate(self.graph.node):
            for o in n.output:
                kind, shape = self.kinds.get(o, (0, []))
                if o and (not floats or kind == TensorProto.FLOAT) and len(shape) >= rank:
                    found.append((at, o))
        return self.pick(found)

    def between(
        self, at: int, name: str, build: Callable[[str], tuple[list[NodeProto], str]]
    ) -> bool:
        """Put nodes between a tensor and what reads it: all readers or one of them."""
        readers = [(n, i) for n in self.graph.node for i, x in enumerate(n.input) if x == name]
        if not readers:
            return False
        if self.dice.random() < 0.5:
            readers = [self.dice.choice(readers)]
        nodes, out = build(name)
        for n, i in readers:
            n.input[i] = out
        for n in reversed(nodes):
            self.graph.node.insert(at + 1, n)
        return True

    def op(self, op: str, *inputs: str, **attributes) -> NodeProto:
        name = self.fresh(op.lower())
        return helper.make_node(op, list(inputs), [f"{name}_y"], name=name, **attributes)
