# SPDX-License-Identifier: Apache-2.0
"""Lessons as text and numbers: histories that miss or are wrong, answers that mislead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.navigation import COMMANDS, STRAIGHT
from impromptu_vla_ros.core.records import parse_command, parse_prompt
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.training.lessons.files import plain

# Of a history whose numbers are off: by how much (standard deviation), m/s² and m per state.
ACCELERATION_OFF, PLACE_OFF = 0.5, 0.2
# How many numbers `told` returns, and which of them is the speed, in 10 m/s.
TOLD, SPEED = 17, 15


@dataclass(frozen=True)
class Dropout:
    """
    How often a lesson's history misses: all but the newest state, or the signals of all states.

    Where both miss nothing tells the speed, and the picture alone decides. In the share `wrong`
    its numbers are off, all but the speed: a driver who goes on as he went does without eyes.

    In the share `mirrored` left is right, in the picture too: roads look alike either way.

    In the share `misled` the first points of the answer are wrong, and what is learned are those
    behind them: who trusts in what he said goes straight on for ever.
    """

    older: float = 0.15
    signals: float = 0.1
    wrong: float = 0.5
    misled: float = 0.4
    mirrored: float = 0.3


# Of a history that stays as it was.
STAYS = Dropout(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Example:
    """
    One lesson to be learned: a prompt, its answer, and both as numbers.

    `told` (17,) is what the prompt says, `points` (waypoints, 2) what is right, m. The first
    `misled` points of the answer are others.
    """

    prompt: str
    answer: str
    told: FloatArray
    points: FloatArray
    misled: int = 0


def example(
    random: np.random.Generator, dialect: Dialect, prompt: str, answer: str, dropout: Dropout
) -> Example:
    """Return a lesson with a part of its history left out by lot."""
    states, command = parse_prompt(prompt), parse_command(prompt) or STRAIGHT
    if random.random() < dropout.older:
        states = states[-1:]
    if random.random() < dropout.signals:
        states = [PromptState(state.x, state.y) for state in states]
    if random.random() < dropout.wrong:
        states = wrong(random, states)
    prompt = codec.encode_prompt(dialect, states, command=command)
    points = codec.decode_trajectory(dialect, answer).points
    lesson = Example(prompt, answer, told(states, command), points)
    return answered(random, dialect, lesson, points, dropout)


def mirrored(dialect: Dialect, prompt: str, answer: str) -> tuple[str, str]:
    """Return a question and its answer as they are in a mirror."""
    states, command = parse_prompt(prompt), parse_command(prompt) or STRAIGHT
    turned = {'left': 'right', 'right': 'left'}
    command = ' '.join(turned.get(word, word) for word in command.split())
    states = [replace(s, y=-s.y, vy=-s.vy, ay=-s.ay) for s in states]
    points = codec.decode_trajectory(dialect, answer).points * [1.0, -1.0]
    prompt = codec.encode_prompt(dialect, states, command=command)
    return prompt, codec.encode_trajectory(dialect, points)


def answered(
    random: np.random.Generator,
    dialect: Dialect,
    lesson: Example,
    points: FloatArray,
    dropout: Dropout,
) -> Example:
    """Return a lesson with an answer of these points (waypoints, 2) m, the first misled by lot."""
    said, count = points, 0
    if random.random() < dropout.misled:
        count = int(random.integers(1, len(points)))
        said = misled(random, points, 10.0 * lesson.told[SPEED] * dialect.spacing, count)
    answer = plain(codec.encode_trajectory(dialect, said))
    return replace(lesson, answer=answer, points=points, misled=count)


def wrong(random: np.random.Generator, states: Sequence[PromptState]) -> list[PromptState]:
    """Return a history with accelerations off, and with places, the more the older they are."""
    ax, ay = ACCELERATION_OFF * random.standard_normal(2)
    x, y = PLACE_OFF * random.standard_normal(2)
    ages = range(len(states) - 1, -1, -1)
    return [
        replace(s, x=s.x + age * x, y=s.y + age * y, ax=s.ax + ax, ay=s.ay + ay)
        for age, s in zip(ages, states)
    ]


def misled(random: np.random.Generator, points: FloatArray, step: float, count: int) -> FloatArray:
    """Return points (n, 2) m whose first `count` lie nearer to straight on, by `step` m each."""
    straight = np.zeros_like(points)
    straight[:, 0] = step * np.arange(1.0, len(points) + 1.0)
    found = points.copy()
    found[:count] += random.random() * (straight - points)[:count]
    return found


def told(states: Sequence[PromptState], command: str) -> FloatArray:
    """Return a prompt's numbers (17,) of about one size: states, what is missing, the command."""
    newest = states[-1]
    signals = np.array([newest.vx, newest.ax, newest.ay]) / [10.0, 2.0, 2.0]
    before = np.zeros((2, 2))
    for place, state in enumerate(states[-2::-1][:2]):
        before[place] = state.x / 10.0, state.y
    known = [float(np.isfinite(signals).all()), float(len(states) > 1), float(len(states) > 2)]
    which = [float(command == each) for each in COMMANDS]
    speed = signals[0] if known[0] else -2.0 * before[0, 0]
    return np.array([*np.nan_to_num(signals), *before.ravel(), *known, *which, speed, 1.0])
