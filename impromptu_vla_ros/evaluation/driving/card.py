# SPDX-License-Identifier: Apache-2.0
"""The tables of a model card from the summaries of drives: what passes, and what it takes."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impromptu_vla_ros.evaluation.drive import DriveError
from impromptu_vla_ros.evaluation.driving.ablation import MIRRORED, RIGHT, SEES
from impromptu_vla_ros.evaluation.driving.case import Case, Result
from impromptu_vla_ros.evaluation.driving.inputs import BENDS, BEYOND, HELD_OUT
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS

# Of a normal distribution, for intervals of 95 %.
DEVIATIONS = 1.96
LATE = 0.5  # s


@dataclass(frozen=True)
class Share:
    """How many of how many drives passed."""

    passed: int
    of: int

    @classmethod
    def among(cls, drives: Iterable[bool]) -> Share:
        """Return the share of drives, each passed or not."""
        found = list(drives)
        return cls(sum(found), len(found))

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95 % interval of the share; of no drive from 0 to 1."""
        if not self.of:
            return 0.0, 1.0
        n, p, z = self.of, self.passed / self.of, DEVIATIONS
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        low, high = self.interval
        share = self.passed / self.of if self.of else None
        return {'passed': self.passed, 'of': self.of, 'share': share, 'low': low, 'high': high}

    def __str__(self) -> str:
        if not self.of:
            return '–'
        low, high = self.interval
        return f'{self.passed}/{self.of} = {self.passed / self.of:.0%} ({low:.0%}–{high:.0%})'


@dataclass(frozen=True)
class Way:
    """One way of driving, whose drives make a column: which model, how late, what it sees."""

    model: str
    latency: float = 0.0
    sees: str = RIGHT

    @property
    def title(self) -> str:
        """Return the column's head."""
        return self.model + (f', {self.latency:g} s late' if self.latency else '')


class Drives:
    """All results that count, by way of driving, scenario and seed."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._passed: dict[tuple[Way, str, int], bool] = {}
        self.not_driven = 0
        for result in results:
            case = Case(**result['case'])
            if case.seed < HELD_OUT or not case.retiming or case.over:
                continue
            if 'score' not in result:
                self.not_driven += 1
                continue
            way = Way(case.model, case.latency, case.sees)
            self._passed[way, case.scenario, case.seed] = bool(result['score']['passed'])

    @property
    def scenarios(self) -> list[str]:
        """Return those that were driven, in the catalogue's order."""
        driven = {name for _, name, _ in self._passed}
        return [name for name in SCENARIOS if name in driven]

    @property
    def seeds(self) -> list[int]:
        """Return the seeds, ascending."""
        return sorted({seed for _, _, seed in self._passed})

    def of(self, way: Way, names: Iterable[str]) -> Share:
        """Return the share that passed of some scenarios."""
        return Share.among(passed for _, passed in self._along(way, names))

    def where_failed(self, base: Way, way: Way, names: Iterable[str]) -> Share:
        """Return the share that passed of the drives, by scenario and seed, that `base` fails."""
        failed = {drive for drive, passed in self._along(base, names) if not passed}
        return Share.among(ok for drive, ok in self._along(way, names) if drive in failed)

    def _along(self, way: Way, names: Iterable[str]) -> list[tuple[tuple[str, int], bool]]:
        wanted = set(names)
        return [
            ((name, seed), passed)
            for (one, name, seed), passed in self._passed.items()
            if one == way and name in wanted
        ]


def card(results: Iterable[Result], model: str) -> dict[str, Any]:
    """
    Return a model's tables for JSON, of the results of `impromptu-vla drive`.

    `scenarios`: the share that passed by scenario and way of driving, `in_reach` over those that
    the inputs can solve, `all` over all. `ablation`: over the drives in reach that `kinematic`
    fails, seed by seed, by what the model is given, and the same where roads bend (`bends`).
    """
    drives, ways = Drives(results), ways_of(model)
    names = drives.scenarios
    reach = [name for name in names if name not in BEYOND]
    bends = [name for name in reach if name in BENDS]

    def row(these: Sequence[str]) -> dict[str, Any]:
        return {way.title: drives.of(way, these).data for way in ways}

    def given(these: Sequence[str]) -> dict[str, Any]:
        base = Way('kinematic')
        return {
            sees: drives.where_failed(base, Way(model, sees=sees), these).data for sees in SEES
        }

    return {
        'model': model,
        'seeds': drives.seeds,
        'not_driven': drives.not_driven,
        'scenarios': {name: row([name]) for name in names},
        'beyond': {name: BEYOND[name] for name in names if name in BEYOND},
        'in_reach': row(reach),
        'all': row(names),
        'ablation': {
            'scenarios': {name: given([name]) for name in reach},
            'in_reach': given(reach),
            'bends': given(bends),
        },
    }


def ways_of(model: str) -> list[Way]:
    """Return the columns of the table by scenario."""
    return [Way(model), Way(model, LATE), Way('kinematic'), Way('expert')]


def markdown(data: Mapping[str, Any]) -> str:
    """Return the tables of a card as Markdown."""
    titles = [way.title for way in ways_of(data['model'])]
    beyond = data['beyond']
    rows = [
        (f'{name} *' if name in beyond else name, [_count(row[title]) for title in titles])
        for name, row in data['scenarios'].items()
    ]
    rows += [
        (f'**{head}**', [_share(data[part][title]) for title in titles])
        for head, part in (('within reach of its inputs', 'in_reach'), ('all', 'all'))
    ]
    ablation = data['ablation']
    tested = [
        (name, [_count(row[sees]) for sees in SEES])
        for name, row in ablation['scenarios'].items()
        if row[RIGHT]['of']
    ]
    tested += [
        (f'**{head}**', [_share(ablation[part][sees]) for sees in SEES])
        for head, part in (('all of these', 'in_reach'), (f'{MIRRORED} counts: bends', 'bends'))
    ]
    reasons = [f'- {name}: {reason}' for name, reason in beyond.items()]
    return '\n'.join(
        [
            *_table('scenario', titles, rows),
            '',
            *([f'{data["not_driven"]} drives were not made.', ''] if data['not_driven'] else []),
            *(['\\* beyond what its inputs can solve:', '', *reasons, ''] if reasons else []),
            *_table('fails with kinematic', list(SEES), tested),
            '',
        ]
    )


def _table(head: str, titles: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> list[str]:
    lines = [[head, *titles], ['---', *('---:' for _ in titles)], *([a, *b] for a, b in rows)]
    return ['| ' + ' | '.join(cells) + ' |' for cells in lines]


def _count(data: Mapping[str, Any]) -> str:
    return f'{data["passed"]}/{data["of"]}' if data['of'] else '–'


def _share(data: Mapping[str, Any]) -> str:
    return str(Share(data['passed'], data['of']))


def run(arguments: Namespace) -> int:
    """Write `card.json` and `card.md` of some summaries, and print the latter; return 0."""
    results: list[Result] = []
    for path in map(Path, arguments.summaries):
        try:
            results += json.loads(path.read_text(encoding='utf-8'))['results']
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DriveError(f'{path} is no summary of `impromptu-vla drive`: {error}') from error
    data = card(results, arguments.model)
    if not data['seeds']:
        raise DriveError(f'nothing was driven with a seed from {HELD_OUT} on, which are held out')
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    text = markdown(data)
    (out / 'card.json').write_text(json.dumps(data, indent=2) + '\n', encoding='utf-8')
    (out / 'card.md').write_text(text, encoding='utf-8')
    print(f'{text}\n{out / "card.json"}\n{out / "card.md"}')
    return 0
