# SPDX-License-Identifier: Apache-2.0
"""The ways to an answer that are compared, on one engine each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from impromptu_vla_ros.core.structs import Draft, Query
from impromptu_vla_ros.evaluation.benchmark.ordinary import FirstToken, generated
from impromptu_vla_ros.models.chat import END_OF_TURN
from impromptu_vla_ros.models.decoding import Guess
from impromptu_vla_ros.models.forms import TemplateForm
from impromptu_vla_ros.models.local import LocalModel
from impromptu_vla_ros.models.prompting import prepare, token_id

GENERATE, PLAIN, JUMPS, ONCE, DRAFTS = (
    'generate',
    'token by token',
    'jump-forward',
    'first draft',
    'drafts',
)


@dataclass(frozen=True)
class Run:
    """
    One answer: its tokens without the end, the seconds of each stage, the tokens of each pass.

    Of `generate` the stage `prefill` is the picture's encoding too.
    """

    tokens: tuple[int, ...]
    stages: dict[str, float]
    accepted: tuple[int, ...]

    @property
    def whole(self) -> float:
        """Return the seconds of all stages."""
        return sum(self.stages.values())


@dataclass(frozen=True)
class Way:
    """
    One way to answer, by name, on an engine.

    Where it is `lossless` its answer has to be token for token that of the engine's first way;
    None: they cannot be compared.
    """

    engine: str
    name: str
    answer: Callable[[Any], Run]
    lossless: bool | None = True


class OnlyOnce:
    """A draft that is never drafted again: it goes on as it guessed first, number by number."""

    def __init__(self, draft: Draft) -> None:
        self._first = draft.continued('').split(',')

    def continued(self, written: str) -> str:
        """Return what is written, and what was guessed first of all the rest."""
        pieces = written.split(',')
        if len(pieces) > len(self._first):
            return written
        rest = self._first[len(pieces) - 1][len(pieces[-1]) :]
        return ','.join([written + rest, *self._first[len(pieces) :]])


class Unthinking(LocalModel):
    """A model that guesses by its draft alone, and not by what the pass before thought."""

    def guess(self, query: Query, form: TemplateForm | None) -> Guess | None:
        """Return the guess of the draft, deaf to thoughts."""
        guess = super().guess(query, form)
        return None if guess is None else lambda written, thought: guess(written, ())


def ways(engine: str, model: LocalModel, exact: bool) -> Sequence[Way]:
    """
    Return the ways of one engine, `generate` first where it is a network of transformers.

    In half precision, where not `exact`, a near-tie may fall the other way in a longer pass.
    """
    tokenizer, decoding = model.tokenizer, model.decoding
    plain = LocalModel(model.engine, tokenizer, replace(decoding, drafts=False))
    bound = LocalModel(model.engine, tokenizer, replace(decoding, constrained=True))
    unthinking = Unthinking(model.engine, tokenizer, decoding)
    answers = {
        PLAIN: _decoded(plain),
        JUMPS: _decoded(bound, _undrafted),
        ONCE: _decoded(unthinking, _drafted_once),
        DRAFTS: _decoded(model),
    }
    network = getattr(model.engine, 'network', None)
    if network is not None:
        answers = {GENERATE: _ordinary(model, network), **answers}
    # A bound answer is another one where the model would not have kept to the form.
    return [Way(engine, name, answer, exact and name != JUMPS) for name, answer in answers.items()]


def _decoded(
    model: LocalModel, adapt: Callable[[Query], Query] = lambda query: query
) -> Callable[[Query], Run]:
    def answer(query: Query) -> Run:
        written, stages = model.write(adapt(query))
        return Run(written.tokens, stages, written.accepted)

    return answer


def _ordinary(model: LocalModel, network: Any) -> Callable[[Query], Run]:
    end = token_id(model.tokenizer, END_OF_TURN)

    def answer(query: Query) -> Run:
        first, started = FirstToken(), perf_counter()
        prompt = prepare(query, model.tokenizer)
        prepared = perf_counter()
        tokens = generated(network, prompt, end, model.decoding.most_tokens, first)
        stages = {
            'preprocess': prepared - started,
            'prefill': first.at - prepared,
            'decode': perf_counter() - first.at,
        }
        written = tokens[:-1] if tokens[-1] == end else tokens
        return Run(tuple(written), stages, (1,) * len(tokens))

    return answer


def _undrafted(query: Query) -> Query:
    return replace(query, draft=None)


def _drafted_once(query: Query) -> Query:
    return replace(query, draft=OnlyOnce(query.draft) if query.draft else None)
