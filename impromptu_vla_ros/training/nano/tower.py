# SPDX-License-Identifier: Apache-2.0
"""
The vision tower over many pictures of one size at once.

transformers walks through them window by window, which takes most of the time of small pictures
on a CPU; this is the same function of the same weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.models.windows import picture_inputs
from impromptu_vla_ros.training.nano.halves import attention, gated, product

FRAMES = 2  # that a patch has
THETA = 10000.0  # of the rotary angles, as in transformers' Qwen2.5-VL


def features(tower: Any, values: Any, grid: tuple[int, int, int]) -> Any:
    """
    Return the features (b, n / 4, hidden) of pictures of one grid (1, rows, columns).

    `values` (b, n, 1176) are their patches, as models.preprocessing orders them.
    """
    import torch

    heads = tower.config.num_heads
    width = tower.config.hidden_size // heads
    positions, windows = layout(grid, tower.config.window_size // tower.config.patch_size)
    rotary = _rotary(torch.from_numpy(positions), width)
    together = torch.from_numpy(windows[:, None] == windows[None, :])
    # A picture is a film of two frames alike: it is enough to look at one, with both weights.
    frame = values.unflatten(2, (3, FRAMES, -1))[:, :, :, 0].flatten(2)
    x = product(frame, tower.patch_embed.proj.weight.sum(2).flatten(1))
    for index, block in enumerate(tower.blocks):
        mixed = block.attn.qkv(block.norm1(x)).unflatten(-1, (3, heads, width))
        queries, keys, rest = mixed.permute(2, 0, 3, 1, 4)
        mixed = attention(
            _turned(queries, rotary),
            _turned(keys, rotary),
            rest,
            None if index in tower.config.fullatt_block_indexes else together,
        )
        x = x + block.attn.proj(mixed.transpose(1, 2).flatten(2))
        x = x + gated(block.mlp, block.norm2(x))
    merger = tower.merger
    return merger.mlp(merger.ln_q(x).unflatten(1, (-1, 4)).flatten(2))


def layout(grid: tuple[int, int, int], window: int) -> tuple[IntArray, IntArray]:
    """Return row and column (2, n) of a picture's patches, and each one's window (n,)."""
    positions, slots, places = picture_inputs(grid, window)
    return positions, places // slots.shape[1]


def _rotary(positions: Any, width: int) -> tuple[Any, Any]:
    """Return cosines and sines (n, width): half of the angles turn with the row."""
    import torch

    frequencies = 1.0 / THETA ** (torch.arange(0, width // 2, 2, dtype=torch.float) / (width // 2))
    angles = (positions.t().float()[:, :, None] * frequencies).flatten(1)
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def _turned(x: Any, rotary: tuple[Any, Any]) -> Any:
    import torch

    wide, half = x.float(), x.shape[-1] // 2
    swapped = torch.cat([-wide[..., half:], wide[..., :half]], -1)
    return (wide * rotary[0] + swapped * rotary[1]).to(x.dtype)


def stacked(pictures: list[Any]) -> Any:
    """Return the patches (b, n, 1176) of pictures of one grid."""
    import torch

    return torch.from_numpy(np.stack([picture.values for picture in pictures]))
