# SPDX-License-Identifier: Apache-2.0
"""Pose histories in windows of one second, and robust ratios between what two sources say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Odometry

# Windows of one second, one every quarter: centimetres of noise are then percents of a drive.
STEP, WIDTH = 0.25, 4
# Samples farther apart (s), or farther than this speed (m/s) and step (m) allow, are a break.
GAP, FASTEST, JUMP = 0.5, 70.0, 1.0


@dataclass(frozen=True, eq=False)
class Windows:
    """
    What the poses did in each window, and what the twist says of the same second, all (n,).

    `along` and `side` (m) are the way, seen at the middle heading; `turn` (rad) is of the
    orientation, `course` (rad) the direction of the way in the odometry's frame. `said_along`
    (m) and `said_turn` (rad) integrate the twist. `middle` is in s after the first sample.
    """

    middle: FloatArray
    along: FloatArray
    side: FloatArray
    turn: FloatArray
    course: FloatArray
    said_along: FloatArray
    said_turn: FloatArray


def windows_of(samples: Sequence[Odometry]) -> Windows | None:
    """Return the windows of samples in order, None if no second of them is without a break."""
    if len(samples) < 3:
        return None
    t = np.array([s.stamp - samples[0].stamp for s in samples]) / NANOSECONDS
    x, y, yaw = np.array([(s.pose.x, s.pose.y, s.pose.yaw) for s in samples]).T
    yaw = np.unwrap(yaw)
    said = [_integral(t, [s.vx for s in samples]), _integral(t, [s.yaw_rate for s in samples])]
    width = np.diff(t)
    leap = np.hypot(np.diff(x), np.diff(y)) > JUMP + FASTEST * width
    breaks = np.concatenate([[0.0], np.cumsum((width > GAP) | leap)])
    grid = np.arange(0.0, t[-1] + 1e-9, STEP)
    if len(grid) <= WIDTH:
        return None
    first, last = grid[:-WIDTH], grid[WIDTH:]
    # A window with a break inside would count a leap as motion; the sample before tells.
    before = np.searchsorted(t, first + 1e-9, side='right') - 1
    after = np.minimum(np.searchsorted(t, last - 1e-9), len(t) - 1)
    whole = breaks[before] == breaks[after]
    if not whole.any():
        return None

    def change(values: FloatArray) -> FloatArray:
        ends = np.interp(last, t, values) - np.interp(first, t, values)
        return np.asarray(ends[whole], float)

    dx, dy, turn = change(x), change(y), change(yaw)
    heading = np.interp(first[whole], t, yaw) + turn / 2.0
    c, s = np.cos(heading), np.sin(heading)
    return Windows(
        middle=(first + last)[whole] / 2.0,
        along=c * dx + s * dy,
        side=c * dy - s * dx,
        turn=turn,
        course=np.arctan2(dy, dx),
        said_along=change(said[0]),
        said_turn=change(said[1]),
    )


def _integral(t: FloatArray, rates: Sequence[float]) -> FloatArray:
    """Return the integral over t (n,), NaN where more than a few of the rates are unknown."""
    values = np.array(rates, float)
    unknown = ~np.isfinite(values)
    if unknown.mean() > 0.1:
        return np.full(len(t), math.nan)
    steps = np.diff(t) * (values[1:] + values[:-1]) / 2.0
    return np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))])
