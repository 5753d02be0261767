"""The smallest model of every module of timm, by parameters, test models aside.

`python -m zoo.timm` counts again and prints the table.
"""

from __future__ import annotations

from functools import partial

import timm
import torch
from torch import nn

from .entry import Entry, image

SMALLEST: dict[str, str] = {}


def make(name: str) -> nn.Module:
    return timm.create_model(name, pretrained=False)


def entry(name: str, **more: object) -> Entry:
    channels, height, width = timm.get_pretrained_cfg(name).input_size
    inputs = image(height, width, channels)
    return Entry(partial(make, name), inputs, f"from_timm:{name}", **more)


def models() -> dict[str, Entry]:
    return {name: entry(name) for name in SMALLEST.values()}


def count(name: str) -> int:
    """The number of parameters, without making them."""
    with torch.device("meta"):
        return sum(p.numel() for p in make(name).parameters())


def main() -> None:
    for module in timm.list_modules():
        names = timm.list_models(module=module)
        real = [n for n in names if not n.startswith("test_")]
        print(f'    "{module}": "{min(real or names, key=count)}",', flush=True)


if __name__ == "__main__":
    main()
