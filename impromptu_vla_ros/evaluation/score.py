# SPDX-License-Identifier: Apache-2.0
"""Plans against the driven path, side by side with the baselines, in both protocols."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core import metrics
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Plan
from impromptu_vla_ros.core.told import relative_poses

SPACING = 0.5
# A plan is scored at an anchor if its picture was taken this near, s: half a period at 2 Hz.
NEAR = 0.25

Baseline = Callable[[DrivenPath, int, ArrayLike], FloatArray]


@dataclass(frozen=True, eq=False)
class Distances:
    """
    The distances of one predictor from the driven path, m.

    `rows` is (anchors, waypoints), a waypoint every 0.5 s; NaN where nothing was predicted or
    the recording ends.
    """

    rows: FloatArray

    def pointwise(self, seconds: Sequence[int]) -> list[float]:
        """Return the mean L2 at these seconds (UniAD's protocol), NaN where nothing is."""
        rows = [metrics.at_seconds(row, SPACING, seconds) for row in self.rows]
        return _mean(rows, len(seconds))

    def cumulative_mean(self, seconds: Sequence[int]) -> list[float]:
        """Return the mean L2 over all waypoints up to these seconds (ST-P3's and VAD's)."""
        rows = [metrics.cumulative_mean(row, SPACING, seconds) for row in self.rows]
        return _mean(rows, len(seconds))

    def known(self, seconds: Sequence[int]) -> list[int]:
        """Return at how many anchors there is a distance at these seconds."""
        at = [metrics.at_seconds(row, SPACING, seconds) for row in self.rows]
        return [sum(bool(np.isfinite(row[k])) for row in at) for k in range(len(seconds))]

    def curve(self) -> list[float]:
        """Return the mean distance at each waypoint."""
        return _mean(list(self.rows), self.rows.shape[1])

    def at(self, rows: Sequence[bool]) -> Distances:
        """Return the distances at some of the anchors."""
        return Distances(self.rows[np.asarray(rows, bool)])


@dataclass(frozen=True, eq=False)
class Score:
    """
    What the anchors say of the plans and of the baselines.

    `captures` holds, for each anchor, the capture stamp of the plan scored there, or None
    where none was near; `plan` has a row for each anchor too. Seconds are those reported.
    """

    anchors: tuple[int, ...]
    captures: tuple[int | None, ...]
    seconds: tuple[int, ...]
    plan: Distances
    constant_velocity: Distances
    constant_turn_rate: Distances

    @property
    def answered(self) -> list[bool]:
        """Return for each anchor whether a plan was scored there."""
        return [capture is not None for capture in self.captures]

    @property
    def coverage(self) -> float:
        """Return the share of the anchors with a plan, NaN without anchors."""
        return sum(self.answered) / len(self.anchors) if self.anchors else float('nan')


def score(path: DrivenPath, plans: Mapping[int, Plan], horizon: float) -> Score:
    """
    Return the score of plans, by capture stamp, over all anchors of the driven path.

    Each plan is scored from its own capture stamp, the baselines from the anchor. `horizon`
    is the plans', in s: from 5 s on the fifth second is reported as well.
    """
    anchors = metrics.anchors(path)
    seconds = (1, 2, 3, 5) if horizon >= 5.0 else (1, 2, 3)
    grid = SPACING * np.arange(1, round(seconds[-1] / SPACING) + 1)
    captures = [_nearest(anchor, path, plans) for anchor in anchors]
    nothing = np.full(len(grid), np.nan)
    planned = [
        nothing if capture is None else plan_distances(path, plans[capture], grid)
        for capture in captures
    ]

    def baseline(predict: Baseline) -> Distances:
        rows = [metrics.l2(predict(path, a, grid), path.future(a, grid)) for a in anchors]
        return _distances(rows, len(grid))

    return Score(
        anchors=tuple(anchors),
        captures=tuple(captures),
        seconds=seconds,
        plan=_distances(planned, len(grid)),
        constant_velocity=baseline(metrics.constant_velocity),
        constant_turn_rate=baseline(metrics.constant_turn_rate),
    )


def plan_distances(path: DrivenPath, plan: Plan, grid: ArrayLike) -> FloatArray:
    """Return the plan's L2 (n,) at `grid` s after its capture stamp, NaN beyond its end."""
    return metrics.l2(positions(plan, grid), path.future(plan.capture_stamp, grid))


def positions(plan: Plan, grid: ArrayLike) -> FloatArray:
    """Return where the plan is (n, 2) at `grid` s after its capture, in the frame of then."""
    poses, seconds = relative_poses(plan), np.asarray(grid, float)
    times = plan.times + (plan.stamp - plan.capture_stamp) / NANOSECONDS
    return np.column_stack(
        [np.interp(seconds, times, poses[:, axis], np.nan, np.nan) for axis in (0, 1)]
    )


def pose_difference(one: Plan, other: Plan) -> float:
    """Return the largest difference between two plans' poses and anchors, in m or rad."""
    if len(one.poses) != len(other.poses):
        return float('inf')
    anchors = [abs(getattr(one.anchor, k) - getattr(other.anchor, k)) for k in ('x', 'y', 'yaw')]
    return float(max(*anchors, np.abs(relative_poses(one) - relative_poses(other)).max()))


def _nearest(anchor: int, path: DrivenPath, plans: Mapping[int, Plan]) -> int | None:
    """Return the capture stamp nearest to an anchor whose own future is recorded."""
    last = int(path.stamps[-1]) - round(metrics.FUTURE_NEEDED * NANOSECONDS)
    first = int(path.stamps[0])
    reach = round(NEAR * NANOSECONDS)
    near = [s for s in plans if abs(s - anchor) <= reach and first <= s <= last]
    return min(near, key=lambda stamp: abs(stamp - anchor)) if near else None


def _distances(rows: Sequence[FloatArray], waypoints: int) -> Distances:
    return Distances(np.array(rows, float).reshape(len(rows), waypoints))


def _mean(rows: Sequence[Sequence[float] | FloatArray], columns: int) -> list[float]:
    """Return the mean of each column, NaN where nothing is known."""
    if not rows:
        return [float('nan')] * columns
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # a column of NaN has the mean NaN
        return [float(value) for value in np.nanmean(np.asarray(rows, float), axis=0)]
