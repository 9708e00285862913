# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page of a run: what passed, and for each drive what one saw."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from PIL import Image

from impromptu_vla_ros.drawing import TIER_COLOURS
from impromptu_vla_ros.evaluation.driving import figures
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.times import STAGES, Times
from impromptu_vla_ros.evaluation.style import STYLE
from impromptu_vla_ros.evaluation.summary import show

MORE_STYLE = """
video.drive, img.drive { display: block; width: 100%; border-radius: 8px; background: #16191e; }
.passed, .failed { font-weight: 700; white-space: nowrap; }
.passed { color: var(--plan); } .failed { color: var(--warn); }
td.why { white-space: normal; min-width: 9em; text-align: left; color: var(--warn); }
th.why { text-align: left; }
tr.family td { padding-top: 18px; font-weight: 700; }
td a { color: inherit; }
.drives th, .drives td { padding: 7px 8px; }
.tiers { display: flex; height: 14px; border-radius: 4px; overflow: hidden; margin: 10px 0 4px;
  background: var(--rule); }
.legend i.tier { height: 10px; }
"""
# The columns of the table: title, key of the score, factor, decimals, unit, what it means.
COLUMNS = (
    ('NCAP', 'ncap', 1.0, 1, '', 'NeuroNCAP: 5 without a collision, less the faster the impact'),
    ('completed', 'completion', 100.0, 0, '%', 'share of the way to the goal'),
    ('fresh', 'freshness', 100.0, 0, '%', 'share of control cycles on a young answer'),
    ('model', 'model_error', 1.0, 2, 'm', 'answers off what the expert would have said'),
    ('re-timing', 'retiming_error', 1.0, 2, 'm', 'published plans off the answers'),
    ('across', 'controller_left', 1.0, 2, 'm', 'the car beside the plan, after half a second'),
    ('along', 'controller_ahead', 1.0, 2, 'm', 'the car ahead of or behind it'),
)
# The cards above it: key of the summary, factor, decimals, unit, what it means.
CARDS = (
    ('collision_rate', 100.0, 0, '%', 'ended in a collision'),
    ('neuroncap', 1.0, 1, '', "NeuroNCAP score, 0 to 5: mean of its scenarios' families"),
    ('completion', 100.0, 0, '%', 'of the ways to the goals driven'),
    ('freshness', 100.0, 0, '%', 'of the control cycles on a young answer'),
)


@dataclass(frozen=True, eq=False)
class Drive:
    """
    One drive on the page: its scenario's name and family, and how it was driven.

    `times` are what its answers cost, where they were measured. `film` is the HTML of its film,
    `whole` the drive from above. Without a `record` it is counted only.
    """

    name: str
    setting: str
    family: str
    score: Mapping[str, Any]
    times: Times | None = None
    record: Record | None = None
    film: str = ''
    whole: Image.Image | None = None

    @property
    def passed(self) -> bool:
        """Tell whether nothing went wrong."""
        return bool(self.score['passed'])

    @property
    def why(self) -> str:
        """Return what went wrong."""
        return '; '.join(self.score.get('failures', ()))

    @property
    def anchor(self) -> str:
        """Return what links to it."""
        return f'{self.setting}/{self.name}'.replace(' ', '_')


def page(
    title: str,
    lead: str,
    drives: Sequence[Drive],
    settings: Mapping[str, Mapping[str, Any]],
    notes: Sequence[str] = (),
) -> str:
    """
    Return the page; the scores lie in it as JSON, under the id `summary`.

    `settings` sum up the drives of each setting, as drive.summarize does.
    """
    data = json.dumps(summary(drives), allow_nan=False).replace('</', '<\\/')
    told = ''.join(f'<p class="note">{escape(note)}</p>' for note in notes if note)
    tables = ''.join(
        f'<h2>{escape(setting)}</h2>{_cards(found)}'
        f'{_table([drive for drive in drives if drive.setting == setting])}'
        for setting, found in settings.items()
    )
    body = ''.join(_section(drive, drive.record) for drive in drives if drive.record is not None)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}{MORE_STYLE}</style></head><body><main>'
        f'<h1>{escape(title)}</h1><p class="lead quiet">{escape(lead)}</p>{told}'
        f'{tables}{body}<footer>{_meanings()}</footer>'
        f'<script type="application/json" id="summary">{data}</script></main></body></html>'
    )


def summary(drives: Sequence[Drive]) -> list[dict[str, Any]]:
    """Return the scores and times with the drives' names, ready for JSON."""
    return [
        {'name': d.name, 'setting': d.setting, 'family': d.family, **d.score}
        | ({'times': d.times.to_json()} if d.times is not None else {})
        for d in drives
    ]


def mean(drives: Sequence[Drive], key: str) -> float | None:
    """Return the mean of a number of the scores, None where nobody has it."""
    known = [drive.score[key] for drive in drives if drive.score.get(key) is not None]
    return sum(known) / len(known) if known else None


