# SPDX-License-Identifier: Apache-2.0
"""What a soak leaves behind: one table, soak.json, and soak.html with what it saw over time."""

import json
from dataclasses import asdict
from html import escape

from judge import TIERS

from impromptu_vla_ros.evaluation.plots import line, plot
from impromptu_vla_ros.evaluation.style import STYLE

SIZE = (1040, 240)
TIME = 'time [s]'


def write(folder, run, criteria):
    """Print the demands and the numbers; write them and the plots into a folder."""
    summary = run.summary()
    print(table(criteria, summary), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    report = {'demands': [asdict(each) for each in criteria], **summary, 'found': run.judge.told()}
    (folder / 'soak.json').write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    page = _page(criteria, _plots(run.judge.rows[: run.judge.cycles], run.memory))
    (folder / 'soak.html').write_text(page, encoding='utf-8')
    print(f'{folder}/soak.json, {folder}/soak.html')


def table(criteria, summary):
    """Return the numbers and the demands as text."""
    width = max(len(each.name) for each in criteria)
    numbers = [f'{name:{width + 8}}{_number(value)}' for name, value in summary.items()]
    demands = [
        f'{"met" if each.met else "MISSED":8}{each.name:{width}}  {each.measured}'
        for each in criteria
    ]
    return '\n'.join((*numbers, '', *demands))


def _number(value):
    if isinstance(value, dict):
        return ', '.join(f'{name} {_number(each)}' for name, each in value.items())
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def _plots(rows, memory):
    times, tiers, age, newest = rows.T
    used = memory[:, 1:] - memory[0, 1:]
    names = ('planner', 'controller', 'the soak itself')
    return {
        'Tier: ' + ', '.join(f'{k} {tier}' for k, tier in enumerate(TIERS)): plot(
            [line(times, tiers, 'plan')], TIME, 'tier', SIZE, limits=((0, times[-1]), (-0.2, 3.2))
        ),
        'Age of the answer': plot(
            [
                line(times, newest, 'driven', 'newest that there is', thin=True),
                line(times, age, 'plan', 'followed'),
            ],
            TIME,
            'age [s]',
            SIZE,
            from_zero=True,
        ),
        'Memory beyond that at the start': plot(
            [
                line(memory[:, 0], column, colour, name)
                for column, colour, name in zip(used.T, ('plan', 'driven', 'cv'), names)
            ],
            TIME,
            'memory [MiB]',
            SIZE,
        ),
    }


def _page(criteria, plots):
    rows = ''.join(
        f'<tr><td>{escape(each.name)}</td><td>{escape(each.measured)}</td>'
        f'<td>{"met" if each.met else "missed"}</td></tr>'
        for each in criteria
    )
    cards = ''.join(
        f'<div class="card"><h3>{title}</h3>{drawn}</div>' for title, drawn in plots.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Soak</title>'
        f'<style>{STYLE}</style></head><body><main><h1>Soak</h1><div class="card scroll">'
        f'<table>{rows}</table></div>{cards}</main></body></html>'
    )
