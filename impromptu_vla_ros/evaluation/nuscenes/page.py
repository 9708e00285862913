# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page of a nuScenes evaluation: the tables, and the worst cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

import numpy as np

from impromptu_vla_ros.core.structs import FloatArray, InputError
from impromptu_vla_ros.evaluation.nuscenes.asking import picture
from impromptu_vla_ros.evaluation.nuscenes.cases import Case
from impromptu_vla_ros.evaluation.nuscenes.score import GRID, PLAN, OpenLoop
from impromptu_vla_ros.evaluation.page import frame
from impromptu_vla_ros.evaluation.pictures import drawn
from impromptu_vla_ros.evaluation.plots import Line, line, map_of, plot
from impromptu_vla_ros.evaluation.style import STYLE
from impromptu_vla_ros.evaluation.summary import NAMES, Summary, show

COLOURS = {
    'plan': 'plan',
    'stand_still': 'driven',
    'constant_velocity': 'cv',
    'constant_turn_rate': 'ctrv',
}
TITLES = {**NAMES, 'stand_still': 'standing still'}
COLUMNS = ('1', '2', '3', 'mean')
TABLES = (
    ('l2_cumulative_mean', 'L2, cumulative mean: ST-P3, VAD [m]', 1.0, 2),
    ('l2_pointwise', 'L2, point-wise: UniAD [m]', 1.0, 2),
    ('collision_cumulative_mean', 'collisions, cumulative mean: VAD [%]', 100.0, 2),
    ('collision_pointwise', 'collisions, point-wise: UniAD [%]', 100.0, 2),
)
PROTOCOL = (
    'Cases are the keyframes with 3 s of keyframes behind them. Point-wise: the L2 at that '
    'second. Cumulative mean: the mean L2 of all waypoints up to it. A plan without an answer, or '
    'with one that says no trajectory, is in no mean. Collisions: a box of 4.084 m × 1.85 m, its '
    'middle 0.5 m ahead of the waypoint and turned along the path, overlaps an annotated person '
    'or vehicle; steps where the driven path itself does so count as none. Constant velocity and '
    'turn rate go on with the mean motion of the last 0.5 s.'
)


def page(title: str, summary: Summary, result: OpenLoop, shown: Sequence[int]) -> str:
    """Return the page with the cases `shown`; its numbers lie in it, under the id `summary`."""
    data = json.dumps(summary, allow_nan=False).replace('</', '<\\/')
    cases = summary['cases']
    about = (
        f'{cases["planned"]} of {cases["all"]} cases planned; model {summary["model"]}, dialect '
        f'{summary["dialect"]}, waypoints of the {summary["reference_point"]}. Constant velocity '
        f'and turn rate know {cases["known"]["constant_velocity"]} cases: those half a second '
        'into their scene.'
    )
    cards = ''.join(_case(result, index) for index in shown)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>'
        f'<h1>{escape(title)}</h1><p class="lead quiet">{escape(about)}</p>'
        f'{"".join(_table(summary, *each) for each in TABLES)}{_published(summary)}'
        f'<div class="pair">{_card("Distance over time", _over_time(result))}'
        f'{_card("Left out", _skipped(summary))}</div>'
        f'<h2>Worst cases</h2>{_legend()}{cards}'
        f'<footer><p>{escape(PROTOCOL)}</p></footer>'
        f'<script type="application/json" id="summary">{data}</script></main></body></html>'
    )


def _card(title: str, content: str) -> str:
    return f'<div class="card"><h3>{escape(title)}</h3>{content}</div>'


def _table(summary: Summary, key: str, title: str, factor: float, digits: int) -> str:
    of = summary[key]
    if all(value is None for row in of.values() for value in row.values()):
        return ''
    heads = ''.join(f'<th>{_head(column)}</th>' for column in COLUMNS)
    rows = ''
    for name, values in of.items():
        cells = ''.join(
            f'<td data-value="{values[column]}">{_shown(values[column], factor, digits)}</td>'
            for column in COLUMNS
        )
        rows += f'<tr><td><i class="{COLOURS[name]}"></i>{escape(TITLES[name])}</td>{cells}</tr>'
    return (
        f'<div class="card scroll"><table><thead><tr><th>{escape(title)}</th>{heads}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div>'
    )


