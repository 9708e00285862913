# SPDX-License-Identifier: Apache-2.0
"""Answers that match a regular expression, by llguidance: for forms that are no template."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from impromptu_vla_ros.models import ModelError


class Grammar:
    """
    Make walks through regular expressions in the tokens of `tokenizer`; `end` ends them.

    Raises ModelError where llguidance is missing.
    """

    def __init__(self, tokenizer: Any, end: int) -> None:
        try:
            self._library = import_module('llguidance')
        except ImportError as error:
            raise ModelError(
                f'a constrained answer in free form needs llguidance ({error}): '
                "pip install 'impromptu_vla_ros[guidance]'"
            ) from error
        # Seconds, for a vocabulary of 150,000.
        self._words = self._library.LLTokenizer(tokenizer.to_str(), eos_token=end)

    def walk(self, pattern: str) -> GrammarWalk:
        """Return a new walk; raise ModelError unless `pattern` is of Rust's syntax."""
        kind = self._library.LLMatcher
        try:
            matcher = kind(self._words, kind.grammar_from_regex(pattern))
        except ValueError as error:
            raise ModelError(f'no form can be made of {pattern[:80]!r}: {error}') from error
        if matcher.is_error():
            reason = matcher.get_error().strip().splitlines()[0]
            raise ModelError(f'no form can be made of {pattern[:80]!r}: {reason}')
        return GrammarWalk(matcher)


class GrammarWalk:
    """One way through a regular expression."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def allowed(self) -> Sequence[int]:
        """Return the tokens that may come next, the end among them where it may end."""
        if self._matcher.is_stopped():
            return ()
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        allowed: list[int] = np.flatnonzero(np.unpackbits(bits, bitorder='little')).tolist()
        return allowed

    def take(self, token: int) -> bool:
        """Go on by one token; return False, and stay, where it may not come next."""
        fits = self._matcher.validate_tokens([token]) == 1
        return bool(fits and self._matcher.consume_token(token))
