# SPDX-License-Identifier: Apache-2.0
"""Where `impromptu-vla ask` writes answers: a list at the end, or line by line, to go on from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.evaluation.prompts import RecordError


def write(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write answers as one list; raise InputError where that cannot be."""
    try:
        path.write_text(json.dumps(records, indent=2, allow_nan=False) + '\n', encoding='utf-8')
    except OSError as error:
        raise InputError(f'{path} cannot be written ({error.strerror})') from error


class Lines:
    """
    A JSONL file of answers of one `model`, which goes on where it was.

    A last line that was cut off is dropped. Raises RecordError for a file of something else, and
    InputError where it cannot be written.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model
        rows = self._rows()
        self.names = {row['id'] for row in rows}
        self.count = len(rows)
        if other := next((row['model'] for row in rows if row['model'] != model), ''):
            raise RecordError(f'{path} has answers of {other}, not of {model}: name another file')

    def add(self, record: Mapping[str, Any]) -> None:
        """Write one answer more, at once."""
        # When it came and how long it took would be others after an interruption.
        kept = {name: value for name, value in record.items() if name != 'latency_s'}
        line = json.dumps({**kept, 'model': self._model}, allow_nan=False)
        try:
            with self._path.open('a', encoding='utf-8') as file:
                file.write(line + '\n')
        except OSError as error:
            raise InputError(f'{self._path} cannot be written ({error.strerror})') from error

    def _rows(self) -> list[Mapping[str, Any]]:
        try:
            if not self._path.exists():
                return []
            text = self._path.read_text(encoding='utf-8')
            whole = text[: text.rfind('\n') + 1]
            if whole != text:
                self._path.write_text(whole, encoding='utf-8')
            rows = [json.loads(line) for line in whole.splitlines()]
            if not all({'id', 'model'} <= row.keys() for row in rows):
                raise ValueError('a line has no id or no model')
            return rows
        except OSError as error:
            raise InputError(f'{self._path} cannot be used ({error.strerror})') from error
        except (ValueError, AttributeError) as error:
            raise RecordError(
                f'{self._path} is no file of answers ({error}): name another'
            ) from error
