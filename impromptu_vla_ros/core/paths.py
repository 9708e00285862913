# SPDX-License-Identifier: Apache-2.0
"""
Waypoints → a path in continuous time, to be read at any later time; and the way to a stop on it.

The waypoints' times and their geometry are kept apart: how far along (a monotone curve over
time, so that a stop is a stop) and where (a smooth curve over the distance, so that noise of a
standing car turns nothing).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import FloatArray

# Steps slower than this to the very end are a stop (Autoware's stop fixer: 0.25 m/s).
STOP_SPEED = 0.25
# Knots of the geometry lie at least this far apart, m: waypoints are rounded to a centimetre,
# which on half a metre looks like a circle of 6 m.
KNOT_SPACING = 0.8
# Beyond the horizon the plan brakes gently, and the arc goes on.
EXTENSION_DECELERATION = 0.5
# Braking and turning together, 3·v²·a·κ in m/s³: planning_validator reports more than 7 as
# lateral jerk, and measures κ on points 1 m apart. A stop never brakes less than FIRM, m/s².
GENTLE, FIRM = 5.0, 0.5
# The tightest turn the extension continues, 1/m: a circle of 5 m radius.
EXTENSION_CURVATURE = 0.2


@dataclass(frozen=True)
class TimedPath:
    """
    A path through waypoints, as a function of the seconds since it began at the origin.

    `times` (n,) and `distances` (n,) m with `rates` (n,) m/s are the knots of the distance;
    `marks` (m,) m, `points` (m, 2) and `tangents` (m, 2) those of the geometry. `curvature`
    in 1/m goes on behind the last mark.
    """

    times: FloatArray
    distances: FloatArray
    rates: FloatArray
    marks: FloatArray
    points: FloatArray
    tangents: FloatArray
    curvature: float

    @property
    def horizon(self) -> float:
        """Return the seconds that the waypoints reach."""
        return float(self.times[-1])

    def distance(self, seconds: ArrayLike) -> FloatArray:
        """Return how far along the path is after these seconds, m, never decreasing."""
        t = np.asarray(seconds, float)
        # Before it began it went straight on, where the clock lags behind the stamps.
        before, t = np.minimum(t, 0.0) * float(self.rates[0]), np.maximum(t, 0.0)
        inside = _hermite(self.times, self.distances, self.rates, np.minimum(t, self.horizon))
        last, slowing = float(self.rates[-1]), self._slowing
        beyond = np.clip(t - self.horizon, 0.0, last / slowing)
        return np.asarray(before + inside + last * beyond - 0.5 * slowing * beyond**2, float)

    def speed(self, seconds: ArrayLike) -> FloatArray:
        """Return the speed along the path after these seconds, m/s, never negative."""
        t = np.maximum(np.asarray(seconds, float), 0.0)
        slope = _hermite_slope(self.times, self.distances, self.rates, t)
        beyond = self.rates[-1] - self._slowing * (t - self.horizon)
        return np.maximum(np.where(t <= self.horizon, slope, beyond), 0.0)

    @property
    def _slowing(self) -> float:
        """Return the braking beyond the horizon, m/s²."""
        return min(EXTENSION_DECELERATION, gentle_change(float(self.rates[-1]), self.curvature))

    def poses(self, distances: ArrayLike) -> FloatArray:
        """Return x, y, yaw (n, 3) at these distances along the path, m; 0 is the origin."""
        s = np.asarray(distances, float)
        inside = np.clip(s, self.marks[0], self.marks[-1])
        x, y = (
            _hermite(self.marks, self.points[:, axis], self.tangents[:, axis], inside)
            for axis in (0, 1)
        )
        dx, dy = (
            _hermite_slope(self.marks, self.points[:, axis], self.tangents[:, axis], inside)
            for axis in (0, 1)
        )
        yaw = np.arctan2(dy, dx)
        # Behind the last mark an arc goes on, before the first a straight line.
        more = np.maximum(s - self.marks[-1], 0.0)
        turn = self.curvature * more
        half = np.sinc(turn / (2.0 * np.pi)) * more
        less = np.minimum(s - self.marks[0], 0.0)
        x = x + half * np.cos(yaw + turn / 2.0) + less * np.cos(yaw)
        y = y + half * np.sin(yaw + turn / 2.0) + less * np.sin(yaw)
        return np.column_stack([x, y, np.unwrap(yaw + turn)])


def gentle_change(speed: float, curvature: float) -> float:
    """Return the strongest change of speed, m/s², that is no lateral jerk in such a bend, 1/m."""
    return GENTLE / max(3.0 * speed**2 * abs(curvature), 1e-6)


@dataclass(frozen=True)
class Stop:
    """How the car comes to a stop when no answer holds."""

    deceleration: float = setting(
        2.5,
        'Braking of the stop plan.',
        "No more than Autoware's planning_validator assumes in its length rule: 3.",
        unit='m/s^2',
        limits=(0.3, 8.0),
    )
    jerk: float = setting(
        3.0,
        'How fast that braking is reached.',
        "That of Autoware's stopping plugins.",
        unit='m/s^3',
        limits=(0.5, 30.0),
    )

    def profile(
        self, speed: float, acceleration: float, bend: Callable[[float], float] = lambda _: 0.0
    ) -> tuple[FloatArray, ...]:
        """
        Return times (n,), distances (n,) and speeds (n,) from `speed` to a stand.

        `bend` tells the curvature, 1/m, that many metres ahead: in a bend it brakes less.
        """
        step = 0.02
        v, a, s = max(speed, 0.0), min(acceleration, 0.0), 0.0
        rows = [(0.0, s, v)]
        while v > 0.0 and len(rows) < 5000:
            hardest = max(gentle_change(v, bend(s)), FIRM)
            # The last part eases off: with this jerk the braking ends as the car stands.
            wanted = -min(self.deceleration, max(0.3, math.sqrt(2.0 * self.jerk * v)))
            change = min(max(wanted - a, -self.jerk * step), self.jerk * step)
            a = max(a + change, -hardest)
            after = max(0.0, v + a * step)
            s += 0.5 * (v + after) * step
            v = after
            rows.append((len(rows) * step, s, v))
        rows.append((len(rows) * step, s, 0.0))
        columns = np.array(rows).T
        return columns[0], columns[1], columns[2]


def nearest(path: TimedPath, point: ArrayLike) -> float:
    """Return how far along the path, m, it comes nearest to a point (2,); it may go on."""
    s = np.arange(float(path.marks[0]), float(path.marks[-1]) + 20.0, 0.05)
    return float(s[np.argmin(np.hypot(*(path.poses(s)[:, :2] - np.asarray(point, float)).T))])


def timed_path(points: ArrayLike, spacing: float, speed: float) -> TimedPath:
    """
    Return the path through waypoints (n, 2), `spacing` s apart, that begins at the origin.

    It begins with heading 0 and, as far as the waypoints allow, with the ego's `speed` in
    m/s. Steps backwards count as standing; slow last steps are an exact stop.
    """
    path = np.vstack([[0.0, 0.0], np.asarray(points, float)])
    distances = np.concatenate([[0.0], np.cumsum(_steps(path, spacing))])
    times = np.arange(float(len(path))) * spacing
    rates = _monotone_rates(distances, spacing, speed)
    marks, kept = _knots(path, distances)
    tangents = _tangents(marks, kept)
    return TimedPath(
        times, distances, rates, marks, kept, tangents, _end_curvature(marks, tangents)
    )


def straight(length: float = KNOT_SPACING) -> TimedPath:
    """Return a standing car's path: straight ahead, where it goes if it goes at all."""
    return timed_path([[length, 0.0]], 1.0, 0.0)


