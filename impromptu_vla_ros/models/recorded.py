# SPDX-License-Identifier: Apache-2.0
"""
Answers from a file: regression tests and demonstrations without weights.

The file is JSONL, one object per line: `{"stamp": capture time in ns, "answer": text}`;
other keys are left alone.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.models import ModelError


class RecordedModel:
    """
    Answer with what `path` holds for the query's stamp.

    Raises ModelError where the file cannot be read, has a malformed line or the same stamp
    twice, and for a query whose stamp it does not hold.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).expanduser()
        self._answers: dict[int, str] = {}
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError as error:
            raise ModelError(
                f'no recorded answers at {self._path} ({error.strerror}): give the file that '
                'impromptu-vla replay --record wrote'
            ) from error
        for number, line in enumerate(lines, start=1):
            if line.strip():
                stamp, answer = _parse(line, f'{self._path}, line {number}')
                if stamp in self._answers:
                    raise ModelError(f'{self._path}, line {number}: stamp {stamp} came before')
                self._answers[stamp] = answer
        if not self._answers:
            raise ModelError(f'{self._path} holds no answers')

    def answer(self, query: Query) -> Answer:
        """Return the answer recorded for the query's stamp."""
        text = self._answers.get(query.stamp)
        if text is None:
            nearest = min(self._answers, key=lambda stamp: abs(stamp - query.stamp))
            raise ModelError(
                f'{self._path} has no answer for stamp {query.stamp}; the nearest is {nearest}, '
                f'{(nearest - query.stamp) / 1e9:+.3f} s away: was it recorded from this bag?'
            )
        return Answer(text)


def record(path: str | os.PathLike[str], stamp: int, answer: str) -> None:
    """Append one answer to a file that RecordedModel reads; `stamp` in ns."""
    with open(Path(path).expanduser(), 'a', encoding='utf-8') as file:
        file.write(json.dumps({'stamp': int(stamp), 'answer': answer}, ensure_ascii=False) + '\n')


def _parse(line: bytes, place: str) -> tuple[int, str]:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ModelError(f'{place}: not JSON ({error})') from error
    stamp = row.get('stamp') if isinstance(row, dict) else None
    answer = row.get('answer') if isinstance(row, dict) else None
    # A stamp given as a float has lost nanoseconds: type, not isinstance, also refuses true.
    if type(stamp) is not int or not isinstance(answer, str):
        raise ModelError(f'{place}: expected {{"stamp": integer ns, "answer": text}}')
    return stamp, answer
