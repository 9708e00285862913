# SPDX-License-Identifier: Apache-2.0
"""
The wire format, both ways: history → prompt, trajectory → answer, answer → trajectory.

What varies between formats lies in `dialects`; the strings here are common to all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.navigation import STRAIGHT
from impromptu_vla_ros.core.structs import FloatArray, Trajectory
from impromptu_vla_ros.core.template import Template

OPEN_TAG, CLOSE_TAG = '<PLANNING>', '</PLANNING>'
AXES = 'Positive x means forward direction while positive y means leftwards.'
POINT_FORMAT = '[x, y]:'

_TASK = (
    'You are an autonomous driving agent. {opening} Your task is to do your best to predict '
    'future waypoints for the vehicle over the next {timesteps} timesteps, given the '
    "vehicle's intent inferred from the images.{provided} over the last {history:.1f} seconds "
    '(at 0.5-second intervals). This includes the x and y coordinates of the ego vehicle. '
    '{axes}{axes_end}The data is presented in the format {point_format}{history_start}'
)
_ANSWER = (
    'Predicted future movement details for the next {seconds} seconds (sampled at 0.5-second '
    'intervals), including BEV location in x and y directions (in meters). {axes} '
    'The output is formatted as {point_format} '
)
_NUMBER = r'[-+]?(?:\d+\.?\d*|\.\d+)'
_POINT = re.compile(rf'\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]')
_BETWEEN = re.compile(r'\s*,?\s*')

# Steering-wheel angle of nuScenes' Renault Zoe for a path curvature κ: 16·atan(2.588·κ);
# 16 is the steering ratio, 2.588 m the wheelbase.
ZOE_STEERING_RATIO = 16.0
ZOE_WHEELBASE = 2.588


class AnswerError(ValueError):
    """Say why an answer holds no trajectory of the dialect's form."""


@dataclass(frozen=True)
class PromptState:
    """
    One past state in the numbers that a prompt prints.

    x, y in m: the dialect's reference point in the frame of the newest state. vx, vy in m/s
    and ax, ay in m/s²; `steering` is the steering-wheel angle in rad, + = left. NaN where
    unknown.
    """

    x: float
    y: float
    vx: float = math.nan
    vy: float = math.nan
    ax: float = math.nan
    ay: float = math.nan
    steering: float = math.nan


def _shortest(value: float) -> str:
    return repr(round(float(value), 2))


def _fixed(value: float) -> str:
    return f'{float(value):.2f}'


def _position(dialect: Dialect, point: ArrayLike, fixed: bool) -> str:
    values = np.asarray(point, float)
    if fixed:
        return f'[{_fixed(values[0])}, {_fixed(values[1])}]'
    for decimals in dialect.position_decimals:
        values = np.round(values, decimals) + 0.0  # positions say 0.0, never -0.0
    return f'[{_shortest(values[0])}, {_shortest(values[1])}]'


def _steering(states: Sequence[PromptState]) -> list[str]:
    """Return the clause behind each position for measured scalar speed and steering."""
    return [
        f', Acceleration: X {_shortest(s.ax)}, Y {_shortest(s.ay)} m/s^2, '
        f'Velocity: {_shortest(s.vx)} m/s, Steering angle: {_shortest(s.steering)} '
        '(positive: left turn, negative: right turn)'
        for s in states
    ]


def _vectors(velocities: FloatArray, accelerations: FloatArray, fixed: bool) -> list[str]:
    number = _fixed if fixed else _shortest
    return [
        f', Acceleration: X {number(ax)}, Y {number(ay)} m/s^2, '
        f'Velocity: X {number(vx)}, Y {number(vy)} m/s'
        for (vx, vy), (ax, ay) in zip(velocities, accelerations, strict=True)
    ]


