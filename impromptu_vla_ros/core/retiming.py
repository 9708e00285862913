# SPDX-License-Identifier: Apache-2.0
"""
A plan made at capture time → a plan valid now: re-anchored, elapsed part dropped, extended.

The answer's path stays where the picture was taken; only the clock moves on. What is published
begins at the predicted ego pose and runs into the path within the blend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.paths import GENTLE, TimedPath
from impromptu_vla_ros.core.structs import EgoNow, FloatArray, Pose

# Autoware's neural chain wants a constant spacing (trajectory_time_step).
STEP = 0.1
# Autoware's MPC needs this much plan in temporal mode: 50 steps of 0.1 s, and its input delay.
REACH = 5.2
# Time in which the plan runs from the ego's pose into the answer's path; the longer ones only
# where half a second would be too rough a ride.
BLENDS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
# The offset aside takes this way at least, in m per second of the blend.
RUNNING_IN = 4.0
# More than these, m/s² and 1/m, is a rough turn (planning_validator reports 9.8 and 1.0).
TURNING, BENDING = 5.0, 0.25
# planning_validator: the plan reaches v²/(2·3 m/s²) - 2 m ahead at least.
VALIDATOR_DECELERATION = 3.0
VALIDATOR_MARGIN = 2.0
# No plan is extended further than this; a car that rolls on forever is not a plan.
LONGEST = 30.0
# Below the first speed, m/s, the way through points tells no heading, above the other it does.
SLOW, BRISK = 0.5, 1.5
# Points of a standing car are distinct, or a controller has no direction: 1 mm each.
STANDING_STEP = 0.001


@dataclass(frozen=True)
class Motion:
    """
    What a plan says, row by row of `times` (s from now).

    `poses` (n, 3) x, y, yaw; `speeds` m/s, `accelerations` m/s² and `yaw_rates` rad/s, (n,).
    `offset` is how far, in m, the path behind it lies from the ego's pose at its first time,
    and `blend` the seconds in which that fades, with a `roughness` of 1 at most, if it can be.
    """

    times: FloatArray
    poses: FloatArray
    speeds: FloatArray
    accelerations: FloatArray
    yaw_rates: FloatArray
    offset: float = 0.0
    blend: float = BLENDS[0]
    roughness: float = 0.0


def needed_distance(speed: float) -> float:
    """Return the metres ahead that Autoware's planning_validator demands at a speed in m/s."""
    return max(0.0, speed**2 / (2.0 * VALIDATOR_DECELERATION) - VALIDATOR_MARGIN)


def plan_times(path: TimedPath, elapsed: float, speed: float) -> FloatArray:
    """Return the times from now, s, that a plan is sampled at: long enough for its consumers."""
    times = np.arange(0.0, LONGEST + STEP / 2, STEP)
    ahead = path.distance(elapsed + times) - path.distance([elapsed])
    enough = (times >= REACH - 1e-9) & (ahead >= needed_distance(speed) + 1.0)
    if path.rates[-1] == 0.0:  # a stop is shown to its end, and needs to reach no further
        enough = (times >= REACH - 1e-9) & (elapsed + times >= path.horizon)
    last = int(np.argmax(enough)) if enough.any() else len(times) - 1
    return np.asarray(times[: last + 1])


def retime(path: TimedPath, anchor: Pose, elapsed: float, ego: EgoNow) -> Motion:
    """
    Return the motion from now on, `elapsed` s after the path began at `anchor`.

    Its first pose is the ego's; the offset from there to the path fades within the blend.
    Poses are in the frame of `anchor` and `ego`.
    """
    times = plan_times(path, elapsed, ego.speed)
    there = motion.relative_to(anchor, ego.pose)
    ways = []
    for blend in BLENDS:
        ways.append(_run_into(path, times, elapsed, there, blend))
        if ways[-1].roughness <= 1.0:
            break
    way = min(ways, key=lambda each: each.roughness)
    xy = motion.from_frame(anchor, way.poses[:, :2])
    return replace(way, poses=np.column_stack([xy, way.poses[:, 2] + anchor.yaw]))


