"""Models of Hugging Face transformers, from configurations: small, with random weights.

Few layers of few channels, but the structure that the full-size models have: tied
embeddings, grouped key/value heads, sliding windows, experts, relative positions,
windows, both halves of a rotary embedding. Nothing is downloaded.
"""

from __future__ import annotations

from typing import Any

import transformers as hf
from torch import nn

from zoo.ports import Case, Port, image, tokens

VOCABULARY = 1000
TEXT = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": VOCABULARY}
WIDE = TEXT | {"intermediate_size": 384, "max_position_embeddings": 256}
GROUPED = WIDE | {"num_key_value_heads": 2}
PICTURE = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 384}
IDS, MASK = tokens("input_ids", VOCABULARY), Port("attention_mask", ("batch", "tokens"), "ones")


class Answer(nn.Module):
    """A model called with named inputs, of whose answer only some fields are wanted."""

    def __init__(self, model: nn.Module, inputs: tuple[str, ...], fields: tuple[str, ...], **fixed: Any) -> None:
        super().__init__()
        self.model, self.inputs, self.fields, self.fixed = model, inputs, fields, fixed

    def forward(self, *args: Any) -> Any:
        named = dict(zip(self.inputs, args, strict=True))
        found = self.model(**named, **self.fixed, return_dict=True)
        picked = tuple(getattr(found, field) for field in self.fields)
        return picked[0] if len(picked) == 1 else picked


def case(model: type, config: Any, ports: tuple[Port, ...], fields: str = "logits", **fixed: Any) -> Case:
    def make() -> nn.Module:
        names = tuple(p.name for p in ports)
        return Answer(model(config).eval(), names, tuple(fields.split()), **fixed)

    return Case(make, ports)


def decoder(model: type, config: Any) -> Case:
    return case(model, config, (IDS, MASK), use_cache=False)


def whisper() -> Case:
    config = hf.WhisperConfig(
        vocab_size=VOCABULARY, d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=384, decoder_ffn_dim=384, max_source_positions=100,
        max_target_positions=64, num_mel_bins=40, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    sound = Port("input_features", ("batch", 40, 200), "normal")
    return case(
        hf.WhisperForConditionalGeneration, config,
        (sound, tokens("decoder_input_ids", VOCABULARY)), use_cache=False,
    )  # fmt: skip


def clip() -> Case:
    config = hf.CLIPConfig(
        text_config=WIDE | {"max_position_embeddings": 77, "eos_token_id": VOCABULARY - 1},
        vision_config=PICTURE | {"image_size": 64, "patch_size": 16}, projection_dim=96,
    )  # fmt: skip
    return case(
        hf.CLIPModel, config, (IDS, image("pixel_values", 64), MASK),
        "logits_per_image text_embeds image_embeds",
    )  # fmt: skip


def detr() -> Case:
    backbone = hf.ResNetConfig(
        embedding_size=16, hidden_sizes=[32, 64, 96, 128], depths=[1, 1, 1, 1], out_features=["stage4"]
    )
    config = hf.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=384, decoder_ffn_dim=384, num_queries=20,
    )  # fmt: skip
    return case(hf.DetrForObjectDetection, config, (image("pixel_values", 128),), "logits pred_boxes")


def wav2vec2() -> Case:
    config = hf.Wav2Vec2Config(
        **TEXT | {"vocab_size": 32}, intermediate_size=384, conv_dim=[64] * 7, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    return case(hf.Wav2Vec2ForCTC, config, (Port("input_values", ("batch", 8000), "normal"),))


def t5() -> Case:
    config = hf.T5Config(
        vocab_size=VOCABULARY, d_model=128, d_kv=32, d_ff=384, num_layers=2, num_heads=4,
        relative_attention_num_buckets=16, feed_forward_proj="gated-gelu", decoder_start_token_id=0,
    )  # fmt: skip
    ports = (IDS, MASK, tokens("decoder_input_ids", VOCABULARY, "targets"))
    return case(hf.T5ForConditionalGeneration, config, ports, use_cache=False)


CASES: dict[str, Case] = {
    "bert": case(hf.BertForSequenceClassification, hf.BertConfig(**WIDE), (IDS, MASK)),
    "roberta": case(hf.RobertaForMaskedLM, hf.RobertaConfig(**WIDE), (IDS, MASK)),
    "distilbert": case(
        hf.DistilBertForSequenceClassification,
        hf.DistilBertConfig(vocab_size=VOCABULARY, dim=128, n_layers=2, n_heads=4, hidden_dim=384),
        (IDS, MASK),
    ),
    "albert": case(hf.AlbertForMaskedLM, hf.AlbertConfig(**WIDE, embedding_size=64), (IDS, MASK)),
    "gpt2": decoder(
        hf.GPT2LMHeadModel,
        hf.GPT2Config(vocab_size=VOCABULARY, n_embd=128, n_layer=2, n_head=4, n_positions=256),
    ),
    "t5": t5(),
    "llama": decoder(hf.LlamaForCausalLM, hf.LlamaConfig(**GROUPED)),
    "qwen2": decoder(hf.Qwen2ForCausalLM, hf.Qwen2Config(**GROUPED, tie_word_embeddings=True)),
    "qwen3": decoder(hf.Qwen3ForCausalLM, hf.Qwen3Config(**GROUPED, head_dim=32)),
    "mistral": decoder(hf.MistralForCausalLM, hf.MistralConfig(**GROUPED, sliding_window=8)),
    "mixtral": decoder(
        hf.MixtralForCausalLM, hf.MixtralConfig(**GROUPED, num_local_experts=4, num_experts_per_tok=2)
    ),
    "whisper": whisper(),
    "clip": clip(),
    "vit": case(
        hf.ViTForImageClassification, hf.ViTConfig(**PICTURE, image_size=64, num_labels=10),
        (image("pixel_values", 64),),
    ),
    "deit": case(
        hf.DeiTForImageClassificationWithTeacher, hf.DeiTConfig(**PICTURE, image_size=64, num_labels=10),
        (image("pixel_values", 64),),
    ),
    "swin": case(
        hf.SwinForImageClassification,
        hf.SwinConfig(image_size=112, embed_dim=48, depths=[2, 2, 2], num_heads=[2, 4, 8], num_labels=10),
        (image("pixel_values", 112),),
    ),
    "segformer": case(
        hf.SegformerForSemanticSegmentation,
        hf.SegformerConfig(
            hidden_sizes=[16, 32, 80, 128], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 5, 8],
            decoder_hidden_size=128, num_labels=10,
        ),
        (image("pixel_values", 128),),
    ),
    "detr": detr(),
    "sam": case(
        hf.SamVisionModel,
        hf.SamVisionConfig(
            hidden_size=128, num_hidden_layers=2, num_attention_heads=4, mlp_dim=384, image_size=160,
            window_size=4, global_attn_indexes=[1], output_channels=64,
        ),
        (image("pixel_values", 160),), "last_hidden_state",
    ),
    "wav2vec2": wav2vec2(),
}  # fmt: skip
