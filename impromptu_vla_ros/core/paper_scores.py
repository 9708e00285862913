# SPDX-License-Identifier: Apache-2.0
"""
How right answers are as the paper's own scorer counts (the authors' calculate_accuracy).

These numbers compare with the paper's table, and should with nothing else: q1 looks at kinds only,
and only at users said to be aside; q2 ignores which object does what; q4 takes a word anywhere;
q7 takes the best of four mirrored answers, and zeros for less than nine points.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from impromptu_vla_ros.core.metrics import cumulative_mean, l2
from impromptu_vla_ros.core.question_answers import PLAN_CLOSE, PLAN_OPEN
from impromptu_vla_ros.core.question_scores import SECONDS, Pair, alike, by_second, means
from impromptu_vla_ros.core.structs import FloatArray

_ASIDE = re.compile(
    r'an?\s+([a-zA-Z\s]+)\s+located\s+[0-9]+\s+meters\s+ahead\s+of\s+me\s+and\s+[0-9]+\s+meters\s+'
    r'to\s+the\s+(?:left|right|front|back)'
)
_OBJECT = re.compile(r'Object [0-9]+:\s*(\w+),\s*(\w+)')
_PLAN = re.compile(rf'{PLAN_OPEN}\s*([A-Z+_]+)\s*,\s*([A-Z+_]+)\s*{PLAN_CLOSE}')
_POINT = re.compile(r'\[\s*(-?[0-9]+\.[0-9]+)\s*,\s*(-?[0-9]+\.[0-9]+)\s*\]')
# In this order: of several words the last counts.
_LIGHTS = ('None', 'Red', 'Green', 'Yellow')
# Less points are no answer, and a tenth that is missing is the ninth again.
_LEAST_POINTS, _POINTS = 9, 10


def paper_scores(pairs: Iterable[Pair]) -> dict[str, dict[str, float]]:
    """Return each task's means as the paper's scorer makes them; q7's are metres."""
    rows: dict[str, list[dict[str, float]]] = {}
    for pair in pairs:
        if pair.task in _PAPER:
            rows.setdefault(pair.task, []).append(_PAPER[pair.task](pair.said, pair.right))
    return {task: {**means(rows[task]), 'count': len(rows[task])} for task in sorted(rows)}


def _paper_vulnerable(said: str, right: str) -> dict[str, float]:
    kinds, rights = _kinds(said), _kinds(right)
    if not kinds or not rights:
        return {'f1': float(not kinds and not rights)}
    hits = sum((Counter(kinds) & Counter(rights)).values())
    return {'f1': 2.0 * hits / (len(kinds) + len(rights))}


def _kinds(text: str) -> list[str]:
    return [] if 'No' in text else [kind.strip() for kind in _ASIDE.findall(text)]


def _paper_objects(said: str, right: str) -> dict[str, float]:
    pairs, rights = _OBJECT.findall(said), _OBJECT.findall(right)
    if not rights:
        return {'speed': 1.0, 'path': 1.0, 'both': 1.0}

    def share(of: Sequence[object], whole: Sequence[object]) -> float:
        return sum((Counter(of) & Counter(whole)).values()) / len(whole)

    return {
        'speed': share([speed for speed, _ in pairs], [speed for speed, _ in rights]),
        'path': share([path for _, path in pairs], [path for _, path in rights]),
        'both': share(pairs, rights),
    }


def _paper_light(said: str, right: str) -> dict[str, float]:
    named = [light for light in _LIGHTS if light in said]
    return {'accuracy': float((named[-1] if named else said) == right)}


def _paper_plan(said: str, right: str) -> dict[str, float]:
    plan, rights = _PLAN.search(said), _PLAN.search(right)
    if plan is None or rights is None:
        return {'speed': 0.0, 'path': 0.0, 'both': 0.0}
    return alike(plan.groups(), rights.groups())


def _paper_trajectory(said: str, right: str) -> dict[str, float]:
    points, rights = _points(said), _points(right)[:_POINTS]
    if len(points) < _LEAST_POINTS:
        points = np.zeros((_POINTS, 2))
    points = np.vstack([points, points[-1:]])[: len(rights)]
    # The nearest of all mirror images of a point is the one in its own quarter of the plane.
    return by_second('l2', cumulative_mean(l2(np.abs(points), np.abs(rights)), 0.5, SECONDS))


def _points(text: str) -> FloatArray:
    return np.array(_POINT.findall(text), float).reshape(-1, 2)


_PAPER = {
    'q1': _paper_vulnerable,
    'q2': _paper_objects,
    'q4': _paper_light,
    'q6': _paper_plan,
    'q7': _paper_trajectory,
}
