# SPDX-License-Identifier: Apache-2.0
"""Planar motion: frame changes, interpolation, kinematic rollouts and reference points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.structs import EgoState, FloatArray, Pose

# Below this speed a curvature from yaw rate / speed is noise: the last one is held.
CURVATURE_SPEED = 1.0


def wrap(angle: float) -> float:
    """Return the angle in rad, brought into (-π, π]."""
    return math.pi - (math.pi - angle) % (2.0 * math.pi)


def relative_to(origin: Pose, pose: Pose) -> Pose:
    """Return the pose, given in the frame `origin` is given in, in the frame of `origin`."""
    x, y = to_frame(origin, [[pose.x, pose.y]])[0]
    return Pose(float(x), float(y), wrap(pose.yaw - origin.yaw))


def moved(change: Pose, pose: Pose) -> Pose:
    """Return a pose given in the frame of `change` in the frame that `change` is given in."""
    x, y = from_frame(change, [[pose.x, pose.y]])[0]
    return Pose(float(x), float(y), wrap(change.yaw + pose.yaw))


def to_frame(origin: Pose, points: ArrayLike) -> FloatArray:
    """Return points (n, 2) of the outer frame in the frame of `origin`."""
    c, s = math.cos(origin.yaw), math.sin(origin.yaw)
    turned = (np.asarray(points, float) - [origin.x, origin.y]) @ np.array([[c, -s], [s, c]])
    return np.asarray(turned, float)


def from_frame(origin: Pose, points: ArrayLike) -> FloatArray:
    """Return points (n, 2) of the frame of `origin` in the outer frame."""
    c, s = math.cos(origin.yaw), math.sin(origin.yaw)
    turned = np.asarray(points, float) @ np.array([[c, s], [-s, c]])
    return np.asarray(turned + [origin.x, origin.y], float)


def interpolate(before: Pose, after: Pose, fraction: float) -> Pose:
    """Return the pose at `fraction` of the way, turning the shorter way round."""
    return Pose(
        before.x + fraction * (after.x - before.x),
        before.y + fraction * (after.y - before.y),
        wrap(before.yaw + fraction * wrap(after.yaw - before.yaw)),
    )


def rollout(speed: float, yaw_rate: float, acceleration: float, times: ArrayLike) -> FloatArray:
    """
    Return poses (n, 3) x, y, yaw at `times` s for constant turn rate and acceleration (CTRA).

    `speed` (m/s, negative in reverse), `yaw_rate` (rad/s) and `acceleration` (m/s²) are of the
    rear axle now, at the origin. A braking car stops and stays: it turns and moves no more.
    """
    t = np.asarray(times, float)
    if speed == 0.0:
        t = np.zeros_like(t) if acceleration <= 0.0 else t
    elif speed * acceleration < 0.0:
        t = np.minimum(t, -speed / acceleration)
    yaw = yaw_rate * t
    if abs(yaw_rate) < 1e-4:  # the closed form below divides by its square
        x = speed * t + 0.5 * acceleration * t**2
        y = yaw_rate * (0.5 * speed * t**2 + acceleration * t**3 / 3.0)
        return np.column_stack([x, y, yaw])
    end = speed + acceleration * t
    w2 = yaw_rate**2
    x = (end * yaw_rate * np.sin(yaw) + acceleration * (np.cos(yaw) - 1.0)) / w2
    y = (speed * yaw_rate - end * yaw_rate * np.cos(yaw) + acceleration * np.sin(yaw)) / w2
    return np.column_stack([x, y, yaw])


def point_ahead(poses: ArrayLike, ahead: float) -> FloatArray:
    """
    Return where the point `ahead` m before the rear axle lies, (n, 2), seen from its origin.

    `poses` (n, 3) are of the rear axle, in its frame now; the result is in the frame of the
    reference point now: q = r + l·(cos ψ - 1, sin ψ).
    """
    array = np.asarray(poses, float)
    yaw = array[:, 2]
    return array[:, :2] + ahead * np.column_stack([np.cos(yaw) - 1.0, np.sin(yaw)])


def rear_axle(points: ArrayLike, ahead: float, substeps: int = 16) -> FloatArray:
    """
    Return the rear axle's poses (n, 3) for a path of the point `ahead` m before it.

    The inverse of `point_ahead` for a path (n, 2) that starts at the origin: as the rear axle
    cannot slide sideways, it follows the point like a trailer on a rod of length `ahead`, in
    small straight steps along a spline through the points. A rod averages the noise of
    points rounded to a centimetre, which a tangent of the path would not.
    """
    path = np.vstack([[0.0, 0.0], np.asarray(points, float)])
    fine = _spline(path, substeps)
    if ahead == 0.0:
        return np.column_stack([path, headings(path)])[1:]
    yaw, poses = 0.0, []
    for before, after in pairwise(fine):
        step = after - before
        course = math.atan2(step[1], step[0])
        decay = math.exp(-math.hypot(*step) / ahead)
        half = 0.5 * wrap(yaw - course)
        # The rod's angle to a straight pull: tan(θ/2) shrinks by exp(-d/l), a tractrix.
        yaw = course + 2.0 * math.atan2(math.sin(half) * decay, math.cos(half))
        poses.append(yaw)
    yaws = np.unwrap(np.array(poses)[substeps - 1 :: substeps])
    back = ahead * np.column_stack([np.cos(yaws) - 1.0, np.sin(yaws)])
    return np.column_stack([path[1:] - back, yaws])


def _spline(path: FloatArray, substeps: int) -> FloatArray:
    """Return a Catmull-Rom spline through (n, 2) points, `substeps` points per segment."""
    tangents = np.gradient(path, axis=0)
    if len(path) > 2:
        tangents[0] = 2.0 * (path[1] - path[0]) - tangents[1]
        tangents[-1] = 2.0 * (path[-1] - path[-2]) - tangents[-2]
    u = np.linspace(0.0, 1.0, substeps + 1)[1:, None]
    pieces = [path[:1]]
    for (p, q), (m, n) in zip(pairwise(path), pairwise(tangents), strict=True):
        h = u**2 * (3.0 - 2.0 * u)
        pieces.append(p + h * (q - p) + (u**3 - 2 * u**2 + u) * m + (u**3 - u**2) * n)
    return np.vstack(pieces)


def headings(path: ArrayLike, still: float = 0.05) -> FloatArray:
    """
    Return the heading at each point (n,) of a path (n, 2) that starts with heading 0.

    Points closer than `still` m to the last one that moved keep its heading; at the others
    it is the mean of the chords before and behind, the end continuing the turn.
    """
    points = np.asarray(path, float)
    chords = np.zeros(len(points))
    mark = points[0]
    for k in range(1, len(points)):
        step = points[k] - mark
        moved = math.hypot(*step) >= still
        chords[k] = math.atan2(step[1], step[0]) if moved else chords[k - 1]
        mark = points[k] if moved else mark
    chords = np.unwrap(chords)
    yaw = np.zeros(len(points))
    yaw[1:-1] = 0.5 * (chords[1:-1] + chords[2:])
    if len(points) > 1:
        yaw[-1] = chords[-1] + (chords[-1] - yaw[-2] if len(points) > 2 else chords[-1])
    return yaw


def profile(poses: ArrayLike, spacing: float, speed: float) -> tuple[FloatArray, ...]:
    """
    Return speeds, accelerations and yaw rates, each (n,), along poses (n, 3) `spacing` s apart.

    The first pose is the ego's own with its measured `speed` (m/s); the others' speeds are
    central differences of the distance covered along the heading (negative in reverse).
    """
    array = np.asarray(poses, float)
    steps = np.diff(array[:, :2], axis=0)
    middle = 0.5 * (array[:-1, 2] + array[1:, 2])
    along = (steps[:, 0] * np.cos(middle) + steps[:, 1] * np.sin(middle)) / spacing
    speeds = np.concatenate([[speed], 0.5 * (along[:-1] + along[1:]), along[-1:]])
    return speeds, np.gradient(speeds, spacing), np.gradient(array[:, 2], spacing)


def curvatures(states: Sequence[EgoState], wheelbase: float) -> list[float]:
    """
    Return the path curvature in 1/m at each state, oldest first.

    From the road-wheel angle and `wheelbase` (m) where it is measured; else yaw rate / speed,
    held below 1 m/s, and 0 where nothing faster came before.
    """
    held, result = 0.0, []
    for state in states:
        if math.isfinite(state.tire_angle):
            held = math.tan(state.tire_angle) / wheelbase
        elif abs(state.vx) >= CURVATURE_SPEED:
            held = state.yaw_rate / state.vx
        result.append(held)
    return result
