# SPDX-License-Identifier: Apache-2.0
"""Poses that leap: a localization that corrects itself, or two that contradict each other."""

from __future__ import annotations

import math
from collections import deque

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
    before: Odometry, after: Odometry, said: tuple[float, float], shown: tuple[float, float]
) -> Pose | None:
    """
    Return what maps the frame as it was to the frame as it is, None if the pose did not leap.

    `said` and `shown` are speed (m/s) and yaw rate (rad/s) at `before`, by the twist and by the
    poses so far, NaN where unknown. It leapt if it is where neither puts it: a twist of other
    units must not move the past.
    """
    seconds = (after.stamp - before.stamp) / NANOSECONDS
    reach = JUMP if math.isfinite(shown[0]) else JUMP + FASTEST * seconds
    places = [_expected(before, rates, seconds) for rates in (said, shown)]
    offs = [math.hypot(after.pose.x - p.x, after.pose.y - p.y) for p in places]
    if min(offs) <= reach:
        return None
    expected = places[offs.index(min(offs))]
    turn = motion.wrap(after.pose.yaw - expected.yaw)
    x, y = motion.from_frame(Pose(0.0, 0.0, turn), [[expected.x, expected.y]])[0]
    return Pose(after.pose.x - float(x), after.pose.y - float(y), turn)


def _expected(before: Odometry, rates: tuple[float, float], seconds: float) -> Pose:
    speed, yaw_rate = (value if math.isfinite(value) else 0.0 for value in rates)
    x, y, yaw = map(float, motion.rollout(speed, yaw_rate, 0.0, [seconds])[0])
    return motion.moved(before.pose, Pose(x, y, yaw))
