# SPDX-License-Identifier: Apache-2.0
"""Where planners want to be in absolute time, and how one such course differs from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray

# Courses are compared every so many seconds, as the waypoints of the wire formats lie; a speed is
# the way between two of these instants, so that the noise of a pose is none of the speed.
STEP = 0.5


@dataclass(frozen=True)
class Course:
    """Where a planner wants to be in absolute time: a path in `frame_id`, planned at `stamp`."""

    stamp: int
    frame_id: str
    path: DrivenPath

    @classmethod
    def of(cls, stamp: int, frame_id: str, times: ArrayLike, poses: ArrayLike) -> Course:
        """Return the course of poses (n, 3) at ascending `times` (n,), s after `stamp`."""
        offsets = np.round(np.asarray(times, float) * NANOSECONDS).astype(np.int64)
        rows = np.array(poses, float)
        rows[:, 2] = np.unwrap(rows[:, 2])
        # As DrivenPath.of has them: stamps are exact as integers only.
        stamps: Any = stamp + offsets
        return cls(stamp, frame_id, DrivenPath(stamps, rows))


@dataclass(frozen=True)
class Difference:
    """
    How a plan differs from another course at common instants, `after` (n,) s from its stamp.

    `lateral` and `longitudinal` (n,), m: the plan's place seen from the other one, + = left,
    ahead. `speed` (n,), m/s: how much faster it is on the way there; 0 at the first instant.
    """

    after: FloatArray
    lateral: FloatArray
    longitudinal: FloatArray
    speed: FloatArray

    @property
    def mean_lateral(self) -> float:
        """Return the mean distance to the side, m."""
        return float(np.abs(self.lateral).mean())


def difference(course: Course, other: DrivenPath, horizon: float) -> Difference | None:
    """
    Return how a course differs from another path in the same frame, up to `horizon` s.

    None where they share less than one step of 0.5 s beyond the course's stamp.
    """
    first = max(course.stamp, int(course.path.stamps[0]), int(other.stamps[0]))
    last = min(int(course.path.stamps[-1]), int(other.stamps[-1]))
    last = min(last, course.stamp + round(horizon * NANOSECONDS))
    step = round(STEP * NANOSECONDS)
    stamps = np.arange(first, last + 1, step, dtype=np.int64)
    if len(stamps) < 2:
        return None
    planned, wanted = course.path.at(stamps), other.at(stamps)
    c, s = np.cos(wanted[:, 2]), np.sin(wanted[:, 2])
    dx, dy = (planned - wanted)[:, :2].T
    return Difference(
        after=(stamps - course.stamp) / NANOSECONDS,
        lateral=-s * dx + c * dy,
        longitudinal=c * dx + s * dy,
        speed=np.concatenate([[0.0], _speeds(planned) - _speeds(wanted)]),
    )


def _speeds(poses: FloatArray) -> FloatArray:
    """Return the speeds (n - 1,) between poses (n, 3) one step apart, negative in reverse."""
    steps, middle = np.diff(poses[:, :2], axis=0), 0.5 * (poses[:-1, 2] + poses[1:, 2])
    along = steps[:, 0] * np.cos(middle) + steps[:, 1] * np.sin(middle)
    return np.asarray(np.copysign(np.hypot(*steps.T), along) / STEP, float)


def times_along(points: ArrayLike, speeds: ArrayLike) -> FloatArray:
    """
    Return the seconds (m,) at which the first m ≤ n points (n, 2) are reached from the first.

    For a course that says speeds (n,), m/s, and no times; the speed changes evenly with the time
    between two points. It ends before a point that is never reached.
    """
    steps = np.hypot(*np.diff(np.asarray(points, float), axis=0).T)
    v = np.abs(np.asarray(speeds, float))
    mean = 0.5 * (v[:-1] + v[1:])
    reached = int(np.argmax(mean <= 0.0)) if (mean <= 0.0).any() else len(mean)
    return np.concatenate([[0.0], np.cumsum(steps[:reached] / mean[:reached])])
