# SPDX-License-Identifier: Apache-2.0
"""What may well follow, in tokens, for the decoder to verify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from impromptu_vla_ros.core.structs import Draft
from impromptu_vla_ros.models.forms import TemplateForm, Walk


class DraftGuess:
    """
    Guess tokens by a draft in text, and by what the pass before thought.

    What it thought would follow a mistake is mostly right about the next digits, and less so the
    farther off it lies: the draft goes on from there, as soon as that leaves the form. With
    `headed` the answer's header was read with the prompt.
    """

    def __init__(
        self, draft: Draft, form: TemplateForm, tokenizer: Any, end: int, headed: bool
    ) -> None:
        self._draft = draft
        self._form = form
        self._tokenizer = tokenizer
        self._end = end
        self._read = list(form.header) if headed else []

    def __call__(self, written: Sequence[int], thought: Sequence[int]) -> Sequence[int]:
        """Return the tokens that may follow those `written`."""
        sure = [*self._read, *written]
        guessed = self._in_form(sure, thought)
        return guessed + self._drafted(sure + guessed)

    def _in_form(self, sure: list[int], thought: Sequence[int]) -> list[int]:
        """Return the beginning of a thought that keeps to the form."""
        walk = walked(self._form, sure)
        if walk is None:
            return []
        count = 0
        while count < len(thought) and walk.take(thought[count]):
            count += 1
        return list(thought[:count])

    def _drafted(self, sure: list[int]) -> list[int]:
        """Return what the draft has behind some tokens, nothing where it cannot go on."""
        text = self._draft.continued(self._tokenizer.decode(sure))
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [*ids[len(sure) :], self._end] if ids[: len(sure)] == sure else []


class FormGuess:
    """Guess the tokens that a form leaves no choice of; the header was read with the prompt."""

    def __init__(self, form: TemplateForm) -> None:
        self._form = form

    def __call__(self, written: Sequence[int], thought: Sequence[int]) -> Sequence[int]:
        """Return the tokens that must follow those `written`."""
        forced: list[int] = []
        walk = walked(self._form, [*self._form.header, *written])
        while walk is not None and len(allowed := walk.allowed()) == 1:
            forced.append(allowed[0])
            walk.take(allowed[0])
        return forced


def walked(form: TemplateForm, tokens: Sequence[int]) -> Walk | None:
    """Return the walk that an answer's tokens have made, None where they left the form."""
    if not form.begins(tokens):
        return None
    walk = form.walk()
    return walk if all(walk.take(token) for token in tokens[len(form.header) :]) else None
