# SPDX-License-Identifier: Apache-2.0
"""All lessons in memory, and which are drawn how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.records import parse_command
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.training.lessons.files import NO_PICTURE, Drive
from impromptu_vla_ros.training.nano.examples import SPEED, STAYS, example

# m off straight on, after the horizon, beyond which a lesson is drawn no less, or no more, often.
HAPPENING = 2.0, 10.0
# How much more often lessons within a turn are drawn: they are few, and turns were driven worst.
TURNS, TURNING = ('turn left', 'turn right'), 2.5


@dataclass(frozen=True)
class Pool:
    """
    Lessons of many drives, in one row.

    Row k of `index` (n, 2) is a lesson's drive and its number there, `weights` (n,) how often it
    is drawn, the more happens in it, the more often, and of `pictured` (n,) whether it has a
    picture.
    """

    drives: tuple[Drive, ...]
    index: IntArray
    weights: FloatArray
    pictured: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.index)

    def drawn(self, random: np.random.Generator, count: int, pictured: bool) -> IntArray:
        """Return the numbers of `count` lessons, `pictured` of those with a picture only."""
        weights = self.weights * self.pictured if pictured else self.weights
        return random.choice(len(self), count, p=weights / weights.sum())


def pooled(drives: Sequence[Drive], dialect: Dialect) -> Pool:
    """Return a pool of all lessons of some drives."""
    index = [(d, k) for d, drive in enumerate(drives) for k in range(len(drive.prompts))]
    weights = [
        happening(dialect, *lesson)
        for drive in drives
        for lesson in zip(drive.prompts, drive.answers)
    ]
    return Pool(
        tuple(drives),
        np.array(index, np.int64).reshape(-1, 2),
        np.array(weights),
        np.array([drives[d].picture[k] != NO_PICTURE for d, k in index], bool),
    )


def happening(dialect: Dialect, prompt: str, answer: str) -> float:
    """
    Return how much happens in a lesson: how far off going straight on would be in the end, m.

    It is kept within limits, and counts more within a turn.
    """
    told = example(np.random.default_rng(0), dialect, prompt, answer, STAYS)
    ahead = 10.0 * told.told[SPEED] * dialect.spacing * dialect.waypoints
    off = np.linalg.norm(told.points[-1] - [ahead, 0.0])
    turning = TURNING if parse_command(prompt) in TURNS else 1.0
    return turning * float(np.clip(off, *HAPPENING))


def split(drives: Sequence[Drive], share: float, dialect: Dialect) -> tuple[Pool, Pool]:
    """Return pools to train with and to look at: of each kind the last drives are held out."""
    kinds: dict[str, list[Drive]] = {}
    for drive in drives:
        kinds.setdefault(drive.kind, []).append(drive)
    kept = {kind: max(1, round((1.0 - share) * len(group))) for kind, group in kinds.items()}
    train = [drive for kind, group in kinds.items() for drive in group[: kept[kind]]]
    held = [drive for kind, group in kinds.items() for drive in group[kept[kind] :]]
    return pooled(train, dialect), pooled(held, dialect)
