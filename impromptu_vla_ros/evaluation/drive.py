# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla drive`: scenarios in closed loop, a table of what came of them, and a page."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from tqdm import tqdm

from impromptu_vla_ros.evaluation.driving.ablation import RIGHT, SEES
from impromptu_vla_ros.evaluation.driving.case import Case, Result, finished
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS
from impromptu_vla_ros.evaluation.driving.team import drive_all
from impromptu_vla_ros.evaluation.driving.worker import BLIND
from impromptu_vla_ros.models import MODELS, ModelError

NEURONCAP = ('stationary', 'frontal', 'side')


class DriveError(ValueError):
    """Something was asked for that cannot be driven; the text says what can."""


def run(arguments: Namespace) -> int:
    """Drive as the command line says; return 0, 1 where a drive could not be made."""
    cases = cases_of(arguments)
    out = Path(arguments.out)
    ordered = driven(cases, out, arguments.jobs)
    summary = summarize(ordered)
    path = Path(arguments.json) if arguments.json else out / 'summary.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=2, allow_nan=False) + '\n', encoding='utf-8')
    print(table(ordered))
    print(overview(summary))
    print(f'records: {out}\nJSON: {path}')
    if not arguments.no_page:
        # Only here: it needs what the numbers do not.
        from impromptu_vla_ros.evaluation.driving.report import write_page

        print(f'page: {write_page(out)}')
    return 1 if any('error' in result for result in ordered) else 0


def driven(cases: Sequence[Case], out: Path, jobs: int, name: str = '') -> list[Result]:
    """Return the results of the cases in their order; what `out` has is not driven again."""
    results = {case.key: finished(case, out) for case in cases}
    pending = [case for case in cases if results[case.key] is None]
    done = len(cases) - len(pending)
    # Silent where nobody watches: in a pipe and in continuous integration.
    with tqdm(total=len(cases), initial=done, desc=name, disable=None) as bar:

        def on_result(result: Result) -> None:
            results[result['key']] = result
            bar.update()

        if pending:
            drive_all(pending, out, jobs, on_result)
    return [result for result in results.values() if result is not None]


def cases_of(arguments: Namespace) -> list[Case]:
    """Return all cases that are asked for; raise DriveError or ModelError for a wrong one."""
    names = ('checkpoint', 'subfolder', 'revision', 'dtype', 'device', 'threads')
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name)}
    if arguments.answers:
        given['path'] = os.path.abspath(arguments.answers)
    for model in arguments.model:
        if model != 'expert' and model not in MODELS:
            raise ModelError(f'no model {model!r}: one of expert, {", ".join(MODELS)}')
    scenarios = arguments.scenario or list(SCENARIOS)
    for name in scenarios:
        if name not in SCENARIOS:
            raise DriveError(f'no scenario {name!r}: one of {", ".join(SCENARIOS)}')
    for sees in arguments.sees:
        if sees not in SEES:
            raise DriveError(f'nobody sees {sees!r}: one of {", ".join(SEES)}')
    ways = {'on': [True], 'off': [False], 'both': [True, False]}[arguments.retiming]
    return [
        Case(
            scenario=name,
            seed=seed,
            model=model,
            model_options=_options_of(model, given),
            dialect=arguments.dialect,
            latency=latency,
            retiming=retiming,
            world=arguments.world,
            host=arguments.host,
            port=arguments.port,
            pictures=arguments.pictures,
            sees=sees,
        )
        for model, sees, latency, retiming, name, seed in product(
            arguments.model, arguments.sees, arguments.latency, ways, scenarios, arguments.seed
        )
        # Without a latency there is nothing to re-time but a tick.
        if (retiming or latency > 0.0 or arguments.retiming == 'off')
        # Nor is it anything to the blind what they see.
        and (sees == RIGHT or model not in BLIND)
    ]


def _options_of(model: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return which of the options that are for any of several models are for this one."""
    if model == 'nano':
        return {name: given[name] for name in ('device', 'threads') if name in given}
    return given if model in ('onnx', 'recorded', 'transformers') else {}


def summarize(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results by how they were driven: how many passed, and NeuroNCAP's numbers."""
    settings: dict[str, list[Result]] = {}
    for result in results:
        settings.setdefault(setting(result), []).append(result)
    return {
        'settings': {name: _summary(group) for name, group in settings.items()},
        'results': list(results),
    }


def setting(result: Result) -> str:
    """Return how a result was driven, in words."""
    return Case(**result['case']).setting


def _summary(results: Sequence[Result]) -> dict[str, Any]:
    scores = [result['score'] for result in results if 'score' in result]
    families = {
        kind: [r['score'] for r in results if r.get('family') == f'neuroncap {kind}']
        for kind in NEURONCAP
    }
    driven = {kind: group for kind, group in families.items() if group}
    ncap = {kind: mean(one['ncap'] for one in group) for kind, group in driven.items()}
    rates = {kind: mean(one['collision'] for one in group) for kind, group in driven.items()}
    return {
        'drives': len(results),
        'failed_to_drive': len(results) - len(scores),
        'passed': sum(one['passed'] for one in scores),
        'collision_rate': mean(one['collision'] for one in scores) if scores else None,
        # As NeuroNCAP: the mean of the families, whatever their sizes.
        'neuroncap': mean(ncap.values()) if ncap else None,
        'neuroncap_families': ncap,
        'neuroncap_collision_rate': mean(rates.values()) if rates else None,
        **{name: _mean(scores, name) for name in ERRORS},
    }


ERRORS = (
    'completion',
    'freshness',
    'model_error',
    'retiming_error',
    'controller_left',
    'controller_ahead',
)


def _mean(scores: Sequence[dict[str, Any]], name: str) -> float | None:
    known = [one[name] for one in scores if one[name] is not None]
    return mean(known) if known else None


def table(results: Sequence[Result]) -> str:
    """Return a line per drive."""
    lines = []
    for name in dict.fromkeys(map(setting, results)):
        lines += ['', name]
        lines += [_line(result) for result in results if setting(result) == name]
    return '\n'.join(lines[1:])


def _line(result: Result) -> str:
    case = result['case']
    head = f'  {case["scenario"]:16} {case["seed"]:4d}  '
    if 'error' in result:
        return f'{head}not driven: {result["error"]}'
    score = result['score']
    told = 'passed' if score['passed'] else '; '.join(score['failures'])
    felt = score['comfort']
    return (
        f'{head}{score["completion"]:4.0%}  fresh {score["freshness"]:4.0%}  braked '
        f'{felt["deceleration"]:4.1f}  turned {felt["lateral"]:3.1f} m/s²  {told}'
    )


def overview(summary: dict[str, Any]) -> str:
    """Return a line per way of driving."""
    head = (
        f'{"":34}  passed  collisions  NeuroNCAP  errors, m: model  re-timing  '
        'controller left  ahead'
    )
    return '\n'.join(['', head, *(_overview(*one) for one in summary['settings'].items())])


def _overview(name: str, found: dict[str, Any]) -> str:
    passed = f'{found["passed"]}/{found["drives"]}'
    errors = [_shown(found[each], '.2f') for each in ERRORS[2:]]
    return (
        f'{name:34}  {passed:>6}  {_shown(found["collision_rate"], ".0%"):>10}  '
        f'{_shown(found["neuroncap"], ".2f"):>9}  {errors[0]:>16}  {errors[1]:>9}  '
        f'{errors[2]:>15}  {errors[3]:>5}'
    )


def _shown(value: float | None, form: str) -> str:
    return '-' if value is None else format(value, form)
