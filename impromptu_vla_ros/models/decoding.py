# SPDX-License-Identifier: Apache-2.0
"""
One greedy decoder for every local engine: several guessed tokens are verified in one pass.

A pass runs over a window of guessed tokens and tells what the model itself would write behind
each. The longest run that equals the model's own choice stands, and one more token with it: the
answer is token for token that of the ordinary loop, whatever was guessed. What the same pass
says behind the first mistake is the next guess (Jacobi iteration), completed by a fresh draft
that goes on from what is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.models.forms import Walk
from impromptu_vla_ros.models.positions import IntArray, following
from impromptu_vla_ros.models.preprocessing import Patches
from impromptu_vla_ros.models.prompting import Prompt

# Rows, the row, its place in the answer and the tokens that may stand there → which does.
Choose = Callable[['Rows', int, int, Sequence[int]], int]

# The tokens written and what the pass before thought behind them → those that may well follow.
Guess = Callable[[Sequence[int], Sequence[int]], Sequence[int]]


class Rows(Protocol):
    """Logits (k, vocabulary), on whatever device."""

    def best(self) -> IntArray:
        """Return the most likely token of each row, (k,): of equal ones the lowest."""
        ...

    def best_of(self, row: int, ids: Sequence[int]) -> int:
        """Return the most likely of some tokens in one row."""
        ...

    def log_probabilities(self, rows: Sequence[int], ids: Sequence[int]) -> FloatArray:
        """Return (rows, ids) of some tokens in nats, normalized over the whole vocabulary."""
        ...


class Engine(Protocol):
    """
    A language model with a cache of keys and values, for one answer at a time.

    `length` is the number of tokens in the cache. All raise ModelError.
    """

    @property
    def length(self) -> int:
        """Return the number of tokens in the cache."""
        ...

    def encode(self, picture: Patches) -> Any:
        """Return a picture's features, on the engine's device."""
        ...

    def prefill(
        self, ids: IntArray, features: Sequence[Any], positions: IntArray, rows: int = 1
    ) -> Rows:
        """Forget the cache, read a prompt, and return the rows of its last tokens."""
        ...

    def extend(self, ids: Sequence[int], positions: IntArray) -> Rows:
        """Read more tokens, and return a row for each: what follows it."""
        ...

    def truncate(self, length: int) -> None:
        """Forget all tokens but the first `length`."""
        ...


@dataclass(frozen=True, eq=False)
class NumpyRows:
    """Logits (k, vocabulary) in memory."""

    logits: NDArray[np.float32]

    def best(self) -> IntArray:
        """Return the most likely token of each row."""
        return np.asarray(self.logits.argmax(axis=1))

    def best_of(self, row: int, ids: Sequence[int]) -> int:
        """Return the most likely of some tokens in one row."""
        return int(ids[int(self.logits[row].take(ids).argmax())])

    def log_probabilities(self, rows: Sequence[int], ids: Sequence[int]) -> FloatArray:
        """Return the log-probabilities of some tokens in some rows."""
        logits = self.logits[list(rows)]
        logits = logits - logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1, keepdims=True, dtype=float))
        return np.asarray(logits[:, list(ids)] - total)


@dataclass(frozen=True)
class Written:
    """
    What was decoded: `tokens`, without the end; `accepted`, those that each pass yielded.

    Where `places` (d,) of the tokens are watched ones, `sure` (d, watched) are the
    log-probabilities of all watched tokens there.
    """

    tokens: tuple[int, ...]
    accepted: tuple[int, ...]
    places: tuple[int, ...] = ()
    sure: FloatArray | None = None


@dataclass(frozen=True)
class Limits:
    """`end` ends an answer, `most_tokens` bound it, `window` are the guesses of one pass."""

    end: int
    most_tokens: int
    window: int


def read(
    engine: Engine, prompt: Prompt, features: Sequence[Any], window: Sequence[int] = ()
) -> Rows:
    """Read a prompt and guessed tokens behind it; return a row for what follows each of these."""
    ids = np.concatenate([prompt.ids, np.array(window, np.int64)])
    behind = following(prompt.positions, len(window))
    positions = np.concatenate([prompt.positions, behind], axis=1)
    return engine.prefill(ids, features, positions, 1 + len(window))


def decode(
    engine: Engine,
    prompt: Prompt,
    first: Rows,
    window: Sequence[int],
    limits: Limits,
    guess: Guess | None = None,
    walk: Walk | None = None,
    watched: Sequence[int] = (),
    choose: Choose | None = None,
) -> Written:
    """
    Return what the model writes behind a prompt that it has just read with a first `window`.

    `first` are the rows of that reading. `guess` is asked for what may follow, given the tokens
    written and what the pass before thought would follow them. With `walk` only the tokens of a
    form are chosen, and then the end: the likeliest, or as `choose` does. Log-probabilities of
    the `watched` tokens are kept.
    """
    start = engine.length - len(window)
    positions = following(prompt.positions, limits.most_tokens + limits.window + 1)
    written: list[int] = []
    accepted: list[int] = []
    places: list[int] = []
    sure: list[FloatArray] = []
    rows = first
    while True:
        best = rows.best().tolist()
        if walk is None:
            chosen = _run(best, window, limits.end)
        else:
            chosen = _walked(rows, window, walk, limits.end, len(written), choose)
        digits = [row for row, token in enumerate(chosen) if token in watched]
        if digits:
            places += [len(written) + row for row in digits]
            sure.append(rows.log_probabilities(digits, watched))
        written += chosen
        accepted.append(len(chosen))
        if written[-1] == limits.end or len(written) >= limits.most_tokens:
            break
        room = min(limits.window, limits.most_tokens - len(written) - 1)
        window = list(guess(written, best[len(chosen) :]))[:room] if guess else []
        at = len(written) - 1
        engine.truncate(start + at)
        fed = [written[at], *window]
        rows = engine.extend(fed, positions[:, at : at + len(fed)])
    tokens = written[:-1] if written[-1] == limits.end else written
    told = np.concatenate(sure) if sure else None
    return Written(tuple(tokens), tuple(accepted), tuple(places), told)


def _run(best: Sequence[int], window: Sequence[int], end: int) -> list[int]:
    """Return the model's own tokens: those of the window that it would write, and one more."""
    count = 0
    while count < len(window) and window[count] == best[count] != end:
        count += 1
    return list(best[: count + 1])


def _walked(
    rows: Rows, window: Sequence[int], walk: Walk, end: int, place: int, choose: Choose | None
) -> list[int]:
    """Return the same where only a form's tokens may be chosen."""
    chosen = []
    for row in range(len(window) + 1):
        allowed = walk.allowed()
        if not len(allowed):
            token = end
        elif choose is None:
            token = rows.best_of(row, allowed)
        else:
            token = choose(rows, row, place + row, allowed)
        chosen.append(token)
        if token == end:
            break
        walk.take(token)
        if row == len(window) or window[row] != token:
            break
    return chosen
