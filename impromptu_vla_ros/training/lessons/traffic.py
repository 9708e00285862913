# SPDX-License-Identifier: Apache-2.0
"""Others along one road: ahead, beside, coming towards us or walking across."""

from __future__ import annotations

import math

from numpy.random import Generator

from impromptu_vla_ros.evaluation.driving.scenario import Act, Actor, Scenario
from impromptu_vla_ros.training.lessons.spots import (
    CRUISE,
    FASTEST,
    WALKER,
    Spot,
    a_car,
    along,
    at_time,
    scenario_at,
    speed_of,
)
from impromptu_vla_ros.worlds.roads import RoadNetwork

# From the ego's base_link to the middle of a car (a truck) that it touches, m.
TOUCHING, LONGER = 6.4, 2.0
LANE = 3.5


def stopped(network: RoadNetwork, random: Generator) -> Scenario:
    """Come upon a car that stands in the lane, or stand behind it already."""
    spot, speed = along(network, random), speed_of(random)
    gap = _room(random, speed) + random.uniform(0.0, 50.0)
    side = random.uniform(-0.9, 0.9)
    car = Actor('stopped', a_car(random, 0.2), spot.ahead(gap), left=side)
    return scenario_at(spot, random, car, speed=speed)


def leaving(network: RoadNetwork, random: Generator) -> Scenario:
    """Stand behind a car that stands, and drives off in a while."""
    spot = along(network, random)
    gap = TOUCHING + LONGER + random.uniform(-0.8, 5.0)
    goes = at_time(random.uniform(0.5, 6.0), random.uniform(4.0, 12.0), random.uniform(1.0, 3.0))
    car = Actor('leaving', a_car(random, 0.0), spot.ahead(gap), acts=(goes,))
    return scenario_at(spot, random, car, speed=0.0)


def lead(network: RoadNetwork, random: Generator) -> Scenario:
    """Follow a car that keeps its speed, slows down, stops and goes on, or hurries."""
    spot, speed = along(network, random), random.uniform(2.0, FASTEST)
    his = speed * random.uniform(0.6, 1.1)
    gap = TOUCHING + LONGER + 2.0 + speed * random.uniform(0.6, 2.2)
    gap += max(0.0, speed - his) ** 2 / 3.0
    at, lot = random.uniform(0.5, 5.0), random.random()
    acts: tuple[Act, ...] = ()
    if lot < 0.5:
        acts = (at_time(at, 0.0, random.uniform(1.5, 6.0)),)
        if random.random() < 0.5:
            again = at + random.uniform(3.0, 7.0)
            acts += (at_time(again, random.uniform(5.0, 12.0), random.uniform(1.0, 2.5)),)
    elif lot < 0.75:
        changed = his * random.uniform(0.4, 1.4)
        acts = (at_time(at, changed, random.uniform(0.8, 3.0)),)
    car = Actor('lead', a_car(random), spot.ahead(gap), his, random.uniform(-0.4, 0.4), acts)
    return scenario_at(spot, random, car, speed=speed)


def queue(network: RoadNetwork, random: Generator) -> Scenario:
    """Come upon cars that stand one behind the other, and perhaps go."""
    spot, speed = along(network, random), speed_of(random)
    count, gap = int(random.integers(2, 5)), _room(random, speed) + random.uniform(0.0, 40.0)
    goes = random.uniform(3.0, 16.0)
    cars = []
    for k in range(count):
        act = at_time(goes + 1.5 * (count - 1 - k), CRUISE, random.uniform(1.0, 2.0))
        where = spot.ahead(gap + random.uniform(7.0, 8.5) * k)
        side = random.uniform(-0.4, 0.4)
        cars.append(Actor(f'queue {k}', a_car(random, 0.0), where, left=side, acts=(act,)))
    return scenario_at(spot, random, *cars, speed=speed)


def obstacle(network: RoadNetwork, random: Generator) -> Scenario:
    """Come upon a car that stands partly in the lane: some can be passed."""
    spot, speed = along(network, random), speed_of(random)
    gap = _room(random, speed) + random.uniform(0.0, 30.0)
    # To the left is where others come from: who stands there stands in both lanes.
    left = random.uniform(1.4, 2.8) * (-1.0 if random.random() < 0.7 else 1.0)
    where = spot.beside(gap, left, random.uniform(-0.25, 0.25))
    return scenario_at(spot, random, Actor('obstacle', a_car(random), where), speed=speed)


