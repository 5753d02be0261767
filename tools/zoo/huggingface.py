"""Models of Hugging Face transformers, from configurations.

Few layers of few channels, but the structure that the full-size models have: tied
embeddings, grouped key/value heads, sliding windows, experts, relative positions,
windows, both halves of a rotary embedding.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import transformers as hf
from torch import Tensor, nn

from .entry import Entry, Inputs

VOCABULARY = 1000
TEXT = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": VOCABULARY}
WIDE = TEXT | {"intermediate_size": 384, "max_position_embeddings": 256}
GROUPED = WIDE | {"num_key_value_heads": 2}
PICTURE = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 384}
# The way to run experts that exporters understand: each token picks its matrices.
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2, "experts_implementation": "batched_mm"}

# Inputs by name: sizes without the batch. A name stands for an open length.
LENGTHS = {"tokens": (12, 9), "targets": (7, 5)}
IDS = {"input_ids": ("tokens",)}
MASKED = IDS | {"attention_mask": ("tokens",)}


class Answer(nn.Module):
    """A model called with named inputs, of whose answer only some fields are wanted."""

    def __init__(self, model: nn.Module, names: list[str], fields: str, fixed: dict[str, Any]) -> None:
        super().__init__()
        self.model, self.names, self.fields, self.fixed = model, names, fields.split(), fixed

    def forward(self, first: Tensor, second: Tensor | None = None, third: Tensor | None = None) -> Any:
        given = dict(zip(self.names, (first, second, third), strict=False))
        found = self.model(**given, **self.fixed, return_dict=True)
        picked = tuple(getattr(found, field) for field in self.fields)
        return picked if len(picked) > 1 else picked[0]


def feed(sizes: dict[str, tuple[int | str, ...]], which: int, words: int) -> Inputs:
    """Token ids below `words`, masks of ones and noise, by what the inputs are called."""

    def make(rng: torch.Generator, batch: int) -> dict[str, Tensor]:
        values = {}
        for name, axes in sizes.items():
            shape = (batch, *(LENGTHS[a][which] if isinstance(a, str) else a for a in axes))
            if name.endswith("mask"):
                values[name] = torch.ones(shape, dtype=torch.int64)
            elif name.endswith("ids"):
                values[name] = torch.randint(1, words, shape, generator=rng)
            else:
                values[name] = torch.randn(shape, generator=rng)
        return values

    return make


def entry(
    model: type, config: Any, sizes: dict[str, tuple[int | str, ...]], fields: str = "logits", **fixed: Any
) -> Entry:
    """A model with its inputs in order; `fixed` goes into every call."""
    open_axes = {
        name: {k + 1: a for k, a in enumerate(axes) if isinstance(a, str)} for name, axes in sizes.items()
    }
    words = getattr(config, "vocab_size", VOCABULARY)
    return Entry(
        lambda: Answer(model(config), list(sizes), fields, fixed), feed(sizes, 0, words),
        f"huggingface:{model.__name__}:{config.model_type}", open_axes=open_axes, longer=feed(sizes, 1, words),
    )  # fmt: skip


decoder = partial(entry, sizes=MASKED, use_cache=False)


def picture(size: int) -> dict[str, tuple[int | str, ...]]:
    return {"pixel_values": (3, size, size)}


def detr() -> Entry:
    backbone = hf.ResNetConfig(
        embedding_size=16, hidden_sizes=[32, 64, 96, 128], depths=[1, 1, 1, 1], out_features=["stage4"]
    )
    config = hf.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=384, decoder_ffn_dim=384, num_queries=20,
    )  # fmt: skip
    return entry(hf.DetrForObjectDetection, config, picture(128), "logits pred_boxes")


def whisper(
    words: int, width: int, layers: int, heads: int, ffn: int, positions: int, bands: int
) -> Entry:
    config = hf.WhisperConfig(
        vocab_size=words, d_model=width, encoder_layers=layers, decoder_layers=layers,
        encoder_attention_heads=heads, decoder_attention_heads=heads, encoder_ffn_dim=ffn,
        decoder_ffn_dim=ffn, max_source_positions=positions, max_target_positions=64,
        num_mel_bins=bands, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    sizes = {"input_features": (bands, 2 * positions), "decoder_input_ids": ("targets",)}
    return entry(hf.WhisperForConditionalGeneration, config, sizes, use_cache=False)


def t5() -> Entry:
    config = hf.T5Config(
        vocab_size=VOCABULARY, d_model=128, d_kv=32, d_ff=384, num_layers=2, num_heads=4,
        relative_attention_num_buckets=16, feed_forward_proj="gated-gelu", decoder_start_token_id=0,
    )  # fmt: skip
    sizes = MASKED | {"decoder_input_ids": ("targets",)}
    return entry(hf.T5ForConditionalGeneration, config, sizes, use_cache=False)


def clip() -> Entry:
    config = hf.CLIPConfig(
        text_config=WIDE | {"max_position_embeddings": 77, "eos_token_id": VOCABULARY - 1},
        vision_config=PICTURE | {"image_size": 64, "patch_size": 16}, projection_dim=96,
    )  # fmt: skip
    sizes = IDS | picture(64) | {"attention_mask": ("tokens",)}
    return entry(hf.CLIPModel, config, sizes, "logits_per_image text_embeds image_embeds")


def texts() -> dict[str, Entry]:
    """Encoders of texts."""
    distilled = hf.DistilBertConfig(vocab_size=VOCABULARY, dim=128, n_layers=2, n_heads=4, hidden_dim=384)
    return {
        "bert": entry(hf.BertForSequenceClassification, hf.BertConfig(**WIDE), MASKED),
        "roberta": entry(hf.RobertaForMaskedLM, hf.RobertaConfig(**WIDE), MASKED),
        "distilbert": entry(hf.DistilBertForSequenceClassification, distilled, MASKED),
        "albert": entry(hf.AlbertForMaskedLM, hf.AlbertConfig(**WIDE, embedding_size=64), MASKED),
        "t5": t5(),
    }


def decoders() -> dict[str, Entry]:
    """Models that write texts."""
    gpt2 = hf.GPT2Config(vocab_size=VOCABULARY, n_embd=128, n_layer=2, n_head=4, n_positions=256)
    return {
        "gpt2": decoder(hf.GPT2LMHeadModel, gpt2),
        "llama": decoder(hf.LlamaForCausalLM, hf.LlamaConfig(**GROUPED)),
        "qwen2": decoder(hf.Qwen2ForCausalLM, hf.Qwen2Config(**GROUPED, tie_word_embeddings=True)),
        "qwen3": decoder(hf.Qwen3ForCausalLM, hf.Qwen3Config(**GROUPED, head_dim=32)),
        "mistral": decoder(hf.MistralForCausalLM, hf.MistralConfig(**GROUPED, sliding_window=8)),
        "mixtral": decoder(hf.MixtralForCausalLM, hf.MixtralConfig(**GROUPED, **EXPERTS)),
    }


def pictures() -> dict[str, Entry]:
    """Models of pictures."""
    classes = {"num_labels": 10}
    swin = hf.SwinConfig(image_size=112, embed_dim=48, depths=[2, 2, 2], num_heads=[2, 4, 8], **classes)
    segformer = hf.SegformerConfig(
        hidden_sizes=[16, 32, 80, 128], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 5, 8],
        decoder_hidden_size=128, **classes,
    )  # fmt: skip
    sam = hf.SamVisionConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=4, mlp_dim=384, image_size=160,
        window_size=4, global_attn_indexes=[1], output_channels=64, initializer_range=0.02,
    )  # fmt: skip
    square = PICTURE | {"image_size": 64} | classes
    return {
        "vit": entry(hf.ViTForImageClassification, hf.ViTConfig(**square), picture(64)),
        "deit": entry(hf.DeiTForImageClassificationWithTeacher, hf.DeiTConfig(**square), picture(64)),
        "swin": entry(hf.SwinForImageClassification, swin, picture(112)),
        "segformer": entry(hf.SegformerForSemanticSegmentation, segformer, picture(128)),
        "detr": detr(),
        "sam": entry(hf.SamVisionModel, sam, picture(160), "last_hidden_state"),
    }


def wav2vec2() -> Entry:
    config = hf.Wav2Vec2Config(
        **TEXT | {"vocab_size": 32}, intermediate_size=384, conv_dim=[64] * 7, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    return entry(hf.Wav2Vec2ForCTC, config, {"input_values": (8000,)})


def models() -> dict[str, Entry]:
    heard = whisper(VOCABULARY, width=128, layers=2, heads=4, ffn=384, positions=100, bands=40)
    mixed = {"clip": clip(), "whisper": heard, "wav2vec2": wav2vec2()}
    return texts() | decoders() | pictures() | mixed
