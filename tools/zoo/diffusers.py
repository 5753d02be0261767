"""Models of diffusers, from configurations: small, with random weights."""

from __future__ import annotations

from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn

from zoo.ports import Case, Port


class Denoiser(nn.Module):
    """A UNet whose answer is the denoised sample alone."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: Any, timestep: Any, encoder_hidden_states: Any) -> Any:
        return self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]


class Autoencoder(nn.Module):
    """Encodes an image to the mean of its latent and decodes it again."""

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, image: Any) -> Any:
        return self.vae.decode(self.vae.encode(image).latent_dist.mode(), return_dict=False)[0]


def unet() -> nn.Module:
    model = UNet2DConditionModel(
        sample_size=16, block_out_channels=(64, 128), layers_per_block=1, cross_attention_dim=96,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), attention_head_dim=4, norm_num_groups=16,
    )  # fmt: skip
    return Denoiser(model.eval())


def vae() -> nn.Module:
    model = AutoencoderKL(
        block_out_channels=(32, 64), norm_num_groups=8, sample_size=32,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    return Autoencoder(model.eval())


CASES: dict[str, Case] = {
    "unet": Case(
        unet,
        (
            Port("sample", ("batch", 4, 16, 16), "normal"),
            Port("timestep", ("batch",), "steps", 1000),
            Port("encoder_hidden_states", ("batch", 12, 96), "normal"),
        ),
    ),
    "autoencoder": Case(vae, (Port("image", ("batch", 3, 32, 32), "normal"),)),
}
