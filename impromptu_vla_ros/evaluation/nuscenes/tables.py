# SPDX-License-Identifier: Apache-2.0
"""
nuScenes' tables as its devkit lays them out, row by row: ROOT/v1.0-*/TABLE.json.

The schema is the devkit's docs/schema_nuscenes.md. trainval's tables are gigabytes of JSON, of
which an evaluation needs a hundredth: they are read in pieces and never held whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import FloatArray

PIECE = 1 << 20
_SEPARATORS = re.compile(r'[,\s]*')
# Who still has no whole row after this many characters is no table.
LONGEST_ROW = 1 << 24
# Above the µs since 1970, and below what overflows when squared.
LARGEST = 1e18


class NuscenesError(ValueError):
    """Say what is wrong with the data of nuScenes, or with where its evaluation goes."""


class Row(dict[str, Any]):
    """One row of a table; a value that it lacks is a NuscenesError."""

    def __init__(self, table: Path, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.table = table

    def __missing__(self, name: str) -> Any:
        raise NuscenesError(f"a row of {self.table} has no {name!r}: is it nuScenes' own?")

    def text(self, name: str) -> str:
        """Return a value that is text; raise NuscenesError if it is not."""
        if not isinstance(value := self[name], str):
            raise NuscenesError(f'a row of {self.table} has {name} {value!r}, not text')
        return value

    def numbers(self, name: str, *shape: int) -> FloatArray:
        """Return a value that is numbers of this shape; raise NuscenesError if it is not."""
        try:
            array = np.array(self[name], float)
            known = array.shape == shape and bool((np.abs(array) < LARGEST).all())
        except (TypeError, ValueError):
            known = False
        if not known:
            raise NuscenesError(
                f'a row of {self.table} has {name} {self[name]!r}, not numbers of shape {shape}'
            )
        return array


def version_folder(root: Path, version: str = '') -> Path:
    """Return the folder of the tables; raise NuscenesError where there is none, or several."""
    if version:
        found = [root / version]
    else:
        found = sorted(path.parent for path in root.glob('v1.0-*/scene.json'))
    if not found or not (found[0] / 'scene.json').is_file():
        raise NuscenesError(
            f'{root} has no tables ({version or "v1.0-*"}/scene.json): give the folder that holds '
            'samples/ and v1.0-mini/ or v1.0-trainval/, as the devkit takes it'
        )
    if len(found) > 1:
        names = ', '.join(path.name for path in found)
        raise NuscenesError(f'{root} has {names}: say which with --version')
    return found[0]


def rows(folder: Path, table: str) -> Iterator[Row]:
    """
    Yield the rows of a table.

    Raise NuscenesError where the file cannot be read, ends too early, or holds anything but
    objects.
    """
    path = folder / f'{table}.json'
    try:
        with path.open(encoding='utf-8') as file:
            yield from _rows(file, path)
    except OSError as error:
        raise NuscenesError(f'{path} cannot be read ({error.strerror})') from error
    except UnicodeDecodeError as error:
        raise NuscenesError(f'{path} is no text: {error}') from error


def _rows(file: Any, path: Path) -> Iterator[Row]:
    decode = json.JSONDecoder().raw_decode
    text = file.read(PIECE).lstrip()
    if not text.startswith('['):
        raise NuscenesError(f'{path} is no table: it begins with {text[:20]!r}, not with [')
    at = 1
    while True:
        at = _between(text, at)
        if text.startswith(']', at):
            return
        try:
            row, at = decode(text, at)
        except ValueError:
            rest = text[at:]
            more = file.read(PIECE) if len(rest) < LONGEST_ROW else ''
            if not more:
                raise NuscenesError(
                    f'{path} breaks off at {rest[:40]!r}: truncated? Extract or copy it again'
                ) from None
            text, at = rest + more, 0
            continue
        except RecursionError as error:
            raise NuscenesError(f'{path} nests deeper than any table: {error}') from error
        if not isinstance(row, dict):
            raise NuscenesError(f'{path} holds {row!r}, not only objects')
        yield Row(path, row)


def _between(text: str, at: int) -> int:
    """Return where the next row begins."""
    found = _SEPARATORS.match(text, at)
    assert found is not None
    return found.end()
