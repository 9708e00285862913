# SPDX-License-Identifier: Apache-2.0
"""What a soak leaves behind: one table, soak.json, and soak.html with what it saw over time."""

import json
from collections import Counter
from dataclasses import asdict
from html import escape

import numpy as np
from judge import TIERS

from impromptu_vla_ros.evaluation.plots import line, plot
from impromptu_vla_ros.evaluation.style import STYLE

SIZE = (1040, 240)
TIME = 'time [s]'


def write(folder, run, criteria):
    """Print the demands and the numbers; write them and the plots into a folder."""
    summary = numbers(run)
    print(table(criteria, summary), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        'demands': [asdict(each) for each in criteria],
        **summary,
        'found': run.judge.told(),
        # Time in s, and MiB of planner, controller and the soak itself, every 10 s.
        'memory': np.round(run.memory[::10], 2).tolist(),
    }
    (folder / 'soak.json').write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    page = _page(criteria, _plots(run.judge.rows[: run.judge.cycles], run.memory))
    (folder / 'soak.html').write_text(page, encoding='utf-8')
    print(f'{folder}/soak.json, {folder}/soak.html')


def numbers(run):
    """Return the numbers beside the demands."""
    judge, street, answers = run.judge, run.street, run.answers
    rows = judge.rows[: judge.cycles]
    tiers = [float(np.mean(rows[:, 1] == k)) for k in range(4)]
    values = run.report.values.get('front', {}), run.report.values.get('odometry', {})
    kinds = ('received', 'missing by stamps', 'late', 'duplicates', 'lost in transport')
    return {
        'seconds': run.seconds,
        'metres': street.driven(),
        'cycles': judge.cycles,
        'tiers': dict(zip(TIERS, tiers)),
        'answers': len(answers.ages),
        'nonsense': answers.nonsense,
        'answer age when it came': _spread(answers.ages),
        'answer age when followed': _spread(rows[:, 2]),
        'planner': run.report.counts | dict(run.report.reasons),
        'front': {kind: values[0].get(kind, '') for kind in kinds},
        'odometry': {kind: values[1].get(kind, '') for kind in kinds},
        'pictures': street.pictures,
        'commands': street.commands,
        'stalls beyond 0.05 s': _stalls(street.stalls),
        'cycles within 0.5 s of a stall': judge.affected,
        'late plans': judge.late,
    }


def _spread(values):
    low, high = np.nanmin(values), np.nanmax(values)
    return {'lowest': float(low), 'mean': float(np.nanmean(values)), 'highest': float(high)}


def _stalls(stalls):
    lengths = [length for _, length, _ in stalls]
    of = Counter(who for _, _, who in stalls)
    return {'longest': max(lengths, default=0.0), 'seconds in all': sum(lengths), **of}


def table(criteria, summary):
    """Return the numbers and the demands as text."""
    width = max(len(each.name) for each in criteria)
    told = [f'{name:{width + 8}}{_number(value)}' for name, value in summary.items()]
    demands = [
        f'{"met" if each.met else "MISSED":8}{each.name:{width}}  {each.measured}'
        for each in criteria
    ]
    return '\n'.join((*told, '', *demands))


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
