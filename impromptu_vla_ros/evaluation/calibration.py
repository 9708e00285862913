# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla calibrate`: are plans as far off as their deviations say? And by which factor."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.plots import line, plot
from impromptu_vla_ros.evaluation.replay import ReplayResult, replay
from impromptu_vla_ros.evaluation.run import Options, chosen_dialect, model_options, write
from impromptu_vla_ros.evaluation.score import plan_distances
from impromptu_vla_ros.evaluation.style import STYLE
from impromptu_vla_ros.models import create_model

# The shares at which the reliability is looked at.
SHARES = np.arange(0.05, 0.96, 0.05)
# Groups of equal size in which deviations and errors are compared.
GROUPS = 10


@dataclass(frozen=True, eq=False)
class Judged:
    """Waypoints with a deviation: `deviations`, `distances` to where it was and `times`, (n,)."""

    deviations: FloatArray
    distances: FloatArray
    times: FloatArray

    def scaled(self, scale: float) -> Judged:
        """Return the same with all deviations times a factor."""
        return Judged(scale * self.deviations, self.distances, self.times)

    @property
    def ratios(self) -> FloatArray:
        """Return the distances in deviations."""
        return np.asarray(self.distances / self.deviations)


def judge(results: Sequence[ReplayResult]) -> Judged:
    """Return every waypoint of some replays that has a deviation and a driven future."""
    rows = []
    for result in results:
        for plan in result.plans.values():
            distances = plan_distances(result.path, plan, plan.times[1:])
            rows.append(np.column_stack([plan.deviations[1:], distances, plan.times[1:]]))
    found = np.vstack([np.zeros((0, 3)), *rows])
    found = found[np.isfinite(found).all(axis=1) & (found[:, 0] > 0.0)]
    return Judged(*found.T)


def fitted_scale(judged: Judged) -> float:
    """
    Return the factor that makes the deviations those of the errors (maximum likelihood).

    Errors in x and y of deviation σ each lie at a distance of σ·√2 (root of the mean square).
    """
    return float(np.sqrt(np.mean(judged.ratios**2) / 2.0))


def covered(judged: Judged, shares: FloatArray = SHARES) -> FloatArray:
    """Return the shares of waypoints within the radii that shall hold these shares of them."""
    # In the plane a radius of k deviations holds 1 - exp(-k²/2): Rayleigh's distribution.
    radii = np.sqrt(-2.0 * np.log1p(-shares))
    return np.asarray([np.mean(judged.ratios <= radius) for radius in radii])


def calibration_error(judged: Judged) -> float:
    """Return how far, on the mean, the shares within radii are from what they shall be."""
    return float(np.abs(covered(judged) - SHARES).mean())


def numbers(judged: Judged) -> dict[str, float]:
    """Return what is told of the calibration; 0.393 and 0.865 lie within 1 and 2 deviations."""
    if not len(judged.deviations):
        return {'waypoints': 0}
    scale = fitted_scale(judged)
    ranks = [np.argsort(np.argsort(each)) for each in (judged.deviations, judged.distances)]
    varies = len(judged.deviations) > 1
    return {
        'waypoints': len(judged.deviations),
        'within_1_deviation': float(np.mean(judged.ratios <= 1.0)),
        'within_2_deviations': float(np.mean(judged.ratios <= 2.0)),
        'calibration_error': calibration_error(judged),
        'scale': scale,
        'calibration_error_scaled': calibration_error(judged.scaled(scale)),
        'within_1_scaled': float(np.mean(judged.ratios <= scale)),
        'within_2_scaled': float(np.mean(judged.ratios <= 2.0 * scale)),
        'rank_correlation': float(np.corrcoef(*ranks)[0, 1]) if varies else 0.0,
    }


def table(found: dict[str, float]) -> str:
    """Return the numbers in lines of text."""
    if not found['waypoints']:
        return 'no waypoint has a deviation: the model tells nothing of its digits'
    return '\n'.join(
        [
            f'waypoints           {found["waypoints"]:.0f}',
            f'within 1 deviation  {found["within_1_deviation"]:.3f}  (0.393 if calibrated), '
            f'scaled {found["within_1_scaled"]:.3f}',
            f'within 2 deviations {found["within_2_deviations"]:.3f}  (0.865 if calibrated), '
            f'scaled {found["within_2_scaled"]:.3f}',
            f'calibration error   {found["calibration_error"]:.3f}, '
            f'scaled {found["calibration_error_scaled"]:.3f}',
            f'rank correlation    {found["rank_correlation"]:.3f}',
            f'confidence.scale: {found["scale"]:.2f}',
        ]
    )


