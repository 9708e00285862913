# SPDX-License-Identifier: Apache-2.0
"""Shadow mode: how far a plan that nobody followed lies from what was driven, or from another."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.courses import STEP, Course, Difference, difference
from impromptu_vla_ros.core.disagreements import Disagreement
from impromptu_vla_ros.core.ego import MAX_GAP, EgoHistory
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Odometry, Plan, Pose

# Another planner's course whose stamp lies farther from the plan's, s, is of another scene.
SAME_SCENE = 1.0
# Plans that wait for the drive: 20 s at 50 Hz.
MOST_WAITING = 1000
STOPS = ('stopping', 'standing')
MEASURES = {
    'lateral': ('m', 'left of', 'right of'),
    'longitudinal': ('m', 'ahead of', 'behind'),
    'speed': ('m/s', 'above that of', 'below that of'),
}


@dataclass(frozen=True)
class ShadowLimits:
    """What counts as a disagreement."""

    horizon: float = setting(
        3.0,
        'How far plans are compared beyond their stamp.',
        'That of the open-loop scores, L2 at 3 s.',
        unit='s',
        limits=(0.5, 10.0),
    )
    lateral: float = setting(
        1.0,
        'Farthest to the side of the car.',
        'A car 1.9 m wide has 0.8 m on each side of it in a lane of 3.5 m.',
        unit='m',
        limits=(0.05, 50.0),
    )
    longitudinal: float = setting(
        5.0, 'Farthest ahead of or behind the car.', 'A car length.', unit='m', limits=(0.1, 200.0)
    )
    speed: float = setting(
        3.0,
        'Largest difference of speed, over 0.5 s.',
        'Braking by 1 m/s^2 where the other does not, for the whole horizon.',
        unit='m/s',
        limits=(0.1, 50.0),
    )
    stops: str = setting(
        'report',
        'What becomes of stopping and standing plans.',
        'report: a disagreement of their own, named stop, where the car drove on; ignore: they '
        'say only that no answer held. Mean errors are without them in both cases.',
        choices=('report', 'ignore'),
    )


@dataclass
class Tally:
    """What came of comparing plans with one other source."""

    compared: int = 0
    disagreed: int = 0
    lateral: float = 0.0
    averaged: int = 0

    @property
    def mean_lateral(self) -> float:
        """Return the mean of the plans' mean distances to the side, m; NaN before the first."""
        return self.lateral / self.averaged if self.averaged else math.nan


