# SPDX-License-Identifier: Apache-2.0
"""The ego's outline, and where it is for a pose of base_link."""

from __future__ import annotations

import math
from dataclasses import dataclass

from impromptu_vla_ros.core.driving import Box
from impromptu_vla_ros.core.motion import moved
from impromptu_vla_ros.core.structs import Odometry, Pose
from impromptu_vla_ros.evaluation.driving.actors import Moving


@dataclass(frozen=True)
class Ego:
    """The ego's outline: `length` and `width`, and how far its middle is before base_link, m."""

    length: float
    width: float
    ahead: float

    def box(self, pose: Pose) -> Box:
        """Return its outline for a pose of base_link."""
        middle = moved(pose, Pose(self.ahead, 0.0, 0.0))
        return Box(middle.x, middle.y, middle.yaw, self.length, self.width)

    def moving(self, odometry: Odometry) -> Moving:
        """Return how its middle moves."""
        pose, speed = odometry.pose, odometry.vx
        middle = moved(pose, Pose(self.ahead, 0.0, 0.0))
        return Moving(middle, speed * math.cos(pose.yaw), speed * math.sin(pose.yaw))
