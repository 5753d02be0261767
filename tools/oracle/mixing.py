"""Operators that compute across channels: in the masked original they see the kept channels alone.

Zero is no silence for a mean. So x becomes Gather(x, kept), the operator runs on that, and its output
is put back in place with zeros where channels went.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, helper, shape_inference

from .constants import Key
from .masking import Masked


@dataclass(frozen=True)
class Mixer:
    """A node that mixes across an axis of its first input, and the constant that tells what is kept there."""

    node: str
    axis: int
    witness: str  # node
    slot: int
    witness_axis: int
    puts_back: bool  # whether the axis is still there in the output, at its full size


def find(done: Masked, name: str) -> Key | None:
    return next((key for key in done.uses.nodes if key[1] == name), None)


def own_scales(done: Masked) -> list[Mixer]:
    """Normalisations whose own scale tells what is kept."""
    found = []
    for (_, name), (_, node) in done.uses.nodes.items():
        if node.op_type in {"LayerNormalization", "RMSNormalization"}:
            found.append(Mixer(name, -1, name, 1, -1, True))
        elif node.op_type == "GroupNormalization":
            found.append(Mixer(name, 1, name, 1, 0, True))
    return found


def see_kept_alone(done: Masked, mixers: list[Mixer]) -> int:
    """Rewrite every mixer some of whose channels went; returns how many there are."""
    changed = 0
    for mixer in [*own_scales(done), *mixers]:
        key, witness = find(done, mixer.node), find(done, mixer.witness)
        if key is None or witness is None:
            continue
        kept = done.kept.get((witness, mixer.slot))
        if kept is None:
            continue
        values = done.uses.found[(witness, mixer.slot)].values
        assert values is not None
        size, stays = values.shape[mixer.witness_axis], kept[mixer.witness_axis]
        if len(stays) < size:
            rewrite(done, key, mixer, size, stays)
            changed += 1
    return changed


def rewrite(done: Masked, key: Key, mixer: Mixer, size: int, stays: np.ndarray) -> None:
    graph, node = done.uses.nodes[key]
    at = next(i for i, n in enumerate(graph.node) if n is node or n.output == node.output)
    index = done.store(stays.astype(np.int64))
    before: list[NodeProto] = [gather(node.input[0], index, mixer.axis)]
    node.input[0] = before[0].output[0]
    if mixer.puts_back:  # its own constants stand on the same axis
        for slot in range(1, len(node.input)):
            kept = done.kept.get((key, slot))
            if node.input[slot] and kept is not None:
                values = done.uses.found[(key, slot)].values
                assert values is not None
                node.input[slot] = done.store(values[np.ix_(*kept)])
    after: list[NodeProto] = []
    if mixer.puts_back:
        place = np.zeros(size, np.int64)
        place[stays] = np.arange(len(stays))
        zeros = np.zeros(size, np.float32)
        zeros[stays] = 1
        output = node.output[0]
        node.output[0] = f"{output}.kept"
        spread = gather(node.output[0], done.store(place), mixer.axis)
        behind = 0 if mixer.axis == -1 else rank(done, output) - 1 - mixer.axis
        mask = done.store(zeros.reshape(-1, *[1] * behind))
        after = [
            spread,
            helper.make_node("Mul", [spread.output[0], mask], [output], name=f"{output}.masked"),
        ]
    for n in reversed(before):
        graph.node.insert(at, n)
    for i, n in enumerate(after):
        graph.node.insert(at + len(before) + 1 + i, n)


def rank(done: Masked, name: str) -> int:
    """Axes of a tensor; four where inference does not tell."""
    inferred = shape_inference.infer_shapes(done.model, strict_mode=False).graph
    for value in [*inferred.value_info, *inferred.output]:
        if value.name == name and value.type.tensor_type.HasField("shape"):
            return len(value.type.tensor_type.shape.dim)
    return 4


def gather(x: str, index: str, axis: int) -> NodeProto:
    return helper.make_node(
        "Gather", [x, index], [f"{x}.at.{index}"], name=f"{x}.at.{index}", axis=axis
    )
