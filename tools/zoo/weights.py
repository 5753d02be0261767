"""Seeded random weights that keep activations in a sane range."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

CALIBRATION_BATCH = 4

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NORMS = (*BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)


@torch.no_grad()
def randomize(model: nn.Module, rng: torch.Generator) -> None:
    """Replace by noise the affine parameters of norms and what starts constant or tiny.

    A linear layer's weights are tiny when they drown the input's share of the output.
    """

    def normal(shape: torch.Size, std: float) -> Tensor:
        return torch.randn(shape, generator=rng) * std

    def uniform(shape: torch.Size, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=rng)

    for module in model.modules():
        is_norm = isinstance(module, NORMS)
        for name, p in module.named_parameters(recurse=False):
            if not p.requires_grad or not p.numel():
                continue
            constant = bool((p == p.flatten()[0]).all())
            linear = isinstance(module, nn.Linear) and name == "weight"
            tiny = linear and bool(p.std() < 0.5 * p.shape[1] ** -0.5)
            if not (is_norm or constant or tiny):
                continue
            # Norms of other packages tell themselves by a vector of ones.
            if name == "weight" and (is_norm or constant and p.dim() == 1 and p[0] == 1):
                p.copy_(uniform(p.shape, 0.5, 1.5))
            elif name.endswith("bias"):
                p.copy_(normal(p.shape, 0.1))
            elif name.startswith("layer_scale"):
                p.copy_(uniform(p.shape, 0.1, 0.5))
            elif p.dim() == 2:
                p.copy_(normal(p.shape, p.shape[1] ** -0.5))
            else:
                p.copy_(normal(p.shape, 0.02))


@torch.no_grad()
def calibrate(model: nn.Module, inputs: dict[str, Tensor], rng: torch.Generator) -> None:
    """Set the running statistics near those of `inputs`, so activations stay sane."""
    norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS) and m.track_running_stats]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    for m in norms:
        m.train()
        m.momentum = 1.0
    with contextlib.suppress(ValueError):  # a map of one value cannot be normalised: the rest stays
        model(*inputs.values())
    for m, momentum in zip(norms, momenta, strict=True):
        m.eval()
        m.momentum = momentum
        shape = m.running_var.shape
        shift = 0.1 * torch.randn(shape, generator=rng) * m.running_var.sqrt()
        m.running_mean.add_(shift)
        m.running_var.mul_(0.8 + 0.45 * torch.rand(shape, generator=rng)).clamp_(min=1e-4)
