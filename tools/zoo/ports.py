"""What a model takes: named inputs with sizes that stay open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

Size = int | str


class Port(NamedTuple):
    """An input: sizes are numbers or names of open dimensions."""

    name: str
    shape: tuple[Size, ...]
    kind: str  # normal, ones, tokens or steps
    high: int = 0  # tokens are below it

    def sample(self, sizes: dict[str, int], rng: torch.Generator) -> Tensor:
        """Values at the given sizes of the open dimensions."""
        shape = tuple(sizes[s] if isinstance(s, str) else s for s in self.shape)
        if self.kind == "normal":
            return torch.randn(shape, generator=rng)
        if self.kind == "ones":
            return torch.ones(shape, dtype=torch.int64)
        return torch.randint(1, self.high, shape, generator=rng)

    def open(self) -> dict[int, str]:
        """Open dimensions by axis."""
        return {axis: s for axis, s in enumerate(self.shape) if isinstance(s, str)}


def tokens(name: str, vocabulary: int, length: str = "tokens") -> Port:
    return Port(name, ("batch", length), "tokens", vocabulary)


def image(name: str, size: int) -> Port:
    return Port(name, ("batch", 3, size, size), "normal")


@dataclass(frozen=True)
class Case:
    """A model and its inputs."""

    make: Callable[[], nn.Module]
    ports: tuple[Port, ...]
