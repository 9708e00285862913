# SPDX-License-Identifier: Apache-2.0
"""What is around the roads, by chance but the same for the same seed: colours, houses, trees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.worlds.roads import RoadNetwork, along_road, pose_at
from impromptu_vla_ros.worlds.shapes import Colour, Solid, house

# Blue, green, red. Of each, one is drawn per network.
SKIES = (
    ((205, 150, 95), (238, 222, 205)),
    ((190, 165, 135), (228, 224, 220)),
    ((215, 165, 110), (225, 232, 240)),
)
GRASSES = ((62, 112, 88), (58, 104, 104), (70, 120, 80), (84, 124, 122))
ASPHALTS = ((92, 88, 86), (104, 100, 98), (82, 82, 84))
CENTRES = ((225, 228, 228), (70, 180, 225))
CARS: tuple[Colour, ...] = (
    (40, 40, 190),
    (170, 90, 40),
    (215, 215, 215),
    (60, 58, 56),
    (165, 165, 160),
    (70, 120, 40),
    (50, 150, 215),
    (120, 60, 90),
)
WALLS: tuple[Colour, ...] = ((190, 210, 225), (150, 175, 205), (205, 205, 200), (120, 140, 190))
ROOFS: tuple[Colour, ...] = ((60, 75, 145), (80, 80, 85), (60, 90, 120))
LEAVES: tuple[Colour, ...] = ((50, 105, 65), (40, 90, 55), (60, 120, 100), (55, 95, 90))

EVERY = 11.0  # m along a road to the next place where something may stand
CLEAR = 3.0  # m between a lane and what stands beside it


@dataclass(frozen=True)
class Look:
    """The colours of a world: the sky above and at the horizon, and (5, 3) of the ground."""

    zenith: NDArray[np.float64]
    horizon: NDArray[np.float64]
    ground: NDArray[np.uint8]
    skyline: FloatArray


@dataclass(frozen=True)
class Standing:
    """
    Something that stands at `place` (3,), m: a solid in the world's axes, or a tree.

    Of that `height` and the radius of its crown are in m; it is a tree where `solid` is None.
    """

    place: FloatArray
    solid: Solid | None = None
    height: float = 0.0
    radius: float = 0.0
    leaves: Colour = (0.0, 0.0, 0.0)


def looked(rng: np.random.Generator) -> Look:
    """Return the look of a world, drawn by chance."""
    zenith, horizon = SKIES[rng.integers(len(SKIES))]
    ground = np.array(
        [
            GRASSES[rng.integers(len(GRASSES))],
            (112, 128, 138),
            ASPHALTS[rng.integers(len(ASPHALTS))],
            (222, 225, 225),
            CENTRES[rng.integers(len(CENTRES))],
        ],
        np.uint8,
    )
    # Two ridges all around: the tangent of their elevation at 128 bearings, which meet at the end.
    bearings = np.linspace(0.0, math.tau, 129)
    waves = [(2, 5, 9), (11, 23, 47)]
    skyline = np.array(
        [
            base
            + sum(
                height / (1 + k) * np.sin(n * bearings + rng.uniform(0.0, math.tau))
                for k, n in enumerate(ns)
            )
            for ns, base, height in zip(waves, (0.045, 0.018), (0.022, 0.008))
        ]
    )
    return Look(np.array(zenith, float), np.array(horizon, float), ground, skyline)


def planted(network: RoadNetwork, rng: np.random.Generator) -> list[Standing]:
    """Return houses and trees along the roads, none of them nearer to a lane than `CLEAR`."""
    found: list[Standing] = []
    for road in network.roads:
        if road.junction >= 0:
            continue
        for s in np.arange(0.0, road.length, EVERY):
            for side in (1.0, -1.0):
                lanes = (road.left if side > 0.0 else road.right) * road.lane_width
                pose = pose_at(road, s + rng.uniform(0.0, EVERY))
                is_house, away = rng.random() < 0.16, rng.uniform(CLEAR, 14.0)
                size = rng.uniform(4.5, 8.5) if is_house else 0.4
                offset = side * (lanes + away + size)
                x = pose.x - offset * math.sin(pose.yaw)
                y = pose.y + offset * math.cos(pose.yaw)
                if not is_clear(network, x, y, CLEAR + size):
                    continue
                if any(
                    math.hypot(x - one.place[0], y - one.place[1]) < size + 4.0 for one in found
                ):
                    continue
                place = np.array([x, y, 0.0])
                found.append(_house(place, pose.yaw, size, rng) if is_house else _tree(place, rng))
    return found


def is_clear(network: RoadNetwork, x: float, y: float, clear: float) -> bool:
    """Return whether a point is at least that far (m) to the side of all lanes."""
    for road in network.roads:
        _, (left,) = along_road(road, [[x, y]])
        high, low = road.left * road.lane_width, -road.right * road.lane_width
        if low - clear < left < high + clear:
            return False
    return True


def _house(place: FloatArray, yaw: float, size: float, rng: np.random.Generator) -> Standing:
    c, s = math.cos(yaw), math.sin(yaw)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    wall, roof = WALLS[rng.integers(len(WALLS))], ROOFS[rng.integers(len(ROOFS))]
    walls = house(1.5 * size, 1.1 * size, rng.choice([3.2, 6.2]), wall, roof)
    return Standing(place, walls.moved(turn, place))


def _tree(place: FloatArray, rng: np.random.Generator) -> Standing:
    height = rng.uniform(4.0, 9.0)
    leaves = LEAVES[rng.integers(len(LEAVES))]
    return Standing(place, None, height, 0.33 * height, leaves)