def forward_differences(
    positions: ArrayLike, predicted: ArrayLike, spacing: float = 0.5
) -> tuple[FloatArray, FloatArray]:
    """
    Return the velocities and accelerations, each (n, 2), that forward-difference dialects print.

    `positions` (n, 2) ends at the origin, `predicted` (2, 2) are the next two; all are rounded
    to two decimals first, as the authors' generators did.
    """
    path = np.round(np.vstack([np.asarray(positions, float), np.asarray(predicted, float)]), 2)
    velocities = np.diff(path, axis=0) / spacing
    accelerations = np.diff(velocities, axis=0) / spacing
    return velocities[:-1], accelerations


def _signals(
    dialect: Dialect, states: Sequence[PromptState], predicted: ArrayLike | None
) -> list[str]:
    """Return what follows each position: nothing for all states if any signal is unknown."""
    if dialect.signals == 'forward_difference':
        if predicted is None:
            raise ValueError(f'dialect {dialect.name} needs the two predicted positions')
        positions = [(s.x, s.y) for s in states]
        return _vectors(
            *forward_differences(positions, predicted, dialect.spacing), dialect.fixed_prompt
        )
    values = np.array([(s.vx, s.vy, s.ax, s.ay, s.steering) for s in states])
    needed = values[:, [0, 2, 3, 4]] if dialect.signals == 'can' else values[:, :4]
    if not np.isfinite(needed).all():
        return [''] * len(states)
    if dialect.signals == 'can':
        return _steering(states)
    return _vectors(values[:, :2], values[:, 2:4], dialect.fixed_prompt)


def encode_prompt(
    dialect: Dialect,
    states: Sequence[PromptState],
    predicted: ArrayLike | None = None,
    command: str = STRAIGHT,
) -> str:
    """
    Return the user text for a history, oldest state first, spaced by the dialect's spacing.

    Where any speed, acceleration or (if printed) steering is NaN, all states are positions
    only, the trained fallback. `predicted` (2, 2) are p(+0.5 s) and p(+1 s), needed by
    forward-difference dialects. The navigation `command` is said by dialects that know it. Raise
    ValueError for a history the dialect was not trained on.
    """
    if not dialect.min_states <= len(states) <= dialect.max_states:
        raise ValueError(
            f'dialect {dialect.name} takes {dialect.min_states} to {dialect.max_states} '
            f'states, not {len(states)}'
        )
    head = _TASK.format(
        opening=dialect.opening,
        timesteps=dialect.timesteps,
        provided=dialect.provided,
        history=dialect.spacing * (len(states) - 1),
        axes=AXES,
        axes_end=dialect.axes_end,
        point_format=POINT_FORMAT,
        history_start=dialect.history_start,
    )
    entries = []
    behind = _signals(dialect, states, predicted)
    for index, (state, signals) in enumerate(zip(states, behind, strict=True)):
        last = index == len(states) - 1
        age = dialect.spacing * (len(states) - 1 - index)
        point = (state.x, state.y)
        position = '[0.0, 0.0]' if last else _position(dialect, point, dialect.fixed_prompt)
        entries.append(f'(t-{age:.1f}s) {position}{signals}')
    end = dialect.end.format(command=command) if dialect.commanded else dialect.end
    return head + ', '.join(entries) + end


def answer_header(dialect: Dialect) -> str:
    """Return the fixed beginning of every answer, up to and including the space after it."""
    seconds = f'{dialect.waypoints * dialect.spacing:g}'
    return OPEN_TAG + _ANSWER.format(seconds=seconds, axes=AXES, point_format=POINT_FORMAT)


def answer_template(dialect: Dialect) -> Template:
    """Return the form that every answer in the dialect has."""
    header = answer_header(dialect).rstrip()
    return Template(header, dialect.waypoints, dialect.fixed_answer, CLOSE_TAG)


def encode_trajectory(dialect: Dialect, points: ArrayLike) -> str:
    """Return the answer that says these waypoints, (n, 2) in m at the dialect's point."""
    array = np.asarray(points, float)
    if array.shape != (dialect.waypoints, 2) or not np.isfinite(array).all():
        raise ValueError(
            f'dialect {dialect.name} says {dialect.waypoints} finite waypoints, '
            f'not an array of shape {array.shape}'
        )
    return answer_header(dialect) + encode_points(dialect, array) + CLOSE_TAG


