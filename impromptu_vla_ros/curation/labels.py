# SPDX-License-Identifier: Apache-2.0
"""
What a car did, in the words of the questions: SPEED, PATH and the navigation command.

The rules are those of Impromptu VLA's generators (arXiv 2505.23757) where these are known: steps
of 0.5 s, 3 m/s of difference over 2 s, less than 2 m/s is STOP, the place after 6 s. Their bounds
of PATH differ from source to source (1 to 4 m aside, 5 to 30 degrees); ours are stated here.
"""

from __future__ import annotations

import math

import numpy as np

from impromptu_vla_ros.core.navigation import HORIZON, command_to
from impromptu_vla_ros.core.questions import SpeedPath
from impromptu_vla_ros.core.structs import FloatArray

SPACING = 0.5
# Speeds are compared over so many s; PATH is what happens in the seconds of the plan.
COMPARED, PLANNED = 2.0, 3.0
FASTER, STANDING = 3.0, 2.0
# A heading that changes by more is a turn, rad; who comes aside by more than an arc of that
# heading explains changes the lane, m.
TURN, ASIDE = math.radians(20.0), 1.5


def speed_path(poses: FloatArray) -> SpeedPath | None:
    """
    Return what somebody does at poses (n, 3) x, y, yaw, every 0.5 s from now; None if unknown.

    The first pose is the frame of the others.
    """
    needed = round(PLANNED / SPACING) + 1
    if len(poses) < needed or not np.isfinite(poses[:needed]).all():
        return None
    return SpeedPath(_speed(poses[:needed]), _path(poses[needed - 1]))


def speeds(poses: FloatArray) -> FloatArray:
    """Return the speeds (n - 1,) in m/s from each pose (n, 3) to the next; never negative."""
    return np.asarray(np.hypot(*np.diff(poses[:, :2], axis=0).T) / SPACING, float)


def _speed(poses: FloatArray) -> str:
    driven = speeds(poses)
    now, then = float(driven[0]), float(driven[round(COMPARED / SPACING)])
    if then < STANDING:
        return 'STOP'
    if abs(then - now) < FASTER:
        return 'KEEP'
    return 'ACCELERATE' if then > now else 'DECELERATE'


def _path(pose: FloatArray) -> str:
    x, y, yaw = map(float, pose)
    if abs(yaw) >= TURN:
        return 'LEFT_TURN' if yaw > 0.0 else 'RIGHT_TURN'
    # On an arc the place lies at half the angle that the heading has turned by.
    aside = y - x * math.tan(yaw / 2.0)
    if abs(aside) < ASIDE:
        return 'STRAIGHT'
    return 'LEFT_CHANGE' if aside > 0.0 else 'RIGHT_CHANGE'


def command(poses: FloatArray) -> str | None:
    """Return the command that leads where the car is 6 s later; None if that is not known."""
    last = round(HORIZON / SPACING)
    if len(poses) <= last or not np.isfinite(poses[last]).all():
        return None
    return command_to(float(poses[last, 0]), float(poses[last, 1]))
