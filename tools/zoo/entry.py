"""What the zoo knows about a model before it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

# Random inputs by name, from a generator and a batch size.
Inputs = Callable[[torch.Generator, int], dict[str, Tensor]]


class Entry(NamedTuple):
    """How a model is made and what it is fed.

    The order of the inputs is that of the arguments of `forward`. `open_batch` says
    whether the first axis of every input is a batch that may have any size; `seed` is
    what the weights are drawn from.
    """

    make: Callable[[], nn.Module]
    inputs: Inputs
    seed: str
    open_batch: bool = True
    batch_norm: bool = False  # whether to export it with BatchNorm kept, too
    finish: Callable[[nn.Module], nn.Module] | None = None  # after the weights are set
    open_axes: dict[str, dict[int, str]] = {}  # beside the batch, by input: the name of each
    longer: Inputs | None = None  # inputs of other sizes on those axes

    def dynamic_axes(self, name: str) -> dict[int, str]:
        """The open axes of an input, with their names."""
        return ({0: "batch"} if self.open_batch else {}) | self.open_axes.get(name, {})


def image(height: int, width: int | None = None, channels: int = 3) -> Inputs:
    """A noise image."""
    return noise(input=(channels, height, width or height))


def noise(**shapes: tuple[int, ...]) -> Inputs:
    """Noise in the given shapes, which do not include the batch."""

    def make(rng: torch.Generator, batch: int) -> dict[str, Tensor]:
        return {name: torch.randn((batch, *s), generator=rng) for name, s in shapes.items()}

    return make


def tokens(vocabulary: int, length: int, **shapes: tuple[int, ...]) -> Inputs:
    """Random token ids, called `input_ids`, and noise in the given shapes."""

    def make(rng: torch.Generator, batch: int) -> dict[str, Tensor]:
        ids = torch.randint(vocabulary, (batch, length), generator=rng)
        return {"input_ids": ids, **noise(**shapes)(rng, batch)}

    return make
