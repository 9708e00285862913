# SPDX-License-Identifier: Apache-2.0
"""How the ego moved at an instant: as measured where that is trusted, else from the poses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.ego_watch import EgoWatch
from impromptu_vla_ros.core.structs import NANOSECONDS, Acceleration, Odometry, Steering
from impromptu_vla_ros.core.timeline import Timeline

# Acceleration from odometry is the slope of speed over this many seconds to each side; of
# 0.15 to 1 s it predicts the comma2k19 and Boreas drives best.
SLOPE = 0.5
# A measured acceleration or steering angle this near an instant counts as of that instant.
NEAR = 0.1
# What a signal is derived from where it is not measured, or its source is not trusted.
DERIVED = {
    'speed': 'poses',
    'yaw rate': 'poses',
    'acceleration': 'slope of speed',
    'steering': 'yaw rate / speed',
}


class EgoSignals:
    """
    Answer speeds, turn rate, accelerations and steering at an instant `at`.

    `last` is the instant whose ego is asked for: nothing after the first odometry at or after it
    is seen, and what `watch` distrusts there is derived from the poses. NaN is unknown.
    """

    def __init__(
        self,
        odometry: Timeline[Odometry],
        acceleration: Timeline[Acceleration],
        steering: Timeline[Steering],
        watch: EgoWatch,
    ) -> None:
        self._odometry = odometry
        self._accelerations = acceleration
        self._steering = steering
        self._watch = watch

    @property
    def sources(self) -> Mapping[str, str]:
        """Return in words where each signal of the newest state comes from."""
        newest = self._odometry.newest
        if newest is None:
            return {}
        wrong, at = self._watch.distrusted(newest.stamp), newest.stamp
        measured = {
            'speed': math.isfinite(newest.vx),
            'yaw rate': math.isfinite(newest.yaw_rate),
            'acceleration': self._near(self._accelerations, at, at) is not None,
            'steering': self._near(self._steering, at, at) is not None,
        }
        return {
            name: 'measured' if there and name not in wrong else DERIVED[name]
            for name, there in measured.items()
        }

    def velocity(self, at: int, last: int) -> tuple[float, float, float]:
        """Return vx, vy, yaw rate: the source's own where it can be trusted, else the poses'."""
        before, after = self._odometry.around(at)
        if before is None or after is None:
            return math.nan, math.nan, math.nan
        width = after.stamp - before.stamp
        part = (at - before.stamp) / width if width else 0.0
        values = [
            (1.0 - part) * b + part * a
            for b, a in (
                (before.vx, after.vx),
                (before.vy, after.vy),
                (before.yaw_rate, after.yaw_rate),
            )
        ]
        vx, vy, yaw_rate = values
        wrong = {'speed', 'yaw rate'}
        if all(map(math.isfinite, values)):
            wrong &= self._watch.distrusted(last)
        if not wrong:
            return vx, vy, yaw_rate
        shown = self.velocity_of_poses(at)
        if 'speed' in wrong:
            vx, vy = shown[:2]
        return vx, vy, shown[2] if 'yaw rate' in wrong else yaw_rate

    def velocity_of_poses(self, at: int) -> tuple[float, float, float]:
        """Return the same from the poses of the last half second alone."""
        samples = self._odometry.between(at - round(SLOPE * NANOSECONDS), self._end(at))
        if len(samples) < 2:
            return math.nan, math.nan, math.nan
        return _motion(samples[0], samples[-1])

    def _end(self, at: int) -> int:
        after = self._odometry.around(at)[1]
        return after.stamp if after is not None else at

    def acceleration(self, at: int, last: int, vx: float, yaw_rate: float) -> tuple[float, float]:
        """Return ax, ay: the measured ones, else the slope of speed, and speed times turn rate."""
        measured, wrong = self._near(self._accelerations, at, last), self._watch.distrusted(last)
        if measured is not None and 'acceleration' not in wrong:
            return measured.ax, measured.ay
        reach = round(SLOPE * NANOSECONDS)
        samples = self._odometry.between(at - reach, min(at + reach, self._end(last)))
        if 'speed' in wrong:
            steps = [(one, two, _motion(one, two)[0]) for one, two in pairwise(samples)]
            moving = [((one.stamp + two.stamp) / 2.0 - at, v) for one, two, v in steps]
        else:
            moving = [(s.stamp - at, s.vx) for s in samples if math.isfinite(s.vx)]
        if len(moving) < 2:
            return math.nan, math.nan
        times = np.array([t for t, _ in moving]) / NANOSECONDS
        speeds = np.array([v for _, v in moving])
        centred = times - times.mean()
        slope = float(centred @ speeds) / float(centred @ centred)
        return slope, vx * yaw_rate

    def tire_angle(self, at: int, last: int) -> float:
        """Return the measured angle of the road wheels."""
        measured = self._near(self._steering, at, last)
        if measured is None or 'steering' in self._watch.distrusted(last):
            return math.nan
        return float(measured.tire_angle)

    def _near(self, timeline: Timeline[Any], at: int, last: int) -> Any:
        reach = round(NEAR * NANOSECONDS)
        samples = timeline.between(at - reach, min(at + reach, last))
        return min(samples, key=lambda s: abs(s.stamp - at)) if samples else None


def _motion(first: Odometry, last: Odometry) -> tuple[float, float, float]:
    """Return vx, vy, yaw rate from one pose to another."""
    width = (last.stamp - first.stamp) / NANOSECONDS
    step = motion.relative_to(first.pose, last.pose)
    # The chord of an arc points half its turn away from the first heading.
    along = math.hypot(step.x, step.y) / width
    backward = step.x * math.cos(step.yaw / 2) + step.y * math.sin(step.yaw / 2) < 0.0
    return (-along if backward else along), 0.0, step.yaw / width
