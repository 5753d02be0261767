"""Narrow and short models of every kind of structure, whose files are small enough to be kept: `fixtures/tiny`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import timm
import transformers as hf
from diffusers import UNet2DConditionModel
from timm.layers import GatedMlp
from timm.models.mlp_mixer import MlpMixer, SpatialGatingBlock
from torch import nn
from torchvision import models as tv
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import MBConvConfig

from .diffusers import Denoiser
from .entry import Entry, Inputs, image, noise
from .huggingface import EXPERTS, IDS, MASKED, entry, picture, whisper

WORDS = 64
SHORT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
TEXT = SHORT | {"vocab_size": WORDS, "max_position_embeddings": 64, "pad_token_id": 0}
GROUPED = TEXT | {"num_key_value_heads": 2, "head_dim": 8}
CLASSES = {"num_classes": 5}


def plain(make: Callable[[], nn.Module], name: str, inputs: Inputs) -> Entry:
    return Entry(make, inputs, f"tiny:{name}")


def from_timm(name: str, size: int, **options: object) -> Entry:
    return plain(partial(timm.create_model, name, **CLASSES, **options), name, image(size))


def texts() -> dict[str, Entry]:
    words = {"vocab_size": WORDS}
    t5 = hf.T5Config(
        **words, d_model=24, d_kv=8, d_ff=48, num_layers=1, num_heads=3, relative_attention_num_buckets=8,
        feed_forward_proj="gated-gelu", decoder_start_token_id=0,
    )  # fmt: skip
    narrow = GROUPED | {"hidden_size": 24, "intermediate_size": 48}
    return {
        "bert": entry(hf.BertForSequenceClassification, hf.BertConfig(**TEXT), IDS),
        "gpt2": entry(
            hf.GPT2LMHeadModel, hf.GPT2Config(**words, n_embd=24, n_layer=1, n_head=3, n_positions=64),
            MASKED, use_cache=False,
        ),
        "qwen3": entry(
            hf.Qwen3ForCausalLM, hf.Qwen3Config(**narrow, tie_word_embeddings=True), MASKED, use_cache=False
        ),
        "mixtral": entry(hf.MixtralForCausalLM, hf.MixtralConfig(**narrow, **EXPERTS), MASKED, use_cache=False),
        "t5": entry(
            hf.T5ForConditionalGeneration, t5, IDS | {"decoder_input_ids": ("targets",)}, use_cache=False
        ),
    }  # fmt: skip


def pictures() -> dict[str, Entry]:
    segformer = hf.SegformerConfig(
        hidden_sizes=[8, 16], depths=[1, 1], num_attention_heads=[1, 2], sr_ratios=[2, 1], strides=[4, 2],
        patch_sizes=[7, 3], mlp_ratios=[2, 2], num_encoder_blocks=2, decoder_hidden_size=16, num_labels=5,
    )  # fmt: skip
    vit = hf.ViTConfig(**SHORT, image_size=32, patch_size=8, num_labels=5)
    shuffle = partial(tv.ShuffleNetV2, [2, 2, 1], [8, 16, 24, 32, 32], **CLASSES)
    swin = partial(
        tv.SwinTransformer, [4, 4], 12, [2, 1], [2, 4], [4, 4], stochastic_depth_prob=0.0, **CLASSES
    )
    dense = partial(tv.DenseNet, 6, (2, 2), 8, **CLASSES)
    blocks = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)]
    stages = {"layers": (1, 1, 1, 1), "channels": (8, 8, 16, 16)}
    gated = partial(
        MlpMixer, img_size=32, patch_size=8, num_blocks=2, embed_dim=24, mlp_ratio=2,
        block_layer=SpatialGatingBlock, mlp_layer=GatedMlp, **CLASSES,
    )  # fmt: skip
    mb = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(4, 3, 2, 8, 16, 2)]
    return {
        "vit": entry(hf.ViTForImageClassification, vit, picture(32)),
        "segformer": entry(hf.SegformerForSemanticSegmentation, segformer, picture(32)),
        "shufflenet": plain(shuffle, "shufflenet", image(32)),
        "swin": plain(swin, "swin", image(32)),
        "densenet": plain(dense, "densenet", image(32)),
        "convnext": plain(partial(tv.ConvNeXt, blocks, 0.0, **CLASSES), "convnext", image(32)),
        "efficientnet": plain(
            partial(tv.EfficientNet, mb, 0.0, 0.0, last_channel=32, **CLASSES), "efficientnet", image(32)
        ),
        "maxvit": plain(
            partial(
                tv.MaxVit, (32, 32), 8, 2, [8, 16], [1, 1], 4, 0.0, mlp_ratio=2, **CLASSES
            ), "maxvit", image(32),
        ),
        "res2net": from_timm("res2net50_26w_4s", 32, stem_width=8, base_width=8, **stages),
        "skresnet": from_timm("skresnet18", 32, stem_width=8, **stages | {"channels": (16, 16, 24, 24)}),
        "resnest": from_timm("resnest14d", 32, stem_width=8, **stages),
        "mixer": plain(gated, "mixer", image(32)),
        "xcit": from_timm(
            "xcit_nano_12_p8_224", 32, img_size=32, embed_dim=24, depth=1, cls_attn_layers=1, num_heads=3
        ),
        "levit": from_timm(
            "levit_128s", 64, img_size=64, embed_dim=(16, 24), key_dim=8, depth=(1, 1), num_heads=(2, 3)
        ),
        "eva": from_timm(
            "eva02_tiny_patch14_224", 32, img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=3
        ),
    }  # fmt: skip


def others() -> dict[str, Entry]:
    wav2vec2 = hf.Wav2Vec2Config(
        **SHORT, vocab_size=12, conv_dim=[8, 16], conv_stride=[5, 4], conv_kernel=[10, 8],
        num_feat_extract_layers=2, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    unet = partial(
        UNet2DConditionModel, sample_size=8, block_out_channels=(8, 16), layers_per_block=1,
        cross_attention_dim=12, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), attention_head_dim=2, norm_num_groups=4,
    )  # fmt: skip
    noisy = noise(sample=(4, 8, 8), timestep=(), context=(5, 12))
    return {
        "wav2vec2": entry(hf.Wav2Vec2ForCTC, wav2vec2, {"input_values": (400,)}),
        "whisper": whisper(WORDS, width=24, layers=1, heads=3, ffn=48, positions=16, bands=8),
        "unet": plain(lambda: Denoiser(unet()), "unet", noisy),
    }


def models() -> dict[str, Entry]:
    return texts() | pictures() | others()
