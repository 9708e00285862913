# SPDX-License-Identifier: Apache-2.0
"""What comes of pieces, as files: whole or not there, so that a run that was cut off goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from impromptu_vla_ros.curation.making import Made
from impromptu_vla_ros.curation.order import Piece
from impromptu_vla_ros.evaluation.topics import BagError

PARTS, PICTURES = 'parts', 'images'


class Store:
    """Keep what came of pieces in a folder, `out`; raise BagError where it cannot be written."""

    def __init__(self, out: Path) -> None:
        self._out = out
        with writing(out):
            (out / PARTS).mkdir(parents=True, exist_ok=True)
            (out / PICTURES).mkdir(exist_ok=True)

    def has(self, piece: Piece) -> bool:
        """Return whether all that comes of a piece is there; one that ended early is not."""
        part = self._read(piece.name)
        if part is None or part['error']:
            return False
        files = ((self._out / PICTURES / name, size) for name, size in part['pictures'].items())
        return all(file.is_file() and file.stat().st_size == size for file, size in files)

    def put(self, made: Made) -> None:
        """Keep what came of a piece: its pictures first, so that its part says they are there."""
        for name, data in made.pictures.items():
            write(self._out / PICTURES / name, data)
        part = {
            'clips': made.clips,
            'pictures': {name: len(data) for name, data in sorted(made.pictures.items())},
            'frames': made.frames,
            'skipped': dict(made.skipped),
            'error': made.error,
        }
        write(self._path(made.name), json.dumps(part, ensure_ascii=False).encode())

    def part(self, piece: Piece) -> dict[str, Any]:
        """Return what came of a piece that is there."""
        part = self._read(piece.name)
        if part is None:
            raise BagError(f'{self._path(piece.name)} is gone: run the same command again')
        return part

    def _path(self, name: str) -> Path:
        return self._out / PARTS / f'{name}.json'

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            part: dict[str, Any] = json.loads(self._path(name).read_bytes())
            return part if isinstance(part.get('pictures'), dict) else None
        except (OSError, ValueError, AttributeError):
            return None


def write(path: Path, data: bytes) -> None:
    """Write a file as a whole, or raise BagError and leave what was there."""
    with whole(path) as new, writing(path):
        new.write_bytes(data)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a file's new version a place beside it; take it over if nothing was raised."""
    new = path.with_name(f'.{path.name}.new')
    try:
        yield new
        with writing(path):
            os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a file system has against writing into one BagError with the remedy."""
    try:
        yield
    except OSError as error:
        raise BagError(
            f'{path} cannot be written ({error.strerror}): make room or name another folder, and '
            'run the same command again; what is finished is not made again'
        ) from error
