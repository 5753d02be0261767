"""The models the tools export and compare, with seeded random weights.

One file per source, each with a function `models()`; `matrix` draws from all of them.
`build(name)` gives a module in eval mode and an example input of batch 1. The same
name always gives the same weights.
"""

from __future__ import annotations

import importlib
import zlib

import torch
from torch import Tensor, nn

from .entry import Entry
from .weights import CALIBRATION_BATCH, calibrate, randomize

SEED = 20240229
SOURCES = ("matrix", "tiny", "torchvision", "timm", "ultralytics", "huggingface", "diffusers", "large")


def models(source: str) -> dict[str, Entry]:
    """The models of one source, by name."""
    if source not in SOURCES:
        raise ValueError(f"no source {source}; there are {', '.join(SOURCES)}")
    return importlib.import_module(f"zoo.{source}").models()


def first_tensor(output: object) -> Tensor:
    """The first tensor of a model's output, be it a tensor, a sequence or a dict."""
    while not isinstance(output, Tensor):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return output


def realise(
    entry: Entry, calibration_batch: int = CALIBRATION_BATCH
) -> tuple[nn.Module, dict[str, Tensor]]:
    """The model in eval mode, and example inputs of batch 1."""
    seed = SEED ^ zlib.crc32(entry.seed.encode())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums depends on the number of threads
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = entry.make().eval()
        rng = torch.Generator().manual_seed(seed)
        example = entry.inputs(rng, 1)
        randomize(model, rng)
        calibrate(model, entry.inputs(rng, calibration_batch if entry.open_batch else 1), rng)
        if entry.finish:
            model = entry.finish(model)
    torch.set_num_threads(threads)
    return model.eval(), example


def build(name: str, source: str = "matrix") -> tuple[nn.Module, Tensor]:
    """The model called `name` in eval mode, and its first input at batch 1."""
    model, example = realise(models(source)[name])
    return model, next(iter(example.values()))
