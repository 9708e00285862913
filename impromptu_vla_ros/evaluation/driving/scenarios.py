# SPDX-License-Identifier: Apache-2.0
"""
The scenarios by name; a seed varies speeds and distances a little.

The families stationary, frontal and side are NeuroNCAP's (arXiv 2404.07762): 4 s before an impact
if nobody reacts, as there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.evaluation.driving.scenario import (
    ANY_EXIT,
    COMMAND,
    Act,
    Actor,
    Route,
    Scenario,
)
from impromptu_vla_ros.worlds.roads import LanePoint

CAR = 'vehicle.tesla.model3'
SMALL = 'vehicle.toyota.prius'
TRUCK = 'vehicle.carlamotors.firetruck'
PEDESTRIAN = 'walker.pedestrian.0001'

# Where two middles are when a car of 4.8 m and the ego touch, one behind the other, m.
TOUCHING = 4.84
# How long before the impact NeuroNCAP begins, s.
BEFORE_IMPACT = 4.0
# What a car that stands at first may take longer, s.
GETTING_GOING = 10.0
LANE = 3.5


class Vary(Protocol):
    """Vary a value by lot."""

    def __call__(self, value: float, share: float = 0.1) -> float:
        """Return the value, at most this share more or less."""
        ...


def scenario(name: str, seed: int = 0) -> Scenario:
    """Return the scenario of that name, varied by the seed; raise ValueError for another name."""
    if name not in SCENARIOS:
        raise ValueError(f'no scenario {name!r}: one of {", ".join(SCENARIOS)}')
    # Of the name too, or all scenarios would vary alike.
    random = np.random.default_rng([zlib.crc32(name.encode()), seed])

    def vary(value: float, share: float = 0.1) -> float:
        return float(value * (1.0 + share * random.uniform(-1.0, 1.0)))

    return replace(SCENARIOS[name](vary), name=name, seed=seed)


def from_a_stand(played: Scenario) -> Scenario:
    """Return the scenario for a car that stands at first, and time to get going."""
    return replace(played, speed=0.0, duration=played.duration + GETTING_GOING)


def _road(number: int, lane: int, s: float, *turns: str) -> Route:
    return Route(LanePoint(number, lane, s), turns)


# On `straight`: lane -1 goes along x from 0 to 400 m, lane 1 comes against it.


def _made(
    family: str, world: str, route: Route, goal: float, speed: float, duration: float
) -> Scenario:
    return Scenario('', family, world, route, goal, speed, max(speed, 8.0), duration)


def straight(vary: Vary) -> Scenario:
    """Keep the lane, without a bend and alone: who cannot do this can do nothing."""
    return _made('road', 'straight', _road(1, -1, 20.0), 100.0, vary(10.0, 0.2), 14.0)


def curve(vary: Vary) -> Scenario:
    """Turn a right angle of 30 m radius, too tight for the speed before it."""
    return _made('road', 'curve', _road(1, -1, vary(50.0)), 115.0, vary(11.0), 22.0)


def s_curve(vary: Vary) -> Scenario:
    """Take a bend to the left, and at once one to the right."""
    return _made('road', 's_curve', _road(1, -1, vary(30.0)), 120.0, vary(10.0), 24.0)


def slippery_curve(vary: Vary) -> Scenario:
    """Take the right angle on a road with a third of the grip."""
    made = _made('road', 'curve', _road(1, -1, vary(40.0)), 115.0, vary(10.0), 26.0)
    return replace(made, friction=0.35)


def roundabout(vary: Vary) -> Scenario:
    """Join the ring; pass one arm and leave at the next, or leave anywhere."""
    made = _made(
        'junction', 'roundabout', _road(3, 1, vary(55.0), 'left', 'right'), 125.0, vary(8.0), 30.0
    )
    return replace(made, exits=ANY_EXIT)


def turn_left(vary: Vary) -> Scenario:
    """Turn left at a crossing."""
    route = _road(3, 1, vary(50.0), 'left')
    made = _made('junction', 'four_way', route, 95.0, vary(9.0), 22.0)
    return replace(made, exits=COMMAND)


def turn_right(vary: Vary) -> Scenario:
    """Turn right at a crossing."""
    route = _road(3, 1, vary(50.0), 'right')
    made = _made('junction', 'four_way', route, 90.0, vary(9.0), 24.0)
    return replace(made, exits=COMMAND)


def end_of_road(vary: Vary) -> Scenario:
    """Come to where a road ends at another one: either way is right, straight on is not."""
    route = _road(3, 1, vary(50.0), 'right')
    made = _made('junction', 't_junction', route, 90.0, vary(8.0), 24.0)
    return replace(made, exits=ANY_EXIT)


def lead_brakes(vary: Vary) -> Scenario:
    """Follow a car that brakes hard to a stop, and drives on later."""
    speed, gap = vary(11.0), vary(22.0)
    acts = (
        Act('time', vary(3.0), speed=0.0, rate=vary(5.0)),
        Act('time', 10.0, speed=9.0, rate=2.0),
    )
    lead = Actor('lead', CAR, _road(1, -1, 20.0 + gap), speed, acts=acts)
    made = _made('traffic', 'straight', _road(1, -1, 20.0), 90.0, speed, 24.0)
    return replace(made, actors=(lead,), reference=speed)


def stopped_car(vary: Vary) -> Scenario:
    """Come upon a car that stands in the lane."""
    speed, far = vary(12.0), vary(70.0)
    car = Actor('stopped', SMALL, _road(1, -1, 20.0 + far))
    made = _made('traffic', 'straight', _road(1, -1, 20.0), far - 14.0, speed, 16.0)
    return replace(made, actors=(car,), reference=speed)


def cut_in(vary: Vary) -> Scenario:
    """Let a slower car in, which changes into our lane just ahead."""
    speed = vary(14.0)
    ahead, slower = vary(9.0), vary(8.0)
    act = Act('time', vary(1.5), left=-LANE, over=2.0)
    car = Actor('cutting in', CAR, _road(1, -1, 20.0 + ahead), slower, acts=(act,))
    made = _made('traffic', 'merge', _road(1, -2, 20.0), 110.0, speed, 16.0)
    return replace(made, actors=(car,), reference=speed - slower)


def oncoming(vary: Vary) -> Scenario:
    """Meet somebody who overtakes, and is back in his lane only just in time."""
    speed, his = vary(9.0), vary(11.0)
    far = vary(110.0)
    act = Act('ttc', vary(3.0), left=0.0, over=2.2)
    car = Actor('oncoming', CAR, _road(1, 1, 20.0 + far), his, left=vary(3.0, 0.05), acts=(act,))
    truck = Actor('overtaken', TRUCK, _road(1, 1, 26.0 + far), 0.6 * his)
    made = _made('traffic', 'straight', _road(1, -1, 20.0), 100.0, speed, 24.0)
    return replace(made, actors=(car, truck), reference=speed + his)


def merging(vary: Vary) -> Scenario:
    """Merge from the ramp between two cars, before the lane ends."""
    speed, theirs = vary(11.0, 0.05), vary(10.0, 0.05)
    route = _road(4, -1, 8.0)
    cars = tuple(
        Actor(f'on the road {k}', CAR, _road(1, -2, at), theirs)
        for k, at in enumerate([vary(50.0), vary(82.0, 0.05)])
    )
    made = _made('traffic', 'merge', route, 250.0, speed, 38.0)
    return replace(made, actors=cars, reference=3.0)


def queue(vary: Vary) -> Scenario:
    """Stop behind three cars that stand, and go when they go, one after the other."""
    speed, far = vary(10.0), vary(60.0)
    cars = tuple(
        Actor(
            f'queue {k}',
            (CAR, SMALL, CAR)[k],
            _road(1, -1, 20.0 + far + 7.5 * k),
            acts=(Act('time', 12.0 - 1.5 * k, speed=8.0, rate=1.5),),
        )
        for k in range(3)
    )
    made = _made('traffic', 'straight', _road(1, -1, 20.0), 90.0, speed, 28.0)
    return replace(made, actors=cars, reference=speed)


def pedestrian(vary: Vary) -> Scenario:
    """Stop for somebody who crosses the road from the right."""
    speed, far = vary(9.0), vary(45.0)
    walks = Act('distance', vary(32.0, 0.05), speed=vary(1.4), rate=2.0)
    walker = Actor('pedestrian', PEDESTRIAN, Pose(20.0 + far, -5.5, np.pi / 2), acts=(walks,))
    made = _made('traffic', 'straight', _road(1, -1, 20.0), 80.0, speed, 20.0)
    return replace(made, actors=(walker,), reference=speed)


def dropped_frames(vary: Vary) -> Scenario:
    """Take the right angle while a third of the pictures are lost, and twice all of them."""
    hole = vary(4.0)
    return replace(curve(vary), drops=((hole, hole + 0.8), (hole + 2.5, hole + 3.2)), lost=0.33)


def ncap_stationary(vary: Vary) -> Scenario:
    """Brake for a vehicle that stands in the lane (NeuroNCAP)."""
    speed = vary(13.0, 0.15)
    far = BEFORE_IMPACT * speed + TOUCHING
    car = Actor('standing', CAR, _road(1, -1, 20.0 + far), left=vary(0.4, 1.0))
    return _ncap('stationary', 'straight', speed, car, speed)


def ncap_frontal(vary: Vary) -> Scenario:
    """Avoid a vehicle that comes towards us, partly in our lane (NeuroNCAP)."""
    speed, his = vary(10.0), vary(8.0, 0.15)
    far = BEFORE_IMPACT * (speed + his) + TOUCHING
    left = vary(2.0, 0.05)
    car = Actor('frontal', CAR, _road(1, 1, 20.0 + far), his, left=left)
    return _ncap('frontal', 'straight', speed, car, speed + his)


def ncap_side(vary: Vary) -> Scenario:
    """Avoid a vehicle that crosses from the right without looking (NeuroNCAP)."""
    speed, his = vary(9.0), vary(7.0, 0.15)
    # The middles meet where the lanes cross, 15.75 m into the junction from where arms begin.
    route = _road(3, 1, BEFORE_IMPACT * speed - 15.75)
    car = Actor('crossing', CAR, _road(4, 1, BEFORE_IMPACT * his - 12.25), his)
    return _ncap('side', 'four_way', speed, car, float(np.hypot(speed, his)), route)


def _ncap(
    kind: str, world: str, speed: float, actor: Actor, reference: float, route: Route | None = None
) -> Scenario:
    made = _made(f'neuroncap {kind}', world, route or _road(1, -1, 20.0), 0.0, speed, 9.0)
    return replace(made, actors=(actor,), reference=reference)


SCENARIOS: Mapping[str, Callable[[Vary], Scenario]] = {
    made.__name__: made
    for made in (
        straight,
        curve,
        s_curve,
        slippery_curve,
        roundabout,
        turn_left,
        turn_right,
        end_of_road,
        lead_brakes,
        stopped_car,
        cut_in,
        oncoming,
        merging,
        queue,
        pedestrian,
        dropped_frames,
        ncap_stationary,
        ncap_frontal,
        ncap_side,
    )
}
