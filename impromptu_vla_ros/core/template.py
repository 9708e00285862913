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

    `decimals` are the fewest and the most of a number; where they differ, numbers are in
    shortest form and end in no needless 0. The space is no part of the header since Qwen's
    tokenizer joins it to the bracket behind it.
    """

    header: str
    count: int
    decimals: tuple[int, int]
    end: str

    @property
    def number(self) -> str:
        """Return a regular expression of one number."""
        fewest, most = self.decimals
        whole = rf'-?(0|[1-9][0-9]{{0,{MOST_DIGITS - 1}}})\.'
        if fewest == most:
            return rf'{whole}[0-9]{{{most}}}'
        return rf'{whole}[0-9]([0-9]{{0,{most - 2}}}[1-9])?'

    @property
    def points(self) -> str:
        """Return a regular expression of what follows the header, from the space on."""
        point = rf'\[{self.number}, {self.number}\]'
        return f' {point}(, {point}){{{self.count - 1}}}{re.escape(self.end)}'

    @property
    def pattern(self) -> str:
        """Return a regular expression of a whole answer."""
        return re.escape(self.header) + self.points
