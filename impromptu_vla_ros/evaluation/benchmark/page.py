# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page of a benchmark: a table, and how many passes answers took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from impromptu_vla_ros.evaluation.benchmark.measuring import identical
from impromptu_vla_ros.evaluation.plots import line, plot
from impromptu_vla_ros.evaluation.style import STYLE

TITLE = 'How fast it answers'
COLUMNS = (
    ('whole, p50 [s]', lambda way: f'{way["whole_s"]["p50"]:.3f}'),
    ('p95 [s]', lambda way: f'{way["whole_s"]["p95"]:.3f}'),
    ('decode, p50 [s]', lambda way: f'{way["stages_s"]["decode"]["p50"]:.3f}'),
    ('times faster', lambda way: f'{way["times_faster"]:.2f}'),
    ('decoding alone', lambda way: f'{way["times_faster_decoding"]:.2f}'),
    ('passes', lambda way: f'{way["passes"]["mean"]:.1f}'),
    ('p90', lambda way: f'{way["passes"]["p90"]:.0f}'),
    ('tokens/s', lambda way: f'{way["tokens_per_s"]:.1f}'),
    ('above the weights [MiB]', lambda way: _known(way['memory_bytes'], 2**20)),
    ('power [W]', lambda way: _known(way['watts'], 1.0)),
    ('identical', identical),
)


def page(summary: Mapping[str, Any]) -> str:
    """Return the page; the same numbers lie in it as JSON, under the id `summary`."""
    data = json.dumps(summary, allow_nan=False).replace('</', '<\\/')
    hardware = ', '.join(f'{name} {value}' for name, value in summary['machine'].items())
    heads = ''.join(f'<th>{escape(head)}</th>' for head, _ in COLUMNS)
    rows = ''.join(map(_row, summary['ways']))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{TITLE}</title><style>{STYLE}</style></head><body><main><h1>{TITLE}</h1>'
        f'<p class="lead quiet">{escape(summary["about"])}</p><p>{escape(hardware)}</p>'
        f'<div class="card scroll"><table><thead><tr><th></th>{heads}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div>'
        f'<div class="card"><h3>Passes of an answer</h3>{_passes(summary["ways"])}</div>'
        f'<script type="application/json" id="summary">{data}</script></main></body></html>'
    )


def _row(way: Mapping[str, Any]) -> str:
    cells = ''.join(f'<td>{escape(shown(way))}</td>' for _, shown in COLUMNS)
    return f'<tr><td>{escape(way["engine"])}, {escape(way["way"])}</td>{cells}</tr>'


def _passes(ways: Sequence[Mapping[str, Any]]) -> str:
    """Return how many answers took how many passes, of the first engine's last way."""
    last = [way for way in ways if way['engine'] == ways[0]['engine']][-1]
    counts = {int(n): count for n, count in last['passes']['histogram'].items()}
    x = range(min(counts) - 1, max(counts) + 2)
    edges = [edge for n in x for edge in (n - 0.5, n + 0.5)]
    heights = [height for n in x for height in [counts.get(n, 0)] * 2]
    steps = line(edges, heights, 'plan', f'{last["engine"]}, {last["way"]}')
    return plot([steps], 'passes behind the prefill', 'answers', (1060, 260), from_zero=True)


def _known(value: float | None, unit: float) -> str:
    return '–' if value is None else f'{value / unit:.0f}'