def cut_in(network: RoadNetwork, random: Generator) -> Scenario:
    """Let somebody in who changes into our lane, or see him stay in his."""
    spot, speed = along(network, random), random.uniform(6.0, FASTEST)
    side = 1.0 if spot.lane == -1 else -1.0  # of our lane, seen from his
    where = Spot(network, -3 - spot.lane, spot.s).ahead(random.uniform(6.0, 22.0))
    his = speed * random.uniform(0.5, 1.05)
    over = random.uniform(1.5, 3.5)
    act = Act('time', random.uniform(0.3, 5.0), left=side * LANE, over=over)
    acts = (act,) if random.random() < 0.75 else ()
    car = Actor('cutting in', a_car(random), where, his, acts=acts)
    return scenario_at(spot, random, car, speed=speed)


def oncoming(network: RoadNetwork, random: Generator) -> Scenario:
    """Meet cars in their own lane, which is no reason for anything."""
    spot, gap, cars = along(network, random), random.uniform(20.0, 60.0), []
    for k in range(random.integers(1, 4)):
        side, his = random.uniform(-0.5, 0.5), random.uniform(3.0, 13.0)
        cars.append(Actor(f'oncoming {k}', a_car(random, 0.2), spot.towards(gap), his, side))
        gap += random.uniform(20.0, 60.0)
    return scenario_at(spot, random, *cars)


def frontal(network: RoadNetwork, random: Generator) -> Scenario:
    """Avoid somebody who comes towards us in our lane, or partly; some go back to theirs."""
    spot, speed = along(network, random), speed_of(random)
    his = random.uniform(3.0, 11.0)
    gap = TOUCHING + random.uniform(3.5, 6.5) * (speed + his)
    # His left is our left mirrored: so much of him is in our lane.
    left = spot.across - random.uniform(0.4, 2.4)
    back = Act('ttc', random.uniform(1.8, 4.0), left=0.0, over=random.uniform(1.5, 2.5))
    acts = (back,) if random.random() < 0.6 else ()
    car = Actor('frontal', a_car(random), spot.towards(gap), his, left, acts)
    return scenario_at(spot, random, car, speed=speed)


def parked(network: RoadNetwork, random: Generator) -> Scenario:
    """Pass cars that stand beside the lanes, or in the lane of who would come towards us."""
    road = network.numbered[1]
    spot = Spot(network, -road.right, random.uniform(5.0, 35.0))
    gap, cars = random.uniform(10.0, 40.0), []
    for k in range(random.integers(1, 6)):
        if random.random() < 0.65:
            left, turned = -random.uniform(3.2, 4.6), random.uniform(-0.12, 0.12)
        else:
            left, turned = LANE * road.right + random.uniform(-0.2, 1.5), math.pi
        pose = spot.beside(gap, left, turned)
        cars.append(Actor(f'parked {k}', a_car(random, 0.05), pose))
        gap += random.uniform(10.0, 30.0)
    return scenario_at(spot, random, *cars)


def pedestrian(network: RoadNetwork, random: Generator) -> Scenario:
    """Stop for who walks across the road, and pass who stands or walks beside it."""
    road = network.numbered[1]
    spot = Spot(network, -road.right, random.uniform(5.0, 35.0))
    speed, walkers = speed_of(random), []
    gap = _room(random, speed) + random.uniform(0.0, 35.0)
    for k in range(random.integers(1, 3)):
        right = random.random() < 0.7
        left = -random.uniform(2.6, 5.0) if right else LANE * road.right + random.uniform(0.0, 4.0)
        facing, lot = random.uniform(-math.pi, math.pi), random.random()
        acts: tuple[Act, ...] = ()
        if lot < 0.6:
            facing = (math.pi / 2 if right else -math.pi / 2) + random.uniform(-0.15, 0.15)
            near = min(gap - 4.0, random.uniform(15.0, 40.0))
            acts = (Act('distance', near, speed=random.uniform(0.8, 2.2), rate=2.0),)
        elif lot < 0.8:
            facing = math.pi if random.random() < 0.5 else 0.0
            acts = (at_time(0.0, random.uniform(0.8, 1.6), 2.0),)
        pose = spot.beside(gap, left, facing)
        walkers.append(Actor(f'pedestrian {k}', WALKER, pose, acts=acts))
        gap += random.uniform(2.0, 25.0)
    return scenario_at(spot, random, *walkers, speed=speed)


def _room(random: Generator, speed: float) -> float:
    """Return a gap in which one can stop, hard or easily, m."""
    return TOUCHING + LONGER + random.uniform(0.0, 6.0) + speed**2 / random.uniform(4.0, 9.0)
