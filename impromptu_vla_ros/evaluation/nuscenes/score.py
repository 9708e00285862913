# SPDX-License-Identifier: Apache-2.0
"""How far plans lie from what was driven, and what they hit, beside planners that know nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from impromptu_vla_ros.core import codec, metrics
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.collisions import counted_collisions
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray
from impromptu_vla_ros.evaluation.nuscenes.asking import Skips
from impromptu_vla_ros.evaluation.nuscenes.cases import STEPS, Case
from impromptu_vla_ros.evaluation.score import SPACING, Distances

SECONDS = (1, 2, 3)
GRID = SPACING * np.arange(1.0, STEPS + 1.0)
PLAN = 'plan'
NOTHING = np.full((STEPS, 2), np.nan)


def stand_still(case: Case) -> FloatArray:
    """Return the waypoints (6, 2) of who does not move."""
    return np.zeros((STEPS, 2))


def constant_velocity(case: Case) -> FloatArray:
    """Return the waypoints (6, 2) of going on with the mean velocity of the last 0.5 s."""
    return metrics.constant_velocity(_past(case), _NOW, GRID)


def constant_turn_rate(case: Case) -> FloatArray:
    """Return the waypoints (6, 2) of going on with the mean speed and turn rate of 0.5 s."""
    return metrics.constant_turn_rate(_past(case), _NOW, GRID)


TRIVIAL: Mapping[str, Callable[[Case], FloatArray]] = {
    'stand_still': stand_still,
    'constant_velocity': constant_velocity,
    'constant_turn_rate': constant_turn_rate,
}
PREDICTORS = (PLAN, *TRIVIAL)
_NOW = NANOSECONDS


def _past(case: Case) -> DrivenPath:
    before = _NOW - round(metrics.BASELINE_PAST * NANOSECONDS)
    return DrivenPath(np.array([before, _NOW]), np.vstack([case.before, np.zeros(3)]))


@dataclass(frozen=True, eq=False)
class OpenLoop:
    """
    What the cases say of a model and of the trivial planners.

    `waypoints` (cases, 6, 2), `distances` and `hits` (cases, 6) are by predictor; NaN where
    nothing was predicted, `hits` also where nobody annotated. A hit is 1, none 0.
    """

    cases: tuple[Case, ...]
    waypoints: Mapping[str, FloatArray]
    distances: Mapping[str, Distances]
    hits: Mapping[str, Distances]

    @property
    def planned(self) -> int:
        """Return how many cases have a plan."""
        return self.distances[PLAN].known([1])[0]


def score(
    cases: Sequence[Case], answers: Mapping[int, str], dialect: Dialect, skips: Skips
) -> OpenLoop:
    """Return the scores of the cases with a picture; what an answer does not say is skipped."""
    waypoints: dict[str, FloatArray] = {
        PLAN: _stacked([_planned(case, answers, dialect, skips) for case in cases])
    }
    for name, predict in TRIVIAL.items():
        waypoints[name] = _stacked([predict(case) for case in cases])
    distances, hits = {}, {}
    for name, predicted in waypoints.items():
        pairs = list(zip(predicted, cases, strict=True))
        rows = [metrics.l2(points, case.driven) for points, case in pairs]
        distances[name] = Distances(np.array(rows).reshape(len(cases), STEPS))
        struck = [_hits(points, case) for points, case in pairs]
        hits[name] = Distances(np.array(struck).reshape(len(cases), STEPS))
    return OpenLoop(tuple(cases), waypoints, distances, hits)


def _stacked(rows: Sequence[FloatArray]) -> FloatArray:
    return np.array(rows, float).reshape(len(rows), STEPS, 2)


def _planned(case: Case, answers: Mapping[int, str], dialect: Dialect, skips: Skips) -> FloatArray:
    """Return the waypoints (6, 2) that an answer says, NaN where there is none."""
    if case.stamp not in answers:
        return NOTHING
    try:
        told = codec.decode_trajectory(dialect, answers[case.stamp])
    except AnswerError as error:
        skips.note('an answer without a trajectory', f'{case.name}: {error}')
        return NOTHING
    return told.points[:STEPS]


def _hits(points: FloatArray, case: Case) -> FloatArray:
    if case.others is None or not np.isfinite(points).all():
        return np.full(STEPS, np.nan)
    found = counted_collisions(points, case.driven, case.others, case.middle_ahead)
    return found.astype(float)


def means(rows: Mapping[str, Distances], cumulative: bool) -> dict[str, dict[str, float | None]]:
    """
    Return by predictor the means over all cases at 1, 2, 3 s, and their `mean`.

    `cumulative` takes the mean of all waypoints up to then (ST-P3, VAD), else the one at that
    second counts (UniAD).
    """
    found = {}
    for name, of in rows.items():
        values = (of.cumulative_mean if cumulative else of.pointwise)(SECONDS)
        table = dict(zip(map(str, SECONDS), values, strict=True))
        table['mean'] = float(np.mean(values))
        found[name] = {second: _number(value) for second, value in table.items()}
    return found


def worst(result: OpenLoop, most: int) -> list[int]:
    """Return the indices of the cases to look at: what hits first, then what is farthest off."""
    far = result.distances[PLAN].rows[:, -1]
    struck = np.nan_to_num(result.hits[PLAN].rows).max(axis=1, initial=0.0)
    known = [k for k in range(len(result.cases)) if np.isfinite(far[k])]
    by_distance = sorted(known, key=lambda k: -far[k])
    hitting = [k for k in by_distance if struck[k]][: most // 2]
    rest = [k for k in by_distance if k not in hitting]
    return [*hitting, *rest[: most - len(hitting)]]


def _number(value: Any) -> float | None:
    """Return a number that JSON can hold, rounded to what can mean anything."""
    return round(float(value), 6) if np.isfinite(value) else None
