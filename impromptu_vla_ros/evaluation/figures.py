# SPDX-License-Identifier: Apache-2.0
"""The plots of one evaluation: where, how far off, how fast."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.metrics import constant_turn_rate, constant_velocity
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Pose
from impromptu_vla_ros.evaluation.plots import Line, line, map_of, plot
from impromptu_vla_ros.evaluation.replay import ReplayResult
from impromptu_vla_ros.evaluation.score import SPACING, Distances, Score, positions

MAP_WIDTH, HALF_SIZE = 1060, (520, 300)
# More fans than this on one map are a smear.
MOST_FANS = 24
Predict = Callable[[int], FloatArray]
GRID = SPACING * np.arange(0, 7)
BASELINES = {'cv': 'constant velocity', 'ctrv': 'constant turn rate'}


def birds_eye(result: ReplayResult, score: Score, done: str) -> tuple[str, str]:
    """
    Return the path as a map, with scored plans fanning out, and what to say below it.

    The map is turned so that the path runs from left to right. `done` is what was done on
    the path, for instance `driven`.
    """
    path = result.path
    frame = _along(path.poses)
    walked = motion.to_frame(frame, path.poses[:, :2])
    captures = _some(score, 2)
    predictors: tuple[tuple[str, str, Predict], ...] = (
        ('plan', 'plan', lambda capture: positions(result.plans[capture], GRID)),
        ('cv', BASELINES['cv'], lambda capture: constant_velocity(path, capture, GRID)),
        ('ctrv', BASELINES['ctrv'], lambda capture: constant_turn_rate(path, capture, GRID)),
    )
    fans = []
    for colour, name, predict in predictors:
        for capture in captures:
            seen = motion.from_frame(path.pose(capture), predict(capture))
            points = motion.to_frame(frame, seen)
            label = name if capture == captures[0] else ''
            fans.append(Line(points, colour, label, dots=colour == 'plan', thin=colour != 'plan'))
    lines = [Line(walked, 'driven', done), *reversed(fans)]
    laid = map_of(np.vstack([each.points for each in lines]), MAP_WIDTH)
    across = 'across [m]' if laid.stretch == 1.0 else f'across [m], ×{laid.stretch:g}'
    text = f'At {len(captures)} of the anchors, predictions of 3 s fan out, a dot every 0.5 s.'
    if laid.stretch != 1.0:
        text += f' Sideways distances are drawn {laid.stretch:g} times larger.'
    return plot(lines, 'along [m]', across, laid.size, limits=laid.limits), text


def l2_over_time(score: Score) -> str:
    """Return the mean distance at each waypoint, plan beside baselines."""
    times = SPACING * np.arange(0, score.plan.rows.shape[1] + 1)
    lines = [
        line(times, [0.0, *distances.curve()], colour, name, dots=True)
        for distances, colour, name in _predictors(score)
    ]
    return plot(lines, 'time after the picture [s]', 'mean L2 [m]', HALF_SIZE, from_zero=True)


def speed(result: ReplayResult, score: Score, done: str) -> str:
    """Return the speed along the path with the plans' speeds from their anchors on."""
    start = int(result.path.stamps[0])
    known = [s for s in result.odometry if math.isfinite(s.vx)]
    times = [(s.stamp - start) / NANOSECONDS for s in known]
    lines = [line(times, [s.vx for s in known], 'driven', done)]
    for capture in _some(score, 1):
        plan = result.plans[capture]
        at = (plan.stamp - start) / NANOSECONDS + plan.times
        within = plan.times <= 3.0
        label = 'plan' if len(lines) == 1 else ''
        lines.append(line(at[within], plan.speeds[within], 'plan', label))
    return plot(lines, 'time [s]', 'speed [m/s]', HALF_SIZE, from_zero=True)


def distance_by_anchor(result: ReplayResult, score: Score) -> str:
    """Return the distance 3 s ahead at each anchor: where it goes well and where not."""
    start = int(result.path.stamps[0])
    times = [(anchor - start) / NANOSECONDS for anchor in score.anchors]
    column = round(3.0 / SPACING) - 1
    lines = [
        line(times, distances.rows[:, column], colour, name, dots=len(times) <= MOST_FANS)
        for distances, colour, name in _predictors(score)
    ]
    return plot(lines, 'time of the anchor [s]', 'L2 at 3 s [m]', HALF_SIZE, from_zero=True)


def _along(poses: FloatArray) -> Pose:
    """Return the frame at the first pose whose x axis points along the path's longest extent."""
    centred = poses[:, :2] - poses[:, :2].mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    ahead = poses[-1, :2] - poses[0, :2]
    axis = axis if axis @ ahead >= 0.0 else -axis
    return Pose(float(poses[0, 0]), float(poses[0, 1]), math.atan2(axis[1], axis[0]))


def _some(score: Score, least_step: int) -> list[int]:
    """Return captures that were scored, thinned out so that their plans can be told apart."""
    captures = [capture for capture in score.captures if capture is not None]
    return captures[:: max(least_step, math.ceil(len(captures) / MOST_FANS))]


def _predictors(score: Score) -> list[tuple[Distances, str, str]]:
    return [
        (score.plan, 'plan', 'plan'),
        (score.constant_velocity, 'cv', BASELINES['cv']),
        (score.constant_turn_rate, 'ctrv', BASELINES['ctrv']),
    ]
