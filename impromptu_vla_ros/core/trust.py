# SPDX-License-Identifier: Apache-2.0
"""What a controller may follow: every reason not to, in words with the remedy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.ego import EgoHistory
from impromptu_vla_ros.core.policy import AHEAD
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import NANOSECONDS, EgoNow, Plan
from impromptu_vla_ros.core.track import Track


@dataclass(frozen=True)
class Trust:
    """What is followed at all."""

    plan_age: float = setting(
        0.5,
        'The car brakes when the newest plan is older.',
        'Five periods of the planner.',
        unit='s',
        limits=(0.05, 5.0),
    )
    odometry_age: float = setting(
        0.3, 'And when the newest odometry is.', unit='s', limits=(0.02, 0.5)
    )
    start: float = setting(
        1.0,
        'And when the plan is now farther from the ego.',
        'As in the guard.',
        unit='m',
        limits=(0.1, 10.0),
    )

    def lost(self, history: EgoHistory, now: int) -> str:
        """Return why nobody knows where the ego is now, nothing if it is known."""
        newest = history.odometry.newest
        if newest is None:
            return 'no odometry yet: is its topic remapped?'
        if history.contradicted:
            return 'the odometry contradicts itself: publish it from one source'
        age = (now - newest.stamp) / NANOSECONDS
        if age > self.odometry_age:
            return f'the odometry is {age:.2f} s old, {self.odometry_age:g} s allowed'
        if age < -AHEAD or history.predict(now) is None:
            return f'the odometry is {-age:.2f} s ahead of the clock: synchronize the clocks'
        return ''

    def untimely(self, plan: Plan, now: int) -> str:
        """Return why a plan is not one of now, nothing if it is."""
        if plan.stamp <= 0:
            return 'the plan is not stamped: say in its header when time_from_start is 0'
        age = (now - plan.stamp) / NANOSECONDS
        if age > self.plan_age:
            allowed = f'{self.plan_age:g} s allowed'
            return f'the plan is {age:.2f} s old, {allowed}: does the planner publish?'
        if age < -AHEAD:
            return f'the plan is {-age:.2f} s ahead of the clock: synchronize the clocks'
        return ''

    def misplaced(self, track: Track, now: int, ego: EgoNow) -> str:
        """Return why the ego is not where a plan wants it, nothing if it is."""
        x, y = track.point(track.elapsed(now))
        off = math.hypot(x - ego.pose.x, y - ego.pose.y)
        if off > self.start:
            return f'the plan is {off:.2f} m from the ego, {self.start:g} m allowed'
        return ''


def faults(plan: Plan) -> str:
    """Return why a plan cannot be read or followed whenever it is, nothing if it can."""
    if plan.violations:
        return f'the plan has violations: {"; ".join(plan.violations)}'
    if len(plan.times) < 2:
        return f'the plan has {len(plan.times)} points: two are needed'
    rows = (plan.times, plan.poses, plan.speeds, plan.accelerations)
    if not all(np.isfinite(row).all() for row in rows):
        return 'a number of the plan is not finite'
    if not (np.diff(plan.times) > 0.0).all():
        return 'the times of the plan do not increase'
    if plan.speeds.min() < 0.0:
        return f'the plan reverses ({plan.speeds.min():.2f} m/s), which is not supported'
    return ''