def _run_into(
    path: TimedPath, times: FloatArray, elapsed: float, ego: Pose, blend: float
) -> Motion:
    """Return the motion from the ego's pose into the path, all of it in the path's own frame."""
    marks, speeds = path.distance(elapsed + times), path.speed(elapsed + times)
    fade = 1.0 - _smooth(times / blend)
    # Aside it runs in over the way that takes so long, or a slow car would be pushed sideways.
    way = float(path.distance([elapsed + blend])[0]) - marks[0]
    aside = 1.0 - _smooth((marks - marks[0]) / max(way, RUNNING_IN * blend))
    beside = Pose(*map(float, path.poses(marks[:1])[0]))
    along = float(motion.to_frame(beside, [[ego.x, ego.y]])[0, 0])
    # Who is ahead of the plan waits for it, and does not go back.
    creep = STANDING_STEP * np.arange(len(times))
    marks = np.maximum.accumulate(marks + fade * along - creep) + creep
    poses = path.poses(marks)
    offset = np.array([ego.x, ego.y]) - poses[0, :2]
    xy = poses[:, :2] + aside[:, None] * offset
    yaw = _tangents(xy, poses[:, 2], speeds)
    yaw = yaw + aside * motion.wrap(ego.yaw - float(yaw[0]))
    planned = follow(times, np.column_stack([xy, yaw]), speeds)
    return replace(
        planned,
        offset=math.hypot(along, *offset),
        blend=blend,
        roughness=_roughness(planned),
    )


def _roughness(planned: Motion) -> float:
    """Return how near a motion comes, within the longest blend, to what is too rough: 1."""
    last = int(np.searchsorted(planned.times, BLENDS[-1])) + 2
    steps = np.diff(planned.poses[:last, :2], axis=0)
    lengths = np.maximum(np.hypot(*steps.T), BRISK * STEP)
    turns = np.abs(np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))))
    # Of the points themselves, as a checker sees them.
    bends = turns / (0.5 * (lengths[:-1] + lengths[1:]))
    turning = planned.speeds[1 : last - 1] ** 2 * bends
    jerk = 3.0 * turning * np.abs(planned.accelerations[1 : last - 1])
    return float(max(turning.max() / TURNING, bends.max() / BENDING, jerk.max() / GENTLE))


def follow(times: FloatArray, poses: ArrayLike, speeds: ArrayLike) -> Motion:
    """
    Return a motion along poses (n, 3), its rates consistent with `speeds` (n,) and the poses.

    From where it stands it stays, exactly: v = 0, and points a millimetre apart. What it would
    do afterwards is for later plans: nobody drives what lies behind a point without speed.
    """
    array, v = np.array(poses, float), np.array(speeds, float)
    still = np.flatnonzero(v <= 1e-3)
    still = still[still > 0]
    stand = int(still[0]) if len(still) else len(v)
    stand = 0 if stand == 1 and v[0] <= 1e-3 else stand
    v[stand:] = 0.0
    if v[1] > 0.0:
        # Autoware's PID stops at the first point without speed: a start must not begin with one.
        v[0] = max(v[0], min(v[1], 0.1))
    if stand < len(array):
        x, y, yaw = array[stand]
        apart = STANDING_STEP * (np.arange(len(array) - stand) + (stand > 0))
        array[stand:, 0] = x + apart * np.cos(yaw)
        array[stand:, 1] = y + apart * np.sin(yaw)
        array[stand:, 2] = yaw
    accelerations = np.gradient(v, times)
    yaw_rates = np.gradient(np.unwrap(array[:, 2]), times)
    accelerations[stand:] = yaw_rates[stand:] = 0.0
    return Motion(times, array, v, accelerations, yaw_rates)


def _tangents(xy: FloatArray, otherwise: FloatArray, speeds: FloatArray) -> FloatArray:
    """Return the heading of the way through points (n, 2), or another one where it is slow."""
    dx, dy = np.gradient(xy, axis=0).T
    way = np.unwrap(np.arctan2(dy, dx))
    told = np.clip((speeds - SLOW) / (BRISK - SLOW), 0.0, 1.0)
    return np.asarray(otherwise + told * np.vectorize(motion.wrap)(way - otherwise))


def _smooth(u: FloatArray) -> FloatArray:
    """Return 0 → 1 for u 0 → 1, with level ends and a level bend (a quintic)."""
    x = np.clip(u, 0.0, 1.0)
    return np.asarray(x**3 * (10.0 - 15.0 * x + 6.0 * x**2))
