# SPDX-License-Identifier: Apache-2.0
"""Questions that nobody recorded, for where any question will do."""

from __future__ import annotations

import numpy as np

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    NotReady,
    Odometry,
    Pose,
    Query,
)
from impromptu_vla_ros.models import ModelError

PICTURE = (900, 1600)


def made_up_questions(dialect: Dialect, count: int, seed: int = 0) -> list[Query]:
    """Return questions of cars that drive steady curves, with pictures of noise."""
    random = np.random.default_rng(seed)
    return [_made_up(dialect, random) for _ in range(count)]


def _made_up(dialect: Dialect, random: np.random.Generator) -> Query:
    planner, now = Planner(dialect), 100 * NANOSECONDS
    speed = random.uniform(0.0, 15.0)
    rate = random.uniform(-0.3, 0.3) * min(1.0, 5.0 / max(speed, 1.0))
    for tenth in range(-round(10 * dialect.history) - 10, 11):
        yaw = 0.1 * rate * tenth
        # A chord of the circle that is driven.
        chord = 0.1 * speed * tenth * np.sinc(yaw / 2 / np.pi)
        pose = Pose(chord * np.cos(yaw / 2), chord * np.sin(yaw / 2), yaw)
        planner.observe(Odometry(now + tenth * NANOSECONDS // 10, pose, speed, 0.0, rate))
    height, width = PICTURE
    for camera in dialect.cameras:
        coarse = random.integers(0, 256, (9, 16, 3), np.uint8)
        pixels = np.kron(coarse, np.ones((height // 9, width // 16, 1), np.uint8))
        planner.observe(
            CameraImage(camera, now, 'rgb8', pixels.reshape(-1), height, width, 3 * width)
        )
    query = planner.ask(now)
    if isinstance(query, NotReady):
        raise ModelError(f'dialect {dialect.name!r} can ask nothing: {query}')
    return query
