# SPDX-License-Identifier: Apache-2.0
"""Cases to a model, one after the other; what it said is kept, and a later run goes on there."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.drafting import MotionDraft
from impromptu_vla_ros.core.structs import CameraImage, InputError, Query
from impromptu_vla_ros.evaluation.ego_scenes import grey
from impromptu_vla_ros.evaluation.nuscenes.cases import Case
from impromptu_vla_ros.evaluation.nuscenes.tables import NuscenesError
from impromptu_vla_ros.models import Model, ModelError, respond

# A model that fails so many times running is not asked again.
MOST_FAILURES = 20


@dataclass
class Skips:
    """How often something was left out, by reason, with the first of each in detail."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, detail: str) -> None:
        """Count one."""
        self.counts[reason] += 1
        self.first.setdefault(reason, detail)


def ask_all(
    cases: Sequence[Case],
    dialect: Dialect,
    model: Model,
    path: Path,
    skips: Skips,
    progress: Callable[[int], object],
) -> dict[int, str]:
    """
    Return the answers by stamp; those that `path` holds already are not asked for again.

    The file is JSONL that the model `recorded` reads, a line for each answer as it comes, and in
    the order of the cases at the end. Pictures that are missing or broken, and failures of the
    model, are counted in `skips`. Raise NuscenesError where the file cannot be read or written,
    ModelError where the model keeps failing.
    """
    kept = _read(path, cases)
    failures = 0
    _write(path, kept.values())
    for case in cases:
        if case.stamp not in kept:
            row = _asked(case, dialect, model, skips)
            failures = failures + 1 if isinstance(row, ModelError) else 0
            if isinstance(row, ModelError) and failures >= MOST_FAILURES:
                raise ModelError(f'{failures} questions running failed: {row}')
            if isinstance(row, dict):
                kept[case.stamp] = row
                with _writable(path), path.open('a', encoding='utf-8') as file:
                    file.write(_line(row))
        progress(1)
    ordered = {case.stamp: kept[case.stamp] for case in cases if case.stamp in kept}
    _write(path, ordered.values())
    return {stamp: row['answer'] for stamp, row in ordered.items()}


def query(case: Case, dialect: Dialect) -> Query:
    """Return the question; raise InputError where a picture is missing."""
    rolled = case.rolled[: dialect.waypoints]
    return Query(
        stamp=case.stamp,
        images=tuple(picture(camera, file, case.stamp) for camera, file in case.pictures),
        prompt=case.prompt,
        rollout=codec.encode_trajectory(dialect, rolled),
        filter_name=dialect.image_filter,
        template=codec.answer_template(dialect),
        most_pixels=dialect.most_pixels,
        draft=MotionDraft(dialect, rolled),
    )


def picture(camera: str, file: Path | None, stamp: int) -> CameraImage:
    """Return a picture as it lies on the disk, a grey one for none; raise InputError."""
    if file is None:
        return grey(camera, stamp)
    encoding = 'png' if file.suffix.lower() == '.png' else 'jpeg'
    try:
        return CameraImage(camera, stamp, encoding, file.read_bytes())
    except OSError as error:
        raise InputError(f'{file} cannot be read ({error.strerror})') from error


def _asked(
    case: Case, dialect: Dialect, model: Model, skips: Skips
) -> dict[str, Any] | ModelError | None:
    try:
        text = respond(model, query(case, dialect)).text
    except InputError as error:
        lost = [file for _, file in case.pictures if file is not None and not file.is_file()]
        reason = 'missing picture' if lost else 'broken picture'
        skips.note(reason, f'{case.name}: {case.pictures[0][1]}: {error}')
        return None
    except ModelError as error:
        skips.note('the model failed', f'{case.name}: {error}')
        return error
    return {'stamp': case.stamp, 'sample': case.name, 'prompt': _mark(case), 'answer': text}


def _mark(case: Case) -> str:
    """Return what tells whether an answer is to this question."""
    return hashlib.sha256(case.prompt.encode()).hexdigest()[:16]


def _read(path: Path, cases: Sequence[Case]) -> dict[int, dict[str, Any]]:
    """Return the rows of a file that answer one of the cases; a line that broke off is none."""
    marks = {case.stamp: _mark(case) for case in cases}
    try:
        whole = path.read_bytes().rpartition(b'\n')[0] if path.is_file() else b''
        rows = [json.loads(line) for line in whole.splitlines()]
        return {row['stamp']: row for row in rows if marks.get(row['stamp']) == row['prompt']}
    except OSError as error:
        raise NuscenesError(f'{path} cannot be read ({error.strerror})') from error
    except (ValueError, LookupError, TypeError) as error:
        raise NuscenesError(
            f'{path} holds other lines than answers of this evaluation ({error!r}): take it away, '
            'or give another --out'
        ) from error


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Say where a file cannot be written, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        raise NuscenesError(
            f'{path} cannot be written ({error.strerror}); the same command goes on from there'
        ) from error


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by some rows, at once."""
    beside = path.with_name(path.name + '.part')
    with _writable(path):
        beside.write_text(''.join(map(_line, rows)), encoding='utf-8')
        os.replace(beside, path)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + '\n'
