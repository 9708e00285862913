# SPDX-License-Identifier: Apache-2.0
"""
What Autoware demands of a trajectory, as a checker that knows nothing of how plans are made.

Each rule is one function: its docstring names who demands it, and it says what is wrong, or ''.
Sources, August 2026: *validator*: planning_validator's trajectory_checker and latency_checker
with the limits of autoware_launch; *concatenator*: autoware_trajectory_concatenator; *MPC* and
*PID*: the lateral and longitudinal controllers; *processor*: autoware_trajectory_processor.
Where the validator looks at the sign of a curvature, and so at left bends only, both are checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from impromptu_vla_ros.core.motion import to_frame, wrap
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Plan, Pose

# The validator takes an ego below 1 km/h as stopped, and leaves out what depends on its motion.
STOPPED = 1.0 / 3.6
# A point whose coordinates are both this close to the last one's is dropped (motion_utils).
OVERLAP = 1e-8


@dataclass(frozen=True)
class Case:
    """
    One plan as it meets Autoware.

    `ego` is base_link in the plan's frame, with its `speed` in m/s, at `now` (ns); `previous`
    is the last plan that broke no rule; `wheelbase` is in m.
    """

    plan: Plan
    ego: Pose
    speed: float
    now: int
    previous: Plan | None
    wheelbase: float

    @property
    def age(self) -> float:
        """Return how long ago, in s, time_from_start = 0 was."""
        return (self.now - self.plan.stamp) / NANOSECONDS

    @property
    def moves(self) -> bool:
        """Tell whether the ego counts as moving."""
        return abs(self.speed) >= STOPPED

    @cached_property
    def nearest(self) -> int:
        """Return the row nearest to the ego."""
        return _nearest(self.plan, self.ego)

    @cached_property
    def segment(self) -> int:
        """Return the row that begins the segment beside the ego."""
        return _segment(self.plan, self.ego)

    @cached_property
    def sparse(self) -> FloatArray:
        """Return the rows that the validator's resampling keeps: each > 1 m from the last."""
        rows = [0]
        for row, xy in enumerate(self.plan.poses[:, :2]):
            if np.hypot(*(xy - self.plan.poses[rows[-1], :2])) > 1.0:
                rows.append(row)
        return np.array(rows)

    @cached_property
    def curvatures(self) -> FloatArray:
        """Return the curvature, 1/m, at the sparse rows: of the circle through three of them."""
        points = self.plan.poses[self.sparse, :2]
        if len(points) < 3:
            return np.zeros(len(points))
        before, after = np.diff(points, axis=0)[:-1], np.diff(points, axis=0)[1:]
        cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        lengths = np.prod([np.hypot(*side.T) for side in (before, after, before + after)], axis=0)
        middle = 2.0 * cross / np.maximum(lengths, 1e-9)
        return np.concatenate([middle[:1], middle, middle[-1:]])


def size(case: Case) -> str:
    """Demand two points (validator), or three (MPC); and a row of each kind for each time."""
    plan, n = case.plan, len(case.plan.times)
    if n < 3:
        return f'{n} points, not 3'
    rows = (plan.poses, plan.speeds, plan.accelerations, plan.yaw_rates)
    return '' if all(len(each) == n for each in rows) else 'columns of unequal length'


def finite(case: Case) -> str:
    """Demand finite numbers (validator, MPC, PID), acceleration and heading rate included."""
    plan = case.plan
    columns = (plan.times, *plan.poses.T, plan.speeds, plan.accelerations, plan.yaw_rates)
    return '' if np.isfinite(columns).all() else 'a number is not finite'


def latency(case: Case) -> str:
    """Demand that now - stamp ≤ 1.0 s (validator, latency_checker)."""
    return _above(case.age, 1.0, 's old')


def candidate_age(case: Case) -> str:
    """Demand that now - stamp ≤ 0.2 s, or the candidate is dropped (concatenator)."""
    return _above(case.age, 0.2, 's old')


def spacing(case: Case) -> str:
    """Demand times 0, 0.1, 0.2, … s (processor, trajectory_time_step)."""
    # Durations are in ns.
    off = np.abs(case.plan.times - 0.1 * np.arange(len(case.plan.times)))
    return _above(float(off.max()), 1e-6, 's off the 0.1 s grid')


def distinct(case: Case) -> str:
    """Demand that neighbours differ by 1e-8 m in x or y: others are dropped (motion_utils)."""
    steps = np.abs(np.diff(case.plan.poses[:, :2], axis=0)).max(axis=1)
    same = int((steps < OVERLAP).sum())
    return f'{same} points lie where the one before does' if same else ''


def arc_length(case: Case) -> str:
    """Demand more than 1e-6 m of path: else the reference is cleared, and nobody steers (MPC)."""
    total = float(_steps(case.plan).sum())
    return '' if total > 1e-6 else f'{total:.3g} m in all'


