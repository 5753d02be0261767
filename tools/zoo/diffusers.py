"""Models of diffusers, from configurations: small, with random weights."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from .entry import Entry, noise


class Denoiser(nn.Module):
    """A UNet whose answer is the denoised sample alone."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        return self.unet(sample, timestep, context, return_dict=False)[0]


class Autoencoder(nn.Module):
    """Encodes an image to the mean of its latent and decodes it again."""

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, image: Tensor) -> Tensor:
        return self.vae.decode(self.vae.encode(image).latent_dist.mode(), return_dict=False)[0]


def unet() -> nn.Module:
    return Denoiser(
        UNet2DConditionModel(
            sample_size=16, block_out_channels=(64, 128), layers_per_block=1, cross_attention_dim=96,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), attention_head_dim=4, norm_num_groups=16,
        )
    )  # fmt: skip


def autoencoder() -> nn.Module:
    return Autoencoder(
        AutoencoderKL(
            block_out_channels=(32, 64), norm_num_groups=8, sample_size=32,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )
    )  # fmt: skip


def noisy(rng: torch.Generator, batch: int) -> dict[str, Tensor]:
    """A latent, its step of the diffusion, and the text that it is to depict."""
    steps = torch.randint(1, 1000, (batch,), generator=rng)
    values = noise(sample=(4, 16, 16), context=(12, 96))(rng, batch)
    return {"sample": values["sample"], "timestep": steps, "context": values["context"]}


def models() -> dict[str, Entry]:
    return {
        "unet": Entry(unet, noisy, "diffusers:unet"),
        "autoencoder": Entry(autoencoder, noise(image=(3, 32, 32)), "diffusers:autoencoder"),
    }
