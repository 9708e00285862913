# SPDX-License-Identifier: Apache-2.0
"""Which patches of a picture look at each other in the windows of Qwen2.5-VL's vision tower."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.models.preprocessing import MERGE


@lru_cache(maxsize=16)
def picture_inputs(grid: tuple[int, int, int], window: int) -> tuple[IntArray, IntArray, IntArray]:
    """
    Return positions (2, n), slots (w, window²) and places (n,) of a picture's n patches.

    `grid` is (1, rows, columns) in patches, `window` a window's side. Positions are row and
    column of each patch; slots name the patches of each window, -1 behind the last one of a
    window at the edge; places say where in the slots each patch is.
    """
    _, rows, columns = grid
    # The order of the patches: four that become one token stand together.
    split = (rows // MERGE, MERGE, columns // MERGE, MERGE)
    y, x = (each.reshape(split).transpose(0, 2, 1, 3).ravel() for each in np.indices(grid[1:]))
    number = (y // window) * -(-columns // window) + x // window
    order = np.argsort(number, kind='stable')
    counts = np.bincount(number)
    begins = np.cumsum(counts) - counts
    places = np.empty(len(y), np.int64)
    places[order] = number[order] * window**2 + np.arange(len(y)) - begins[number[order]]
    slots = np.full((len(counts), window**2), -1, np.int64)
    slots.ravel()[places] = np.arange(len(y))
    return np.stack([y, x]).astype(np.int64), slots, places
