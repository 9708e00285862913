# SPDX-License-Identifier: Apache-2.0
"""What the simulator would ask along a recorded drive: for comparisons and tests without it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.structs import Odometry
from impromptu_vla_ros.evaluation.ego_scenes import SPACING, EgoScene
from impromptu_vla_ros.evaluation.ncap.request import CAMERAS

# nuScenes' LIDAR_TOP on the cars of Singapore: 0.944 m ahead, 1.84 m up, turned to the right.
LIDAR = [[0.0, 1.0, 0.0, 0.943713], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.84023], [0, 0, 0, 1]]
# In every scenario two steps are the recording's, and from the third on the simulator drives.
PRIMING = 2
GRAVITY = 9.8
# Any time of 2018 does.
BEGIN = 1_532_402_927_647_951


def requests_along(path: Path, width: int = 1600, height: int = 900) -> list[dict[str, Any]]:
    """
    Return the /infer requests along an ego scene, with sizes in the pictures' place.

    It is driven as recorded. Raise BagError for a file that is no scene.
    """
    stamped = [sent.sample for sent in EgoScene(path, ()).messages(())]
    odometry = [sample for sample in stamped if isinstance(sample, Odometry)]
    every = round(SPACING * 1e9)
    grid = range(odometry[0].stamp, odometry[-1].stamp + 1, every)
    nearest = [min(odometry, key=lambda o: abs(o.stamp - at)) for at in grid]
    sizes = dict.fromkeys(CAMERAS.values(), [width, height])
    steps = zip([nearest[0], *nearest], nearest, strict=False)
    return [
        {
            'images': sizes,
            'ego2world': _matrix(now),
            'canbus': _canbus(before, now, index >= PRIMING),
            'timestamp': BEGIN + round(index * SPACING * 1e6),
            'command': 2,
            'calibration': {'lidar2ego': LIDAR},
        }
        for index, (before, now) in enumerate(steps)
    ]


def _matrix(ego: Odometry) -> list[list[float]]:
    c, s = math.cos(ego.pose.yaw), math.sin(ego.pose.yaw)
    return [[c, -s, 0.0, ego.pose.x], [s, c, 0.0, ego.pose.y], [0, 0, 1.0, 0.0], [0, 0, 0, 1.0]]


def _canbus(before: Odometry, now: Odometry, automatic: bool) -> list[float]:
    """Return position, quaternion, acceleration, turn rates and velocity as the simulator does."""
    half = now.pose.yaw / 2.0
    ahead = (now.vx - before.vx) / SPACING
    left = 0.0 if automatic else now.vx * now.yaw_rate
    shaking = 0.0 if automatic else 0.003  # a real car rolls
    return [
        *(now.pose.x, now.pose.y, 0.0),
        *(math.cos(half), 0.0, 0.0, math.sin(half)),
        *(ahead, left, GRAVITY),
        *(shaking, -shaking, now.yaw_rate),
        *(now.vx, 0.0, 0.0),
    ]
