# SPDX-License-Identifier: Apache-2.0
"""Where roads meet: turns, roundabouts, who crosses, and the way onto a carriageway."""

from __future__ import annotations

import math
from dataclasses import replace

from numpy.random import Generator

from impromptu_vla_ros.evaluation.driving.scenario import Act, Actor, Route, Scenario
from impromptu_vla_ros.training.lessons.spots import a_car, at_time, scenario_on, speed_of
from impromptu_vla_ros.worlds.roads import LanePoint, Road, RoadNetwork


def turn(network: RoadNetwork, random: Generator) -> Scenario:
    """Come to where roads meet, and go where the route says."""
    arms, speed = _arms(network), speed_of(random)
    own = int(random.integers(len(arms)))
    side = ('left', 'left', 'right', 'right', 'straight')[random.integers(5)]
    arm = arms[own]
    lane = {'left': 1, 'right': arm.left}.get(side, 1 + int(random.integers(arm.left)))
    route = Route(LanePoint(arm.number, lane, _before(random, speed)), (side,))
    others = [
        Actor(f'waiting {k}', a_car(random), _coming(other, random.uniform(0.0, 12.0)))
        for k, other in enumerate(arms)
        if k != own and random.random() < 0.2
    ]
    return scenario_on(route, random, *others, speed=speed)


def roundabout(network: RoadNetwork, random: Generator) -> Scenario:
    """Join the ring, pass some arms and leave."""
    arms, speed = _arms(network), speed_of(random)
    count = len(arms) // 2  # the other half are the ring between them
    arm, passed = arms[random.integers(count)], int(random.integers(count))
    place = LanePoint(arm.number, 1, _before(random, speed))
    route = Route(place, (*('left',) * passed, 'right'))
    played = scenario_on(route, random, speed=speed)
    return replace(played, duration=played.duration + 4.0)


def crossing(network: RoadNetwork, random: Generator) -> Scenario:
    """Mind who comes from a side, whether he waits, or goes before, after or just then."""
    arms, speed = _arms(network), random.uniform(3.0, 13.0)
    own, from_right = int(random.integers(4)), random.random() < 0.5
    mine, other = arms[own], arms[(own + (1 if from_right else 3)) % 4]
    gap = math.hypot(mine.start.x, mine.start.y)  # from where the middles of the arms meet
    soon = max(random.uniform(3.0, 5.5), (gap + 8.0) / speed)
    side = 'straight' if random.random() < 0.7 else ('left', 'right')[random.integers(2)]
    route = Route(LanePoint(mine.number, 1, min(soon * speed - gap, mine.length - 5.0)), (side,))
    his = random.uniform(4.0, 10.0)
    far = his * max(soon + random.normal(0.0, 1.2), 0.5) - gap
    if random.random() < 0.25 or far < 2.0:
        car = Actor('waiting', a_car(random), _coming(other, random.uniform(0.0, 6.0)))
    else:
        acts: tuple[Act, ...] = ()
        if random.random() < 0.25:
            acts = (at_time(random.uniform(0.5, 2.0), 0.0, his**2 / max(2.0 * (far - 3.0), 4.0)),)
        car = Actor('crossing', a_car(random), _coming(other, min(far, 120.0)), his, acts=acts)
    return scenario_on(route, random, car, speed=speed)


def merging(network: RoadNetwork, random: Generator) -> Scenario:
    """Come from the ramp between who is on the road, or let in who comes from there."""
    speed, from_ramp = random.uniform(5.0, 14.0), random.random() < 0.7
    ramp = network.numbered[4]
    at = random.uniform(4.0, 0.6 * ramp.length)
    if from_ramp:
        route, cars = Route(LanePoint(4, -1, at)), []
        for k in range(random.integers(0, 4)):
            where = Route(LanePoint(1, -2, random.uniform(5.0, 40.0) + 38.0 * k))
            cars.append(Actor(f'on the road {k}', a_car(random), where, speed * _about(random)))
    else:
        begin = network.numbered[1].length - random.uniform(20.0, 90.0)
        route = Route(LanePoint(1, -2, begin))
        on_ramp = Route(LanePoint(4, -1, ramp.length - random.uniform(0.0, 50.0)))
        cars = [Actor('on the ramp', a_car(random), on_ramp, speed * _about(random))]
    return scenario_on(route, random, *cars, speed=speed)


def _arms(network: RoadNetwork) -> list[Road]:
    return [road for road in network.roads if road.junction < 0]


def _before(random: Generator, speed: float) -> float:
    """Return how far before the junction to begin, m: far enough to slow down."""
    return float(random.uniform(max(6.0, speed**2 / 5.0), 65.0))


def _coming(arm: Road, far: float) -> Route:
    return Route(LanePoint(arm.number, 1, far), ('straight',))


def _about(random: Generator) -> float:
    return float(random.uniform(0.8, 1.15))
