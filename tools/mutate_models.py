#!/usr/bin/env python3
"""Mutates small models so that onnxruntime still runs them, prunes them and checks the results.

Attributes, wires, sizes and operators change, nodes are put in between, weights become shared or
computed (`oracle/mutations.py`). A mutant that onnxruntime runs is pruned; what comes out must load,
give the original's shapes at two sizes of every open axis, and equal the original with what was removed set to zero.

Usage: python tools/mutate_models.py [--seeds FROM:TO] [--jobs N] [--lines FILE] [--keep FOLDER]
       [--models FOLDER] [--by kind|features] [--binary PATH]

A mutant is one seed. Every second one is made from a file in --models (fixtures/tiny), the others from
networks of `oracle/generator.py`. The exit code is 1 if something is wrong with one of them.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from functools import cache, partial
from pathlib import Path

import onnx

import program
from oracle import campaign
from oracle.behaviour import outputs, session
from oracle.generator import generate
from oracle.judge import SKIPPED, Subject, Verdict, judge, options
from oracle.mutant import Mutant
from oracle.mutations import mutate

BATCHES = (1, 3)
OTHER_SIZES = (7, 12)  # of axes that are open besides the batch


@cache
def base(path: Path) -> onnx.ModelProto:
    return onnx.load(path)


def sizes_of(model: onnx.ModelProto) -> list[dict[str, int]]:
    """Two sizes for every symbol of the inputs; what stands first is the batch."""
    found: list[dict[str, int]] = [{}, {}]
    for i in model.graph.input:
        for axis, d in enumerate(i.type.tensor_type.shape.dim):
            for k in range(2):
                if d.dim_param:
                    found[k].setdefault(d.dim_param, BATCHES[k] if axis == 0 else OTHER_SIZES[k])
    return found


def runs(subject: Subject) -> bool:
    try:
        s = session(subject.model)
        for feed in subject.feeds(s.get_inputs()):
            outputs(s, feed)
    except Exception:
        return False
    return True


def with_opened(subject: Subject, m: Mutant) -> Subject | None:
    """The subject with sizes for the axes that were opened: a second one where the model takes it."""
    symbols = list(m.opened)
    for other in itertools.product((1, 0), repeat=len(symbols)):
        sizes = [
            s
            | {
                symbol: m.opened[symbol][o if k else 0]
                for symbol, o in zip(symbols, other, strict=True)
            }
            for k, s in enumerate(subject.sizes)
        ]
        one = Subject(
            m.model, sizes, subject.below, subject.fixed, subject.mixers, None, subject.sums
        )
        if runs(one):
            return one
    return None


def examine(
    models: list[Path], seed: int, binary: Path, folder: Path
) -> tuple[str, set[str], Verdict]:
    """What comes of the mutant of this seed."""
    dice = random.Random(seed)
    features: set[str] = set()
    if models and seed % 2 == 0:
        path = dice.choice(models)
        kind, model = path.stem, base(path)
        subject = Subject(model, sizes_of(model), sums=True)
    else:
        net, kind = generate(dice.randrange(1 << 30))
        model, features = net.model(), net.features
        subject = Subject(model, net.sizes, net.below, net.fixed, net.mixers, None, True)
    for attempt in range(8):
        m, done = mutate(model, seed * 8 + attempt)
        mutant = with_opened(subject, m) if done else None
        if mutant is not None:
            break
    else:
        return kind, features, Verdict(SKIPPED, "no mutant runs")
    return kind, done | features, judge(mutant, options(seed), binary, folder)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    campaign.arguments(parser)
    parser.add_argument("--models", type=Path, default=program.ROOT / "fixtures" / "tiny")
    parser.add_argument("--by", choices=["kind", "features"], default="features")
    args = parser.parse_args()
    models = sorted(args.models.glob("*.onnx"))
    return campaign.run(args, partial(examine, models), args.by)


if __name__ == "__main__":
    sys.exit(main())
