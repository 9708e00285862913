# SPDX-License-Identifier: Apache-2.0
"""Lessons as files: what was asked about which picture, and what is right to answer."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# The picture of a lesson that has none.
NO_PICTURE = -1
ARRAYS = ('kind', 'jpegs', 'ends', 'prompts', 'answers', 'picture', 'near')


@dataclass(frozen=True, eq=False)
class Drive:
    """
    The lessons of one drive, of a family called `kind`.

    Lesson k asks `prompts[k]` about picture `picture[k]`, NO_PICTURE for none, and `answers[k]`
    is right. The pictures are JPEG; row k of `near` (pictures, 45) says how far the nearest one
    is in each token's part of picture k, m, 0 for nobody (cells.cells).
    """

    kind: str
    jpegs: tuple[bytes, ...]
    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    picture: NDArray[np.int64]
    near: NDArray[np.float32]


def plain(answer: str) -> str:
    """Return an answer of fixed decimals without signs of zeros, which nobody could learn."""
    return answer.replace('-0.00', '0.00')


def write_lessons(path: Path, drive: Drive) -> None:
    """Write a drive's lessons as `.npz`, at once or not at all; the same bytes each time."""
    half = path.with_name(f'{path.name}.{os.getpid()}.part')
    with half.open('wb') as file:
        np.savez_compressed(
            file,
            kind=np.array(drive.kind),
            jpegs=np.frombuffer(b''.join(drive.jpegs), np.uint8),
            ends=np.cumsum([len(one) for one in drive.jpegs], dtype=np.int64),
            prompts=np.array(drive.prompts, np.str_),
            answers=np.array(drive.answers, np.str_),
            picture=np.asarray(drive.picture, np.int64),
            near=np.asarray(drive.near, np.float16),
        )
    half.replace(path)


def read_drive(path: Path) -> Drive:
    """Return the lessons of one file; raise ValueError where it holds none."""
    with np.load(path, allow_pickle=False) as arrays:
        missing = set(ARRAYS) - set(arrays)
        if missing:
            raise ValueError(f'{path} is no file of lessons: it lacks {sorted(missing)}')
        data, ends = arrays['jpegs'].tobytes(), arrays['ends'].tolist()
        return Drive(
            str(arrays['kind']),
            tuple(data[start:end] for start, end in zip([0, *ends], ends)),
            tuple(arrays['prompts'].tolist()),
            tuple(arrays['answers'].tolist()),
            arrays['picture'].astype(np.int64),
            arrays['near'].astype(np.float32),
        )


def read_lessons(folder: Path) -> list[Drive]:
    """Return all drives of a folder in the order of their names; raise ValueError for none."""
    drives = [read_drive(path) for path in _files(folder)]
    if not drives:
        raise ValueError(f'there are no lessons (*.npz) in {folder}: record some first')
    return drives


def lessons_hash(folder: Path) -> str:
    """Return the SHA-256 of all lessons of a folder, as hexadecimal digits."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f'{path.name} {path.stat().st_size}\n'.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(Path(folder).glob('*.npz'))
