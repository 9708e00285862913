# SPDX-License-Identifier: Apache-2.0
"""Lessons as tensors: pictures that vary, histories that miss, prompts whole or cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.navigation import COMMANDS, STRAIGHT
from impromptu_vla_ros.core.records import parse_command, parse_prompt
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.models.chat import END_OF_TURN, IMAGE_PAD
from impromptu_vla_ros.models.positions import IntArray, following
from impromptu_vla_ros.models.preprocessing import Patches
from impromptu_vla_ros.models.prompting import token_id, tokenized
from impromptu_vla_ros.training.lessons.files import plain

# What stands between a prompt's history and its answer.
TURN = f'{END_OF_TURN}\n<|im_start|>assistant\n'
NEWEST = '(t-0.0s)'
# How much tokens of points weigh: what ends a point, for an answer with a point too many is none;
# what comes before the decimals, and the decimals, of which the second one is mostly chance.
POINT_ENDS, BETWEEN = ('],', ']</'), ','
END_WEIGHT, METRES_WEIGHT, DECIMAL_WEIGHTS = 3.0, 2.0, (1.0, 0.25)
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


@dataclass(frozen=True, eq=False)
class Row:
    """
    Token `ids` (n,), M-RoPE `positions` (3, n), and how much each token's loss weighs (n,).

    The first point follows token `asked`. `written` (n,) is the number, x and y of the points
    counted through, that the token after each is of, -1 where it is of none that is learned.
    """

    ids: IntArray
    positions: IntArray
    weights: NDArray[np.float32]
    asked: int
    written: IntArray


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


def row(tokenizer: Any, lesson: Example, picture: Patches, whole: bool, seen: bool = True) -> Row:
    """
    Return the tokens of one lesson, whole or cut.

    Of a cut one all words but picture, newest state, command and points are left out, and their
    positions stay free: what is learned of numbers and pictures holds between them too, and
    costs a third. The picture is too if it is not `seen`.
    """
    prompt = tokenized(lesson.prompt, [picture], tokenizer)
    listed = lesson.answer.index(codec.POINT_FORMAT) + len(codec.POINT_FORMAT)
    header = _encoded(tokenizer, lesson.answer[:listed])
    points = _encoded(tokenizer, lesson.answer[listed:] + END_OF_TURN)
    begin, asked = len(prompt.ids), len(prompt.ids) + len(header) - 1
    ids = np.array([*prompt.ids, *header, *points], np.int64)
    behind = following(prompt.positions, len(header) + len(points))
    positions = np.hstack([prompt.positions, behind])
    weights = np.zeros(len(ids), np.float32)
    pieces = [tokenizer.decode([token]) for token in points]
    point = _point(pieces)
    learned = point >= lesson.misled
    weights[asked + 1 :] = importance(pieces) * learned
    written = np.full(len(ids), -1)
    number = 2 * point + _sideways(pieces)
    written[asked:-1] = np.where(learned & (point < len(lesson.points)), number, -1)
    if whole:
        weights[begin : asked + 1] = 1.0
        return Row(ids, positions, weights, asked, written)
    newest = lesson.prompt[lesson.prompt.rindex(NEWEST) :]
    first = begin - len(_encoded(tokenizer, newest)) - len(_encoded(tokenizer, TURN))
    kept = (ids == token_id(tokenizer, IMAGE_PAD)) & seen
    kept[first:] = True
    # The header's last token stays, for the first point to follow.
    kept[begin:asked] = False
    return Row(
        ids[kept], positions[:, kept], weights[kept], int(kept[:asked].sum()), written[kept]
    )


def _encoded(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def importance(pieces: Sequence[str]) -> NDArray[np.float32]:
    """Return how much each token's text of a list of points weighs, (n,)."""
    weights, decimals = np.ones(len(pieces), np.float32), -1
    for place, piece in enumerate(pieces):
        if piece.isdigit():
            decimals += decimals >= 0
            weights[place] = METRES_WEIGHT if decimals < 0 else DECIMAL_WEIGHTS[decimals > 1]
        elif piece == '.':
            decimals, weights[place] = 0, METRES_WEIGHT
        else:
            decimals = -1
            weights[place] = END_WEIGHT if piece in POINT_ENDS else 1.0
    return weights


def _point(pieces: Sequence[str]) -> IntArray:
    """Return of which point each token is, (n,): of as many as have ended before it."""
    return np.cumsum([0, *(piece in POINT_ENDS for piece in pieces[:-1])])


def _sideways(pieces: Sequence[str]) -> IntArray:
    """Return 1 for each token that is behind the comma of its point, else 0, (n,)."""
    begun = np.cumsum([0, *(piece == BETWEEN for piece in pieces[:-1])])
    ended = np.cumsum([0, *(piece == POINT_ENDS[0] for piece in pieces[:-1])])
    behind: IntArray = np.clip(begun - ended, 0, 1)
    return behind


def varied(random: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) in other light, with noise, sometimes a blot."""
    gain = random.uniform(0.7, 1.3) * random.uniform(0.9, 1.1, 3)
    contrast, lift = random.uniform(0.75, 1.3), random.uniform(-20.0, 20.0)
    noise = np.float32(random.uniform(0.0, 8.0))
    x = noise * random.standard_normal(pixels.shape, np.float32)
    x += pixels * (contrast * gain).astype(np.float32)
    x += np.float32(128.0 * (1.0 - contrast) + lift)
    if random.random() < 0.15:
        height, width = x.shape[:2]
        h, w = int(random.integers(4, height // 4)), int(random.integers(4, width // 4))
        y, left = int(random.integers(height - h)), int(random.integers(width - w))
        x[y : y + h, left : left + w] = random.uniform(0.0, 255.0, 3)
    return np.asarray(np.clip(x, 0.0, 255.0), np.uint8)


def nothing_seen(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) that shows nothing: of one grey, or noise."""
    grey = np.full((height, width, 3), random.uniform(0.0, 255.0), np.float32)
    grey += random.choice([0.0, 40.0]) * random.standard_normal(grey.shape, np.float32)
    return np.clip(grey, 0.0, 255.0).astype(np.uint8)
