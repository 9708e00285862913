# SPDX-License-Identifier: Apache-2.0
"""The untrained network: a Qwen2.5-VL of a few million weights, and what trains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.training.nano.tokenizer import SPECIAL


@dataclass(frozen=True)
class Size:
    """How large the language model and the vision tower are."""

    hidden: int = 192
    intermediate: int = 512
    layers: int = 6
    heads: int = 6
    kv_heads: int = 2
    vision_hidden: int = 128
    vision_intermediate: int = 256
    vision_depth: int = 4
    vision_heads: int = 4


NETWORKS = 'tower', 'reader', 'writer'
# Of the rotary angles of a head of 32: those of time, row and column.
SECTIONS = {32: [4, 6, 6], 16: [2, 3, 3]}


def make_network(tokenizer: Any, size: Size, seed: int) -> Any:
    """Return transformers' network for a tokenizer, with random weights."""
    import torch
    from transformers import GenerationConfig, Qwen2_5_VLConfig
    from transformers import Qwen2_5_VLForConditionalGeneration as Network

    ids = {text: tokenizer.token_to_id(text) for text in SPECIAL}
    torch.manual_seed(seed)
    network = Network(
        Qwen2_5_VLConfig(
            text_config=_text(size, tokenizer.get_vocab_size(), ids),
            vision_config={
                'depth': size.vision_depth,
                'hidden_size': size.vision_hidden,
                'intermediate_size': size.vision_intermediate,
                'num_heads': size.vision_heads,
                'out_hidden_size': size.hidden,
                'fullatt_block_indexes': list(range(1, size.vision_depth, 2)),
            },
            tie_word_embeddings=True,
            image_token_id=ids['<|image_pad|>'],
            video_token_id=ids['<|video_pad|>'],
            vision_start_token_id=ids['<|vision_start|>'],
            vision_end_token_id=ids['<|vision_end|>'],
        )
    )
    network.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=[ids['<|im_end|>'], ids['<|endoftext|>']],
        pad_token_id=ids['<|endoftext|>'],
    )
    return network


def _text(size: Size, vocabulary: int, ids: Mapping[str, int]) -> dict[str, Any]:
    rope = {'mrope_section': SECTIONS[size.hidden // size.heads]}
    return {
        'hidden_size': size.hidden,
        'intermediate_size': size.intermediate,
        'num_hidden_layers': size.layers,
        'num_attention_heads': size.heads,
        'num_key_value_heads': size.kv_heads,
        'vocab_size': vocabulary,
        'max_position_embeddings': 8192,
        # transformers 5 and 4 read different ones of these.
        'rope_parameters': {**rope, 'rope_type': 'default', 'rope_theta': 1e6},
        'rope_scaling': {**rope, 'type': 'mrope'},
        'rope_theta': 1e6,
        'tie_word_embeddings': True,
        'bos_token_id': None,
        'eos_token_id': ids['<|im_end|>'],
        'pad_token_id': ids['<|endoftext|>'],
    }


def reader_and_writer(language: Any) -> tuple[Any, Any]:
    """Return the half of a language model that reads, up to its middle, and that which writes."""
    from torch import nn

    half = middle(language)
    reader = {'embed_tokens': language.embed_tokens, 'layers': language.layers[:half]}
    writer = {'layers': language.layers[half:], 'norm': language.norm}
    return nn.ModuleDict(reader), nn.ModuleDict(writer)


def middle(language: Any) -> int:
    """Return how many layers of a language model read; the others write."""
    return (len(language.layers) + 1) // 2


def make_optimizers(parts: Mapping[str, Any], rates: Mapping[str, float]) -> tuple[Any, Any]:
    """
    Return AdamW and Muon for the weights of some modules by name, with shares of their rates.

    Muon takes the matrices within the tower and the language model, and learns from fewer steps;
    AdamW takes their embeddings and first layers, what is no matrix, and other modules. Each
    group's `highest` is its learning rate.
    """
    import torch

    adamw: list[dict[str, Any]] = []
    muon: list[dict[str, Any]] = []
    for name, module in parts.items():
        inner: list[Any] = []
        ends: list[Any] = []
        plain: list[Any] = []
        for place, weight in module.named_parameters():
            outer = name not in NETWORKS or weight.dim() > 2 or 'embed' in place
            (plain if weight.dim() == 1 else ends if outer else inner).append(weight)
        rate = rates.get(name, 1.0)
        for weights, decay in ((ends, 0.02), (plain, 0.0)):
            if weights:
                adamw.append({'params': weights, 'weight_decay': decay, 'highest': 3e-3 * rate})
        if inner:
            muon.append({'params': inner, 'weight_decay': 0.02, 'highest': 0.02 * rate})
    return torch.optim.AdamW(adamw, betas=(0.9, 0.98)), torch.optim.Muon(muon)
