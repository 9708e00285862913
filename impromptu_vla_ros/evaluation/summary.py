# SPDX-License-Identifier: Apache-2.0
"""One evaluation as plain data, for JSON, the page and the terminal alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from impromptu_vla_ros.evaluation.replay import ReplayResult
from impromptu_vla_ros.evaluation.score import Distances, Score, pose_difference

PROTOCOLS = ('l2_pointwise', 'l2_cumulative_mean')
PREDICTORS = ('plan', 'constant_velocity', 'constant_turn_rate')
NAMES = {
    'plan': 'plan',
    'constant_velocity': 'constant velocity',
    'constant_turn_rate': 'constant turn rate',
    'l2_pointwise': 'point-wise',
    'l2_cumulative_mean': 'cumulative mean',
}

Summary = dict[str, Any]


def summarize(name: str, model: str, result: ReplayResult, score: Score) -> Summary:
    """
    Return the evaluation as data that JSON can hold; what is unknown is None.

    L2 in m by protocol, predictor and second; the baselines' means are over all anchors, and
    `baselines_where_planned` repeats them over the anchors that have a plan.
    """
    planned = score.answered
    return {
        'name': name,
        'mode': result.mode,
        'model': model,
        'dialect': result.dialect.name,
        'fingerprint': result.dialect.fingerprint,
        'duration_s': _number((result.path.stamps[-1] - result.path.stamps[0]) / 1e9),
        'distance_m': _number(np.hypot(*np.diff(result.path.poses[:, :2], axis=0).T).sum()),
        'frames': {
            'seen': len(result.frames),
            'planned': len(result.plans),
            'planned_share': _number(result.answered_share),
        },
        'anchors': {
            'all': len(score.anchors),
            'planned': sum(planned),
            'coverage': _number(score.coverage),
            'known_at_s': dict(zip(map(str, score.seconds), score.plan.known(score.seconds))),
        },
        **{protocol: means(score, protocol) for protocol in PROTOCOLS},
        'baselines_where_planned': {
            protocol: means(score, protocol, PREDICTORS[1:], planned) for protocol in PROTOCOLS
        },
        'counts': dict(result.counts),
        'reasons': dict(result.reasons),
        'unasked': dict(Counter(result.unasked.values())),
        'inputs': {name: dict(counts) for name, counts in result.inputs.items()},
        'implausible_plans': sum(bool(plan.violations) for plan in result.plans.values()),
        'latency_s': _latencies(result),
    }


def compare(live: ReplayResult, offline: ReplayResult) -> Summary:
    """Return how a live replay differs from the offline one on the frames both planned."""
    common = live.plans.keys() & offline.plans.keys()
    differences = [pose_difference(live.plans[s], offline.plans[s]) for s in common]
    share = len(common) / len(offline.plans) if offline.plans else math.nan
    return {
        'frames': len(common),
        'share_of_offline': _number(share),
        'max_pose_difference': _number(max(differences, default=math.nan)),
    }


def table(summary: Summary) -> str:
    """Return the headline numbers as lines for a terminal."""
    seconds = list(summary['l2_pointwise']['plan'])
    heads = ''.join(f'{NAMES[p] + " L2 [m]":>{8 * len(seconds) + 2}}' for p in PROTOCOLS)
    times = ('  ' + ''.join(f'{second + " s":>8}' for second in seconds)) * len(PROTOCOLS)
    lines = [headline(summary), f'{"":<20}{heads}', f'{"":<20}{times}']
    for predictor in PREDICTORS:
        cells = [
            '  ' + ''.join(f'{show(summary[p][predictor][s]):>8}' for s in seconds)
            for p in PROTOCOLS
        ]
        lines.append(f'{NAMES[predictor]:<20}' + ''.join(cells))
    return '\n'.join(lines)


def headline(summary: Summary) -> str:
    """Return what was replayed and how much of it was planned, in one line."""
    frames, anchors = summary['frames'], summary['anchors']
    text = (
        f'{summary["name"]}: {summary["mode"]}, model {summary["model"]}, dialect '
        f'{summary["dialect"]}; {frames["planned"]} of {frames["seen"]} frames planned, '
        f'{anchors["planned"]} of {anchors["all"]} anchors scored'
    )
    counts = summary['counts']
    trouble = [f'{counts[n]} {n}' for n in ('refused', 'failed', 'skipped') if counts.get(n)]
    trouble += [f'{count} without a plan: {why}' for why, count in summary['unasked'].items()]
    return f'{text}; {", ".join(trouble)}' if trouble else text


def show(value: float | None, digits: int = 2) -> str:
    """Return a number as people read it, a dash where it is unknown."""
    return '–' if value is None else f'{value:.{digits}f}'


def means(
    score: Score,
    protocol: str,
    predictors: Sequence[str] = PREDICTORS,
    rows: Sequence[bool] | None = None,
) -> Summary:
    """Return the mean L2 in m by predictor and second, over all anchors or some `rows`."""
    found: Summary = {}
    for predictor in predictors:
        distances: Distances = getattr(score, predictor)
        distances = distances if rows is None else distances.at(rows)
        pointwise = protocol == 'l2_pointwise'
        mean = distances.pointwise if pointwise else distances.cumulative_mean
        found[predictor] = _by_second(score, mean(score.seconds))
    return found


def _by_second(score: Score, values: Sequence[float]) -> dict[str, float | None]:
    return {str(second): _number(value) for second, value in zip(score.seconds, values)}


def _latencies(result: ReplayResult) -> Mapping[str, Summary]:
    stages: dict[str, list[float]] = {}
    for plan in result.plans.values():
        for name, seconds in plan.latencies.items():
            stages.setdefault(name, []).append(seconds)
    return {
        name: {'median': median(values), 'p95': float(np.percentile(values, 95))}
        for name, values in stages.items()
    }


def _number(value: float) -> float | None:
    """Return a number that JSON can hold: None for NaN."""
    return float(value) if math.isfinite(value) else None