def zero_speed(case: Case) -> str:
    """
    Demand that a plan which has stopped stays, and that one which departs does not begin at 0.

    The PID measures its way to the first point below 0.001 m/s, from the first point of all
    (searchZeroVelocityIndex): whatever lies behind is never driven.
    """
    still = np.abs(case.plan.speeds) < 1e-3
    first = int(np.argmax(still)) if still.any() else len(still)
    after = int((~still[first:]).sum())
    return f'{after} points move behind the stop at point {first}' if after else ''


def interval(case: Case) -> str:
    """Demand at most 100 m between neighbours (validator)."""
    return _above(float(_steps(case.plan).max()), 100.0, 'm between points')


def curvature(case: Case) -> str:
    """Demand at most 1.0 1/m, resampled to 1 m (validator)."""
    return _above(_most(case.curvatures), 1.0, '1/m')


def relative_angle(case: Case) -> str:
    """Demand at most 2.0 rad between neighbouring steps, resampled to 1 m (validator)."""
    dx, dy = np.diff(case.plan.poses[case.sparse, :2], axis=0).T
    turns = [abs(wrap(turn)) for turn in np.diff(np.arctan2(dy, dx))]
    return _above(max(turns, default=0.0), 2.0, 'rad')


def lateral_acceleration(case: Case) -> str:
    """Demand at most 9.8 m/s² = v²·κ, resampled to 1 m (validator)."""
    speeds = case.plan.speeds[case.sparse]
    return _above(_most(speeds**2 * case.curvatures), 9.8, 'm/s²')


def lateral_jerk(case: Case) -> str:
    """Demand at most 7.0 m/s³ = 3·v²·a·κ, resampled to 1 m (validator, which leaves out κ')."""
    speeds, rates = (each[case.sparse] for each in (case.plan.speeds, case.plan.accelerations))
    return _above(_most(3.0 * speeds**2 * rates * case.curvatures), 7.0, 'm/s³')


def longitudinal_acceleration(case: Case) -> str:
    """Demand at most 9.8 m/s² either way (validator)."""
    return _above(_most(case.plan.accelerations), 9.8, 'm/s²')


def steering(case: Case) -> str:
    """Demand at most 1.414 rad = atan(κ·wheelbase), resampled to 1 m (validator)."""
    return _above(_most(np.arctan(case.wheelbase * case.curvatures)), 1.414, 'rad')


def steering_rate(case: Case) -> str:
    """Demand at most 10 rad/s from one resampled point to the next (validator)."""
    speeds = case.plan.speeds[case.sparse]
    steps = np.hypot(*np.diff(case.plan.poses[case.sparse, :2], axis=0).T)
    seconds = steps / np.maximum(0.5 * (speeds[:-1] + speeds[1:]), 1e-5)
    turns = np.diff(np.arctan(case.wheelbase * case.curvatures))
    return _above(_most(turns / seconds), 10.0, 'rad/s')


def velocity_deviation(case: Case) -> str:
    """Demand at most 100 m/s between the nearest point's speed and the ego's (validator)."""
    return _above(abs(float(case.plan.speeds[case.nearest]) - case.speed), 100.0, 'm/s')


def distance_deviation(case: Case) -> str:
    """Demand at most 100 m to the side of the ego (validator)."""
    return _above(abs(_beside(case.plan, case.segment, case.ego)[1]), 100.0, 'm')


def longitudinal_deviation(case: Case) -> str:
    """
    Demand that the ego is less than 1.0 m before the first point, or past the last (validator).

    An ego whose nearest point is another one is between them, and fine.
    """
    last = len(case.plan.times) - 1
    if case.nearest == 0:
        offset = _beside(case.plan, 0, case.ego)[0]
    elif case.nearest == last:
        offset = _beside(case.plan, last - 1, case.ego)[0] - float(_steps(case.plan)[-1])
    else:
        return ''
    return f'{abs(offset):.3g} m, not below 1' if abs(offset) >= 1.0 else ''


def yaw_deviation(case: Case) -> str:
    """
    Demand at most 1.5708 rad between the ego and the point beside it (validator).

    Looked at only where that point's yaw jumped by more than 0.1 rad since the previous plan,
    or where there is none.
    """
    yaw = _yaw_beside(case.plan, case.ego)
    if case.previous is not None:
        x, y = case.plan.poses[case.segment, :2]
        before = _yaw_beside(case.previous, Pose(float(x), float(y), yaw))
        if abs(wrap(yaw - before)) <= 0.1:
            return ''
    return _above(abs(wrap(yaw - case.ego.yaw)), 1.5708, 'rad')


