# SPDX-License-Identifier: Apache-2.0
"""Roads to learn on, by chance: none of them is one of the maps on which models are judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from numpy.random import Generator

from impromptu_vla_ros.core.motion import moved
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds import maps
from impromptu_vla_ros.worlds.linking import connected
from impromptu_vla_ros.worlds.maps import bend, crossing, laid
from impromptu_vla_ros.worlds.roads import Piece, Road, RoadNetwork

# A road goes on this far behind what is driven, m: it ends in sight of those only that shall
# learn to stop there.
ONWARD = 260.0
# A right angle of the tightest bend, m, and of the widest.
TIGHTEST, WIDEST = 16.0, 150.0


def road_network(kind: str, random: Generator, name: str) -> RoadNetwork:
    """
    Return a network of that kind; of its `name` come the colours, houses and trees.

    Raise ValueError for a kind that is none of KINDS, or a name of a map to be judged on.
    """
    if kind not in KINDS:
        raise ValueError(f'no roads of kind {kind!r}: one of {", ".join(KINDS)}')
    if name in maps.MAPS:
        raise ValueError(f'{name!r} is a map that models are judged on: take another name')
    for _ in range(100):
        try:
            return replace(KINDS[kind](random), name=name)
        except ValueError:
            continue  # no single turn leads from one arm to the other
    raise ValueError(f'no roads of kind {kind!r} come together by chance')


def _straight(random: Generator) -> RoadNetwork:
    return connected('', [_road(random, Piece(random.uniform(380.0, 480.0)))])


def _bend(random: Generator) -> RoadNetwork:
    radius = math.exp(random.uniform(math.log(TIGHTEST), math.log(WIDEST)))
    # The longest ways round are not driven to their ends.
    angle = min(math.radians(random.uniform(20.0, 120.0)), 140.0 / radius)
    before = Piece(random.uniform(45.0, 110.0))
    return connected(
        '', [_road(random, before, bend(radius, angle * _sign(random)), Piece(ONWARD))]
    )


def _chain(random: Generator) -> RoadNetwork:
    pieces, sign = [Piece(random.uniform(35.0, 90.0))], _sign(random)
    for _ in range(random.integers(2, 5)):
        radius = math.exp(random.uniform(math.log(TIGHTEST), math.log(90.0)))
        pieces.append(
            bend(radius, sign * min(math.radians(random.uniform(20, 90)), 70.0 / radius))
        )
        if random.random() < 0.5:
            pieces.append(Piece(random.uniform(4.0, 40.0)))
        # Mostly to the other side: a spiral comes back upon itself.
        sign = -sign if random.random() < 0.8 else sign
    return connected('', [_road(random, *pieces, Piece(ONWARD))])


def _ending(random: Generator) -> RoadNetwork:
    """Return a road that is driven to its end."""
    pieces = [Piece(random.uniform(60.0, 150.0))]
    if random.random() < 0.4:
        radius = random.uniform(25.0, 90.0)
        turn = bend(radius, _sign(random) * min(random.uniform(0.3, 1.5), 60.0 / radius))
        pieces = [Piece(random.uniform(45.0, 80.0)), turn, Piece(random.uniform(15.0, 60.0))]
    return connected('', [_road(random, *pieces)])


def _four_way(random: Generator) -> RoadNetwork:
    angles = [math.pi / 2 * arm + random.uniform(-0.2, 0.2) for arm in range(4)]
    return _junction(random, angles)


def _t_junction(random: Generator) -> RoadNetwork:
    angles = [arm + random.uniform(-0.2, 0.2) for arm in (0.0, math.pi, -math.pi / 2)]
    return _junction(random, angles)


def _junction(random: Generator, angles: list[float]) -> RoadNetwork:
    lanes = 2 if random.random() < 0.15 else 1
    gap, turned = random.uniform(11.0, 17.0) + 3.5 * (lanes - 1), random.uniform(0.0, math.tau)
    arms = [_arm(random, angle + turned, gap, lanes) for angle in angles]
    return connected('', arms, [crossing(arms)])


def _arm(random: Generator, angle: float, gap: float, lanes: int = 1) -> Road:
    start = moved(Pose(0.0, 0.0, angle), Pose(gap, 0.0, 0.0))
    pieces = [Piece(random.uniform(45.0, 70.0))]
    if random.random() < 0.3:
        pieces.append(bend(random.uniform(60.0, 150.0), _sign(random) * random.uniform(0.15, 0.4)))
    return laid(start, *pieces, Piece(120.0), right=lanes, left=lanes)


def _roundabout(random: Generator) -> RoadNetwork:
    count = 4 if random.random() < 0.6 else 3
    island = random.uniform(10.0, 20.0)
    jitter = 0.08 if count == 4 else 0.3
    angles = [math.tau / count * arm + random.uniform(-jitter, jitter) for arm in range(count)]
    turned = random.uniform(0.0, math.tau)
    return maps.roundabout(island, [angle + turned for angle in angles], 180.0)


def _merge(random: Generator) -> RoadNetwork:
    radius = random.uniform(90.0, 200.0)
    return maps.merge(radius, random.uniform(60.0, 90.0) / radius, random.uniform(80.0, 150.0))


def _carriageway(random: Generator) -> RoadNetwork:
    """Return two lanes to one side, as where cars change lanes."""
    pieces = [Piece(random.uniform(60.0, 200.0))]
    if random.random() < 0.4:
        pieces.append(bend(random.uniform(80.0, 300.0), _sign(random) * random.uniform(0.2, 0.6)))
    road = laid(_anywhere(random), *pieces, Piece(400.0), right=2, left=int(random.integers(0, 3)))
    return connected('', [road])


def _road(random: Generator, *pieces: Piece) -> Road:
    lanes = 2 if random.random() < 0.15 else 1
    return laid(_anywhere(random), *pieces, right=lanes, left=lanes)


def _anywhere(random: Generator) -> Pose:
    # Where it begins decides from where the sun shines.
    return Pose(0.0, 0.0, random.uniform(-math.pi, math.pi))


def _sign(random: Generator) -> float:
    return 1.0 if random.random() < 0.5 else -1.0


KINDS: Mapping[str, Callable[[Generator], RoadNetwork]] = {
    'straight': _straight,
    'bend': _bend,
    'chain': _chain,
    'ending': _ending,
    'four_way': _four_way,
    't_junction': _t_junction,
    'roundabout': _roundabout,
    'merge': _merge,
    'carriageway': _carriageway,
}
