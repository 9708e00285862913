# SPDX-License-Identifier: Apache-2.0
"""What a drive leaves behind: everything that a score, a plot or a video needs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.structs import FloatArray

# The columns of the tables, in their order.
EGO = ('x', 'y', 'yaw', 'speed', 'yaw_rate', 'acceleration', 'tire_angle')
ACTOR = ('x', 'y', 'yaw', 'speed')
COMMAND = ('tire_angle', 'acceleration', 'velocity', 'plan_stamp', 'capture_stamp')
POINT = ('time', 'x', 'y', 'yaw', 'speed')


@dataclass(frozen=True)
class Record:
    """
    One drive, in SI units and REP-103's axes of the world; it is saved as `.npz`.

    Row k of `stamps` (n,), `ego` (n, 7: EGO), `actors` (n, m, 4: ACTOR), `commands` (n, 5:
    COMMAND) and `modes` (n,) is of the tick at `stamps[k]` ns. The ego's x, y are of base_link,
    the actors' of their middles, both in the frame of the roads; `sizes` (m, 2) are the actors'
    lengths and widths, `names` (m,) theirs. `ego_size` is the ego's length, width, how far its
    middle lies ahead of base_link, and its wheelbase.

    `plans` (p, 4) are the published plans: stamp, capture stamp, first row in `plan_points` and
    the row after the last; `tiers` (p,) are theirs. `told` (q, 5) are the answers: the picture's
    stamp, the capture stamp under which it is followed, when it was told, and its rows in
    `told_points`, laid where its picture was taken. Points (POINT) have their times in s after
    the plan's or the picture's stamp. `answers` (q,) are the texts, `references` (q,) what the
    expert would have said. `pictures` (n,) is whether a picture came.
    """

    stamps: NDArray[np.int64]
    ego: FloatArray
    actors: FloatArray
    commands: FloatArray
    modes: NDArray[np.str_]
    names: NDArray[np.str_]
    sizes: FloatArray
    ego_size: FloatArray
    plans: NDArray[np.int64]
    plan_points: FloatArray
    tiers: NDArray[np.str_]
    told: NDArray[np.int64]
    told_points: FloatArray
    answers: NDArray[np.str_]
    references: NDArray[np.str_]
    pictures: NDArray[np.bool_]

    @property
    def times(self) -> FloatArray:
        """Return the seconds since the start, (n,)."""
        return np.asarray((self.stamps - self.stamps[0]) * 1e-9, float)

    def save(self, path: Path) -> None:
        """Write the record; names of arrays are those of the fields."""
        np.savez_compressed(path, **{each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Record:
        """Return a record that was saved."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{each.name: arrays[each.name] for each in fields(cls)})