def encode_points(dialect: Dialect, points: ArrayLike) -> str:
    """Return the list of some waypoints, (n, 2), as an answer says them."""
    return ', '.join(
        _position(dialect, point, dialect.fixed_answer) for point in np.asarray(points)
    )


def _listed(text: str) -> tuple[int, int]:
    """Return where the part of an answer begins and ends that lists the waypoints."""
    if text.count(OPEN_TAG) > 1:
        raise AnswerError(f'the answer opens {OPEN_TAG} {text.count(OPEN_TAG)} times')
    first = _behind(text, OPEN_TAG, 0, len(text))
    closed = text.find(CLOSE_TAG, first)
    last = closed if closed >= 0 else len(text)
    if (count := text.count(POINT_FORMAT, first, last)) > 1:
        raise AnswerError(f'the answer says {POINT_FORMAT!r} {count} times')
    return _behind(text, POINT_FORMAT, first, last), last


def _behind(text: str, mark: str, first: int, last: int) -> int:
    at = text.find(mark, first, last)
    return at + len(mark) if at >= 0 else first


def coordinates(text: str) -> list[tuple[int, int]]:
    """Return where an answer's numbers begin and end: x and y of each waypoint in turn."""
    points = _POINT.finditer(text, *_listed(text))
    return [point.span(axis) for point in points for axis in (1, 2)]


def decode_trajectory(dialect: Dialect, text: str) -> Trajectory:
    """
    Return the waypoints an answer says, exactly the dialect's count and all finite.

    Missing tags, prose around the list and a cut-off extra point are accepted; anything else
    raises AnswerError with the reason. Whether a car could drive it is another verdict:
    `implausibilities`.
    """
    matches = list(_POINT.finditer(text, *_listed(text)))
    if not matches:
        raise AnswerError(f'no waypoint "[x, y]" in the answer {text[:80]!r}')
    for before, after in pairwise(matches):
        if not _BETWEEN.fullmatch(between := text[before.end() : after.start()]):
            raise AnswerError(f'{between[:40]!r} stands between two waypoints')
    if len(matches) != dialect.waypoints:
        raise AnswerError(
            f'{len(matches)} whole waypoints where dialect {dialect.name} has '
            f'{dialect.waypoints}: is it the dialect of this checkpoint?'
        )
    points = np.array([[float(m[1]), float(m[2])] for m in matches])
    if not np.isfinite(points).all():
        raise AnswerError('a waypoint is too large for a number')
    return Trajectory(points, dialect.spacing)


def without_current_pose(trajectory: Trajectory, speed: float) -> Trajectory:
    """
    Return the trajectory without a first waypoint that is the current pose.

    The nuScenes part of the Impromptu set answers with the current pose first, and a model
    trained on it may do so: a first waypoint within 0.05 m while the ego is faster than
    0.5 m/s is dropped, and the others stand one step earlier.
    """
    if speed > 0.5 and float(np.hypot(*trajectory.points[0])) < 0.05:
        return Trajectory(trajectory.points[1:], trajectory.spacing)
    return trajectory


def implausibilities(trajectory: Trajectory) -> tuple[str, ...]:
    """
    Return what no car would do, in words; empty where nothing is wrong.

    Reversing beyond 1 m was filtered out of the training data; 70 m/s is faster than any
    training source drives.
    """
    found = []
    if float(trajectory.points[:, 0].min()) < -1.0:
        found.append(f'reverses to x = {trajectory.points[:, 0].min():.2f} m')
    path = np.vstack([[0.0, 0.0], trajectory.points])
    fastest = float(np.hypot(*np.diff(path, axis=0).T).max()) / trajectory.spacing
    if fastest > 70.0:
        found.append(f'moves at {fastest:.1f} m/s, more than 70 m/s')
    return tuple(found)


def zoe_steering(curvature: float) -> float:
    """Return nuScenes' steering-wheel angle in rad, + = left, for a curvature in 1/m."""
    return ZOE_STEERING_RATIO * math.atan(ZOE_WHEELBASE * curvature)
