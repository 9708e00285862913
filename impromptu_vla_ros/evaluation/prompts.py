# SPDX-License-Identifier: Apache-2.0
"""Check that this package renders real training records byte for byte."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.dialects import DIALECTS, Dialect, dialect_to_json
from impromptu_vla_ros.core.records import Comparison, compare

QUESTION_END = '.q7_question.txt'
ANSWER_END = '.q7_answer.txt'


class RecordError(ValueError):
    """Say why a file holds no training records."""


@dataclass(frozen=True)
class Check:
    """How many records of which dialect render identically, and the first that do not."""

    identical: dict[str, int]
    different: int
    skipped: int
    examples: tuple[tuple[str, Comparison], ...]
    dialect: Dialect | None

    @property
    def passed(self) -> bool:
        """Tell whether there were trajectory records and all of them rendered identically."""
        return bool(self.identical) and not self.different


def read_records(path: Path) -> Iterator[tuple[str, str, str]]:
    """
    Yield id, prompt and answer of each record of a file.

    Read are LLaMA-Factory's JSON and JSONL of `messages` with `role` and `content`, and
    `*.q7_question.txt` with its answer beside it. Raise RecordError for anything else.
    """
    try:
        if path.name.endswith(QUESTION_END):
            answer = path.with_name(path.name.removesuffix(QUESTION_END) + ANSWER_END)
            yield path.name, path.read_text(), answer.read_text() if answer.exists() else ''
            return
        for number, row in enumerate(rows_of(path.read_text())):
            said = {turn['role']: turn['content'] for turn in row['messages']}
            yield str(row.get('id', number)), said['user'], said.get('assistant', '')
    except OSError as error:
        raise RecordError(f'cannot read {path}: {error.strerror}') from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f'{path} holds no training records ({error!r}): give a JSON or JSONL file of '
            f'messages with role and content, or *{QUESTION_END}'
        ) from error


def rows_of(text: str) -> Iterator[Any]:
    """Yield what a list in JSON holds, or JSONL's lines; raise ValueError for neither."""
    listed = text.lstrip().startswith('[')
    yield from json.loads(text) if listed else map(json.loads, filter(None, text.splitlines()))


def check_records(records: Iterator[tuple[str, str, str]], examples: int = 5) -> Check:
    """Return how records compare; those that print no past states are skipped."""
    identical: Counter[str] = Counter()
    found: dict[str, Dialect] = {}
    differing: list[tuple[str, Comparison]] = []
    different = skipped = 0
    for name, prompt, answer in records:
        if '(t-0.0s)' not in prompt:
            skipped += 1
            continue
        comparison = compare(prompt, answer)
        if comparison.identical:
            identical[comparison.dialect.name] += 1
            found.setdefault(comparison.dialect.name, comparison.dialect)
        else:
            different += 1
            if len(differing) < examples:
                differing.append((name, comparison))
    dialect = found[identical.most_common(1)[0][0]] if identical else None
    return Check(dict(identical), different, skipped, tuple(differing), dialect)


def same_wording(dialect: Dialect) -> list[str]:
    """Return the names of the dialects that differ from this one in nothing but the name."""
    return [n for n, other in DIALECTS.items() if replace(other, name=dialect.name) == dialect]


def report(check: Check) -> str:
    """Return the check in words, one finding a line."""
    lines = [f'{name}: {count} identical' for name, count in check.identical.items()]
    if check.dialect is not None and len(same := same_wording(check.dialect)) > 1:
        lines.append(f'(worded alike: {", ".join(same)})')
    if check.skipped:
        lines.append(f'{check.skipped} records print no past states: skipped')
    if not check.identical and not check.different:
        lines.append('no trajectory record found')
    if check.different:
        lines.append(f'{check.different} DIFFERENT, the first of them:')
    for name, comparison in check.examples:
        lines.append(
            f'  {name}: {comparison.part}, byte {comparison.byte}, nearest dialect '
            f'{comparison.dialect.name}\n    record   {comparison.expected!r}\n'
            f'    rendered {comparison.rendered!r}'
        )
    return '\n'.join(lines)


def check_files(paths: list[Path], write: Path | None) -> int:
    """Print how the files' records compare; return 0 only if all render identically."""
    check = check_records(record for path in paths for record in read_records(path))
    print(report(check))
    if write is not None and check.dialect is not None:
        write.write_text(dialect_to_json(check.dialect) + '\n')
        print(f'dialect {check.dialect.name} written: use it with dialect:={write}')
    return 0 if check.passed else 1
