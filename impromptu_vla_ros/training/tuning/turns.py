# SPDX-License-Identifier: Apache-2.0
"""Lessons for a real checkpoint: a question with pictures, its right answer, both as tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import CameraImage, InputError
from impromptu_vla_ros.images import decode
from impromptu_vla_ros.models.chat import END_OF_TURN
from impromptu_vla_ros.models.positions import IntArray, following
from impromptu_vla_ros.models.preprocessing import Patches, to_patches
from impromptu_vla_ros.models.prompting import tokenized

PNG = b'\x89PNG'
# Of each source the last part is held out.
HELD = 0.1


@dataclass(frozen=True, eq=False)
class Turn:
    """
    One question and what is right to answer.

    `pictures` are in the order of the `<image>` marks in `prompt`, as they were recorded or as
    files; they are decoded when they are learned from.
    """

    prompt: str
    answer: str
    pictures: tuple[CameraImage | Path, ...]


@dataclass(frozen=True)
class Turns:
    """What is `learned`, and what is `held` out to be looked at."""

    learned: tuple[Turn, ...] = ()
    held: tuple[Turn, ...] = ()

    def __add__(self, other: Turns) -> Turns:
        return Turns(self.learned + other.learned, self.held + other.held)

    @property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with any word of what is learned."""
        digest = hashlib.sha256()
        for turn in self.learned:
            digest.update(f'{turn.prompt}\0{turn.answer}\0'.encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Words:
    """
    A turn as a network takes it: token `ids` (n,), M-RoPE `positions` (3, n) and the pictures.

    The answer is what comes from token `begin` on.
    """

    ids: IntArray
    positions: IntArray
    pictures: tuple[Patches, ...]
    begin: int

    @property
    def said(self) -> int:
        """Return the number of tokens of the answer, its end included."""
        return len(self.ids) - self.begin


@dataclass(frozen=True, eq=False)
class Padded:
    """Words of one length: `ids` (b, m), `positions` (3, b, m); True in `said` (b, m) counts."""

    ids: IntArray
    positions: IntArray
    said: NDArray[np.bool_]


def worded(turn: Turn, dialect: Dialect, tokenizer: Any) -> Words:
    """
    Return a turn's tokens and patches; the pictures are shrunk as the dialect says.

    Raise InputError for a picture that cannot be decoded, ModelError for other marks than there
    are pictures.
    """
    pictures = [
        to_patches(pixels(picture), dialect.image_filter, dialect.most_pixels)
        for picture in turn.pictures
    ]
    prompt = tokenized(turn.prompt, pictures, tokenizer)
    answer = tokenizer.encode(turn.answer + END_OF_TURN, add_special_tokens=False).ids
    return Words(
        np.concatenate([prompt.ids, np.array(answer, np.int64)]),
        np.hstack([prompt.positions, following(prompt.positions, len(answer))]),
        prompt.pictures,
        len(prompt.ids),
    )


def padded(words: Sequence[Words]) -> Padded:
    """Return some turns' tokens side by side; behind the shorter ones stands what nobody reads."""
    shape = len(words), max(len(each.ids) for each in words)
    ids, positions = np.zeros(shape, np.int64), np.zeros((3, *shape), np.int64)
    said = np.zeros(shape, np.bool_)
    for place, each in enumerate(words):
        end = len(each.ids)
        ids[place, :end], positions[:, place, :end] = each.ids, each.positions
        said[place, each.begin : end] = True
    return Padded(ids, positions, said)


def pixels(picture: CameraImage | Path) -> NDArray[np.uint8]:
    """Return a picture as (height, width, 3) RGB; raise InputError where it cannot be read."""
    if isinstance(picture, CameraImage):
        return decode(picture).pixels
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise InputError(f'picture {picture} cannot be read: {error.strerror}') from error
    encoding = 'png' if data.startswith(PNG) else 'jpeg'
    return decode(CameraImage(str(picture), 0, encoding, data)).pixels
