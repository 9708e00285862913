# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page on which one sees what happened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from impromptu_vla_ros.evaluation import figures
from impromptu_vla_ros.evaluation.pictures import Picture
from impromptu_vla_ros.evaluation.replay import ReplayResult
from impromptu_vla_ros.evaluation.score import Score
from impromptu_vla_ros.evaluation.style import STYLE
from impromptu_vla_ros.evaluation.summary import NAMES, PREDICTORS, PROTOCOLS, Summary, show

DONE = {'driving': 'driven', 'walking': 'walked'}
COLOURS = {'plan': 'plan', 'constant_velocity': 'cv', 'constant_turn_rate': 'ctrv'}


@dataclass(frozen=True, eq=False)
class Section:
    """
    One recording on the page.

    `motion` is what was done, `driving` or `walking`; `notes` are shown before the numbers,
    `attribution` (source and licence) at the end. `camera_note` says where the camera's pose
    is from, and what a reader must know of the pictures.
    """

    title: str
    summary: Summary
    result: ReplayResult
    score: Score
    pictures: Sequence[Picture] = ()
    camera_note: str = ''
    motion: str = 'driving'
    notes: Sequence[str] = ()
    attribution: str = ''


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return the page; the same numbers lie in it as JSON, under the id `summary`."""
    data = json.dumps([s.summary for s in sections], allow_nan=False).replace('</', '<\\/')
    body = ''.join(_section(section) for section in sections)
    sources = ''.join(f'<p>{escape(s.attribution)}</p>' for s in sections if s.attribution)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>'
        f'<h1>{escape(title)}</h1><p class="lead quiet">{escape(lead)}</p>{body}'
        f'<footer>{sources}{_protocol()}</footer>'
        f'<script type="application/json" id="summary">{data}</script>'
        '</main></body></html>'
    )


def _section(section: Section) -> str:
    summary = section.summary
    notes = ''.join(f'<p class="note">{escape(note)}</p>' for note in section.notes)
    about = (
        f'{section.motion.capitalize()}, {summary["duration_s"]:.1f} s, '
        f'{summary["distance_m"]:.0f} m. Replayed {_how(summary)}; model {summary["model"]}, '
        f'dialect {summary["dialect"]}.'
    )
    done = DONE.get(section.motion, section.motion)
    path_map, below = figures.birds_eye(section.result, section.score, done)
    speed = figures.speed(section.result, section.score, done)
    return (
        f'<section><h2>{escape(section.title)}</h2><p class="quiet">{escape(about)}</p>{notes}'
        f'{_cards(summary, section.motion)}{_table(summary)}'
        f'{_card("The path from above", f"{path_map}<small>{escape(below)}</small>")}'
        f'<div class="pair">{_card("Distance over time", figures.l2_over_time(section.score))}'
        f'{_card("Speed", speed)}</div>'
        f'{_film(section)}'
        f'<div class="pair">'
        f'{_card("Anchor by anchor", figures.distance_by_anchor(section.result, section.score))}'
        f'{_counters(summary)}</div>{_example(section)}</section>'
    )


def _how(summary: Summary) -> str:
    if summary['mode'] != 'live':
        return 'offline, through the same planner as live'
    return f'live over ROS 2 at {summary["rate"]:g}× speed'


def _card(title: str, content: str) -> str:
    return f'<div class="card"><h3>{escape(title)}</h3>{content}</div>'


def _cards(summary: Summary, motion: str) -> str:
    plan = summary['l2_pointwise']['plan']['3']
    still = summary['l2_pointwise']['constant_velocity']['3']
    frames, anchors, stages = summary['frames'], summary['anchors'], summary['latency_s']
    answered = sum(of['median'] for of in stages.values()) if stages else None
    cards = [
        (f'{show(plan)} <small>m</small>', f'L2 after 3 s of {motion}, plan'),
        (f'{show(still)} <small>m</small>', 'the same for constant velocity'),
        (
            f'{frames["planned"]} <small>of {frames["seen"]}</small>',
            f'frames planned; {anchors["planned"]} of {anchors["all"]} anchors scored',
        ),
        (
            f'{show(answered and 1e3 * answered, 1)} <small>ms</small>',
            'from picture to answer, median: decoding and model',
        ),
    ]
    comparison = summary.get('comparison')
    if comparison:
        apart = comparison['max_pose_difference']
        cards.append(
            (
                '–' if apart is None else f'{apart:.0e} <small>m</small>',
                f'or rad: most that live differs from offline, {comparison["frames"]} frames',
            )
        )
    shown = (f'<div class="card"><b>{big}</b><span>{text}</span></div>' for big, text in cards)
    return f'<div class="numbers">{"".join(shown)}</div>'


def _table(summary: Summary) -> str:
    seconds = list(summary['l2_pointwise']['plan'])
    heads = ''.join(
        f'<th class="gap" colspan="{len(seconds)}">L2, {NAMES[p]} [m]</th>' for p in PROTOCOLS
    )
    times = ''.join(
        f'<th{_gap(k)}>{second} s</th>' for _ in PROTOCOLS for k, second in enumerate(seconds)
    )
    rows = [_row(NAMES[p], COLOURS[p], p, summary, summary, seconds) for p in PREDICTORS]
    anchors = summary['anchors']
    if 0 < anchors['planned'] < anchors['all']:
        where = summary['baselines_where_planned']
        rows += [
            _row(f'{NAMES[p]}, planned anchors only', COLOURS[p], p, where, summary, seconds)
            for p in PREDICTORS[1:]
        ]
    known = ', '.join(f'{n} at {second} s' for second, n in anchors['known_at_s'].items())
    return (
        '<div class="card scroll"><table><thead><tr><th></th>'
        f'{heads}</tr><tr><th></th>{times}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        f'<small>Means over the anchors: {anchors["planned"]} of {anchors["all"]} have a plan '
        f'(known {known}); the baselines are over all {anchors["all"]}.</small></div>'
    )


def _row(
    name: str, colour: str, predictor: str, of: Summary, summary: Summary, seconds: Sequence[str]
) -> str:
    cells = ''
    for protocol in PROTOCOLS:
        for k, second in enumerate(seconds):
            value = of[protocol][predictor][second]
            all_values = [summary[protocol][p][second] for p in PREDICTORS]
            known = [v for v in all_values if v is not None]
            best = ' best' if value is not None and of is summary and value == min(known) else ''
            gap = 'gap' if k == 0 else ''
            cells += f'<td class="{gap}{best}" data-value="{value}">{show(value)}</td>'
    return f'<tr><td><i class="{colour}"></i>{escape(name)}</td>{cells}</tr>'


def _gap(index: int) -> str:
    return ' class="gap"' if index == 0 else ''


def _film(section: Section) -> str:
    if not section.pictures:
        return ''
    frames = ''.join(frame(picture) for picture in section.pictures)
    flat = section.pictures[0].width > 2.2 * section.pictures[0].height
    few = ' few' if flat or len(section.pictures) < 3 else ''
    drawn = any(picture.planned for picture in section.pictures)
    legend = (
        '<div class="legend"><span><i class="path"></i>plan, a dot every 0.5 s</span>'
        f'<span><i class="band"></i>where the next 3 s of {section.motion} went</span></div>'
        if drawn
        else ''
    )
    note = f'<p class="quiet">{escape(section.camera_note)}</p>' if section.camera_note else ''
    return (
        f'<div class="card"><h3>What the camera saw</h3>{note}{legend}'
        f'<div class="film{few}">{frames}</div></div>'
    )


def frame(picture: Picture, said: str = '') -> str:
    """Return a picture with its curves, and what is `said` of it: by default when, how far off."""
    said = said or f'{picture.anchor_s:.1f} s · {show(picture.l2)} m off after 3 s'
    size = f'width="{picture.width}" height="{picture.height}"'
    marks = ''.join(
        f'<circle class="mark" cx="{u:.1f}" cy="{v:.1f}" r="3.4"/>' for u, v in picture.waypoints
    )
    curves = (
        f'<polygon class="band" points="{picture.driven}"/>'
        f'<polyline class="path" points="{picture.planned}"/>{marks}'
        if picture.planned
        else ''
    )
    return (
        f'<figure><svg viewBox="0 0 {picture.width} {picture.height}" role="img" '
        f'aria-label="camera picture"><image href="{picture.uri}" {size}/>{curves}</svg>'
        f'<figcaption>{escape(said)}</figcaption></figure>'
    )


def _counters(summary: Summary) -> str:
    counts = summary['counts']
    rows = [
        ('frames seen', str(summary['frames']['seen'])),
        *((f'frames without a plan: {why}', str(n)) for why, n in summary['unasked'].items()),
        ('questions asked', str(counts['asked'])),
        ('questions answered', str(counts['answered'])),
        ('answers refused', str(counts['refused'])),
        ('questions failed', str(counts['failed'])),
        ('messages skipped', str(counts['skipped'])),
        ('plans with an implausible point', str(summary['implausible_plans'])),
    ]
    rows += [(f'{name} (median, 95 %)', _times(of)) for name, of in summary['latency_s'].items()]
    cells = ''.join(f'<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>' for k, v in rows)
    return _card('Counted', f'<table>{cells}</table>{_reasons(summary)}')


def _times(of: Mapping[str, float]) -> str:
    return f'{1e3 * of["median"]:.1f}, {1e3 * of["p95"]:.1f} ms'


def _reasons(summary: Summary) -> str:
    entries = sorted(summary['reasons'].items(), key=lambda item: -item[1])[:6]
    listed = ''.join(f'<li>{n}× {escape(reason)}</li>' for reason, n in entries)
    return f'<ul class="quiet">{listed}</ul>' if listed else ''


def _example(section: Section) -> str:
    """Return one prompt with its answer: the first scored one, else the first there is."""
    result = section.result
    scored = [c for c in section.score.captures if c is not None and c in result.prompts]
    stamps = scored or list(result.prompts)
    if not stamps:
        return ''
    stamp = stamps[len(stamps) // 2]
    answer = result.answers.get(stamp, 'no answer')
    at = (stamp - int(result.path.stamps[0])) / 1e9
    return _card(
        f'What was asked and answered at {at:.1f} s',
        f'<pre>{escape(result.prompts[stamp])}</pre><pre>{escape(answer)}</pre>',
    )


def _protocol() -> str:
    return (
        '<p>Anchors: 1.5, 2.0, … s after the first odometry while 3 s of future remain. A plan '
        'is scored from the capture time of its own picture, within 0.25 s of the anchor. '
        'Point-wise: L2 at that second. Cumulative mean: mean L2 of all waypoints up to it. '
        'Both baselines go on with the mean motion of the last 0.5 s.</p>'
    )
