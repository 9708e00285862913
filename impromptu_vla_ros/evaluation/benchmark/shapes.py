# SPDX-License-Identifier: Apache-2.0
"""Networks of random weights in the shapes of Qwen2.5-VL: as fast as real ones, and no wiser."""

from __future__ import annotations

from typing import Any

import numpy as np

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.positions import prompt_positions
from impromptu_vla_ros.models.preprocessing import MERGE, Patches
from impromptu_vla_ros.models.prompting import Prompt

# 3B and 7B: the config.json of Qwen2.5-VL-3B-Instruct and -7B-Instruct. There is no Qwen2.5-VL
# of half a billion: the text part is that of Qwen2.5-0.5B, the vision part (69 M) as much
# smaller than the 3B's; 563 M in all.
TEXT = {
    '0.5B': (896, 24, 14, 2, 4864, 151936, True),
    '3B': (2048, 36, 16, 2, 11008, 151936, True),
    '7B': (3584, 28, 28, 4, 18944, 152064, False),
}
VISION = {
    '0.5B': (640, 12, 10, 1712, (2, 5, 8, 11)),
    '3B': (1280, 32, 16, 3420, (7, 15, 23, 31)),
    '7B': (1280, 32, 16, 3420, (7, 15, 23, 31)),
}
# One camera of 1600x900 as trained, and the text around it.
GRID = (1, 28, 48)
TEXT_BEFORE, TEXT_BEHIND = 51, 319
PICTURE_ID = 151655
PIXELS_PER_PATCH = 1176


def config_of(shape: str) -> dict[str, Any]:
    """Return what a Qwen2_5_VLConfig of a named shape is made of; raise ModelError for others."""
    if shape not in TEXT:
        raise ModelError(f'no shape {shape!r}: one of {", ".join(TEXT)}')
    hidden, layers, heads, kv_heads, inner, vocabulary, tied = TEXT[shape]
    of_vision, depth, vision_heads, vision_inner, full = VISION[shape]
    # The head's width is shared by time, height and width as 16, 24 and 24 of 64 pairs.
    pairs = hidden // heads // 2
    sections = [pairs // 4, 3 * pairs // 8, 3 * pairs // 8]
    rope = {'rope_theta': 1e6, 'mrope_section': sections}
    text = {
        'hidden_size': hidden,
        'num_hidden_layers': layers,
        'num_attention_heads': heads,
        'num_key_value_heads': kv_heads,
        'intermediate_size': inner,
        'vocab_size': vocabulary,
        'max_position_embeddings': 32768,
        'tie_word_embeddings': tied,
        # transformers 5 reads the first, 4 the others.
        'rope_parameters': {'rope_type': 'default', **rope},
        'rope_scaling': {'type': 'mrope', 'mrope_section': sections},
        'rope_theta': 1e6,
    }
    vision = {
        'hidden_size': of_vision,
        'depth': depth,
        'num_heads': vision_heads,
        'intermediate_size': vision_inner,
        'out_hidden_size': hidden,
        'fullatt_block_indexes': list(full),
    }
    return {
        'text_config': text,
        'vision_config': vision,
        'tie_word_embeddings': tied,
        'image_token_id': PICTURE_ID,
        'video_token_id': PICTURE_ID + 1,
        'vision_start_token_id': PICTURE_ID - 3,
        'vision_end_token_id': PICTURE_ID - 2,
    }


def random_network(shape: str, dtype: Any, device: Any) -> Any:
    """Return a network of transformers with random weights of the torch type `dtype`."""
    import torch
    import transformers

    config = transformers.Qwen2_5_VLConfig(**config_of(shape))
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = transformers.Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    return network.eval()


def random_prompt() -> Prompt:
    """Return a prompt of 370 tokens of text and one picture of 336, all of noise."""
    random = np.random.default_rng(0)
    patches = GRID[1] * GRID[2]
    values = random.normal(size=(patches, PIXELS_PER_PATCH)).astype(np.float32)
    before, behind = (random.integers(0, 150_000, n) for n in (TEXT_BEFORE, TEXT_BEHIND))
    ids = np.concatenate([before, np.full(patches // MERGE**2, PICTURE_ID), behind])
    ids = ids.astype(np.int64)
    return Prompt(ids, prompt_positions(ids, PICTURE_ID, [GRID]), (Patches(values, GRID),))
