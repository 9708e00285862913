# SPDX-License-Identifier: Apache-2.0
"""Situations to learn from, by chance: the families of evaluation, wider, and on other roads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.random import Generator

from impromptu_vla_ros.core.driving import overlap
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.scenario import Scenario
from impromptu_vla_ros.training.lessons import crossings, traffic
from impromptu_vla_ros.training.lessons.roads import road_network
from impromptu_vla_ros.training.lessons.spots import along, scenario_at
from impromptu_vla_ros.worlds.roads import RoadNetwork

# How many of all cars do not start in the middle of their lane, and how far from it, m and rad.
BESIDE, SIDE, TURNED = 0.35, 1.0, 0.12
# So often it is tried to have nobody stand in somebody's place: it happens once in 500 times.
TRIES = 20


@dataclass(frozen=True)
class Situation:
    """A scenario on its roads; the ego starts `beside` the route's start, as seen from there."""

    scenario: Scenario
    network: RoadNetwork
    beside: Pose


def situation(family: str, random: Generator, name: str) -> Situation:
    """
    Return a situation of that family; of its `name` come the looks of its roads.

    Raise ValueError for a family that is none of FAMILIES.
    """
    if family not in FAMILIES:
        raise ValueError(f'no family {family!r}: one of {", ".join(FAMILIES)}')
    kinds, play, _ = FAMILIES[family]
    network = road_network(kinds[random.integers(len(kinds))], random, name)
    played = _apart(lambda: play(network, random), network)
    played = replace(played, name=name, family=family, map=name)
    beside = Pose(0.0, 0.0, 0.0)
    if random.random() < BESIDE and played.speed > 0.0:
        side, turned = random.uniform(-SIDE, SIDE), random.uniform(-TURNED, TURNED)
        beside = Pose(0.0, side, turned)
    return Situation(played, network, beside)


def dealt(index: int, families: Collection[str] = ()) -> str:
    """
    Return the family of a drive, such that every hundred of them are balanced.

    It is one of some `families`, with their shares, or of all where there are none; raise
    ValueError for one that is none of FAMILIES.
    """
    if unknown := sorted(set(families) - set(FAMILIES)):
        raise ValueError(f'no families {", ".join(unknown)}: some of {", ".join(FAMILIES)}')
    shares = {name: share for name, (_, _, share) in FAMILIES.items()}
    cards = [name for name in families or FAMILIES for _ in range(shares[name])]
    # In an order that is no order, so that any few of them are about balanced too.
    order = np.random.default_rng(index // len(cards)).permutation(len(cards))
    return cards[int(order[index % len(cards)])]


def _apart(play: Callable[[], Scenario], network: RoadNetwork) -> Scenario:
    """Return what is played such that nobody stands where somebody else does."""
    for _ in range(TRIES):
        played = play()
        boxes = [Player(actor, network).box for actor in played.actors]
        if not any(overlap(one, other) for one, other in combinations(boxes, 2)):
            return played
    raise ValueError(f'in {TRIES} tries somebody always stood where somebody else did')


def _alone(network: RoadNetwork, random: Generator) -> Scenario:
    return scenario_at(along(network, random), random)


Play = Callable[[RoadNetwork, Generator], Scenario]
# One road to drive along: most of what happens is on a straight one, as in evaluation.
ALONG = ('straight', 'straight', 'straight', 'bend', 'chain')
# By family: on which roads, how it is played, and how many of a hundred drives.
FAMILIES: Mapping[str, tuple[tuple[str, ...], Play, int]] = {
    'straight': (('straight', 'carriageway'), _alone, 2),
    'curve': (('bend', 'chain'), _alone, 13),
    'ending': (('ending',), _alone, 6),
    'turn': (('four_way', 't_junction'), crossings.turn, 15),
    'roundabout': (('roundabout',), crossings.roundabout, 8),
    'stopped': (ALONG, traffic.stopped, 6),
    'leaving': (ALONG, traffic.leaving, 3),
    'lead': (ALONG, traffic.lead, 7),
    'queue': (ALONG, traffic.queue, 3),
    'obstacle': (ALONG, traffic.obstacle, 4),
    'cut in': (('carriageway',), traffic.cut_in, 5),
    'oncoming': (ALONG, traffic.oncoming, 4),
    'frontal': (ALONG, traffic.frontal, 5),
    'parked': (ALONG, traffic.parked, 4),
    'pedestrian': (ALONG, traffic.pedestrian, 5),
    'crossing': (('four_way',), crossings.crossing, 5),
    'merging': (('merge',), crossings.merging, 5),
}
