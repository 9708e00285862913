# SPDX-License-Identifier: Apache-2.0
"""Places along a way, and who begins there: what all situations are made of."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.evaluation.driving.scenario import Act, Actor, Route, Scenario
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.worlds.roads import LanePoint, RoadNetwork, lane_offset

CARS = (
    'vehicle.tesla.model3',
    'vehicle.toyota.prius',
    'vehicle.audi.tt',
    'vehicle.lincoln.mkz_2020',
)
TRUCK = 'vehicle.carlamotors.firetruck'
WALKER = 'walker.pedestrian.0001'
# Speeds, m/s: the fastest at the start, and at least which everybody would rather drive.
FASTEST, CRUISE = 15.0, 8.0
# Beyond what is driven the way goes on, m, so that nobody brakes for its end.
ONWARD = 80.0


@dataclass(frozen=True)
class Spot:
    """A place `s` m along the only road of a network, in one of the lanes that go along it."""

    network: RoadNetwork
    lane: int
    s: float

    @property
    def route(self) -> Route:
        """Return the way on from here."""
        return Route(LanePoint(1, self.lane, self.s))

    def ahead(self, gap: float) -> Route:
        """Return the way on from a place further along the lane, m."""
        return Route(LanePoint(1, self.lane, self.s + gap))

    def towards(self, gap: float) -> Route:
        """Return the way of who comes towards us from there, in the lane beside the middle."""
        return Route(LanePoint(1, 1, self.s + gap))

    @property
    def across(self) -> float:
        """Return how far the way of who comes towards us lies left of ours, m."""
        road = self.network.numbered[1]
        return lane_offset(road, 1) - lane_offset(road, self.lane)

    def beside(self, gap: float, left: float, turned: float) -> Pose:
        """Return the pose `left` m beside the lane, turned by that angle (rad) from the way."""
        pose = way_along(self.network, self.route, gap + 1.0).pose(gap, left)
        return Pose(pose.x, pose.y, pose.yaw + turned)


def along(network: RoadNetwork, random: Generator) -> Spot:
    """Return where the ego begins, on a network of one road."""
    lane = -1 - int(random.integers(network.numbered[1].right))
    return Spot(network, lane, random.uniform(5.0, 35.0))


def speed_of(random: Generator) -> float:
    """Return a speed at the start, m/s."""
    lot = random.random()
    if lot < 0.1:
        return 0.0
    return float(random.uniform(0.5, 6.0) if lot < 0.3 else random.uniform(6.0, FASTEST))


def cruise_at(speed: float) -> float:
    """
    Return how fast (m/s) who drives so fast goes on, where nothing is in the way.

    It is what a picture and a speed can tell: keep it, but get going.
    """
    return min(max(speed, CRUISE), FASTEST)


def scenario_at(
    spot: Spot, random: Generator, *actors: Actor, speed: float | None = None
) -> Scenario:
    """Return the scenario of an ego that begins at a spot, if at no given speed at any."""
    return scenario_on(spot.route, random, *actors, speed=speed)


def scenario_on(
    route: Route, random: Generator, *actors: Actor, speed: float | None = None
) -> Scenario:
    """Return the scenario of an ego on a route."""
    speed = speed_of(random) if speed is None else speed
    seconds = random.uniform(10.0, 14.0)
    return Scenario(
        '', '', '', route, ONWARD, speed, cruise_at(speed), seconds, actors=tuple(actors)
    )


def a_car(random: Generator, trucks: float = 0.1) -> str:
    """Return the blueprint of a car, or of a truck in that share."""
    return TRUCK if random.random() < trucks else CARS[random.integers(len(CARS))]


def at_time(at: float, speed: float, rate: float) -> Act:
    """Return the change to a speed (m/s), at that rate (m/s²)."""
    return Act('time', at, speed=speed, rate=rate)
