# SPDX-License-Identifier: Apache-2.0
"""Poses that leap: a localization that corrects itself, or two that contradict each other."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.structs import NANOSECONDS, Odometry, Pose

# A pose this far from where speed and turn rate put it is a correction of the localization.
JUMP = 1.0
# So many of them within a second are no corrections: two sources contradict each other.
MANY_JUMPS = 3
# As fast as a car can move, m/s: what it may have done where nothing is known of its speed.
FASTEST = 60.0


class PoseJumps:
    """Remember the leaps of the poses: their sum until it is taken, and when they were."""

    def __init__(self) -> None:
        self._change: Pose | None = None
        self._stamps: deque[int] = deque(maxlen=MANY_JUMPS)

    def clear(self) -> None:
        """Forget them."""
        self._change = None
        self._stamps.clear()

    def note(self, stamp: int, change: Pose) -> None:
        """Add what maps poses from before the leap at a stamp (ns) to those behind it."""
        self._stamps.append(stamp)
        self._change = change if self._change is None else motion.moved(change, self._change)

    def take(self) -> Pose | None:
        """Return, once, what maps poses from before the leaps to poses of now."""
        change, self._change = self._change, None
        return change

    def many(self, newest: Odometry | None) -> bool:
        """Return whether there were too many within the second before the newest sample."""
        full = len(self._stamps) == MANY_JUMPS
        return full and newest is not None and newest.stamp - self._stamps[0] < NANOSECONDS


def leap(
    before: Odometry, after: Odometry, shown: Callable[[], tuple[float, float]]
) -> Pose | None:
    """
    Return what maps the frame as it was to the frame as it is, None if the pose did not leap.

    It leapt if it is where neither the twist puts it nor the poses before: a twist of other
    units must not move the past. `shown` is asked where the twist is off: it returns speed (m/s)
    and yaw rate (rad/s) of the poses up to `before`, NaN where unknown.
    """
    seconds = (after.stamp - before.stamp) / NANOSECONDS
    expected = _expected(before, (before.vx, before.yaw_rate), seconds)
    if _apart(expected, after.pose) <= JUMP:
        return None
    rates = shown()
    other = _expected(before, rates, seconds)
    expected = min(expected, other, key=lambda pose: _apart(pose, after.pose))
    # Where nothing is known of its motion it may have moved as fast as a car can.
    reach = JUMP + (0.0 if math.isfinite(rates[0]) else FASTEST * seconds)
    if _apart(expected, after.pose) <= reach:
        return None
    turn = motion.wrap(after.pose.yaw - expected.yaw)
    x, y = motion.from_frame(Pose(0.0, 0.0, turn), [[expected.x, expected.y]])[0]
    return Pose(after.pose.x - float(x), after.pose.y - float(y), turn)


def _apart(one: Pose, two: Pose) -> float:
    return math.hypot(one.x - two.x, one.y - two.y)


def _expected(before: Odometry, rates: tuple[float, float], seconds: float) -> Pose:
    speed, yaw_rate = (value if math.isfinite(value) else 0.0 for value in rates)
    x, y, yaw = map(float, motion.rollout(speed, yaw_rate, 0.0, [seconds])[0])
    return motion.moved(before.pose, Pose(x, y, yaw))
