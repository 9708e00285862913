# SPDX-License-Identifier: Apache-2.0
"""
The CAN bus expansion: ROOT/can_bus/SCENE_pose.json and SCENE_steeranglefeedback.json.

Fields and units are the devkit's can_bus/README.md, but for the sign of the steering angle: the
data, and the trained prompts, have positive angles in left turns, whatever that file says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.evaluation.nuscenes.tables import NuscenesError, Row

# A message farther from a keyframe than this, s, is of another state.
FARTHEST = 0.25


@dataclass(frozen=True)
class Signals:
    """
    How the ego moved at an instant, NaN where nobody knows.

    vx, vy (m/s), ax, ay (m/s²) in the body frame, `yaw_rate` in rad/s; `steering` is the
    steering-wheel angle in rad, + = left.
    """

    vx: float = math.nan
    vy: float = math.nan
    ax: float = math.nan
    ay: float = math.nan
    yaw_rate: float = math.nan
    steering: float = math.nan


@dataclass(frozen=True, eq=False)
class CanBus:
    """A scene's messages: times (n,) in µs, ascending, and values (n, …) beside them."""

    pose_times: FloatArray
    poses: FloatArray
    steering_times: FloatArray
    steering: FloatArray

    def at(self, microseconds: int) -> Signals:
        """Return the signals of the messages nearest in time, as the trained prompts say them."""
        pose = _nearest(self.pose_times, self.poses, microseconds)
        steering = _nearest(self.steering_times, self.steering, microseconds)
        return Signals(*map(float, pose), float(steering[0]))


def read_can_bus(root: Path, scene: str) -> CanBus | None:
    """
    Return a scene's messages, None where a file is missing, as it is for some scenes.

    Raise NuscenesError for a file that cannot be read.
    """
    names = ('pose', 'steeranglefeedback')
    paths = [root / 'can_bus' / f'{scene}_{name}.json' for name in names]
    if not all(path.is_file() for path in paths):
        return None
    poses = _messages(
        paths[0], lambda m: (*m['vel'][:2], *m['accel'][:2], m['rotation_rate'][2]), 5
    )
    steering = _messages(paths[1], lambda m: (m['value'],), 1)
    return CanBus(*poses, *steering)


def _messages(
    path: Path, values: Callable[[Row], tuple[Any, ...]], count: int
) -> tuple[FloatArray, FloatArray]:
    try:
        told = json.loads(path.read_text(encoding='utf-8'))
        times = np.array([m['utime'] for m in told], float)
        array = np.array([values(m) for m in told], float).reshape(len(told), count)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NuscenesError(
            f'{path} holds no messages of the CAN bus ({error!r}): truncated? Extract it again'
        ) from error
    order = np.argsort(times, kind='stable')
    return times[order], array[order]


def _nearest(times: FloatArray, values: FloatArray, at: int) -> FloatArray:
    if len(times):
        index = int(np.argmin(np.abs(times - at)))
        if abs(times[index] - at) <= FARTHEST * 1e6:
            return values[index]
    return np.full(values.shape[1], np.nan)
