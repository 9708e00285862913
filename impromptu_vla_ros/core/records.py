# SPDX-License-Identifier: Apache-2.0
"""Whether real training records render identically: parse a prompt, render it again, compare."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile, zip_longest

import numpy as np

from impromptu_vla_ros.core.codec import (
    AnswerError,
    PromptState,
    decode_trajectory,
    encode_prompt,
    encode_trajectory,
)
from impromptu_vla_ros.core.dialects import DIALECTS, Dialect
from impromptu_vla_ros.core.navigation import STRAIGHT

_NUMBER = r'(-?\d+\.\d+)'
_COMMAND = re.compile(r"The navigation command is '([^']*)'\.")
_POSITION = re.compile(rf'\(t-\d+\.\ds\) \[{_NUMBER}, {_NUMBER}\]')


@dataclass(frozen=True)
class Comparison:
    """
    How one record compares with what this package renders.

    `dialect` is the nearest one; `part` is `prompt`, `answer` or empty where both are equal;
    `expected` and `rendered` show the surroundings of the first differing byte, at `byte`.
    """

    dialect: Dialect
    part: str = ''
    byte: int = 0
    expected: str = ''
    rendered: str = ''

    @property
    def identical(self) -> bool:
        """Tell whether the record renders byte for byte."""
        return not self.part


def parse_prompt(text: str) -> list[PromptState]:
    """
    Return the states a prompt prints, NaN for what it does not print.

    Only the numbers behind a position count, so that a record worded in another way is still
    read, and differs where its words do.
    """
    states = []
    marks = list(_POSITION.finditer(text))
    for mark, end in zip_longest(marks, (m.start() for m in marks[1:]), fillvalue=None):
        assert mark is not None
        state = PromptState(float(mark[1]), float(mark[2]))
        behind = text[mark.end() : end]
        numbers = [float(n) for n in re.findall(_NUMBER, behind)]
        if len(numbers) == 4 and 'Steering' in behind:
            ax, ay, v, steering = numbers
            state = replace(state, vx=v, vy=0.0, ax=ax, ay=ay, steering=steering)
        elif len(numbers) == 4:
            ax, ay, vx, vy = numbers
            state = replace(state, vx=vx, vy=vy, ax=ax, ay=ay)
        states.append(state)
    return states


def parse_command(text: str) -> str:
    """Return the navigation command a prompt says, '' where it says none."""
    found = _COMMAND.search(text)
    return found[1] if found else ''


def compare(prompt: str, answer: str) -> Comparison:
    """
    Return how a training record compares with its nearest dialect.

    The dialects' ends are tried with and without their newline. An empty answer is not
    compared; forward-difference dialects take the future of their differences from it.
    """
    states = parse_prompt(prompt)
    best: tuple[tuple[int, int], Comparison] | None = None
    for dialect in _variants():
        found = _compare(dialect, states, prompt, answer)
        rank = (found.part != 'prompt', found.byte)
        if found.identical:
            return found
        if best is None or rank > best[0]:
            best = (rank, found)
    assert best is not None
    return best[1]


def _variants() -> Iterator[Dialect]:
    for dialect in DIALECTS.values():
        yield dialect
        yield replace(dialect, end='')


def _compare(dialect: Dialect, states: list[PromptState], prompt: str, answer: str) -> Comparison:
    try:
        points = decode_trajectory(dialect, answer).points if answer else None
    except AnswerError:
        points = None
    predicted = points[:2] if points is not None else np.zeros((2, 2))
    try:
        rendered = encode_prompt(dialect, states, predicted, parse_command(prompt) or STRAIGHT)
    except ValueError:
        return Comparison(dialect, 'prompt', 0, prompt[:40], f'{len(states)} states do not fit')
    if rendered != prompt:
        return _difference(dialect, 'prompt', prompt, rendered)
    if not answer:
        return Comparison(dialect)
    if points is None:
        return Comparison(dialect, 'answer', 0, answer[:40], 'no answer of this dialect')
    rendered = encode_trajectory(dialect, points)
    return (
        Comparison(dialect)
        if rendered == answer
        else _difference(dialect, 'answer', answer, rendered)
    )


def _difference(dialect: Dialect, part: str, expected: str, rendered: str) -> Comparison:
    pairs = zip(expected, rendered, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    window = slice(max(0, same - 20), same + 20)
    byte = len(expected[:same].encode())
    return Comparison(dialect, part, byte, expected[window], rendered[window])