def _cards(found: Mapping[str, Any]) -> str:
    cards = [(f'{found["passed"]} <small>of {found["drives"]}</small>', 'drives passed')]
    for key, factor, decimals, unit, meaning in CARDS:
        value = _shown(found[key], factor, decimals)
        cards.append((f'{value} <small>{unit}</small>', meaning))
    shown = (f'<div class="card"><b>{big}</b><span>{text}</span></div>' for big, text in cards)
    return f'<div class="numbers">{"".join(shown)}</div>'


def _table(drives: Sequence[Drive]) -> str:
    heads = ''.join(
        f'<th title="{escape(meaning)}">{name}{f" [{unit}]" if unit else ""}</th>'
        for name, _, _, _, unit, meaning in COLUMNS
    )
    rows = ''
    for family in dict.fromkeys(drive.family for drive in drives):
        members = [drive for drive in drives if drive.family == family]
        numbers = ''.join(_cell(mean(members, key), f, d) for _, key, f, d, _, _ in COLUMNS)
        rows += (
            f'<tr class="family"><td>{escape(family)}</td>'
            f'<td>{sum(d.passed for d in members)} of {len(members)}</td>{numbers}<td></td></tr>'
        )
        rows += ''.join(_row(member) for member in members)
    return (
        '<div class="card scroll"><table class="drives"><thead><tr><th>drive</th><th>passed</th>'
        f'{heads}<th class="why">why not</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(drive: Drive) -> str:
    numbers = ''.join(_cell(drive.score.get(key), f, d) for _, key, f, d, _, _ in COLUMNS)
    name = escape(drive.name)
    if drive.record is not None:
        name = f'<a href="#{escape(drive.anchor)}">{name}</a>'
    return (
        f'<tr><td>{name}</td><td>{_verdict(drive)}</td>{numbers}'
        f'<td class="why">{escape(drive.why)}</td></tr>'
    )


def _cell(value: float | None, factor: float, decimals: int) -> str:
    return f'<td data-value="{value}">{_shown(value, factor, decimals)}</td>'


def _shown(value: float | None, factor: float, decimals: int) -> str:
    return show(None if value is None else factor * value, decimals)


def _verdict(drive: Drive) -> str:
    word = '✓ passed' if drive.passed else '✗ failed'
    return f'<span class="{word[2:]}">{word}</span>'


def _section(drive: Drive, record: Record) -> str:
    about = ' · '.join(filter(None, [drive.family, drive.setting, drive.why]))
    plots = ''.join(
        f'<div class="card"><h3>{title}</h3>{drawn}</div>'
        for title, drawn in (
            ('Speed', figures.speed(record)),
            ('Acceleration', figures.acceleration(record)),
            ('Steering', figures.steering(record)),
            ('Age of the answer', figures.age(record)),
        )
    )
    return (
        f'<section id="{escape(drive.anchor)}"><h2>{escape(drive.name)} · {_verdict(drive)}</h2>'
        f'<p class="quiet">{escape(about)}</p>'
        f'<div class="card">{drive.film}{_tiers(record)}</div>{_times(drive)}{_from_above(drive)}'
        f'<div class="pair">{plots}</div></section>'
    )


def _times(drive: Drive) -> str:
    """Return a table of what the answers cost."""
    if drive.times is None:
        return ''
    rows = ''.join(
        f'<tr title="{escape(STAGES.get(name, ""))}"><td>{escape(name.replace("_", " "))}</td>'
        f'<td>{escape(number)}</td></tr>'
        for name, number in drive.times.rows()
    )
    title = f'What {drive.times.answers} answers cost: median, and 95th percentile'
    return f'<div class="card scroll"><h3>{title}</h3><table class="drives">{rows}</table></div>'


def _tiers(record: Record) -> str:
    """Return a bar as long as the drive in the colours of the plans' tiers."""
    pieces = ''.join(
        f'<span style="flex:{length} 0 0;{_background(tier)}" title="{tier or "no plan"}"></span>'
        for tier, length in figures.tier_spans(record)
    )
    names = ''.join(
        f'<span><i class="tier" style="{_background(tier)}"></i>{tier}</span>'
        for tier in TIER_COLOURS
    )
    return (
        f'<div class="tiers" role="img" aria-label="tiers over time">{pieces}</div>'
        f'<div class="legend"><span class="quiet">the plans over time:</span>{names}</div>'
    )


def _background(tier: str) -> str:
    colour = TIER_COLOURS.get(tier)
    return f'background:rgb{colour}' if colour else ''


def _from_above(drive: Drive) -> str:
    if drive.whole is None:
        return ''
    buffer = io.BytesIO()
    drive.whole.save(buffer, 'JPEG', quality=80, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        '<div class="card"><h3>The drive from above</h3>'
        f'<img class="drive" alt="{escape(drive.name)} from above" '
        f'src="data:image/jpeg;base64,{data}">'
        '<small>The way driven is in the colours of the plans, with a dot every second; orange is '
        'the way of others. All are shown where they were at the end.</small></div>'
    )


def _meanings() -> str:
    listed = '; '.join(f'{name}: {meaning}' for name, _, _, _, _, meaning in COLUMNS)
    return f'<p>{escape(listed)}.</p>'
