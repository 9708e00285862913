# SPDX-License-Identifier: Apache-2.0
"""Answers kept in a file as they come, so that nothing is asked twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models import Model


class Kept:
    """
    Answer as `model` does; what it said before is in `path`.

    The file is JSONL of stamp, prompt's mark and answer. `salt` tells the pictures behind the same
    words apart. A line that broke off is asked for again; raise BagError for a file of anything
    else, or one that cannot be written.
    """

    def __init__(self, path: Path, salt: str, model: Model) -> None:
        self._path, self._salt, self._model = path, salt, model
        self._answers: dict[tuple[int, str], str] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            whole, end, broken = (path.read_bytes() if path.is_file() else b'').rpartition(b'\n')
            if broken:
                path.write_bytes(whole + end)
            for row in map(json.loads, whole.splitlines()):
                self._answers[int(row['stamp']), str(row['prompt'])] = str(row['answer'])
        except OSError as error:
            raise BagError(f'{path} cannot be used ({error.strerror})') from error
        except (ValueError, LookupError, TypeError) as error:
            raise BagError(
                f'{path} holds other lines than answers ({error!r}): take it away'
            ) from error

    def answer(self, query: Query) -> Answer:
        """Return the answer that is kept, else ask."""
        mark = hashlib.sha256((self._salt + query.prompt).encode()).hexdigest()[:16]
        known = self._answers.get((query.stamp, mark))
        answer = self._model.answer(query) if known is None else Answer(known)
        if known is None:
            self._answers[query.stamp, mark] = answer.text
            self._append({'stamp': query.stamp, 'prompt': mark, 'answer': answer.text})
        return answer

    def _append(self, row: dict[str, Any]) -> None:
        try:
            with self._path.open('a', encoding='utf-8') as file:
                file.write(json.dumps(row, ensure_ascii=False) + '\n')
        except OSError as error:
            raise BagError(
                f'{self._path} cannot be written ({error.strerror}); the same command goes on '
                'from there'
            ) from error
