# SPDX-License-Identifier: Apache-2.0
"""The form of an answer as data: what a decoder or a server may be told of it beforehand."""

from __future__ import annotations

import re
from dataclasses import dataclass

# 999.99 m in 5 s are 200 m/s: no answer needs more digits before the point.
MOST_DIGITS = 3


@dataclass(frozen=True)
class Template:
    """
    An answer's form: `header`, a space, `count` points `[x, y]` joined by `, `, then `end`.

    Numbers have two decimals if `fixed`, else one or two, as few as it takes. The space is no
    part of the header since Qwen's tokenizer joins it to the bracket behind it.
    """

    header: str
    count: int
    fixed: bool
    end: str

    @property
    def number(self) -> str:
        """Return a regular expression of one number."""
        decimals = '[0-9][0-9]' if self.fixed else '[0-9][1-9]?'
        return rf'-?(0|[1-9][0-9]{{0,{MOST_DIGITS - 1}}})\.{decimals}'

    @property
    def points(self) -> str:
        """Return a regular expression of what follows the header, from the space on."""
        point = rf'\[{self.number}, {self.number}\]'
        return f' {point}(, {point}){{{self.count - 1}}}{_literal(self.end)}'

    @property
    def pattern(self) -> str:
        """Return a regular expression of a whole answer."""
        return _literal(self.header) + self.points


def _literal(text: str) -> str:
    """Return a regular expression of a text, its spaces as they are: not all know escaped ones."""
    return re.sub(r'([][.^$*+?{}|()\\])', r'\\\1', text)
