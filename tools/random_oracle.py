#!/usr/bin/env python3
"""Prunes random networks and checks the results with a second implementation of masking.

The networks come from a generator of their own (`oracle/`), with the emphasis on weights that are
shared, computed or behind other nodes, on If, Loop and Scan, and on open sizes. What was removed is
read off the written file; the original with that set to zero must give the same in onnxruntime, at
several sizes of every open axis. Operators that compute across channels are made to see the kept
channels alone; where that is not possible the network is counted as not told.

Usage: python tools/random_oracle.py [--seeds FROM:TO] [--jobs N] [--lines FILE] [--keep FOLDER]
       [--runtime tract|ort] [--only KIND,...] [--by kind|features] [--binary PATH]

The exit code is 1 if something is wrong with one of them.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from functools import partial
from pathlib import Path

from oracle import campaign
from oracle.generator import generate
from oracle.judge import Subject, Verdict, judge, options


def examine(
    runtime: str | None, kinds: frozenset[str], seed: int, binary: Path, folder: Path
) -> tuple[str, set[str], Verdict] | None:
    """What comes of the network of this seed."""
    net, kind = generate(seed)
    if kinds and kind not in kinds:
        return None
    sums = "linear attention" in net.features
    subject = Subject(net.model(), net.sizes, net.below, net.fixed, net.mixers, net.swapped, sums)
    try:
        return kind, net.features, judge(subject, options(seed, runtime), binary, folder)
    except Exception:
        return kind, net.features, Verdict(campaign.FAILED, traceback.format_exc()[-700:])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    campaign.arguments(parser)
    parser.add_argument("--runtime", choices=["tract", "ort"])
    parser.add_argument("--only", default="", metavar="KIND,...")
    parser.add_argument("--by", choices=["kind", "features"], default="features")
    args = parser.parse_args()
    kinds = frozenset(filter(None, args.only.split(",")))
    return campaign.run(args, partial(examine, args.runtime, kinds), args.by)


if __name__ == "__main__":
    sys.exit(main())