def braking(
    path: TimedPath, start: float, speed: float, acceleration: float, stop: Stop
) -> TimedPath:
    """
    Return the way to a stop along a path, beginning `start` m along it.

    It begins with the ego's `speed` (m/s) and `acceleration` (m/s²), and the jerk is limited.
    """
    times, distances, speeds = stop.profile(speed, acceleration, sharpest_bend(path, start, speed))
    return replace(path, times=times, distances=distances, rates=speeds, marks=path.marks - start)


def sharpest_bend(path: TimedPath, start: float, speed: float) -> Callable[[float], float]:
    """Return how sharp, 1/m, the path bends around so many metres ahead of `start`."""
    near, grid = 3, 1.0
    ahead = np.arange(-near, speed**2 / (2.0 * FIRM) / grid + 2 * near) * grid
    bends = np.abs(np.diff(path.poses(start + ahead)[:, 2])) / grid
    sharpest = np.lib.stride_tricks.sliding_window_view(bends, 2 * near).max(axis=1)
    return lambda s: float(sharpest[min(int(s / grid), len(sharpest) - 1)])


def _steps(path: FloatArray, spacing: float) -> FloatArray:
    """Return the metres covered between points: forward only, and none in a final stop."""
    steps = np.diff(path, axis=0)
    lengths = np.hypot(*steps.T)
    heading = np.array([1.0, 0.0])
    for k, (step, length) in enumerate(zip(steps, lengths, strict=True)):
        if step @ heading < 0.0:
            lengths[k] = 0.0
        elif length > STOP_SPEED * spacing:
            heading = step / length
    moving = np.flatnonzero(lengths > STOP_SPEED * spacing)
    # The first slow step behind a moving one is where the car comes to rest.
    lengths[moving[-1] + 2 if len(moving) else 0 :] = 0.0
    return np.asarray(lengths, float)


