# SPDX-License-Identifier: Apache-2.0
"""A scenario as data: the same on every world. Axes as in REP-103, in m, rad and s."""

from __future__ import annotations

from dataclasses import dataclass

from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds.roads import LanePoint

# Blueprints, and the sizes of their outlines (length, width), m; CARLA's of those names.
SIZES = {
    'vehicle.lincoln.mkz_2020': (4.89, 1.84),
    'vehicle.tesla.model3': (4.79, 2.16),
    'vehicle.toyota.prius': (4.51, 2.01),
    'vehicle.audi.tt': (4.18, 1.99),
    'vehicle.carlamotors.firetruck': (8.47, 2.89),
    'walker.pedestrian.0001': (0.38, 0.38),
}

UNIQUE, ANY_EXIT, COMMAND = 'unique', 'any legal exit', 'command'


@dataclass(frozen=True)
class Route:
    """
    A way along lanes: from `start` on, at each fork the next of `turns`: left, right, straight.

    Where no turn is left it goes straight on.
    """

    start: LanePoint
    turns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Act:
    """
    Something an actor does once, when its trigger comes true.

    `trigger` is `time` (s since the start), `distance` (m to the ego's middle) or `ttc` (s until
    they would meet), reached at `at`. It then changes to `speed` (m/s) at `rate` (m/s²), and
    moves to `left` (m left of its way) within `over` s; what is None stays.
    """

    trigger: str
    at: float
    speed: float | None = None
    rate: float = 3.0
    left: float | None = None
    over: float = 2.0


@dataclass(frozen=True)
class Actor:
    """
    Somebody else: `way` is a route on lanes, or the pose from which it goes straight.

    It starts with `speed` (m/s), `left` m left of its way, and does its `acts` in their order.
    """

    name: str
    blueprint: str
    way: Route | Pose
    speed: float = 0.0
    left: float = 0.0
    acts: tuple[Act, ...] = ()

    @property
    def size(self) -> tuple[float, float]:
        """Return the outline's length and width, m."""
        return SIZES[self.blueprint]


@dataclass(frozen=True)
class Scenario:
    """
    One situation to be driven through for `duration` s.

    The ego starts on `route` with `speed`, and shall get `goal` m along it, at `cruise` m/s where
    it may. `exits` says which ways count: `unique` and `command` that of the route only (the
    latter needs to be told), `any legal exit` all. `friction` is 1 on a dry road. Pictures taken
    within `drops` (s, from to) are lost, and the share `lost` of all others by lot. `reference`
    is the speed (m/s) of the impact if nobody reacts, 0 where there is none.
    """

    name: str
    family: str
    map: str
    route: Route
    goal: float
    speed: float
    cruise: float
    duration: float
    exits: str = UNIQUE
    actors: tuple[Actor, ...] = ()
    friction: float = 1.0
    drops: tuple[tuple[float, float], ...] = ()
    lost: float = 0.0
    reference: float = 0.0
    seed: int = 0
