# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla evaluate qa`: answers against the right ones, the paper's way and corrected."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.asking import task_of
from impromptu_vla_ros.core.dialects import DIALECTS, Dialect
from impromptu_vla_ros.core.paper_scores import paper_scores
from impromptu_vla_ros.core.question_answers import NotUnderstood, parse_answer
from impromptu_vla_ros.core.question_scores import SCORED, Pair, corrected_scores, trajectory
from impromptu_vla_ros.core.questions import TASKS
from impromptu_vla_ros.evaluation.prompts import RecordError, read_records, rows_of
from impromptu_vla_ros.evaluation.run import write
from impromptu_vla_ros.evaluation.style import STYLE

EXAMPLES = 20
# What the two ways of counting are, in words.
WAYS = {
    'paper': "as the paper's scorer counts: to compare with its table",
    'corrected': 'places, numbers and words must match, no mirrored ways, unparsed is wrong',
}
COUNTS = ('objects', 'extra', 'unparsed', 'unscored', 'count')


@dataclass(frozen=True)
class Matched:
    """Pairs by record name; `missing` of the right ones had no answer, `others` no known task."""

    pairs: Mapping[str, Pair]
    missing: int
    others: int


def match(predictions: Path, references: Path) -> Matched:
    """
    Return the answers with the right ones, by `id` where answers have it, else by their order.

    `predictions` is JSON or JSONL of `predict`, as `impromptu-vla ask --json` and the authors'
    script write it, `references` what they train on. Raise RecordError where nothing matches.
    """
    answers = _answers(predictions)
    rights = list(read_records(references))
    names = [name for name, _, _ in rights]
    if len(set(names)) != len(names):
        raise RecordError(f'{references} has an id twice: {_twice(names)!r}')
    said = {name: text for name, text in answers if name}
    if not said:
        if len(answers) != len(rights):
            raise RecordError(
                f'{predictions} has {len(answers)} answers without id, {references} '
                f'{len(rights)} records: without ids there must be as many, in the same order'
            )
        said = dict(zip(names, (text for _, text in answers), strict=True))
    if not set(said) & set(names):
        raise RecordError(
            f'no id of {predictions} ({next(iter(said))!r}, …) is in {references} '
            f'({names[0] if names else "empty"!r}, …): ask with `impromptu-vla ask {references}`'
        )
    pairs, others = {}, 0
    for name, prompt, right in rights:
        task = task_of(prompt)
        others += not task
        if task:
            pairs[name] = Pair(task, said.get(name, ''), right)
    missing = sum(name not in said for name in pairs)
    return Matched(pairs, missing, others)


def summarize(matched: Matched) -> dict[str, Any]:
    """Return both ways' numbers, and what was not scored."""
    pairs = list(matched.pairs.values())
    tasks = Counter(pair.task for pair in pairs)
    return {
        'records': len(pairs),
        'unanswered': matched.missing,
        'other_questions': matched.others,
        'in_words_not_scored': {task: tasks[task] for task in sorted(set(tasks) - set(SCORED))},
        'ways': WAYS,
        'paper': paper_scores(pairs),
        'corrected': corrected_scores(pairs),
    }


def table(summary: Mapping[str, Any]) -> str:
    """Return the numbers in lines of text."""
    lines = [
        f'{summary["records"]} records, {summary["unanswered"]} of them unanswered, '
        f'{summary["other_questions"]} other questions left out'
    ]
    for way in WAYS:
        lines.append(f'{way}: {WAYS[way]}')
        for task, scores in summary[way].items():
            shown = ', '.join(f'{name} {_shown(name, value)}' for name, value in scores.items())
            lines.append(f'  {task} {TASKS[task]:<22} {shown}')
    if summary['in_words_not_scored']:
        words = ', '.join(f'{n} {task}' for task, n in summary['in_words_not_scored'].items())
        lines.append(f'answered in words, not scored: {words}')
    return '\n'.join(lines)