class Shadow:
    """
    Compare plans with the driven path once it reaches `limits.horizon` beyond their stamp.

    Another planner's course is compared at once, at common absolute times. Plans in `base_frame`
    are laid at the driven pose of their stamp. `objection` says why nothing was compared last.
    """

    def __init__(self, limits: ShadowLimits, base_frame: str = 'base_link') -> None:
        self.tallies = {'driven': Tally(), 'reference': Tally()}
        self.counts: Counter[str] = Counter()
        self.objection = ''
        self._limits = limits
        self._base_frame = base_frame
        self._horizon = round(limits.horizon * NANOSECONDS)
        self._ego = EgoHistory(limits.horizon + 2.0)
        self._waiting: deque[Plan] = deque(maxlen=MOST_WAITING)
        self._reference: Course | None = None

    def referred(self, course: Course) -> None:
        """Take another planner's newest course."""
        self.counts['courses'] += 1
        self._reference = course

    def planned(self, plan: Plan) -> tuple[Disagreement, ...]:
        """Take a plan; return where it disagrees with the other planner's newest course."""
        self.counts['plans'] += 1
        self.counts['stops'] += plan.tier in STOPS
        self._waiting.append(plan)
        other = self._reference
        if other is None or abs(other.stamp - plan.stamp) > SAME_SCENE * NANOSECONDS:
            return ()
        if plan.frame_id != other.frame_id or plan.frame_id == self._base_frame:
            return self._object(
                f'the plan is in frame {plan.frame_id!r} and the other planner in '
                f'{other.frame_id!r}: publish both in one continuous frame'
            )
        return self._judged(plan, plan.poses, other.path, 'reference')

    def drove(self, sample: Odometry) -> tuple[Disagreement, ...]:
        """Take a driven pose; return where plans disagree whose horizon it closes."""
        if self._ego.add(sample):
            self.clear()
            self._ego.add(sample)
        change = self._ego.take_change()
        if change is not None:
            moved = [_moved(plan, change, self._base_frame) for plan in self._waiting]
            self._waiting = deque(moved, maxlen=MOST_WAITING)
        found: list[Disagreement] = []
        while self._waiting and self._waiting[0].stamp + self._horizon <= sample.stamp:
            found += self._against_drive(self._waiting.popleft())
        return tuple(found)

    def clear(self) -> None:
        """Forget plans and poses, as after a jump of the clock; the counts stay."""
        self.counts['clock jumps'] += 1
        self._ego.clear()
        self._waiting.clear()
        self._reference = None

    def _against_drive(self, plan: Plan) -> tuple[Disagreement, ...]:
        reach = round(MAX_GAP * NANOSECONDS)
        end = plan.stamp + self._horizon
        samples = self._ego.odometry.between(plan.stamp - reach, end + reach)
        stamps = np.array([sample.stamp for sample in samples])
        if len(samples) < 2 or stamps[0] > plan.stamp or stamps[-1] < end:
            return self._object('the odometry does not reach over the horizon of the plan')
        if np.diff(stamps).max() > reach:
            return self._object(f'the odometry has a gap of more than {MAX_GAP:g} s')
        driven, poses = DrivenPath.of(samples), plan.poses
        if plan.frame_id == self._base_frame:
            origin = driven.pose(plan.stamp)
            poses = np.column_stack(
                [motion.from_frame(origin, poses[:, :2]), poses[:, 2] + origin.yaw]
            )
        elif plan.frame_id != samples[-1].frame_id:
            return self._object(
                f'the plan is in frame {plan.frame_id!r} and the odometry in '
                f'{samples[-1].frame_id!r}: give the odometry that the planner has'
            )
        return self._judged(plan, poses, driven, 'driven')

    def _judged(
        self, plan: Plan, poses: FloatArray, other: DrivenPath, against: str
    ) -> tuple[Disagreement, ...]:
        if not np.isfinite(poses).all():
            return self._object('a number of the plan is not finite')
        course = Course.of(plan.stamp, plan.frame_id, plan.times, poses)
        found = difference(course, other, self._limits.horizon)
        if found is None:
            return self._object(f'the plan and the other course share less than {STEP:g} s')
        self.objection = ''
        stops, tally = plan.tier in STOPS, self.tallies[against]
        tally.compared += 1
        if not stops:
            tally.lateral += found.mean_lateral
            tally.averaged += 1
        if stops and self._limits.stops == 'ignore':
            return ()
        beyond = tuple(_beyond(plan.stamp, found, against, self._limits))
        tally.disagreed += bool(beyond)
        if stops and beyond:
            worst = max(beyond, key=lambda each: each.value / each.limit)
            return (replace(worst, measure='stop', text=f'a plan to stop: {worst.text}'),)
        return beyond

    def _object(self, reason: str) -> tuple[Disagreement, ...]:
        self.counts['not compared'] += 1
        self.objection = reason
        return ()


def _beyond(
    stamp: int, found: Difference, against: str, limits: ShadowLimits
) -> Iterator[Disagreement]:
    whom = 'driven path' if against == 'driven' else 'other planner'
    for measure, (unit, more, less) in MEASURES.items():
        values, limit = getattr(found, measure), getattr(limits, measure)
        worst = int(np.abs(values).argmax())
        value = abs(float(values[worst]))
        if value > limit:
            side = more if values[worst] > 0.0 else less
            text = (
                f'{measure}: {value:.2f} {unit} {side} the {whom} after '
                f'{found.after[worst]:.1f} s, {limit:g} allowed'
            )
            yield Disagreement(stamp, against, measure, value, limit, text)


def _moved(plan: Plan, change: Pose, base_frame: str) -> Plan:
    """Return a plan moved with its frame; one that is seen from the car stays."""
    if plan.frame_id == base_frame:
        return plan
    xy = motion.from_frame(change, plan.poses[:, :2])
    return replace(plan, poses=np.column_stack([xy, plan.poses[:, 2] + change.yaw]))
