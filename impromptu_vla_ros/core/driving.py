# SPDX-License-Identifier: Apache-2.0
"""How well a scenario was driven: collisions, comfort, freshness, and whose the errors are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.courses import Course, difference
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.metrics import DrivenPath, l2
from impromptu_vla_ros.core.structs import FloatArray, Plan, Pose

# NeuroNCAP (arXiv 2404.07762): 5 without a collision, else 4 times how much slower it was.
NCAP_CLEAN, NCAP_MITIGATED = 5.0, 4.0
# Accelerations are those of this many seconds: what passes in a step is not felt.
FELT = 0.2
# A controller is judged by where the car is this long, s, after a plan was published.
FOLLOWED = 0.5


class Box(NamedTuple):
    """An outline on the ground: its middle (m), heading (rad) and size (m)."""

    x: float
    y: float
    yaw: float
    length: float
    width: float

    @property
    def corners(self) -> FloatArray:
        """Return the corners (4, 2)."""
        half = 0.5 * np.array([self.length, self.width])
        pose = Pose(self.x, self.y, self.yaw)
        return motion.from_frame(pose, half * [[1, 1], [-1, 1], [-1, -1], [1, -1]])


def overlap(a: Box, b: Box) -> bool:
    """Tell whether two outlines overlap: no axis of either parts them."""
    for yaw in (a.yaw, b.yaw):
        for axis in ((math.cos(yaw), math.sin(yaw)), (-math.sin(yaw), math.cos(yaw))):
            along, other = a.corners @ axis, b.corners @ axis
            if along.max() <= other.min() or other.max() <= along.min():
                return False
    return True


def ncap_score(impact: float | None, reference: float) -> float:
    """
    Return NeuroNCAP's score of one run, 0 to 5.

    `impact` is the relative speed at the collision (m/s), None without one; `reference` what it
    is where nobody reacts.
    """
    if impact is None:
        return NCAP_CLEAN
    return NCAP_MITIGATED * max(0.0, 1.0 - impact / reference)


@dataclass(frozen=True)
class Comfort:
    """The most that was felt: along and across, m/s², and their changes, m/s³."""

    acceleration: float
    deceleration: float
    lateral: float
    jerk: float
    lateral_jerk: float


def comfort(times: ArrayLike, speeds: ArrayLike, yaw_rates: ArrayLike) -> Comfort:
    """Return the comfort of a drive from speeds (m/s) and yaw rates (rad/s) at times (s), (n,)."""
    t, v = np.asarray(times, float), np.asarray(speeds, float)
    across = v * np.asarray(yaw_rates, float)
    along = _rates(t, v)
    jerks, lateral_jerks = _rates(t[: len(along)], along), _rates(t, across)
    return Comfort(
        acceleration=_most(along),
        deceleration=_most(-along),
        lateral=_most(np.abs(across)),
        jerk=_most(np.abs(jerks)),
        lateral_jerk=_most(np.abs(lateral_jerks)),
    )


def _rates(times: FloatArray, values: FloatArray) -> FloatArray:
    """Return the changes per second over what is felt, fewer than values by that."""
    if len(times) < 2:
        return np.zeros(0)
    wide = max(1, round(FELT / float(times[1] - times[0])))
    return np.asarray((values[wide:] - values[:-wide]) / (times[wide:] - times[:-wide]))


def _most(values: FloatArray) -> float:
    return max(0.0, float(values.max())) if len(values) else 0.0


def freshness(ages: Sequence[float], limit: float) -> float:
    """Return the share of control cycles on an answer younger than `limit`; NaN is on none."""
    return sum(age < limit for age in ages) / len(ages) if ages else 0.0


def model_error(dialect: Dialect, answer: str, reference: str) -> float:
    """Return the mean distance, m, of an answer's waypoints from another answer's."""
    ways = [codec.decode_trajectory(dialect, text).points for text in (answer, reference)]
    return float(l2(*ways).mean())


def retiming_error(told: Plan, published: Plan) -> float:
    """
    Return the mean distance, m, of a published plan from the answer it follows.

    Taken at the answer's own instants that are yet to come; NaN where there is none.
    """
    meant = Course.of(told.stamp, told.frame_id, told.times, told.poses).path
    course = Course.of(published.stamp, published.frame_id, published.times, published.poses)
    ahead = (meant.stamps >= published.stamp) & (meant.stamps <= course.path.stamps[-1])
    if not ahead.any():
        return math.nan
    stamps = meant.stamps[ahead]
    return float(l2(course.path.at(stamps)[:, :2], meant.poses[ahead, :2]).mean())


def controller_error(published: Plan, driven: DrivenPath) -> tuple[float, float]:
    """
    Return how far left and ahead of a published plan, m, the car was half a second after it.

    NaN where the drive had ended by then.
    """
    course = Course.of(published.stamp, published.frame_id, published.times, published.poses)
    found = difference(course, driven, FOLLOWED)
    if found is None:
        return math.nan, math.nan
    return -float(found.lateral[-1]), -float(found.longitudinal[-1])
