# SPDX-License-Identifier: Apache-2.0
"""What is to be made of recordings, and the pieces that it is made of, one by one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.dialects import DIALECTS, Dialect, DialectError
from impromptu_vla_ros.core.structs import NANOSECONDS
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.bag import SUFFIXES, Bag
from impromptu_vla_ros.evaluation.topics import CAMERAS, BagError

# A piece is what was received in so many seconds: an hour is 60 of them, for as many workers.
PIECE = 60.0
# More pieces than of a week are not driven at a stretch: a receive time is of another clock.
MOST_PIECES = 10_080
# Changes with what pieces hold: those of another version are made anew.
VERSION = 1


@dataclass(frozen=True)
class Order:
    """
    What is to be made of recordings.

    `topics` names topics by part, `base_frame` is the child frame of the odometry, `wheelbase`
    is in m. `paper_compatible` prompts know 0.5 and 1 s of the future, as the paper's do.
    `model` looks at pictures, '' nobody does; `plans`: it is asked for trajectories, too.
    """

    dialect: Dialect
    topics: tuple[tuple[str, str], ...] = ()
    base_frame: str = 'base_link'
    wheelbase: float = 2.79
    paper_compatible: bool = False
    model: str = ''
    model_options: tuple[tuple[str, Any], ...] = ()
    plans: bool = False

    def __post_init__(self) -> None:
        if self.paper_compatible and self.dialect.signals != 'forward_difference':
            fitting = [name for name, d in DIALECTS.items() if d.signals == 'forward_difference']
            raise DialectError(
                f"the paper's prompts in dialect {self.dialect.name} know no future: leave "
                f'--paper-compatible out, or choose --dialect {", ".join(fitting)}'
            )

    def open(self, path: str) -> Bag:
        """Return a recording, open, whose topics play their parts; raise BagError."""
        return Bag(path, dict(self.topics), self.base_frame)


@dataclass(frozen=True)
class Piece:
    """
    What was received of one recording from `start` to `stop`, ns.

    `name` is its own among all pieces of all orders, of letters, digits, `-` and `_`.
    """

    name: str
    recording: str
    path: str
    start: int
    stop: int


def training_dialect(name: str, parts: Collection[str], paper_compatible: bool) -> Dialect:
    """
    Return the dialect of a name or file; `auto` is what `*_AD` checkpoints drive in.

    That is navsim for three cameras (waymo where the paper's prompts are asked for, which are
    not measured), and kitti for one.
    """
    if name != 'auto':
        return load_dialect(name, '', '', 1)
    if not all(camera in parts for camera in CAMERAS):
        return DIALECTS['kitti']
    return DIALECTS['waymo' if paper_compatible else 'navsim']


def pieces(bag: Bag, order: Order) -> list[Piece]:
    """Return the pieces of an open recording; raise BagError where it lacks an input."""
    bag.require([*order.dialect.cameras, 'odometry'])
    first, last = bag.span
    length = round(PIECE * NANOSECONDS)
    numbers = range(first // length, (last - 1) // length + 1)
    if len(numbers) > MOST_PIECES:
        raise BagError(
            f'{bag.path} was received in {(last - first) / NANOSECONDS / 86400:.0f} days: one of '
            'its receive times is wrong; cut it there'
        )
    recording, mark = named(bag.path), _mark(bag.path, order)
    return [
        Piece(
            f'{recording}-{number}-{mark}',
            recording,
            str(bag.path),
            number * length,
            (number + 1) * length,
        )
        for number in numbers
    ]


def named(path: Path) -> str:
    """Return a recording's name, of letters, digits, `-` and `_` only."""
    stem = path.parent.name if path.name == 'metadata.yaml' else path.name
    stem = Path(stem).stem if Path(stem).suffix in SUFFIXES else stem
    return re.sub(r'[^A-Za-z0-9_-]+', '-', stem) or 'bag'


def _mark(path: Path, order: Order) -> str:
    """Return 12 digits that change with the order and with the recording's files."""
    found = path if path.is_dir() else path.parent
    files = sorted(f for f in found.iterdir() if f.suffix in SUFFIXES) if path.is_dir() else [path]
    about = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    text = json.dumps([VERSION, PIECE, asdict(order), about], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
