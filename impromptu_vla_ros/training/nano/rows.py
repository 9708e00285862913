# SPDX-License-Identifier: Apache-2.0
"""Lessons as tokens: prompts whole or cut, and how much each token of an answer counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.models.chat import END_OF_TURN, IMAGE_PAD
from impromptu_vla_ros.models.positions import IntArray, following
from impromptu_vla_ros.models.preprocessing import Patches
from impromptu_vla_ros.models.prompting import token_id, tokenized
from impromptu_vla_ros.training.nano.examples import Example

# What stands between a prompt's history and its answer.
TURN = f'{END_OF_TURN}\n<|im_start|>assistant\n'
NEWEST = '(t-0.0s)'
# How much tokens of points weigh: what ends a point, for an answer with a point too many is none;
# what comes before the decimals, and the decimals, of which the second one is mostly chance.
POINT_ENDS, BETWEEN = ('],', ']</'), ','
END_WEIGHT, METRES_WEIGHT, DECIMAL_WEIGHTS = 3.0, 2.0, (2.0, 0.25)


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
