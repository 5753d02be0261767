"""A language model of a billion parameters, to measure memory and time on."""

from __future__ import annotations

import transformers as hf

from .entry import Entry
from .huggingface import decoder


def models() -> dict[str, Entry]:
    config = hf.LlamaConfig(
        vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22,
        num_attention_heads=32, num_key_value_heads=4, max_position_embeddings=2048,
    )  # fmt: skip
    return {"llama_1b": decoder(hf.LlamaForCausalLM, config)}