def _head(column: str) -> str:
    return column if column == 'mean' else f'{column} s'


def _shown(value: float | None, factor: float, digits: int) -> str:
    return show(None if value is None else factor * value, digits)


def _published(summary: Summary) -> str:
    heads = ''.join(f'<th>{_head(column)}</th>' for column in COLUMNS)
    mine = summary['l2_cumulative_mean'][PLAN]
    rows = [
        (f'here: {summary["model"]}', [mine[c] for c in COLUMNS], 'cumulative mean', 'this run')
    ]
    rows += [
        (each['model'], [each['l2'][c] for c in COLUMNS], each['protocol'], each['source'])
        for each in summary['published']
    ]
    drawn_rows = ''.join(
        f'<tr><td>{escape(model)}</td>{"".join(f"<td>{show(v)}</td>" for v in values)}'
        f'<td>{escape(protocol)}</td><td>{escape(source)}</td></tr>'
        for model, values, protocol, source in rows
    )
    return (
        '<div class="card scroll"><h3>Beside what is published</h3><table><thead><tr>'
        f'<th>L2 [m]</th>{heads}<th>protocol</th><th>source</th></tr></thead>'
        f'<tbody>{drawn_rows}</tbody></table><small>Published numbers are over the 150 validation '
        'scenes; on others they say little. As the README of Impromptu VLA lists them.</small>'
        '</div>'
    )


def _over_time(result: OpenLoop) -> str:
    lines = [
        line([0.0, *GRID], [0.0, *of.curve()], COLOURS[name], TITLES[name], dots=True)
        for name, of in result.distances.items()
        if name != 'stand_still'
    ]
    return plot(lines, 'time after the picture [s]', 'mean L2 [m]', from_zero=True)


def _skipped(summary: Summary) -> str:
    rows = ''.join(
        f'<tr><td>{escape(reason)}</td><td>{of["count"]}</td></tr>'
        f'<tr><td colspan="2"><small>first: {escape(of["first"][:160])}</small></td></tr>'
        for reason, of in summary['skipped'].items()
    )
    return f'<table>{rows}</table>' if rows else '<p class="quiet">Nothing.</p>'


def _legend() -> str:
    return (
        '<div class="legend"><span><i class="path"></i>plan, a dot every 0.5 s</span>'
        '<span><i class="band"></i>where the next 3 s went</span></div>'
    )


def _case(result: OpenLoop, index: int) -> str:
    case = result.cases[index]
    off = float(result.distances[PLAN].rows[index, -1])
    hit = bool(np.nan_to_num(result.hits[PLAN].rows[index]).any())
    said = f'{off:.2f} m off after 3 s' + (', and hits somebody' if hit else '')
    name = ', '.join(filter(None, (case.scene, case.name)))
    return (
        f'<div class="card"><h3>{escape(name)}</h3><div class="pair"><div class="film few">'
        f'{_picture(case, result.waypoints[PLAN][index], off, said)}</div>'
        f'{_from_above(result, index)}</div></div>'
    )


def _picture(case: Case, planned: FloatArray, off: float, said: str) -> str:
    shift = np.array([case.point_ahead, 0.0])
    paths = [np.vstack([[0.0, 0.0], path]) + shift for path in (case.driven, planned)]
    camera, file = case.pictures[0]
    try:
        image = picture(camera, file, case.stamp)
        made = drawn(image, case.camera, *paths, planned + shift, anchor_s=0.0, l2=off)
    except InputError as error:
        return f'<p class="quiet">{escape(said)}; {escape(str(error))}</p>'
    return frame(made, said)


def _from_above(result: OpenLoop, index: int) -> str:
    case = result.cases[index]
    start = np.zeros((1, 2))
    lines = [Line(np.vstack([start, case.driven]), 'driven', 'driven', dots=True)]
    for name in ('constant_turn_rate', 'constant_velocity', PLAN):
        points = np.vstack([start, result.waypoints[name][index]])
        lines.append(Line(points, COLOURS[name], TITLES[name], name == PLAN, name != PLAN))
    laid = map_of(np.vstack([each.points for each in lines]), 520)
    across = 'left [m]' if laid.stretch == 1.0 else f'left [m], ×{laid.stretch:g}'
    return plot(lines, 'ahead [m]', across, laid.size, limits=laid.limits)
