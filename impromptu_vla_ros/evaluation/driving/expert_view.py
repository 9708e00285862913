# SPDX-License-Identifier: Apache-2.0
"""The expert beside a world that others tick: it looks at the world's state by stamps."""

from __future__ import annotations

from typing import Any

import numpy as np

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.motion import wrap
from impromptu_vla_ros.core.pedals import PedalScale
from impromptu_vla_ros.core.structs import NANOSECONDS, Answer, FloatArray, Query
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.director import TIMEOUT, Placed, ego_way, placed
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.expert import STEP, Expert, View
from impromptu_vla_ros.evaluation.driving.frames import Frames
from impromptu_vla_ros.evaluation.driving.scenario import Scenario
from impromptu_vla_ros.evaluation.driving.sight import FORESEEN
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.worlds.carla_axes import acceleration_of, odometry_of
from impromptu_vla_ros.worlds.carla_errors import NoPlace, asking, client_library
from impromptu_vla_ros.worlds.carla_server import WorldChoice, connected
from impromptu_vla_ros.worlds.ego_vehicle import EgoChoice, EgoVehicle
from impromptu_vla_ros.worlds.roads import RoadNetwork

PATIENCE = 10.0  # s of the wall clock that the world may take to get to an instant
ASIDE = 1.0  # s that somebody who moves aside is foreseen to go on so


class PrivilegedExpert:
    """
    A Model that looks at the world's state instead of the pictures, through a client of its own.

    It knows everybody's ways and sees where they are at a query's stamp; that they keep their
    speed it assumes. Its answers come `latency` simulated seconds after the picture.
    """

    def __init__(
        self,
        port: int,
        scenario: Scenario,
        network: RoadNetwork,
        dialect: Dialect,
        latency: float,
    ) -> None:
        library = client_library()
        choice = WorldChoice(port=port, timeout=TIMEOUT)
        with asking('looking at the world'):
            world = connected(library, choice).get_world()
            self._frames = Frames(world)
            self._frames.at(0, TIMEOUT)  # before the first frame a client knows of no actors
            self._vehicle = EgoVehicle(library, world, EgoChoice(blueprint=''), PedalScale())
            self._vehicle.measure()
            extent = self._vehicle.actor.bounding_box.extent
            numbers = {one.attributes.get('role_name'): one.id for one in world.get_actors()}
        ego = Ego(2.0 * extent.x, 2.0 * extent.y, self._vehicle.chassis.rear)
        self._latency = round(latency * NANOSECONDS)
        self._others = [
            (_number(numbers, actor.name), Player(actor, network)) for actor in scenario.actors
        ]
        way = ego_way(scenario, network)
        self._expert = Expert(way, scenario.cruise, scenario.friction, dialect, ego, self._view)

    def close(self) -> None:
        """Look no more."""
        self._frames.close()

    def answer(self, query: Query) -> Answer:
        """Return the way from where the picture was taken, when it is due."""
        answer = self._expert.answer(query)
        self._seen(query.stamp + self._latency)
        return answer

    def _seen(self, stamp: int) -> Any:
        snapshot = self._frames.at(stamp, PATIENCE)
        if snapshot is None:
            raise ModelError(f'the world did not get to {stamp / NANOSECONDS:.2f} s')
        return snapshot

    def _view(self, stamp: int) -> View:
        snapshot = self._seen(stamp)
        seen, chassis = snapshot.find(self._vehicle.actor.id), self._vehicle.chassis
        if seen is None:
            raise ModelError('the ego is no more')
        odometry = odometry_of(stamp, seen, chassis)
        felt = acceleration_of(stamp, seen, chassis, odometry.yaw_rate, 0.0)
        there = [(snapshot.find(number), player) for number, player in self._others]
        others = [foreseen(placed(one), player) for one, player in there if one is not None]
        sizes = [player.actor.size for one, player in there if one is not None]
        return View(
            odometry.pose,
            odometry.vx,
            felt.ax,
            np.array(others).reshape(len(others), FORESEEN, 4),
            np.array(sizes).reshape(-1, 2),
        )


def foreseen(now: Placed, player: Player) -> FloatArray:
    """Return x, y, yaw, speed (k, 4) in the next steps of who goes on along the own way."""
    moving, way = now.moving, player.way
    (s,), (left,) = way.nearest([[moving.pose.x, moving.pose.y]])
    heading = float(way.at(s)[0, 2])
    c, w = np.cos(heading), np.sin(heading)
    ahead, aside = moving.vx * c + moving.vy * w, moving.vy * c - moving.vx * w
    times = STEP * np.arange(FORESEEN)
    rows = way.at(s + ahead * times, left + aside * np.minimum(times, ASIDE))
    turned = wrap(moving.pose.yaw - heading) * (times < ASIDE)
    return np.column_stack([rows[:, :2], rows[:, 2] + turned, np.full(FORESEEN, now.speed)])


def _number(numbers: dict[Any, int], name: str) -> int:
    if name not in numbers:
        raise NoPlace(f'nobody in the world has the role name {name!r}')
    return numbers[name]
