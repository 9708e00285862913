# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla evaluate nuscenes`: a data root or the released JSON in, a page out."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.nuscenes.asking import Skips, ask_all
from impromptu_vla_ros.evaluation.nuscenes.cases import Case, Skipped, scene_cases
from impromptu_vla_ros.evaluation.nuscenes.ego import ego_cases
from impromptu_vla_ros.evaluation.nuscenes.page import COLUMNS, TITLES, page
from impromptu_vla_ros.evaluation.nuscenes.published import PUBLISHED
from impromptu_vla_ros.evaluation.nuscenes.records import record_cases
from impromptu_vla_ros.evaluation.nuscenes.scenes import read_scenes
from impromptu_vla_ros.evaluation.nuscenes.score import PLAN, OpenLoop, means, score, worst
from impromptu_vla_ros.evaluation.nuscenes.tables import NuscenesError
from impromptu_vla_ros.evaluation.run import model_options, write
from impromptu_vla_ros.evaluation.summary import Summary, show
from impromptu_vla_ros.models import Model, create_model

ANSWERS, ASKED = 'answers.jsonl', 'asked.json'


@dataclass(frozen=True)
class Asked:
    """Who is asked what: a folder of answers is of one such run."""

    model: str
    options: dict[str, Any]
    dialect: Dialect
    data: str

    @property
    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            **{'model': self.model, 'options': self.options, 'data': self.data},
            **{'dialect': self.dialect.name, 'fingerprint': self.dialect.fingerprint},
        }


def run(arguments: Namespace) -> int:
    """Evaluate as the command line says; return 0, or 1 if there was not a single plan."""
    root, options = Path(arguments.root), model_options(arguments)
    if arguments.url:
        options['url'] = arguments.url
    checkpoint, subfolder = (options.get(name, '') for name in ('checkpoint', 'subfolder'))
    cameras = 3 if (root / 'samples').is_dir() else 1
    dialect = load_dialect(arguments.dialect, checkpoint, subfolder, cameras, arguments.model)
    out = Path(arguments.out or Path('out') / 'nuscenes' / (root.stem or 'root'))
    cases, skips = gather(found(root, dialect, arguments))
    if not cases:
        why = '; '.join(f'{n} × {reason}' for reason, n in skips.counts.items())
        raise NuscenesError(f'{root} has nothing to evaluate{": " + why if why else ""}')
    asked = Asked(arguments.model, options, dialect, root.name)
    model = create_model(arguments.model, **options)
    summary, result = evaluate(cases, skips, asked, model, out)
    shown = worst(result, arguments.worst)
    write(out, page(f'nuScenes open loop: {asked.model}', summary, result, shown), summary)
    print(f'{table(summary)}\npage: {out / "index.html"}\nJSON: {out / "summary.json"}')
    if not result.planned:
        print('impromptu-vla: not a single plan', file=sys.stderr)
    return 0 if result.planned else 1


def found(root: Path, dialect: Dialect, arguments: Namespace) -> Iterable[Case | Skipped]:
    """Return the cases of a data root, a JSON file, or a folder of ego motion."""
    if root.is_file():
        return record_cases(root, dialect, arguments.pictures and Path(arguments.pictures))
    if any(root.glob('*.csv')):
        return ego_cases(root, dialect)
    names = scene_names(arguments.scenes)
    return scene_cases(root, read_scenes(root, arguments.version, names), dialect)


def scene_names(said: str) -> list[str]:
    """Return the names in a text, separated by commas, or in the file that it names."""
    path = Path(said)
    try:
        text = path.read_text(encoding='utf-8') if said and path.is_file() else said
    except (OSError, UnicodeDecodeError) as error:
        raise NuscenesError(f'{path} lists no scenes: {error}') from error
    return text.replace(',', ' ').split()


def gather(found: Iterable[Case | Skipped]) -> tuple[list[Case], Skips]:
    """Return the cases and how many are none."""
    cases, skips = [], Skips()
    for each in tqdm(found, desc='reading', unit=' samples', disable=None):
        if isinstance(each, Skipped):
            skips.note(each.reason, each.detail)
        else:
            cases.append(each)
    return cases, skips


