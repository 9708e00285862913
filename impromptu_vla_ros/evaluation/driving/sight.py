# SPDX-License-Identifier: Apache-2.0
"""What was where when a picture was taken: the view of who need not look at pictures."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.structs import Odometry
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.expert import FORESIGHT, STEP, View

# Steps of the others: those that the expert looks ahead, and the first.
FORESEEN = round(FORESIGHT / STEP) + 1


@dataclass(frozen=True)
class Instant:
    """How it was at `time` (s since the start); the players are as they were then."""

    time: float
    odometry: Odometry
    acceleration: float
    players: tuple[Player, ...]

    @property
    def view(self) -> View:
        """Return what the expert sees."""
        others = [player.foreseen(self.time, STEP, FORESEEN) for player in self.players]
        return View(
            self.odometry.pose,
            self.odometry.vx,
            self.acceleration,
            np.array(others).reshape(len(self.players), FORESEEN, 4),
            np.array([player.actor.size for player in self.players]).reshape(-1, 2),
        )


class Sight:
    """Remember each instant by the stamp of its picture."""

    def __init__(self) -> None:
        self._instants: dict[int, Instant] = {}

    def remember(
        self, time: float, odometry: Odometry, acceleration: float, players: Sequence[Player]
    ) -> None:
        """Keep how it is now."""
        frozen = tuple(copy(player) for player in players)
        self._instants[odometry.stamp] = Instant(time, odometry, acceleration, frozen)

    def at(self, stamp: int) -> Instant:
        """Return how it was at a picture's stamp."""
        return self._instants[stamp]

    def view(self, stamp: int) -> View:
        """Return what the expert saw at a picture's stamp."""
        return self._instants[stamp].view
