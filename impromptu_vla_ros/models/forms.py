# SPDX-License-Identifier: Apache-2.0
"""The form of an answer in a checkpoint's own tokens: which may come next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from impromptu_vla_ros.core.template import MOST_DIGITS, Template
from impromptu_vla_ros.models import ModelError

DIGITS = '0123456789'

# An item of the form and how far it stands: characters of a literal, or a number so far.
State = tuple[int, str]

# Numbers whose answers hold between them every token but digits.
_SAMPLES = ('1.25', '-1.25')


class Walk(Protocol):
    """One way through a form, token by token."""

    def allowed(self) -> Sequence[int]:
        """Return the tokens that may come next; none at the end of the form."""
        ...

    def take(self, token: int) -> bool:
        """Go on by one token; return False, and stay, where it may not come next."""
        ...


class TemplateForm:
    """
    A template's points in the tokens of `tokenizer`, behind its header.

    `header` are the header's tokens. Only tokens are used that the tokenizer itself writes such
    an answer with, so that an answer has one spelling. Raises ModelError where the tokenizer
    joins characters across the header's end, or more than one digit.
    """

    def __init__(self, template: Template, tokenizer: Any) -> None:
        self._template = template
        between = [', ' if place % 2 else '], [' for place in range(1, 2 * template.count)]
        self._literals = [' [', *between, ']' + template.end]
        self.header = _ids(tokenizer, template.header)
        digits = [_ids(tokenizer, digit) for digit in DIGITS]
        self.digits = tuple(ids[0] for ids in digits)
        self.tokens = dict(zip(self.digits, DIGITS))
        # Where a literal may be cut: elsewhere no token goes on.
        self._cuts: set[State] = set()
        for number in _SAMPLES:
            listed = ', '.join([f'[{number}, {number}]'] * template.count)
            ids = _ids(tokenizer, f'{template.header} {listed}{template.end}')
            if ids[: len(self.header)] != self.header:
                raise ModelError('the tokenizer joins the header of an answer to its points')
            self._learn({k: tokenizer.decode([k]) for k in ids}, ids[len(self.header) :])
        self.allowed = lru_cache(maxsize=None)(self._allowed)

    def begins(self, tokens: Sequence[int]) -> bool:
        """Tell whether an answer's tokens begin with the header."""
        return list(tokens[: len(self.header)]) == self.header

    def walk(self) -> Walk:
        """Return a new walk, from behind the header to the end."""
        return _TemplateWalk(self)

    def after(self, state: State, text: str) -> State | None:
        """Return the state behind `text`, None where the form has no such text there."""
        for character in text:
            following = self._step(state, character)
            if following is None:
                return None
            state = following
        return state

    def _learn(self, texts: Mapping[int, str], ids: Sequence[int]) -> None:
        """Take down the tokens of one answer and where they cut its literals."""
        state = (0, '')
        for k in ids:
            following = self.after(state, texts[k])
            if following is None or sum(c in DIGITS for c in texts[k]) > (k in self.digits):
                raise ModelError('the tokenizer does not write each digit as a token of its own')
            state = following
            self.tokens[k] = texts[k]
            if not state[0] % 2:
                self._cuts.add(state)

    def _allowed(self, state: State) -> tuple[int, ...]:
        behind = {k: self.after(state, text) for k, text in self.tokens.items()}
        return tuple(
            k for k, at in sorted(behind.items()) if at and (at[0] % 2 or at in self._cuts)
        )

    def _step(self, state: State, character: str) -> State | None:
        item, so_far = state
        if item == 2 * len(self._literals) - 1:
            return None
        if item % 2 == 0:  # a literal
            literal = self._literals[item // 2]
            if literal[len(so_far)] != character:
                return None
            so_far += character
            return (item + 1, '') if so_far == literal else (item, so_far)
        if self._begins_number(so_far + character):
            # All other digits are alike: few states, each looked through once.
            return item, so_far + (character if character in '-.0' else '1')
        return self._step((item + 1, ''), character) if self._is_number(so_far) else None

    def _begins_number(self, text: str) -> bool:
        """Return whether a number of the template can begin so."""
        whole, point, decimals = text.removeprefix('-').partition('.')
        if any(character not in DIGITS for character in whole + decimals):
            return False
        if len(whole) > MOST_DIGITS or (len(whole) > 1 and whole[0] == '0'):
            return False
        if point and not whole:
            return False
        needless = not self._template.fixed and decimals[1:] == '0'
        return len(decimals) <= 2 and not needless

    def _is_number(self, text: str) -> bool:
        return len(text.partition('.')[2]) >= (2 if self._template.fixed else 1)


class _TemplateWalk:
    def __init__(self, form: TemplateForm) -> None:
        self._form = form
        self._state: State = (0, '')

    def allowed(self) -> Sequence[int]:
        return self._form.allowed(self._state)

    def take(self, token: int) -> bool:
        text = self._form.tokens.get(token)
        following = self._form.after(self._state, text) if text else None
        if following is None:
            return False
        self._state = following
        return True


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids
