# SPDX-License-Identifier: Apache-2.0
"""
One side of a comparison: who answers, or results that are there already.

MODEL[:WHERE][,OPTION=VALUE…][@DIALECT], WHERE being the checkpoint, for `recorded` the file of
answers and for `chat_server` its URL; or a folder of results.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impromptu_vla_ros.evaluation.anchors import FILE, Anchors, read_anchors
from impromptu_vla_ros.evaluation.driving.case import Case, Result, code_fingerprint
from impromptu_vla_ros.models import MODELS

EXPERT = 'expert'
# Of a drive's score.
NEEDED = ('passed', 'failures', 'collision', 'completion')
WHERE = {'recorded': 'path', 'chat_server': 'url'}


class CompareError(ValueError):
    """Two sides cannot be compared; the text says why, and what would mend it."""


@dataclass(frozen=True)
class Spec:
    """Who answers: a model with the arguments of its class, and a dialect."""

    text: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    dialect: str = 'auto'

    def key(self, *more: Any) -> str:
        """Return what changes with everything that its answers depend on."""
        paths = [str(self.options.get(name, '')) for name in ('checkpoint', 'path')]
        files = [state(Path(path)) for path in (*paths, self.dialect) if path]
        parts = [self.model, dict(self.options), self.dialect, files, code_fingerprint(), *more]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True, eq=False)
class Results:
    """
    What a side did: recordings by name, and drives by scenario and seed.

    `drives` have the folder where their records lie, as `impromptu-vla drive` keeps them.
    """

    name: str
    recordings: Mapping[str, Anchors]
    drives: Mapping[tuple[str, int], Result] = field(default_factory=dict)
    folder: Path = Path()

    def record(self, drive: tuple[str, int]) -> Path:
        """Return where the record of a drive lies, if it was kept."""
        case = Case(**self.drives[drive]['case'])
        return case.folder(self.folder) / f'{case.name}.npz'


def parse(text: str) -> Spec | None:
    """Return whom a text names, None where it begins with no model; raise CompareError."""
    said, at, dialect = text.rpartition('@')
    said = said if at else text
    who, *options = said.split(',')
    model, _, where = who.partition(':')
    if model not in (*MODELS, EXPERT):
        return None
    if at and not dialect:
        raise CompareError(f'{text!r} ends with @: name a dialect behind it, or leave it away')
    given: dict[str, Any] = {WHERE.get(model, 'checkpoint'): where} if where else {}
    for option in options:
        name, equals, value = option.partition('=')
        if not (name and equals and value):
            raise CompareError(f'{option!r} in {text!r} is not OPTION=VALUE')
        given[name] = int(value) if value.isdecimal() else value
    if model == 'recorded' and 'path' in given:
        # Drives are made by another process.
        given['path'] = str(Path(given['path']).expanduser().absolute())
    return Spec(text, model, given, dialect if at else 'auto')


def state(path: Path) -> list[Any]:
    """Return names, sizes and times of the files at or below a path; nothing where none is."""
    try:
        files = sorted(path.rglob('*')) if path.is_dir() else [path]
        known = [(file, file.stat()) for file in files if file.is_file()]
    except OSError:
        return []
    return [[str(file), of.st_size, of.st_mtime_ns] for file, of in known]


def read(folder: Path) -> Results:
    """
    Return the results in a folder of `replay`, of several of them, of `drive` or of `compare`.

    Of `drive` it is the whole folder, or that of one of its settings. Raise CompareError or
    BagError where there are none, or not whole ones.
    """
    if not folder.is_dir():
        raise CompareError(
            f'{str(folder)!r} is no folder of results, and begins with no model: '
            f'{", ".join((EXPERT, *MODELS))}'
        )
    files = [file for file in (folder / FILE, *sorted(folder.glob(f'*/{FILE}'))) if file.is_file()]
    recordings: dict[str, Anchors] = {}
    for file in files:
        anchors = read_anchors(file)
        if anchors.name in recordings:
            raise CompareError(f'{folder} holds two replays of {anchors.name!r}: name one')
        recordings[anchors.name] = anchors
    drives, kept = _drives(folder)
    if not recordings and not drives:
        raise CompareError(
            f'{folder} holds neither {FILE}, as `impromptu-vla replay` writes it, nor what '
            '`impromptu-vla drive` writes'
        )
    return Results(folder.resolve().name, recordings, drives, kept)


def drives_of(results: list[Result], where: object) -> dict[tuple[str, int], Result]:
    """Return drives by scenario and seed; raise CompareError where they are not of one setting."""
    settings = sorted({Case(**result['case']).setting for result in results})
    if len(settings) > 1:
        raise CompareError(f'{where} holds drives of several settings: {"; ".join(settings)}')
    failed = [result for result in results if 'error' in result]
    if failed:
        case = failed[0]['case']
        raise CompareError(
            f'{len(failed)} of {len(results)} drives of {where} were not made, the first '
            f'({case["scenario"]}, seed {case["seed"]}) because of {failed[0]["error"]}'
        )
    return {(result['case']['scenario'], result['case']['seed']): result for result in results}


def _drives(folder: Path) -> tuple[dict[tuple[str, int], Result], Path]:
    """Return the drives in a folder, and where their records lie."""
    for kept in (folder, folder / 'drives'):
        results = _in_file(kept / 'summary.json')
        if results:
            return drives_of(results, folder), kept
    results = [each for file in sorted(folder.glob('*.json')) for each in _in_file(file)]
    return drives_of(results, folder), folder.parent


def _in_file(path: Path) -> list[Result]:
    """Return the drives in a summary or a drive's file, none where it is of something else."""
    if not path.is_file():
        return []
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        data = data if isinstance(data, dict) else {}
        found: list[Result] = [data] if 'case' in data else data.get('results', [])
        for result in found:
            Case(**result['case'])
            if 'error' not in result:
                _ = [result['score'][name] for name in NEEDED]
        return found
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CompareError(f'{path} is not whole ({error!r}): truncated?') from error
