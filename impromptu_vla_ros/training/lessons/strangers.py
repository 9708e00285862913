# SPDX-License-Identifier: Apache-2.0
"""Somebody who might stand or go ahead: for pictures of what no drive happened to bring."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from impromptu_vla_ros.core.driving import Box
from impromptu_vla_ros.core.motion import wrap
from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.evaluation.driving.expert import STEP
from impromptu_vla_ros.evaluation.driving.scenario import SIZES
from impromptu_vla_ros.evaluation.driving.sight import FORESEEN
from impromptu_vla_ros.evaluation.driving.ways import Way
from impromptu_vla_ros.training.lessons.spots import CARS, TRUCK, WALKER

# How far ahead of the rear axle somebody's middle may be, m, and the lane beside ours.
NEAREST, FARTHEST, LANE = 6.0, 60.0, 3.5
COLOURS = 8
# Of a hundred: who is in our way, comes towards us beside it, is parked beside it, walks.
SHARES = (0.55, 0.15, 0.1, 0.2)


@dataclass(frozen=True)
class Stranger:
    """
    Somebody of a `blueprint` whose middle is at `pose` now.

    `foreseen` (k, 4) is x, y, yaw, speed in the next steps of 0.1 s, as in an expert's view.
    `colour` is the number of one.
    """

    blueprint: str
    pose: Pose
    foreseen: FloatArray
    colour: int = 0

    @property
    def size(self) -> tuple[float, float]:
        """Return the outline's length and width, m."""
        return SIZES[self.blueprint]

    @property
    def box(self) -> Box:
        """Return the outline."""
        return Box(self.pose.x, self.pose.y, self.pose.yaw, *self.size)


def stranger(way: Way, at: float, random: Generator) -> Stranger:
    """Return somebody by chance, ahead of a car that is `at` m along its way."""
    return replace(_somebody(way, at, random), colour=int(random.integers(COLOURS)))


def _somebody(way: Way, at: float, random: Generator) -> Stranger:
    s = at + NEAREST + (FARTHEST - NEAREST) * random.random() ** 1.5
    lot = int(np.searchsorted(np.cumsum(SHARES), random.random()))
    blueprint = TRUCK if random.random() < 0.1 else CARS[random.integers(len(CARS))]
    if lot == 0:
        speed = 0.0 if random.random() < 0.6 else random.uniform(0.0, 12.0)
        left = random.uniform(-0.6, 0.6) if random.random() < 0.7 else random.uniform(-2.2, 2.2)
        return _along(way, blueprint, s, left, speed)
    if lot == 1:
        left = LANE + random.uniform(-0.4, 0.4)
        return _along(way, blueprint, s, left, -random.uniform(0.0, 12.0))
    if lot == 2:
        side = 1.0 if random.random() < 0.3 else -1.0
        return _along(way, blueprint, s, side * random.uniform(2.9, 4.5), 0.0)
    return _walking(way, s, random)


def _along(way: Way, blueprint: str, s: float, left: float, speed: float) -> Stranger:
    """Return who goes along the way, against it where the speed is negative."""
    rows = way.at(s + speed * STEP * np.arange(FORESEEN), left)
    yaws = rows[:, 2] + (np.pi if speed < 0.0 else 0.0)
    foreseen = np.column_stack([rows[:, :2], yaws, np.full(FORESEEN, abs(speed))])
    return Stranger(blueprint, _pose(foreseen[0]), foreseen)


def _walking(way: Way, s: float, random: Generator) -> Stranger:
    """Return who stands in or beside the way, or walks across it."""
    left, turn = random.uniform(-5.0, 4.0), random.choice([-1.0, 1.0])
    speed = 0.0 if random.random() < 0.3 else random.uniform(0.8, 2.0)
    lefts = left + turn * speed * STEP * np.arange(FORESEEN)
    rows = way.at(np.full(FORESEEN, s), lefts)
    yaws = rows[:, 2] + 0.5 * np.pi * turn
    foreseen = np.column_stack([rows[:, :2], yaws, np.full(FORESEEN, speed)])
    return Stranger(WALKER, _pose(foreseen[0]), foreseen)


def _pose(row: FloatArray) -> Pose:
    return Pose(float(row[0]), float(row[1]), wrap(float(row[2])))
