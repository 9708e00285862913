# SPDX-License-Identifier: Apache-2.0
"""Clips as WebDataset shards: tar files in which what shares a name up to the dot is a clip."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from impromptu_vla_ros.curation.store import PICTURES, whole, writing


class Shards:
    """
    Write clips of one split into `{source}_{split}_shard_{0000}.tar`, `size` clips each.

    The same clips make the same bytes. Use it in a `with` statement: a shard is there when it is
    whole. Raise BagError where it cannot be written.
    """

    def __init__(self, out: Path, source: str, split: str, size: int) -> None:
        self._out, self._name, self._size = out, f'{source}_{split}_shard_', size
        self._waiting: list[Mapping[str, Any]] = []
        self.names: list[str] = []

    def __enter__(self) -> Shards:
        with writing(self._out):
            (self._out / 'shards').mkdir(exist_ok=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._waiting:
            self._write()
        if kind is None:
            self._clear()

    def add(self, clip: Mapping[str, Any]) -> None:
        """Add a clip, as a part holds it."""
        self._waiting.append(clip)
        if len(self._waiting) == self._size:
            self._write()

    def _write(self) -> None:
        name = f'{self._name}{len(self.names):04d}.tar'
        path = self._out / 'shards' / name
        with (
            whole(path) as new,
            writing(path),
            tarfile.open(new, 'w', format=tarfile.GNU_FORMAT) as tar,
        ):
            for clip in self._waiting:
                for member, data in _members(self._out, clip):
                    # A TarInfo made so has no owner and is of the year 1970.
                    about = tarfile.TarInfo(f'{clip["id"]}.{member}')
                    about.size = len(data)
                    tar.addfile(about, io.BytesIO(data))
        self.names.append(name)
        self._waiting.clear()

    def _clear(self) -> None:
        """Remove the shards of an earlier run that had more of them."""
        for path in (self._out / 'shards').glob(f'{self._name}[0-9]*.tar'):
            if path.name not in self.names:
                path.unlink()


def _members(out: Path, clip: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield what stands behind a clip's name and the dot, and what it holds."""
    for name in clip['images'].values():
        yield name.partition('.')[2], (out / PICTURES / name).read_bytes()
    for exchange in clip['exchanges']:
        task = exchange['task']
        shown = [clip['images'][camera].partition('.')[2] for camera in exchange['cameras']]
        yield f'{task}_question.txt', exchange['prompt'].encode()
        yield f'{task}_answer.txt', exchange['answer'].encode()
        yield f'{task}_images.json', json.dumps(shown).encode()
    yield 'original_image_paths.txt', ''.join(f'{each}\n' for each in clip['recorded']).encode()