def page(title: str, summary: Mapping[str, Any], matched: Matched) -> str:
    """Return the page: both ways side by side, and answers that were not understood."""
    data = json.dumps(summary, allow_nan=False).replace('</', '<\\/')
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>'
        f'<h1>{escape(title)}</h1><p class="lead quiet">{summary["records"]} questions, '
        f'{summary["unanswered"]} of them unanswered.</p>'
        f'{"".join(_task(task, summary) for task in summary["corrected"])}{_odd(matched)}'
        f'<script type="application/json" id="summary">{data}</script></main></body></html>'
    )


def run(arguments: Namespace) -> int:
    """Score as the command line says; return 0."""
    predictions, references = Path(arguments.predictions), Path(arguments.references)
    matched = match(predictions.expanduser(), references.expanduser())
    summary = {
        'predictions': predictions.name,
        'references': references.name,
        **summarize(matched),
    }
    out = Path(arguments.out or Path('out') / 'qa' / predictions.stem)
    write(out, page(f'Answers of {predictions.stem}', summary, matched), summary)
    print(f'{table(summary)}\npage: {out / "index.html"}\nJSON: {out / "summary.json"}')
    return 0


def _answers(path: Path) -> list[tuple[str, str]]:
    """Return id and text of each answer; the text is empty where nothing was asked."""
    try:
        rows = list(rows_of(path.read_text(encoding='utf-8')))
        found = [(row.get('id', ''), row.get('predict', '')) for row in rows]
        if not all(isinstance(text, str) for _, text in found):
            raise ValueError('predict is no text')
        if not any('predict' in row for row in rows):
            raise ValueError('there is no predict')
        return [(str(name), text) for name, text in found]
    except OSError as error:
        raise RecordError(f'cannot read {path}: {error.strerror}') from error
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordError(
            f'{path} holds no answers ({error}): give a JSON or JSONL file of predict, as '
            '`impromptu-vla ask --json` writes it'
        ) from error


def _twice(names: Sequence[str]) -> str:
    return Counter(names).most_common(1)[0][0]


def _task(task: str, summary: Mapping[str, Any]) -> str:
    names = [name for way in WAYS for name in summary[way][task] if name not in COUNTS]
    heads = dict.fromkeys(names)
    rows = ''.join(
        f'<tr><td>{way}</td>'
        + ''.join(f'<td>{_shown(name, summary[way][task].get(name))}</td>' for name in heads)
        + '</tr>'
        for way in WAYS
    )
    titles = ''.join(f'<th>{name.replace("_", " ")}</th>' for name in heads)
    counts = ', '.join(
        f'{name} {summary["corrected"][task][name]}'
        for name in COUNTS
        if name in summary['corrected'][task]
    )
    return (
        f'<div class="card scroll"><h3>{task} {TASKS[task]}</h3><table><thead><tr><th></th>'
        f'{titles}</tr></thead><tbody>{rows}</tbody></table><small>{counts}</small></div>'
    )


def _odd(matched: Matched) -> str:
    """Return the first answers that were not understood, and why."""
    found = [
        (name, parse_answer(pair.task, pair.said, _dialect(pair)))
        for name, pair in matched.pairs.items()
        if pair.said
    ]
    odd = [(name, each) for name, each in found if isinstance(each, NotUnderstood)]
    rows = ''.join(
        f'<p>{escape(name)} ({each.task}): {escape(each.reason)}</p>'
        f'<pre>{escape(each.text[:400])}</pre>'
        for name, each in odd[:EXAMPLES]
    )
    shown = f'the first {EXAMPLES} of them' if len(odd) > EXAMPLES else 'all of them'
    head = f'<h2>Not understood: {len(odd)} of {len(found)}</h2>'
    ways = ''.join(f'<p class="quiet">{way}: {escape(words)}.</p>' for way, words in WAYS.items())
    return f'{ways}{head}<p class="quiet">{shown}</p>{rows}' if odd else ways


def _dialect(pair: Pair) -> Dialect:
    """Return a dialect whose answers have as many waypoints as the right one."""
    right = trajectory(pair.right) if pair.task == 'q7' else None
    short = right is not None and len(right.points) == DIALECTS['nuscenes'].waypoints
    return DIALECTS['nuscenes' if short else 'kitti']


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return '–'
    unit = ' m' if name.startswith('l2') else ''
    return f'{value}' if name in COUNTS else f'{value:.3f}{unit}'
