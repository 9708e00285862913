# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page of a comparison: the verdict, the differences, the worst cases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, InputError
from impromptu_vla_ros.evaluation.comparing.comparison import TITLES, Comparison, Measured, Pair
from impromptu_vla_ros.evaluation.comparing.scene import Scene
from impromptu_vla_ros.evaluation.pictures import drawn
from impromptu_vla_ros.evaluation.plots import Line, line, map_of, plot
from impromptu_vla_ros.evaluation.score import SPACING
from impromptu_vla_ros.evaluation.style import STYLE
from impromptu_vla_ros.evaluation.summary import Summary, show

# A and B in the colours that the style sheet has.
A, B = 'cv', 'plan'
MORE_STYLE = """
.film .path.a { stroke: #ffa23c; stroke-width: 7; }
.film .mark.a { stroke: #a85a00; }
.legend i.path.a { background: #ffa23c; }
.verdict { border-left: 6px solid var(--plan); }
.verdict.failed { border-color: var(--warn); }
td.why, th.why { white-space: normal; text-align: left; min-width: 12em; }
img.drive { display: block; width: 100%; border-radius: 8px; }
"""
WORDS = {True: 'failed', False: 'passed'}


def page(
    title: str,
    summary: Summary,
    found: Comparison,
    shown: Sequence[tuple[str, Sequence[Pair]]],
    scenes: Mapping[str, Scene],
    drives: str,
) -> str:
    """
    Return the page; the same numbers lie in it as JSON, under the id `summary`.

    `shown` are groups of pairs with a title each, `scenes` the pictures by recording, where there
    are any, `drives` what is to be seen of drives, as HTML.
    """
    data = json.dumps(summary, allow_nan=False).replace('</', '<\\/')
    cards = ''.join(
        f'<h2>{escape(head)}</h2>{_legend()}{"".join(_pair(pair, scenes) for pair in pairs)}'
        for head, pairs in shown
        if pairs
    )
    plots = (
        f'<div class="pair">{_card("Difference over time", _over_time(found.curve))}'
        f'{_card("Anchor by anchor", _sorted(found.pairs))}</div>'
        if found.pairs
        else ''
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}{MORE_STYLE}</style></head><body><main>'
        f'<h1>{escape(title)}</h1><p class="lead quiet">A: {escape(found.a.name)}<br>'
        f'B: {escape(found.b.name)}</p>{_verdict(summary["gate"])}{_measures(found, summary)}'
        f'{plots}{_recordings(summary)}{_drives(summary)}{cards}{drives}'
        f'<footer>{_protocol(summary)}</footer>'
        f'<script type="application/json" id="summary">{data}</script></main></body></html>'
    )


def _card(title: str, content: str) -> str:
    return f'<div class="card"><h3>{escape(title)}</h3>{content}</div>'


def _verdict(gate: Summary) -> str:
    rows = ''.join(
        f'<tr><td>{escape(each["condition"])}</td><td>{WORDS[each["failed"]]}</td>'
        f'<td class="why">{escape(each["why"])}</td></tr>'
        for each in gate['conditions']
    )
    kind = 'card verdict' if gate['passed'] else 'card verdict failed'
    return (
        f'<div class="{kind}"><h3>Gate: B {WORDS[not gate["passed"]]}</h3>'
        f'<table><thead><tr><th>B fails if B − A</th><th></th><th></th></tr></thead>'
        f'<tbody>{rows}</tbody></table></div>'
    )


