# SPDX-License-Identifier: Apache-2.0
"""Where in a picture somebody is: for each token of it, how far the nearest one there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.camera import project
from impromptu_vla_ros.core.motion import relative_to
from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.worlds.rigs import RIGS, camera_of

# Rows and columns of tokens in a picture of the dialect nano, 16:9.
ROWS, COLUMNS = 5, 9
TOKENS = ROWS * COLUMNS
HEIGHT = 1.6  # m of whoever it is, about
NEAR = 0.6  # m before the camera, where pictures begin


def cells(ego: Pose, others: FloatArray, sizes: FloatArray) -> NDArray[np.float32]:
    """
    Return the distance (45,) in m to whoever is nearest in each token's part, 0 for nobody.

    `others` (m, 4) are x, y, yaw, speed of their middles, `sizes` (m, 2) lengths and widths.
    Tokens are in the order of a picture's features: row by row.
    """
    camera = camera_of(RIGS['front'].cameras[0])
    found = np.full((ROWS, COLUMNS), np.inf)
    for one, size in zip(others, sizes):
        there = relative_to(ego, Pose(*map(float, one[:3])))
        pixels, _ = project(camera, _corners(there, size), NEAR)
        if not np.isfinite(pixels).all():
            continue
        share = pixels / [camera.width, camera.height] * [COLUMNS, ROWS]
        low, high = share.min(axis=0), share.max(axis=0)
        if (high <= 0.0).any() or (low >= [COLUMNS, ROWS]).any():
            continue
        first = np.maximum(np.floor(low), 0).astype(int)
        last = np.minimum(np.ceil(high), [COLUMNS, ROWS]).astype(int)
        part = found[first[1] : last[1], first[0] : last[0]]
        part[:] = np.minimum(part, np.hypot(there.x - camera.translation[0], there.y))
    return np.where(np.isfinite(found), found, 0.0).astype(np.float32).ravel()


def _corners(there: Pose, size: FloatArray) -> FloatArray:
    """Return the corners (8, 3) of a box in base_link."""
    along, aside = 0.5 * size[0], 0.5 * size[1]
    c, s = np.cos(there.yaw), np.sin(there.yaw)
    return np.array(
        [
            [there.x + a * along * c - b * aside * s, there.y + a * along * s + b * aside * c, z]
            for a in (-1.0, 1.0)
            for b in (-1.0, 1.0)
            for z in (0.0, HEIGHT)
        ]
    )