def evaluate(
    cases: list[Case], skips: Skips, asked: Asked, model: Model, out: Path
) -> tuple[Summary, OpenLoop]:
    """
    Return the evaluation, and its numbers as data that JSON can hold.

    Answers are kept in `out`, and a run that was interrupted goes on from there. Raise
    NuscenesError where `out` holds those of somebody else.
    """
    _claim(out, asked)
    with tqdm(total=len(cases), desc=asked.model, unit=' cases', disable=None) as bar:
        answers = ask_all(cases, asked.dialect, model, out / ANSWERS, skips, bar.update)
    result = score(cases, answers, asked.dialect, skips)
    return summarize(result, asked, skips), result


def summarize(result: OpenLoop, asked: Asked, skips: Skips) -> Summary:
    """Return the numbers: shares from 0 to 1, L2 in m, None where nothing is known."""
    return {
        'name': asked.data,
        **asked.told,
        'reference_point': asked.dialect.reference_point,
        'cases': {
            'all': len(result.cases),
            'planned': result.planned,
            'annotated': sum(case.others is not None for case in result.cases),
            'known': {name: of.known([1])[0] for name, of in result.distances.items()},
        },
        'skipped': {
            reason: {'count': count, 'first': skips.first[reason]}
            for reason, count in sorted(skips.counts.items())
        },
        'l2_pointwise': means(result.distances, cumulative=False),
        'l2_cumulative_mean': means(result.distances, cumulative=True),
        'collision_pointwise': means(result.hits, cumulative=False),
        'collision_cumulative_mean': means(result.hits, cumulative=True),
        'worst': list(_worst(result)),
        'published': [
            {
                'model': each.model,
                'l2': dict(zip(COLUMNS, each.l2, strict=True)),
                'protocol': each.protocol,
                'source': each.source,
            }
            for each in PUBLISHED
        ],
    }


def _worst(result: OpenLoop) -> Iterator[dict[str, Any]]:
    for index in worst(result, 10):
        case, hits = result.cases[index], result.hits[PLAN].rows[index]
        yield {
            'sample': case.name,
            'scene': case.scene,
            'l2_3s': round(float(result.distances[PLAN].rows[index, -1]), 6),
            'hits': None if case.others is None else bool(hits.any()),
        }


def table(summary: Summary) -> str:
    """Return the numbers as lines for a terminal."""
    cases = summary['cases']
    lines = [f'{cases["planned"]} of {cases["all"]} cases planned']
    lines += [f'left out: {of["count"]} × {why}' for why, of in summary['skipped'].items()]
    heads = ''.join(f'{c if c == "mean" else c + " s":>8}' for c in COLUMNS)
    for key, title, factor in (
        ('l2_cumulative_mean', 'L2 [m], cumulative mean (ST-P3, VAD)', 1.0),
        ('l2_pointwise', 'L2 [m], point-wise (UniAD)', 1.0),
        ('collision_cumulative_mean', 'collisions [%], cumulative mean', 100.0),
        ('collision_pointwise', 'collisions [%], point-wise', 100.0),
    ):
        if all(row['1'] is None for row in summary[key].values()):
            continue
        lines.append(f'{title:<44}{heads}')
        for name, row in summary[key].items():
            shown = (row[c] if row[c] is None else factor * row[c] for c in COLUMNS)
            lines.append(f'  {TITLES[name]:<42}{"".join(f"{show(v):>8}" for v in shown)}')
    lines.append(f'{"published, as they say it":<44}{heads}')
    for each in summary['published'][-4:]:
        row = ''.join(f'{show(each["l2"][c]):>8}' for c in COLUMNS)
        lines.append(f'  {each["model"]:<42}{row}')
    return '\n'.join(lines)


def _claim(out: Path, asked: Asked) -> None:
    """Note whose answers lie in a folder; raise NuscenesError if they are somebody else's."""
    path, told = out / ASKED, json.dumps(asked.told, indent=2, default=str) + '\n'
    try:
        out.mkdir(parents=True, exist_ok=True)
        if path.is_file() and (had := path.read_text(encoding='utf-8')) != told:
            raise NuscenesError(
                f'{out} holds the answers to another run: {" ".join(had.split())[:300]}. Give '
                'another --out, or take it away'
            )
        path.write_text(told, encoding='utf-8')
    except OSError as error:
        raise NuscenesError(f'{path} cannot be written ({error.strerror})') from error