def _measures(found: Comparison, summary: Summary) -> str:
    rows = ''.join(_measure(name, of) for name, of in found.measures.items() if of.pairs)
    return (
        '<div class="card scroll"><table><thead><tr><th></th><th>A</th><th>B</th><th>B − A</th>'
        f'<th>{summary["confidence"]:.0%} interval</th><th>pairs</th><th>parts</th>'
        f'<th>p</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _measure(name: str, of: Measured) -> str:
    title, unit = TITLES[name]
    within = of.interval
    interval = '–' if within is None else f'{within.low:+.3f} to {within.high:+.3f}'
    return (
        f'<tr><td>{escape(title)}{f" [{unit}]" if unit else ""}</td><td>{of.a:.3f}</td>'
        f'<td>{of.b:.3f}</td><td data-value="{of.data["difference"]}">{of.difference:+.3f}</td>'
        f'<td>{interval}</td><td>{of.pairs}</td><td>{of.clusters}</td>'
        f'<td>{"" if of.p is None else f"{of.p:.3f}"}</td></tr>'
    )


def _recordings(summary: Summary) -> str:
    rows = ''.join(
        f'<tr><td>{escape(name)}</td><td>{of["pairs"]}</td><td>{of["only_a"]}</td>'
        f'<td>{of["only_b"]}</td><td>{show(of["a"])}</td><td>{show(of["b"])}</td>'
        f'<td>{show(of["difference"])}</td></tr>'
        for name, of in summary['recordings'].items()
    )
    heads = ('anchors of both', 'A only', 'B only', 'A', 'B', 'B − A')
    return rows and (
        '<div class="card scroll"><h3>Recordings, L2 at 3 s [m]</h3><table><thead><tr><th></th>'
        f'{"".join(f"<th>{head}</th>" for head in heads)}</tr></thead><tbody>{rows}</tbody>'
        '</table></div>'
    )


def _drives(summary: Summary) -> str:
    rows = ''.join(
        f'<tr><td>{escape(each["scenario"])}, seed {each["seed"]}</td>'
        f'<td class="why">{escape(each["a"])}</td><td class="why">{escape(each["b"])}</td></tr>'
        for each in summary['drives']
    )
    heads = ''.join(
        f'<th class="why">{side.upper()}: passed {escape(passed)}</th>'
        for side, passed in summary['passed'].items()
    )
    return rows and (
        '<div class="card scroll"><h3>Drives</h3><table><thead><tr><th></th>'
        f'{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _over_time(curve: Sequence[Measured]) -> str:
    times = SPACING * np.arange(len(curve) + 1)
    lines = [line(times, [0.0, *(of.difference for of in curve)], B, 'B − A', dots=True)]
    for end in ('low', 'high'):
        edge = [getattr(of.interval, end, float('nan')) for of in curve]
        label = 'interval' if end == 'low' else ''
        lines.append(line(times, [0.0, *edge], 'ctrv', label, thin=True))
    return plot([*lines, line(times, 0.0 * times, 'driven')], 'time after the picture [s]', 'm')


def _sorted(pairs: Sequence[Pair]) -> str:
    worse = np.sort([pair.worse for pair in pairs if np.isfinite(pair.worse)])
    if not len(worse):
        return '<p class="quiet">Nothing to draw.</p>'
    share = 100.0 * (np.arange(len(worse)) + 0.5) / len(worse)
    drawn_lines = [line(share, worse, B, 'B − A'), line([0.0, 100.0], [0.0, 0.0], 'driven')]
    said = f'B is nearer to the driven path at {(worse < 0.0).sum()} of {len(worse)} anchors.'
    figure = plot(drawn_lines, 'share of the anchors [%]', 'L2 at 3 s, B − A [m]')
    return f'{figure}<small>{said}</small>'


def _legend() -> str:
    return (
        '<div class="legend"><span><i class="path a"></i>A</span>'
        '<span><i class="path"></i>B</span>'
        '<span><i class="band"></i>where the next 3 s went</span></div>'
    )


def _pair(pair: Pair, scenes: Mapping[str, Scene]) -> str:
    at = round(3.0 / SPACING) - 1
    title = (
        f'{pair.recording}, {pair.seconds:.1f} s: A {pair.a.l2[at]:.2f} m off after 3 s, '
        f'B {pair.b.l2[at]:.2f} m'
    )
    apart = abs(pair.a.capture - pair.b.capture) / NANOSECONDS
    title += f'; of pictures {apart:.2f} s apart' if apart else ''
    # Seen from B's picture, should A's be another one.
    planned = [
        motion.to_frame(pair.b.pose, motion.from_frame(one.pose, _from_start(one.plan)))
        for one in (pair.a, pair.b)
    ]
    picture = _picture(pair, planned, scenes.get(pair.recording))
    return (
        f'<div class="card"><h3>{escape(title)}</h3><div class="pair"><div class="film few">'
        f'{picture}</div>{_from_above(pair, planned)}</div></div>'
    )


def _from_start(path: FloatArray) -> FloatArray:
    return np.vstack([[0.0, 0.0], path[: round(3.0 / SPACING)]])


def _picture(pair: Pair, planned: Sequence[FloatArray], scene: Scene | None) -> str:
    if scene is None or pair.b.capture not in scene.images:
        return '<p class="quiet">No picture: name the recording with --bag.</p>'
    curves, frame = '', None
    for path, kind in zip(planned, (' a', '')):
        try:
            frame = drawn(
                scene.images[pair.b.capture],
                scene.camera,
                _from_start(pair.b.driven),
                path,
                path[1:],
                pair.seconds,
                pair.worse,
            )
        except InputError as error:
            return f'<p class="quiet">{escape(str(error))}</p>'
        curves += f'<polyline class="path{kind}" points="{frame.planned}"/>' + ''.join(
            f'<circle class="mark{kind}" cx="{u:.1f}" cy="{v:.1f}" r="3.4"/>'
            for u, v in frame.waypoints
        )
    assert frame is not None
    wide, high = frame.width, frame.height
    band = f'<polygon class="band" points="{frame.driven}"/>'
    return (
        f'<figure><svg viewBox="0 0 {wide} {high}" role="img" aria-label="camera picture">'
        f'<image href="{frame.uri}" width="{wide}" height="{high}"/>{band}{curves}</svg></figure>'
    )


def _from_above(pair: Pair, planned: Sequence[FloatArray]) -> str:
    lines = [
        Line(_from_start(pair.b.driven), 'driven', 'driven', dots=True),
        Line(planned[0], A, 'A', dots=True),
        Line(planned[1], B, 'B', dots=True),
    ]
    laid = map_of(np.vstack([each.points for each in lines]), 520)
    across = 'left [m]' if laid.stretch == 1.0 else f'left [m], ×{laid.stretch:g}'
    return plot(lines, 'ahead [m]', across, laid.size, limits=laid.limits)


def _protocol(summary: Summary) -> str:
    parts = f'{summary["block_s"]:g} s' if summary['block_s'] else 'whole recordings'
    return (
        '<p>Paired at anchors (1.5, 2.0, … s after the first odometry) at which both sides have a '
        'plan; L2 point-wise, and as the mean of the waypoints up to 3 s. Intervals of '
        f'recordings: {summary["resamples"]} resamples of parts of {parts}, of drives: of drives, '
        "by expanded percentiles; of shares of drives: Tango's score interval, and p is "
        "McNemar's, exact. They say what other parts of such recordings, and other seeds of "
        'these scenarios, would show; not what other roads would.</p>'
    )