def page(title: str, judged: Judged, found: dict[str, float]) -> str:
    """Return the page: the reliability, the errors by deviation and over time, and the numbers."""
    if found['waypoints']:
        scaled = judged.scaled(found['scale'])
        cards = [
            ('Reliability', _reliability(judged, scaled)),
            ('Error by deviation', _by_deviation(judged)),
            ('Over time', _over_time(judged, scaled)),
        ]
    else:
        cards = []
    drawn = ''.join(f'<div class="card"><h3>{name}</h3>{svg}</div>' for name, svg in cards)
    data = json.dumps(found, allow_nan=False)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>'
        f'<h1>{escape(title)}</h1><p class="lead quiet">How far plans were off, against how far '
        'they might be by the digits of the model.</p>'
        f'<pre>{escape(table(found))}</pre><div class="pair">{drawn}</div>'
        f'<script type="application/json" id="summary">{data}</script></main></body></html>'
    )


def _reliability(judged: Judged, scaled: Judged) -> str:
    lines = [
        line([0.0, 1.0], [0.0, 1.0], 'driven', 'calibrated'),
        line(SHARES, covered(judged), 'plan', 'as told', dots=True),
        line(SHARES, covered(scaled), 'cv', 'scaled', dots=True),
    ]
    limits = ((0.0, 1.0), (0.0, 1.0))
    return plot(lines, 'share that shall lie within', 'share that does', limits=limits)


def _by_deviation(judged: Judged) -> str:
    order = np.argsort(judged.deviations)
    groups = [group for group in np.array_split(order, GROUPS) if len(group)]
    told = [float(np.sqrt(np.mean(judged.deviations[group] ** 2))) for group in groups]
    were = [float(np.sqrt(np.mean(judged.distances[group] ** 2) / 2.0)) for group in groups]
    lines = [
        line([0.0, max(told)], [0.0, max(told)], 'driven', 'calibrated'),
        line(told, were, 'plan', 'tenths of the waypoints', dots=True),
    ]
    return plot(lines, 'deviation told [m]', 'deviation found [m]', from_zero=True)


def _over_time(judged: Judged, scaled: Judged) -> str:
    times = np.unique(judged.times)

    def rms(values: FloatArray) -> list[float]:
        return [float(np.sqrt(np.mean(values[judged.times == time] ** 2))) for time in times]

    lines = [
        line(times, rms(judged.distances / np.sqrt(2.0)), 'driven', 'found', dots=True),
        line(times, rms(judged.deviations), 'plan', 'as told', dots=True),
        line(times, rms(scaled.deviations), 'cv', 'scaled', dots=True),
    ]
    return plot(lines, 'time after the picture [s]', 'deviation [m]', from_zero=True)


def run(arguments: Namespace) -> int:
    """Calibrate as the command line says; return 0, or 1 if no waypoint has a deviation."""
    given = model_options(arguments)
    options = Options(arguments.dialect, arguments.model, given, wheelbase=arguments.wheelbase)
    results = [_replayed(bag, options) for bag in arguments.bags]
    judged = judge(results)
    found = numbers(judged)
    out = Path(arguments.out)
    write(out, page(f'Calibration of {options.model}', judged, found), found)
    print(f'{table(found)}\npage: {out / "index.html"}\nJSON: {out / "summary.json"}')
    if not found['waypoints']:
        print('impromptu-vla: nothing to calibrate', file=sys.stderr)
    return 0 if found['waypoints'] else 1


def _replayed(path: str, options: Options) -> ReplayResult:
    with Bag(path) as bag:
        dialect = chosen_dialect(bag, options)
        planner = Planner(dialect, Vehicle(options.wheelbase))
        return replay(bag, planner, create_model(options.model, **options.model_options))
