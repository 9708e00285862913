# SPDX-License-Identifier: Apache-2.0
"""What may follow, in tokens: a draft gone on with from what is verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from impromptu_vla_ros.core.structs import Draft


class DraftGuess:
    """Guess tokens by a draft in text; `header` are tokens of the answer that were read before."""

    def __init__(self, draft: Draft, tokenizer: Any, header: Sequence[int], end: int) -> None:
        self._draft = draft
        self._tokenizer = tokenizer
        self._header = list(header)
        self._end = end

    def __call__(self, written: Sequence[int], thought: Sequence[int]) -> Sequence[int]:
        """Return the tokens that may follow those `written`."""
        sure = [*self._header, *written]
        return self._follow(sure) or list(thought)

    def _follow(self, tokens: list[int]) -> list[int]:
        """Return what the draft has behind some tokens, nothing where it cannot go on."""
        text = self._draft.continued(self._tokenizer.decode(tokens))
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [*ids[len(tokens) :], self._end] if ids[: len(tokens)] == tokens else []
