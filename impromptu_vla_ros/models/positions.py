# SPDX-License-Identifier: Apache-2.0
"""Multimodal rotary positions (M-RoPE) of Qwen2.5-VL (arXiv 2409.12191, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.preprocessing import MERGE

IntArray = NDArray[np.int64]


def prompt_positions(
    ids: IntArray, picture_id: int, grids: Sequence[tuple[int, int, int]]
) -> IntArray:
    """
    Return the positions (3, n), in time, height and width, of a prompt's tokens `ids` (n,).

    Text counts up alike in all three; the tokens of a picture, whose id is `picture_id`, lie on
    its grid, in patches, and what follows begins behind the grid's longer side. Raises
    ModelError where the tokens do not fit the grids.
    """
    pieces, start, place = [], 0, 0
    pads = np.flatnonzero(ids == picture_id)
    for _, height, width in grids:
        rows, columns = height // MERGE, width // MERGE
        count = rows * columns
        if not len(pads) or len(pads) < count or pads[count - 1] - pads[0] != count - 1:
            raise ModelError(f'the prompt does not hold {count} picture tokens in a row')
        text = int(pads[0]) - place
        pieces.append(_text(start, text))
        y, x = np.divmod(np.arange(count), columns)
        pieces.append(start + text + np.stack([np.zeros(count, np.int64), y, x]))
        start += text + max(rows, columns)
        place += text + count
        pads = pads[count:]
    if len(pads):
        raise ModelError(f'{len(pads)} picture tokens more than the pictures have')
    pieces.append(_text(start, len(ids) - place))
    return np.concatenate(pieces, axis=1).astype(np.int64)


def following(positions: IntArray, count: int) -> IntArray:
    """Return the positions (3, count) of text behind a prompt with these `positions`."""
    return _text(int(positions.max()) + 1, count)


def _text(start: int, count: int) -> IntArray:
    return np.tile(np.arange(start, start + count), (3, 1))
