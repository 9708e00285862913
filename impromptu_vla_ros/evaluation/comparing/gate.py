# SPDX-License-Identifier: Apache-2.0
"""The gate: conditions on differences, B less A, under which B must not pass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.evaluation.comparing.comparison import TITLES, Measured
from impromptu_vla_ros.evaluation.comparing.sides import CompareError

_FORM = re.compile(r'\s*(\w+)\s*([<>])\s*([-+]?\d+(?:\.\d*)?|[-+]?\.\d+)\s*')
# What B must not be worse at, where nothing else is asked for.
USUAL = ('l2_3s > 0', 'unanswered > 0', 'failed > 0')


@dataclass(frozen=True)
class Condition:
    """B fails where its `measure` less A's is surely `above` (else below) the limit."""

    measure: str
    above: bool
    limit: float

    def __str__(self) -> str:
        return f'{self.measure} {">" if self.above else "<"} {self.limit:g}'


@dataclass(frozen=True)
class Judged:
    """A condition, whether B fails by it, and why."""

    condition: Condition
    failed: bool
    why: str

    @property
    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {'condition': str(self.condition), 'failed': self.failed, 'why': self.why}


def parse(text: str) -> Condition:
    """Return the condition of a text like `l2_3s > 0.1`; raise CompareError for another one."""
    found = _FORM.fullmatch(text)
    if found is None or found[1] not in TITLES:
        raise CompareError(
            f'{text!r} is no condition like "l2_3s > 0.1", of {", ".join(TITLES)}; it is about '
            "B's less A's"
        )
    return Condition(found[1], found[2] == '>', float(found[3]))


def judge(
    measures: Mapping[str, Measured], wanted: Sequence[Condition], confidence: float, strict: bool
) -> list[Judged]:
    """
    Return what comes of each condition; without any, of the usual ones.

    B fails where the whole interval meets the condition, and, of shares of drives, McNemar's test
    does not call it chance; where `strict`, also if a part of the interval meets it, or there is
    none. Raise CompareError for a condition on what was not measured.
    """
    if not wanted:
        wanted = [each for each in map(parse, USUAL) if each.measure in measures]
    for each in wanted:
        if each.measure not in measures or not measures[each.measure].pairs:
            raise CompareError(
                f'--fail-if {str(each)!r}: nothing tells of {each.measure}; measured were '
                f'{", ".join(name for name, of in measures.items() if of.pairs)}'
            )
    return [_judged(each, measures[each.measure], confidence, strict) for each in wanted]


def _judged(condition: Condition, of: Measured, confidence: float, strict: bool) -> Judged:
    within = of.interval
    if within is None:
        why = f'{of.clusters} independent parts are too few to tell'
        return Judged(condition, strict, why)
    # Seen so that more is worse.
    sign = 1.0 if condition.above else -1.0
    ends = sorted((sign * within.low, sign * within.high))
    limit = sign * condition.limit
    sure = ends[0] > limit and (of.p is None or of.p < 1.0 - confidence)
    said = f'{of.difference:+.3f} ({within.low:+.3f} to {within.high:+.3f})'
    said += '' if of.p is None else f', p = {of.p:.3f}'
    if sure:
        return Judged(condition, True, f'{said}: surely so')
    if ends[1] > limit:
        return Judged(condition, strict, f'{said}: not ruled out')
    return Judged(condition, False, f'{said}: surely not so')
