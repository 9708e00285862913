# SPDX-License-Identifier: Apache-2.0
"""A scenario in a world that the bridge ticks: who plays in it, and what was where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.core.driving import overlap
from impromptu_vla_ros.core.motion import moved
from impromptu_vla_ros.core.pedals import PedalScale
from impromptu_vla_ros.core.structs import NANOSECONDS, Acceleration, Odometry, Pose, Steering
from impromptu_vla_ros.evaluation.driving.actors import Moving, Player
from impromptu_vla_ros.evaluation.driving.cast import Cast, set_friction
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.frames import Frames
from impromptu_vla_ros.evaluation.driving.scenario import Scenario
from impromptu_vla_ros.evaluation.driving.sight import Sight
from impromptu_vla_ros.evaluation.driving.ways import Way, way_along
from impromptu_vla_ros.worlds.carla_axes import along, pose_of, transform_at
from impromptu_vla_ros.worlds.carla_errors import ServerSilent, asking, client_library
from impromptu_vla_ros.worlds.carla_server import WorldChoice, connected
from impromptu_vla_ros.worlds.ego_vehicle import EgoChoice, EgoVehicle
from impromptu_vla_ros.worlds.roads import RoadNetwork

TIMEOUT = 20.0  # s that a server may take to answer
BEYOND = 60.0  # m that the ego's way goes beyond what it can drive in time


@dataclass(frozen=True)
class Placed:
    """Where somebody was in the world, and how fast along the own heading, m/s."""

    moving: Moving
    speed: float


@dataclass(frozen=True)
class Instant:
    """What was at a tick: `time` in s since the start, stamps in simulated ns."""

    time: float
    odometry: Odometry
    acceleration: Acceleration
    steering: Steering
    others: tuple[Placed, ...]


class Director:
    """
    Set a scenario up in a world of its map, and play it; use it in a `with` statement.

    A client that does not tick. Raises a CarlaError wherever the server does not do what it shall.
    """

    def __init__(self, port: int, scenario: Scenario, network: RoadNetwork) -> None:
        self._choice = WorldChoice(port=port, timeout=TIMEOUT)
        self._scenario = scenario
        self.players = [Player(actor, network) for actor in scenario.actors]
        self.way = ego_way(scenario, network)
        self.ego = Ego(0.0, 0.0, 0.0)
        self.wheelbase = 0.0
        self.sight = Sight()
        self._start: int | None = None
        self._before = 0.0

    def __enter__(self) -> Director:
        library = client_library()
        client = connected(library, self._choice)
        with asking('setting the scene'):
            world = client.get_world()
            self.frames = Frames(world)
            self._next()  # before the first frame a client knows of no actors
            start = self.way.pose(0.0)
            self._vehicle = EgoVehicle(library, world, EgoChoice(place=start), PedalScale())
            actor = self._vehicle.actor
            # Else it would roll and sway until it is let go.
            actor.set_simulate_physics(False)
            self._cast = Cast(library, client, world, self.players)
            self._cast.appear()
            self._next()
            self._vehicle.measure()
            self._measure()
            there = transform_at(library, moved(start, Pose(self.ego.ahead, 0.0, 0.0)))
            road = world.get_map().get_waypoint(there.location)
            there.location.z = road.transform.location.z if road else 0.0
            actor.set_transform(there)
            set_friction(actor, self._scenario.friction)
        return self

    def __exit__(self, *_: object) -> None:
        self.frames.close()

    def let_go(self) -> None:
        """Let the ego drive from now on; until then it is held where it begins."""
        with asking('letting the ego go'):
            self._vehicle.actor.set_simulate_physics(True)

    def follow(self, stamp: int, snapshot: Any) -> Instant:
        """Read a frame, and move the others on; the first call begins the scenario."""
        self._start = stamp if self._start is None else self._start
        time = (stamp - self._start) / NANOSECONDS
        odometry, acceleration, steering = self._vehicle.read(snapshot, stamp)
        others = tuple(self._placed(snapshot, actor) for actor in self._cast.actors)
        self.sight.remember(time, odometry, acceleration.ax, self.players)
        moving, passed = self.ego.moving(odometry), time - self._before
        self._before = time
        # Where they are by the next frame, which is as far away as the last one was.
        for player in self.players:
            player.step(time, passed, moving)
        self._cast.place()
        return Instant(time, odometry, acceleration, steering, others)

    def hit(self, instant: Instant) -> str:
        """Return the name of who is hit, nothing while nobody is."""
        box = self.ego.box(instant.odometry.pose)
        for player, placed in zip(self.players, instant.others):
            pose = placed.moving.pose
            if overlap(box, player.box._replace(x=pose.x, y=pose.y, yaw=pose.yaw)):
                return player.actor.name
        return ''

    def _placed(self, snapshot: Any, actor: Any) -> Placed:
        seen = snapshot.find(actor.id)
        if seen is None:
            raise ServerSilent(f'actor {actor.id} is no more: another client destroyed it')
        return placed(seen)

    def _measure(self) -> None:
        chassis, extent = self._vehicle.chassis, self._vehicle.actor.bounding_box.extent
        self.ego = Ego(2.0 * extent.x, 2.0 * extent.y, chassis.rear)
        self.wheelbase = chassis.wheelbase

    def _next(self) -> None:
        self.frames.take(0.0)
        if not self.frames.take(TIMEOUT):
            raise ServerSilent(f'no frame came for {TIMEOUT:g} s: nobody ticks the world')


def placed(seen: Any) -> Placed:
    """Return where a carla.ActorSnapshot is."""
    pose, velocity = pose_of(seen.get_transform()), seen.get_velocity()
    ahead, _ = along(velocity, pose.yaw)
    return Placed(Moving(pose, velocity.x, -velocity.y), ahead)


def ego_way(scenario: Scenario, network: RoadNetwork) -> Way:
    """Return the way that the ego shall take, longer than it can drive in time."""
    length = scenario.goal + scenario.duration * max(scenario.cruise, scenario.speed)
    return way_along(network, scenario.route, length + BEYOND)