def _monotone_rates(distances: FloatArray, spacing: float, speed: float) -> FloatArray:
    """Return the slope of the distance at each knot: that of a parabola, kept monotone."""
    slopes = np.diff(distances) / spacing
    rates = np.empty(len(distances))
    rates[1:-1] = 0.5 * (slopes[:-1] + slopes[1:])
    rates[0] = speed
    rates[-1] = 1.5 * slopes[-1] - 0.5 * slopes[-2] if len(slopes) > 1 else slopes[-1]
    # Three times the slope on either side keeps a cubic monotone (Fritsch and Carlson, 1980).
    limit = 3.0 * np.minimum(np.append(slopes, slopes[-1]), np.append(slopes[0], slopes))
    return np.asarray(np.clip(rates, 0.0, limit), float)


def _knots(path: FloatArray, distances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the distances and points that carry the geometry, the first and the last among."""
    keep = [0]
    for k in range(1, len(path)):
        if distances[k] - distances[keep[-1]] >= KNOT_SPACING:
            keep.append(k)
    last = len(path) - 1
    if distances[last] - distances[keep[-1]] > 0.2 * KNOT_SPACING or len(keep) == 1:
        keep.append(last)
    marks, points = np.asarray(distances[keep], float), np.asarray(path[keep], float)
    if marks[-1] < 0.2 * KNOT_SPACING:  # it stands: a path needs a direction all the same
        return np.array([0.0, KNOT_SPACING]), np.array([[0.0, 0.0], [KNOT_SPACING, 0.0]])
    return marks, points


def _tangents(marks: FloatArray, points: FloatArray) -> FloatArray:
    """Return dr/ds at the knots: along the ego at first, then of a parabola through three."""
    slopes = np.diff(points, axis=0) / np.diff(marks)[:, None]
    tangents = np.empty_like(points)
    tangents[0] = [1.0, 0.0]
    if len(marks) > 2:
        before, after = np.diff(marks)[:-1, None], np.diff(marks)[1:, None]
        tangents[1:-1] = (after * slopes[:-1] + before * slopes[1:]) / (before + after)
        tangents[-1] = 2.0 * slopes[-1] - tangents[-2]
    else:
        tangents[-1] = 2.0 * slopes[-1] - tangents[0]
    return tangents


def _end_curvature(marks: FloatArray, tangents: FloatArray) -> float:
    """Return the mean curvature of the last part, 1/m, within what the extension continues."""
    yaw = np.unwrap(np.arctan2(tangents[:, 1], tangents[:, 0]))
    first = max(0, len(marks) - 3)
    mean = (yaw[-1] - yaw[first]) / (marks[-1] - marks[first])
    return float(np.clip(mean, -EXTENSION_CURVATURE, EXTENSION_CURVATURE))


def _piece(knots: FloatArray, at: FloatArray) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Return the piece each value lies in, its width and the part of it passed."""
    index = np.clip(np.searchsorted(knots, at, side='right') - 1, 0, len(knots) - 2)
    index = index.astype(np.int64)
    width = knots[index + 1] - knots[index]
    return index, width, (at - knots[index]) / width


def _hermite(
    knots: FloatArray, values: FloatArray, slopes: FloatArray, at: FloatArray
) -> FloatArray:
    k, width, u = _piece(knots, at)
    rise = values[k + 1] - values[k]
    bend = (u - 1.0) * slopes[k] + u * slopes[k + 1]
    return np.asarray(
        values[k] + u**2 * (3.0 - 2.0 * u) * rise + u * (u - 1.0) * width * bend, float
    )


def _hermite_slope(
    knots: FloatArray, values: FloatArray, slopes: FloatArray, at: FloatArray
) -> FloatArray:
    k, width, u = _piece(knots, at)
    rise = (values[k + 1] - values[k]) / width
    return np.asarray(
        6.0 * u * (1.0 - u) * rise
        + (3.0 * u - 1.0) * (u - 1.0) * slopes[k]
        + u * (3.0 * u - 2.0) * slopes[k + 1],
        float,
    )
