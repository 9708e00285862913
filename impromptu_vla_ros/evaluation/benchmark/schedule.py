# SPDX-License-Identifier: Apache-2.0
"""
How many tokens each pass of real answers yielded, and the same passes on a network of noise.

Random weights accept no guess: what a drafting decoder gains on a shape is measured by feeding
it exactly the guesses, right and wrong, that some trained model accepted and refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.evaluation.benchmark.ways import Run
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.decoding import Engine, Limits, Rows, decode, read
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.models.prompting import Prompt

# Of a real answer of ten points about half the tokens are digits, and asked about.
DIGITS = tuple(range(10))
OTHERS = 20
WRONG, END = 50, 100


@dataclass(frozen=True)
class Schedule:
    """
    The tokens that each pass yielded, by answer; the prefill is the first pass.

    It verified `window` guesses behind a header of `header` tokens, every other pass `window`.
    `source` says which model along which recordings.
    """

    source: str
    window: int
    header: int
    answers: tuple[tuple[int, ...], ...]

    @property
    def passes(self) -> Sequence[int]:
        """Return the number of passes behind the prefill, by answer."""
        return [len(accepted) - 1 for accepted in self.answers]

    def some(self, count: int) -> Sequence[tuple[int, ...]]:
        """Return `count` answers, from those of few passes to those of many."""
        ordered = sorted(self.answers, key=len)
        return [ordered[(2 * k + 1) * len(ordered) // (2 * count)] for k in range(count)]

    def write(self, path: Path) -> None:
        """Write JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)) + '\n')


def read_schedule(path: Path) -> Schedule:
    """Return the schedule of a file; raise ModelError where it holds none."""
    try:
        told: Any = json.loads(path.read_bytes())
        answers = tuple(tuple(map(int, accepted)) for accepted in told['answers'])
        schedule = Schedule(**{**told, 'answers': answers})
        if not answers or min(map(min, answers)) < 1:
            raise ValueError('no answers, or passes that yielded nothing')
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f'{path} holds no schedule ({error}): write one with --save-schedule'
        ) from error
    return schedule


def replayed(engine: Engine, prompt: Prompt, schedule: Schedule, accepted: Sequence[int]) -> Run:
    """Return a run of one of the schedule's answers, with all that an answer takes."""
    count = sum(accepted)
    script = [n % OTHERS for n in range(count - 1)] + [END]
    yields = dict(zip(np.cumsum([0, *accepted[:-1]]).tolist(), accepted))

    def guess(written: Sequence[int], _: Sequence[int] = (), header: int = 0) -> Sequence[int]:
        start, right = len(written), yields[len(written)] - 1
        rest = script[start : start + schedule.window + header]
        return [token if k < right else WRONG for k, token in enumerate(rest)]

    times = [perf_counter()]
    features = [engine.encode(picture) for picture in prompt.pictures]
    times.append(perf_counter())
    acting = Acting(engine, len(prompt.ids), script)
    window = guess((), header=schedule.header)
    first = read(acting, prompt, features, window)
    times.append(perf_counter())
    limits = Limits(END, count + schedule.window, schedule.window)
    written = decode(acting, prompt, first, window, limits, guess, watched=DIGITS)
    times.append(perf_counter())
    if written.accepted != tuple(accepted):
        raise ModelError(f'the schedule {accepted} was decoded as {written.accepted}')
    stages = dict(zip(('encode', 'prefill', 'decode'), np.diff(times).tolist()))
    return Run(written.tokens, stages, written.accepted)


class Acting:
    """An engine that computes as ever, and then says what its script has it say."""

    def __init__(self, engine: Engine, prompt: int, script: Sequence[int]) -> None:
        self._engine = engine
        self._prompt = prompt
        self._script = script

    @property
    def length(self) -> int:
        """Return the number of tokens in the cache."""
        return self._engine.length

    def encode(self, picture: Any) -> Any:
        """Return a picture's features."""
        return self._engine.encode(picture)

    def prefill(
        self, ids: IntArray, features: Sequence[Any], positions: IntArray, rows: int = 1
    ) -> Rows:
        """Read a prompt and guesses behind it."""
        return Said(self._engine.prefill(ids, features, positions, rows), self._script[:rows])

    def extend(self, ids: Sequence[int], positions: IntArray) -> Rows:
        """Read more tokens."""
        start = self.length - self._prompt + 1
        return Said(self._engine.extend(ids, positions), self._script[start : start + len(ids)])

    def truncate(self, length: int) -> None:
        """Forget all tokens but the first `length`."""
        self._engine.truncate(length)


@dataclass(frozen=True)
class Said:
    """Rows whose best tokens are computed, and then those of a script."""

    rows: Rows
    script: Sequence[int]

    def best(self) -> IntArray:
        """Return the script's tokens; WRONG behind its end."""
        best = self.rows.best()
        return np.array([*self.script, *[WRONG] * len(best)])[: len(best)]

    def best_of(self, row: int, ids: Sequence[int]) -> int:
        """Return the most likely of some tokens in one row."""
        return self.rows.best_of(row, ids)

    def log_probabilities(self, rows: Sequence[int], ids: Sequence[int]) -> FloatArray:
        """Return the log-probabilities of some tokens in some rows."""
        return self.rows.log_probabilities(rows, ids)
