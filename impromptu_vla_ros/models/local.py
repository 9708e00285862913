# SPDX-License-Identifier: Apache-2.0
"""A model in this process: a query's prompt, an engine, the decoder, and the answer's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import Answer, Digits, InputError, Query
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.chat import END_OF_TURN
from impromptu_vla_ros.models.decoding import Engine, Guess, Limits, Written, decode, read
from impromptu_vla_ros.models.drafts import DraftGuess, FormGuess
from impromptu_vla_ros.models.forms import TemplateForm, Walk
from impromptu_vla_ros.models.grammar import Grammar
from impromptu_vla_ros.models.interrupting import InterruptibleEngine
from impromptu_vla_ros.models.positions import following
from impromptu_vla_ros.models.prompting import Prompt, prepare, token_id
from impromptu_vla_ros.models.sampling import sampled


def default_window(device: str) -> int:
    """
    Return how many guesses a pass verifies on a kind of device.

    A CPU pays for each: of a 0.56 B network in bf16 on one core a pass over 17 rows took 278 ms,
    over 33 rows 398 ms, and one over a single row 186 ms. A GPU waits for the weights meanwhile.
    """
    return 16 if device == 'cpu' else 32


@dataclass(frozen=True)
class Decoding:
    """
    How answers are decoded.

    `drafts` are verified `window` tokens at a time; without them tokens come one by one.
    `constrained` answers always have the form of the query's template, or match its pattern,
    whatever the weights. `most_tokens` bounds an answer: ten waypoints take 196. So many
    `samples` are drawn beside each answer that has its form.
    """

    drafts: bool = True
    constrained: bool = False
    window: int = 16
    most_tokens: int = 256
    samples: int = 0


class LocalModel:
    """Answer with an engine, greedily; `tokenizer` is the checkpoint's own."""

    def __init__(self, engine: Engine, tokenizer: Any, decoding: Decoding | None = None) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.decoding = decoding or Decoding()
        self._end = token_id(tokenizer, END_OF_TURN)
        self._grammar = lru_cache(lambda: Grammar(tokenizer, self._end))
        self._form = lru_cache(maxsize=4)(lambda template: TemplateForm(template, tokenizer))

    def answer(self, query: Query) -> Answer:
        """Return the text up to the end of the turn, with `preprocess` … `decode` s."""
        try:
            return self._answer(query)
        except (ModelError, InputError):
            raise
        except Exception as error:  # The engines' libraries raise kinds of their own.
            raise ModelError(f'no answer: {error}') from error

    def _answer(self, query: Query) -> Answer:
        prompt, written, stages = self._written(query)
        form = self._form_of(query)
        answer = self._said(written, form, stages)
        if form is None or not self.decoding.samples or not form.begins(written.tokens):
            return answer
        started = perf_counter()
        samples = self._drawn(query, form, _headed(prompt, form.header))
        return replace(
            answer,
            samples=samples,
            latencies={**stages, 'samples': perf_counter() - started},
        )

    def _drawn(self, query: Query, form: TemplateForm, headed: Prompt) -> tuple[str, ...]:
        """Return other answers to what the engine has just read."""
        if query.draft is None or not self.decoding.drafts:
            guess: Guess = FormGuess(form)
        else:
            guess = DraftGuess(query.draft, form, self.tokenizer, self._end, headed=True)
        drawn = [
            sampled(self.engine, headed, form, self._limits(query), guess, seed)
            for seed in range(self.decoding.samples)
        ]
        return tuple(self.tokenizer.decode([*form.header, *each.tokens]) for each in drawn)

    def write(self, query: Query) -> tuple[Written, dict[str, float]]:
        """Return the answer in tokens, and the seconds of each stage."""
        return self._written(query)[1:]

    def _written(self, query: Query) -> tuple[Prompt, Written, dict[str, float]]:
        times = [perf_counter()]
        prompt = prepare(query, self.tokenizer)
        times.append(perf_counter())
        engine = self._engine_for(query)
        features = [engine.encode(picture) for picture in prompt.pictures]
        times.append(perf_counter())
        form = self._form_of(query)
        bound = form if self.decoding.constrained else None
        header = tuple(bound.header) if bound is not None else ()
        headed = _headed(prompt, header)
        guess = self.guess(query, form)
        window = self._first_window(query, guess, form)
        first = read(engine, headed, features, window)
        times.append(perf_counter())
        written = decode(
            engine,
            headed,
            first,
            window,
            self._limits(query),
            guess,
            bound.walk() if bound is not None else self._free_walk(query),
            form.digits if form is not None else (),
        )
        written = _behind(header, written)
        times.append(perf_counter())
        stages = dict(zip(('preprocess', 'encode', 'prefill', 'decode'), np.diff(times).tolist()))
        return prompt, written, stages

    def _limits(self, query: Query) -> Limits:
        window = query.window or self.decoding.window
        most = self.decoding.most_tokens
        return Limits(self._end, min(query.most_tokens or most, most), window)

    def _engine_for(self, query: Query) -> Engine:
        if query.interrupted is None:
            return self.engine
        return InterruptibleEngine(self.engine, query.interrupted)

    def _form_of(self, query: Query) -> TemplateForm | None:
        return self._form(query.template) if query.template is not None else None

    def _free_walk(self, query: Query) -> Walk | None:
        bound = self.decoding.constrained and query.template is None and query.pattern
        return self._grammar().walk(query.pattern) if bound else None

    def guess(self, query: Query, form: TemplateForm | None) -> Guess | None:
        """Return what guesses an answer's tokens, None where they come one by one."""
        if form is None or not self.decoding.drafts:
            return None
        bound = self.decoding.constrained
        if query.draft is None:
            return FormGuess(form) if bound else None
        return DraftGuess(query.draft, form, self.tokenizer, self._end, bound)

    def _first_window(
        self, query: Query, guess: Guess | None, form: TemplateForm | None
    ) -> Sequence[int]:
        """Return what is verified while the prompt is read: the header beside a usual window."""
        if guess is None or form is None:
            return ()
        header = 0 if self.decoding.constrained else len(form.header)
        limits = self._limits(query)
        return guess((), ())[: min(header + limits.window, limits.most_tokens - 1)]

    def _said(
        self, written: Written, form: TemplateForm | None, stages: dict[str, float]
    ) -> Answer:
        """Return an answer's text, and where in it the digits are that the model was asked of."""
        text = self.tokenizer.decode(list(written.tokens), skip_special_tokens=True)
        digits = None
        if form is not None and written.sure is not None:
            pieces = [self.tokenizer.decode([token]) for token in written.tokens]
            starts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
            # Pieces that are no whole characters, as of no answer in form, have no place.
            if ''.join(pieces) == text:
                digits = Digits(starts[list(written.places)], written.sure)
        return Answer(text, stages, len(written.tokens), written.accepted, digits)


def _behind(header: Sequence[int], written: Written) -> Written:
    """Return an answer that goes on from a given header, as a whole."""
    places = tuple(len(header) + place for place in written.places)
    return replace(written, tokens=(*header, *written.tokens), places=places)


def _headed(prompt: Prompt, header: Sequence[int]) -> Prompt:
    """Return a prompt that the beginning of the answer is part of."""
    behind = following(prompt.positions, len(header))
    return Prompt(
        np.concatenate([prompt.ids, np.array(header, np.int64)]),
        np.concatenate([prompt.positions, behind], axis=1),
        prompt.pictures,
    )
