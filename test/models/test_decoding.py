# SPDX-License-Identifier: Apache-2.0
"""The decoder with an engine whose next token any change of what was read before changes."""

import zlib
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros.models.decoding import Limits, NumpyRows, decode, read
from impromptu_vla_ros.models.prompting import Prompt
from impromptu_vla_ros.models.sampling import Draw

VOCABULARY, END = 12, 11
PROMPT = Prompt(np.arange(5), np.tile(np.arange(5), (3, 1)), ())


class Hashing:
    """Each token follows from all tokens read before it and their positions."""

    def __init__(self):
        self.read, self.passes = [], 0

    @property
    def length(self):
        return len(self.read)

    def prefill(self, ids, features, positions, rows=1):
        self.read = []
        return NumpyRows(self._rows(ids.tolist(), positions)[-rows:])

    def extend(self, ids, positions):
        self.passes += 1
        assert positions.shape == (3, len(ids))
        return NumpyRows(self._rows(list(ids), positions))

    def truncate(self, length):
        assert length <= len(self.read)
        del self.read[length:]

    def _rows(self, ids, positions):
        rows = []
        for token, position in zip(ids, positions.T.tolist()):
            self.read.append((token, *position))
            random = np.random.default_rng(zlib.crc32(repr(self.read).encode()))
            row = random.normal(size=VOCABULARY).astype(np.float32)
            row[END] = 9.0 if len(self.read) == 45 else -9.0
            rows.append(row)
        return np.array(rows)


def run(guess=None, window=8, most=60, first=(), **more):
    engine = Hashing()
    rows = read(engine, PROMPT, (), first)
    return decode(engine, PROMPT, rows, first, Limits(END, most, window), guess, **more), engine


def plain(most=60):
    return run(None, most=most)[0]


def partly_right(share, seed):
    """Guess the answer, each token wrong with some probability."""
    truth = [*plain().tokens, END]
    random = Random(seed)

    def guess(written, thought):
        rest = truth[len(written) :]
        return [t if random.random() < share else random.randrange(VOCABULARY) for t in rest]

    return guess


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.integers(0, 99), st.integers(1, 40), st.integers(1, 60))
def test_the_answer_is_the_ordinary_one_whatever_is_guessed(share, seed, window, most):
    written, _ = run(partly_right(share, seed), window, most)
    assert written.tokens == plain(most).tokens
    assert sum(written.accepted) - len(written.tokens) in (0, 1)
    assert all(1 <= count <= window + 1 for count in written.accepted)


@given(st.lists(st.integers(0, VOCABULARY - 1), max_size=10), st.integers(0, 30))
def test_some_of_it_is_guessed_while_the_prompt_is_read(wrong, right):
    first = [*[*plain().tokens, END][:right], *wrong]
    written, _ = run(partly_right(0.8, 3), first=first)
    assert written.tokens == plain().tokens
    assert written.accepted[0] > min(right, len(written.tokens))


def test_without_guesses_every_pass_yields_one():
    written, engine = run(None)
    assert set(written.accepted) == {1}
    assert engine.passes == len(written.accepted) - 1


def test_a_right_guess_is_one_pass_per_window():
    count = len(plain(50).tokens)
    written, engine = run(partly_right(1.0, 0), window=9, most=50)
    assert len(written.tokens) == count
    assert engine.passes == -(-(sum(written.accepted) - 1) // 10)


def test_what_the_pass_thought_behind_a_mistake_is_handed_on():
    seen = []

    def guess(written, thought):
        seen.append(list(thought))
        return [0] * 4

    written, _ = run(guess)
    assert seen[0] == []
    for thought, accepted in zip(seen[1:], written.accepted[1:]):
        assert len(thought) == 5 - accepted


def test_the_cache_holds_what_was_written_but_for_the_newest():
    written, engine = run(partly_right(0.7, 1), most=12)
    read = [token for token, *_ in engine.read][len(PROMPT.ids) :]
    assert read[: len(written.tokens) - 1] == list(written.tokens[:-1])
    places = [position[0] for _, *position in engine.read]
    assert places == list(range(len(places)))


class Alternating:
    """A form: a token of 0–4, then one of 5–9, four in all."""

    def __init__(self):
        self.taken = []

    def allowed(self):
        halves = (range(5), range(5, 10))
        return halves[len(self.taken) % 2] if len(self.taken) < 4 else ()

    def take(self, token):
        fits = token in self.allowed()
        if fits:
            self.taken.append(token)
        return fits


@pytest.mark.parametrize('seed', range(5))
def test_a_form_binds_every_token_and_the_end(seed):
    alone, _ = run(walk=Alternating())
    random = Random(seed)
    guessed, _ = run(
        lambda *_: [random.randrange(VOCABULARY) for _ in range(5)], walk=Alternating()
    )
    assert alone.tokens == guessed.tokens
    assert [token // 5 for token in alone.tokens] == [0, 1, 0, 1]


def test_how_sure_it_was_of_the_watched_tokens():
    watched = (1, 2, 3)
    alone, drafted = run(watched=watched)[0], run(partly_right(0.8, 2), watched=watched)[0]
    assert drafted.places == alone.places
    assert [alone.tokens[place] in watched for place in alone.places] == [True] * len(alone.places)
    assert sum(token in watched for token in alone.tokens) == len(alone.places) > 3
    assert np.allclose(alone.sure, drafted.sure)
    chosen = [watched.index(alone.tokens[place]) for place in alone.places]
    assert np.array_equal(alone.sure.argmax(axis=1), chosen)


def test_rows_by_hand():
    rows = NumpyRows(np.log(np.array([[1, 2, 5], [4, 4, 2]], np.float32)))
    assert rows.best().tolist() == [2, 0]
    assert rows.best_of(0, (0, 1)) == 1
    assert np.allclose(np.exp(rows.log_probabilities([1], (2, 0))), [[0.2, 0.4]])


def test_draws_follow_the_probabilities():
    rows = NumpyRows(np.log(np.array([[6, 3, 1, 90]], np.float32)))
    drawn = [Draw(seed)(rows, 0, 7, (0, 1, 2)) for seed in range(2000)]
    shares = np.bincount(drawn) / len(drawn)
    # Within four standard deviations.
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=4 * np.sqrt(0.25 / 2000))


@pytest.mark.parametrize('seed', range(5))
def test_guesses_have_no_say_in_a_draw(seed):
    random = Random(seed)
    alone, _ = run(walk=Alternating(), choose=Draw(seed))
    guessed, _ = run(
        lambda *_: [random.randrange(10) for _ in range(5)], walk=Alternating(), choose=Draw(seed)
    )
    assert alone.tokens == guessed.tokens
