# SPDX-License-Identifier: Apache-2.0
"""
Collisions of a planned path with annotated boxes, as nuScenes' open-loop tables count them.

ST-P3, VAD and UniAD lay a box of 4.084 m x 1.85 m, its middle 0.5 m ahead of the LIDAR_TOP
waypoint, over a grid of 0.5 m, without turning it. SparseDrive's evaluator, which Impromptu VLA's
authors use, lays the same box exactly and turns it along the path: so does this one. All of them
count no collision at a step where the driven path's own box collides, and leave that step in the
denominator.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impromptu_vla_ros.core.driving import Box, overlap
from impromptu_vla_ros.core.structs import FloatArray

LENGTH, WIDTH = 4.084, 1.85
# m from the LIDAR_TOP waypoint to the middle of the box.
MIDDLE_AHEAD = 0.5
# A path whose first and last waypoint are nearer than this, m, tells no heading: straight ahead.
STILL = 0.5


def path_headings(points: ArrayLike) -> FloatArray:
    """Return the heading (n,) in rad at each waypoint (n, 2) of a path from the origin."""
    path = np.asarray(points, float)
    if np.hypot(*(path[-1] - path[0])) < STILL:
        return np.zeros(len(path))
    whole = np.vstack([[0.0, 0.0], path])
    behind, ahead = whole[:-1], np.vstack([whole[2:], whole[-1:]])
    step = ahead - behind
    return np.asarray(np.arctan2(step[:, 1], step[:, 0]))


def ego_boxes(points: ArrayLike, ahead: float = MIDDLE_AHEAD) -> list[Box]:
    """Return the ego's outline at each waypoint (n, 2); its middle is `ahead` m before it."""
    path = np.asarray(points, float)
    yaws = path_headings(path)
    middles = path + ahead * np.column_stack([np.cos(yaws), np.sin(yaws)])
    return [
        Box(float(x), float(y), float(yaw), LENGTH, WIDTH)
        for (x, y), yaw in zip(middles, yaws, strict=True)
    ]


def collisions(
    points: ArrayLike, others: Sequence[FloatArray], ahead: float = MIDDLE_AHEAD
) -> NDArray[np.bool_]:
    """
    Return at which waypoints (n, 2) the ego overlaps another's outline, (n,).

    `others` has for each waypoint the outlines then, (m, 5): x, y (m), yaw (rad), length, width
    (m), in the frame of the waypoints.
    """
    return np.array(
        [
            any(overlap(ego, Box(*map(float, row))) for row in _near(ego, boxes))
            for ego, boxes in zip(ego_boxes(points, ahead), others, strict=True)
        ],
        bool,
    )


def counted_collisions(
    planned: ArrayLike,
    driven: ArrayLike,
    others: Sequence[FloatArray],
    ahead: float = MIDDLE_AHEAD,
) -> NDArray[np.bool_]:
    """Return at which waypoints the planned path collides and the driven one does not, (n,)."""
    return collisions(planned, others, ahead) & ~collisions(driven, others, ahead)


def _near(ego: Box, boxes: FloatArray) -> FloatArray:
    """Return the outlines that can reach the ego's: their circles meet."""
    apart = np.hypot(boxes[:, 0] - ego.x, boxes[:, 1] - ego.y)
    reach = 0.5 * (np.hypot(ego.length, ego.width) + np.hypot(boxes[:, 3], boxes[:, 4]))
    return np.asarray(boxes[apart < reach])
