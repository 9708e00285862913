# SPDX-License-Identifier: Apache-2.0
"""
How right answers are, over all records of a task together.

Places, numbers and words must match, nothing is mirrored, and what is not understood is counted as
wrong. `paper_scores` has the numbers that compare with the paper's table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from impromptu_vla_ros.core.codec import AnswerError, decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.metrics import at_seconds, cumulative_mean, l2
from impromptu_vla_ros.core.question_answers import (
    NotUnderstood,
    RoadUser,
    parse_light,
    parse_objects,
    parse_plan,
    parse_vulnerable,
)
from impromptu_vla_ros.core.questions import SpeedPath
from impromptu_vla_ros.core.structs import Trajectory

T = TypeVar('T')
SCORED = ('q1', 'q2', 'q4', 'q6', 'q7')
SECONDS = (1.0, 2.0, 3.0, 4.0, 5.0)
# Two places are of one road user within this many metres: answers cut metres off.
SAME_PLACE = 2.0


@dataclass(frozen=True)
class Pair:
    """One question's task, what was `said` to it, and what is `right`."""

    task: str
    said: str
    right: str


def corrected_scores(pairs: Iterable[Pair]) -> dict[str, dict[str, float]]:
    """
    Return each task's numbers over all of its records together.

    `unparsed` answers count as wrong, in q7 as no answer; `unscored` are records whose right
    answer is not of the form. Both are counts, as `count` is.
    """
    by_task: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.task in _CORRECTED:
            by_task.setdefault(pair.task, []).append(pair)
    return {task: _CORRECTED[task](by_task[task]) for task in sorted(by_task)}


def _vulnerable(pairs: Sequence[Pair]) -> dict[str, float]:
    hits = told = there = unparsed = unscored = 0
    for pair in pairs:
        said, right = parse_vulnerable(pair.said), parse_vulnerable(pair.right)
        if isinstance(right, NotUnderstood):
            unscored += 1
            continue
        there += len(right.users)
        if isinstance(said, NotUnderstood):
            unparsed += 1
            continue
        told += len(said.users)
        hits += same_users(said.users, right.users)
    return {
        'f1': _ratio(2 * hits, told + there),
        'precision': _ratio(hits, told),
        'recall': _ratio(hits, there),
        **_counts(pairs, unparsed, unscored),
    }


def same_users(said: Sequence[RoadUser], right: Sequence[RoadUser]) -> int:
    """Return how many road users are the same: of one kind, within 2 m; nearest pairs first."""
    places = sorted(
        (distance, a, b)
        for a, one in enumerate(said)
        for b, other in enumerate(right)
        if one.kind == other.kind
        and (distance := math.hypot(one.ahead - other.ahead, one.left - other.left)) <= SAME_PLACE
    )
    left, taken = set(range(len(said))), set()
    for _, a, b in places:
        if a in left and b not in taken:
            left.remove(a)
            taken.add(b)
    return len(taken)


def _objects(pairs: Sequence[Pair]) -> dict[str, float]:
    rows: list[dict[str, float]] = []
    unparsed = unscored = extra = 0
    for pair in pairs:
        said, right = parse_objects(pair.said), parse_objects(pair.right)
        if isinstance(right, NotUnderstood):
            unscored += 1
            continue
        unparsed += isinstance(said, NotUnderstood)
        told = {} if isinstance(said, NotUnderstood) else dict(said.objects)
        rows += [_decided(told.pop(number, None), decision) for number, decision in right.objects]
        extra += len(told)
    objects = {'objects': len(rows), 'extra': extra}
    return {**means(rows), **objects, **_counts(pairs, unparsed, unscored)}


def _decided(said: SpeedPath | None, right: SpeedPath) -> dict[str, float]:
    if said is None:
        return {'speed': 0.0, 'path': 0.0, 'both': 0.0}
    return alike((said.speed, said.path), (right.speed, right.path))


def _lights(pairs: Sequence[Pair]) -> dict[str, float]:
    return _scored(pairs, parse_light, lambda said, right: {'accuracy': float(said == right)})


def _plans(pairs: Sequence[Pair]) -> dict[str, float]:
    return _scored(
        pairs,
        parse_plan,
        lambda said, right: _decided(None if said is None else said.plan, right.plan),
    )


def _scored(
    pairs: Sequence[Pair],
    parse: Callable[[str], T | NotUnderstood],
    row: Callable[[T | None, T], dict[str, float]],
) -> dict[str, float]:
    """Return the means of one row a record, None being said where nothing is understood."""
    rows: list[dict[str, float]] = []
    unparsed = unscored = 0
    for pair in pairs:
        said, right = parse(pair.said), parse(pair.right)
        if isinstance(right, NotUnderstood):
            unscored += 1
            continue
        unparsed += isinstance(said, NotUnderstood)
        rows.append(row(None if isinstance(said, NotUnderstood) else said, right))
    return {**means(rows), **_counts(pairs, unparsed, unscored)}


def _trajectories(pairs: Sequence[Pair]) -> dict[str, float]:
    rows: list[dict[str, float]] = []
    unparsed = unscored = 0
    for pair in pairs:
        right = trajectory(pair.right)
        if right is None:
            unscored += 1
            continue
        said = trajectory(pair.said)
        if said is None or said.points.shape != right.points.shape:
            unparsed += 1
            continue
        distances = l2(said.points, right.points)
        rows.append(
            {
                **by_second('l2', cumulative_mean(distances, right.spacing, SECONDS)),
                **by_second('l2_at', at_seconds(distances, right.spacing, SECONDS)),
            }
        )
    return {**means(rows), **_counts(pairs, unparsed, unscored)}


def trajectory(text: str) -> Trajectory | None:
    """Return the waypoints of an answer with as many as some dialect says, None for others."""
    for dialect in (DIALECTS['kitti'], DIALECTS['nuscenes']):
        try:
            return decode_trajectory(dialect, text)
        except AnswerError:
            continue
    return None


def alike(said: Sequence[str], right: Sequence[str]) -> dict[str, float]:
    """Return which of a speed and a path is said as is right."""
    same = [a == b for a, b in zip(said, right, strict=True)]
    return {'speed': float(same[0]), 'path': float(same[1]), 'both': float(all(same))}


def by_second(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return metres by second, as far as the horizon goes."""
    return {
        f'{name}_{second:.0f}s': value
        for second, value in zip(SECONDS, values, strict=True)
        if math.isfinite(value)
    }


def means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each number over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def _ratio(part: int, whole: int) -> float:
    """Return a share; all is right where there is nothing."""
    return part / whole if whole else 1.0


def _counts(pairs: Sequence[Pair], unparsed: int, unscored: int) -> dict[str, float]:
    return {'unparsed': unparsed, 'unscored': unscored, 'count': len(pairs)}


_CORRECTED = {
    'q1': _vulnerable,
    'q2': _objects,
    'q4': _lights,
    'q6': _plans,
    'q7': _trajectories,
}
