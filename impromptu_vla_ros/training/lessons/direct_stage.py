# SPDX-License-Identifier: Apache-2.0
"""A scenario staged in the kinematic world itself, without server and client: for speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.motion import moved, to_frame
from impromptu_vla_ros.core.pedals import PedalScale, pedals
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Acceleration,
    CameraImage,
    ControlCommand,
    Odometry,
    Pose,
    Steering,
)
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.loop import STEP
from impromptu_vla_ros.training.lessons.strangers import Stranger
from impromptu_vla_ros.worlds.carla_axes import WORLD_FRAME
from impromptu_vla_ros.worlds.kinematic import KinematicWorld
from impromptu_vla_ros.worlds.protocol.blueprints import BLUEPRINTS
from impromptu_vla_ros.worlds.rigs import RIGS
from impromptu_vla_ros.worlds.roads import RoadNetwork
from impromptu_vla_ros.worlds.simulation import Body, Kind, Lens, Pedals

WIDTH = 640  # pixels of a picture, as in evaluation
# The numbers that our server gives: the ego's, and that of the first other behind its camera.
# The colours of cars go by them.
EGO, FIRST = 3, 5
STRANGERS = 100


@dataclass(frozen=True)
class Scene:
    """One instant: how the ego moves on its rear axle; there are no pictures unless asked for."""

    odometry: Odometry
    acceleration: Acceleration
    steering: Steering
    images: tuple[CameraImage, ...] = ()


class DirectStage:
    """
    A Stage that drives the same car as CarlaStage does in the same world, without waiting for it.

    Pictures are made only by `picture`. `time` (s) is that of the `scene`, and `players` are
    where they are then. `first` is the number of the first other, of which its colour comes.
    """

    def __init__(self, network: RoadNetwork, first: int = FIRST) -> None:
        kind = BLUEPRINTS['vehicle.lincoln.mkz_2020'].kind
        (mount,) = RIGS['front'].scaled(WIDTH).cameras
        assert kind is not None
        self._world, self._network, self._first = KinematicWorld(), network, first
        self._kind, self._rear = kind, 0.5 * kind.wheelbase
        self._scale = replace(PedalScale(), steer=kind.max_steer)
        turn = [math.radians(angle) for angle in (mount.roll, mount.pitch, mount.yaw)]
        body = Body(mount.x - self._rear, mount.y, mount.z, *turn)
        self._lens = Lens(mount.width, mount.height, math.radians(mount.fov), body, EGO)
        self._yaw_rate = 0.0
        self.ego = Ego(kind.length, kind.width, self._rear)
        self.wheelbase = kind.wheelbase
        self.players: Sequence[Player] = ()
        self.ticks = 0

    def start(self, pose: Pose, speed: float, friction: float, players: list[Player]) -> Scene:
        """Put everybody on their places and return what is then."""
        self._world.begin(self._network)
        # It drives for one step before it is seen.
        middle = moved(pose, Pose(self._rear - speed * STEP, 0.0, 0.0))
        vx, vy = speed * math.cos(pose.yaw), speed * math.sin(pose.yaw)
        body = Body(middle.x, middle.y, yaw=middle.yaw, vx=vx, vy=vy)
        self._world.add(EGO, self._kind, body)
        self._world.grip(EGO, friction)
        for number, player in enumerate(players, self._first):
            self._world.add(number, _kind(player.actor.blueprint), _body(player))
            self._world.free(number, False)
        self.ticks, self._yaw_rate = -1, 0.0
        self.place(players)
        return self.tick()

    def apply(self, command: ControlCommand) -> None:
        """Drive the ego so from now on."""
        throttle, brake, left = pedals(command, self._scale, self.scene.odometry.vx)
        self._world.drive(EGO, Pedals(throttle, brake, left))

    def place(self, players: list[Player]) -> None:
        """Move the others to where they are by the next tick."""
        self.players = players
        for number, player in enumerate(players, self._first):
            self._world.place(number, _body(player))

    def tick(self) -> Scene:
        """Let one step go by."""
        self._world.step(STEP)
        self.ticks += 1
        self.scene = self._read()
        return self.scene

    @property
    def time(self) -> float:
        """Return the seconds since the start."""
        return self.ticks * STEP

    def picture(
        self, beside: Pose | None = None, more: Sequence[Stranger] = ()
    ) -> NDArray[np.uint8]:
        """
        Return what the front camera sees now, RGB (height, width, 3).

        It may be asked what it would see if the rear axle were `beside` where it is, and if
        there were some `more`; they must not be where others are.
        """
        here = self._world.body(EGO)
        if beside is not None:
            rear = moved(Pose(here.x, here.y, here.yaw), Pose(-self._rear, 0.0, 0.0))
            middle = moved(moved(rear, beside), Pose(self._rear, 0.0, 0.0))
            self._world.place(EGO, replace(here, x=middle.x, y=middle.y, yaw=middle.yaw))
        for one in more:
            self._world.add(STRANGERS + one.colour, _kind(one.blueprint), _standing(one.pose))
        pixels = np.ascontiguousarray(self._world.see(self._lens)[..., 2::-1])
        for one in more:
            self._world.remove(STRANGERS + one.colour)
        if beside is not None:
            self._world.place(EGO, here)
        return pixels

    def _read(self) -> Scene:
        body, stamp, rear = self._world.body(EGO), round(self.time * NANOSECONDS), self._rear
        pose = moved(Pose(body.x, body.y, body.yaw), Pose(-rear, 0.0, 0.0))
        turned = Pose(0.0, 0.0, body.yaw)
        (ahead, left), (ax, ay) = to_frame(turned, [[body.vx, body.vy], [body.ax, body.ay]])
        rate = body.yaw_rate
        turn, self._yaw_rate = (rate - self._yaw_rate) / STEP, rate
        # Of two points of one rigid body, as in worlds.carla_axes.
        return Scene(
            Odometry(stamp, pose, float(ahead), float(left) - rate * rear, rate, WORLD_FRAME),
            Acceleration(stamp, float(ax) + rate**2 * rear, float(ay) - turn * rear),
            Steering(stamp, self._world.steering(EGO)),
        )


def _kind(blueprint: str) -> Kind:
    kind = BLUEPRINTS[blueprint].kind
    assert kind is not None
    return kind


def _standing(pose: Pose) -> Body:
    return Body(pose.x, pose.y, yaw=pose.yaw)


def _body(player: Player) -> Body:
    moving = player.moving
    pose = moving.pose
    return Body(pose.x, pose.y, yaw=pose.yaw, vx=moving.vx, vy=moving.vy)