def forward_length(case: Case) -> str:
    """Demand v²/(2·3 m/s²) - 2 m of path ahead, of an ego that moves (validator)."""
    ahead = float(_steps(case.plan)[case.segment :].sum())
    ahead -= _beside(case.plan, case.segment, case.ego)[0]
    needed = case.speed**2 / (2.0 * 3.0) - 2.0
    return f'{ahead:.3g} m, not {needed:.3g}' if case.moves and ahead < needed else ''


def trajectory_shift(case: Case) -> str:
    """
    Demand that the plan does not jump from the previous one where the ego moves (validator).

    To the side: at most 0.5 m, of the ego and of the previous plan both. Along: at most 1.0 m
    ahead, looked at beside the first segment, and 0.1 m back, beside the last; not at the end
    of the previous plan. This breaks into a soft stop in Autoware as it comes.
    """
    if case.previous is None or not case.moves:
        return ''
    ends = (0, len(case.plan.times) - 2)
    before = _segment(case.previous, case.ego)
    here = case.plan.poses[case.segment, :2]
    side = abs(float(to_frame(case.ego, here[None])[0, 1]))
    there = Pose(*map(float, case.previous.poses[before]))
    along, shift = map(float, to_frame(there, here[None])[0])
    if side > 0.5 and abs(shift) > 0.5:
        return f'{abs(shift):.3g} m to the side'
    if before == len(case.previous.times) - 2 or case.segment not in ends:
        return ''
    if case.segment == 0:
        return _above(along, 1.0, 'm ahead')
    return _above(-along, 0.1, 'm back')


# In this order, and before all others, which have nothing to look at without them.
FORM: tuple[Callable[[Case], str], ...] = (size, finite)
RULES: tuple[Callable[[Case], str], ...] = (
    latency,
    candidate_age,
    spacing,
    distinct,
    arc_length,
    zero_speed,
    interval,
    curvature,
    relative_angle,
    lateral_acceleration,
    lateral_jerk,
    longitudinal_acceleration,
    steering,
    steering_rate,
    velocity_deviation,
    distance_deviation,
    longitudinal_deviation,
    yaw_deviation,
    forward_length,
    trajectory_shift,
)


def broken_rules(
    plan: Plan,
    ego: Pose,
    speed: float,
    now: int,
    previous: Plan | None = None,
    wheelbase: float = 2.79,
) -> tuple[str, ...]:
    """
    Return what Autoware would hold against a plan, as `rule: what was found`; (): nothing.

    `ego` is base_link in the plan's frame with its `speed` in m/s, at `now` in ns. `previous`
    is the last plan against which nothing was held. `wheelbase` (m) is that of Autoware's
    sample vehicle.
    """
    case = Case(plan, ego, speed, now, previous, wheelbase)
    for rules in (*((rule,) for rule in FORM), RULES):
        found = [(rule.__name__, rule(case)) for rule in rules]
        broken = tuple(f'{name.replace("_", " ")}: {text}' for name, text in found if text)
        if broken:
            return broken
    return ()


def _above(value: float, limit: float, unit: str) -> str:
    return f'{value:.3g} {unit}, not {limit:g}' if value > limit else ''


def _most(values: FloatArray) -> float:
    return float(np.abs(values).max(initial=0.0))


def _steps(plan: Plan) -> FloatArray:
    """Return the distances between neighbours in m, (n - 1,)."""
    return np.asarray(np.hypot(*np.diff(plan.poses[:, :2], axis=0).T), float)


def _nearest(plan: Plan, pose: Pose) -> int:
    return int(np.argmin(np.hypot(*(plan.poses[:, :2] - [pose.x, pose.y]).T)))


def _segment(plan: Plan, pose: Pose) -> int:
    """Return the row that begins the segment which the pose is beside, as motion_utils does."""
    nearest, last = _nearest(plan, pose), len(plan.times) - 1
    if nearest in (0, last):
        return min(nearest, last - 1)
    return nearest - 1 if _beside(plan, nearest, pose)[0] <= 0.0 else nearest


def _beside(plan: Plan, row: int, pose: Pose) -> tuple[float, float]:
    """Return how far the pose lies along and to the left of the segment from a row, in m."""
    x, y = plan.poses[row, :2]
    dx, dy = plan.poses[row + 1, :2] - (x, y)
    frame = Pose(float(x), float(y), float(np.arctan2(dy, dx)))
    along, left = to_frame(frame, [[pose.x, pose.y]])[0]
    return float(along), float(left)


def _yaw_beside(plan: Plan, pose: Pose) -> float:
    """Return the plan's yaw at the point beside the pose, in rad."""
    row = _segment(plan, pose)
    length = float(_steps(plan)[row])
    part = min(max(_beside(plan, row, pose)[0] / max(length, OVERLAP), 0.0), 1.0)
    first, second = map(float, plan.poses[row : row + 2, 2])
    return wrap(first + part * wrap(second - first))
