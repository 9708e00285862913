# SPDX-License-Identifier: Apache-2.0
"""A query as a language model takes it: tokens, their positions and patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import Query
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.chat import IMAGE_PAD, render
from impromptu_vla_ros.models.positions import IntArray, prompt_positions
from impromptu_vla_ros.models.preprocessing import Patches, to_patches


@dataclass(frozen=True, eq=False)
class Prompt:
    """Tokens `ids` (n,), their M-RoPE `positions` (3, n), and the pictures in their order."""

    ids: IntArray
    positions: IntArray
    pictures: tuple[Patches, ...]


def prepare(query: Query, tokenizer: Any) -> Prompt:
    """Return the prompt of a query whose pictures are `rgb8`; `tokenizer` is the checkpoint's."""
    pictures = tuple(
        to_patches(image.pixels, query.filter_name, query.most_pixels) for image in query.images
    )
    return tokenized(query.prompt, pictures, tokenizer)


def tokenized(prompt: str, pictures: Sequence[Patches], tokenizer: Any) -> Prompt:
    """Return the prompt of a text with `<image>` marks and the pictures for them."""
    text = render(prompt, [picture.tokens for picture in pictures])
    ids = np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int64)
    grids = [picture.grid for picture in pictures]
    positions = prompt_positions(ids, token_id(tokenizer, IMAGE_PAD), grids)
    return Prompt(ids, positions, tuple(pictures))


def token_id(tokenizer: Any, text: str) -> int:
    """Return the id of one token; raise ModelError where the tokenizer has none of that text."""
    token: int | None = tokenizer.token_to_id(text)
    if token is None:
        raise ModelError(f'the tokenizer has no {text}: it is not that of Qwen2.5-VL')
    return token
