# SPDX-License-Identifier: Apache-2.0
"""A scenario staged on a CARLA server, ours or a real one: all actors are placed by script."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.motion import moved
from impromptu_vla_ros.core.structs import ControlCommand, FloatArray, Pose
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.cast import Cast, set_friction
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.loop import STEP
from impromptu_vla_ros.worlds.carla_axes import transform_at
from impromptu_vla_ros.worlds.carla_client import CarlaClient, Scene, WorldChoice
from impromptu_vla_ros.worlds.carla_errors import CarlaError, asking, client_library
from impromptu_vla_ros.worlds.ego_vehicle import EgoChoice
from impromptu_vla_ros.worlds.opendrive import to_text
from impromptu_vla_ros.worlds.rigs import Rig
from impromptu_vla_ros.worlds.roads import RoadNetwork

# How long a server may take to answer, s: a picture of a software renderer takes its time.
TIMEOUT = 20.0


class CarlaStage:
    """
    The stage in a server's world, made of our roads; use it in a `with` statement.

    Raises a CarlaError wherever the server does not do what it shall.
    """

    def __init__(
        self, host: str, port: int, network: RoadNetwork, start: Pose, rig: Rig | None = None
    ) -> None:
        choice = WorldChoice(host, port, TIMEOUT, TIMEOUT, opendrive=to_text(network), step=STEP)
        self._client = CarlaClient(choice, EgoChoice(place=start), rig)
        self._library: Any = None
        self._cast: Cast | None = None
        self.ego = Ego(0.0, 0.0, 0.0)
        self.wheelbase = 0.0

    def __enter__(self) -> CarlaStage:
        self._library = client_library()
        self._client.open()
        chassis, extent = self._client.chassis, self._client.ego.actor.bounding_box.extent
        self.ego = Ego(2.0 * extent.x, 2.0 * extent.y, chassis.rear)
        self.wheelbase = chassis.wheelbase
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with asking('taking the actors away'):
                if self._cast is not None:
                    self._cast.dismiss()
        except CarlaError:
            pass  # the server is gone, and they with it
        self._client.close()

    def start(self, pose: Pose, speed: float, friction: float, players: list[Player]) -> Scene:
        """Put everybody on their places and return what is then."""
        library, ego = self._library, self._client.ego.actor
        with asking('setting the scene'):
            self._cast = Cast(library, self._client.client, self._client.world, players)
            self._cast.appear()
            set_friction(ego, friction)
            # It drives for one step before it is seen.
            origin = moved(pose, Pose(self.ego.ahead - speed * STEP, 0.0, 0.0))
            there = transform_at(library, origin, ego.get_transform().location.z)
            ahead = there.get_forward_vector()
            ego.set_transform(there)
            ego.set_target_velocity(library.Vector3D(speed * ahead.x, speed * ahead.y, 0.0))
        return self._client.tick()

    def apply(self, command: ControlCommand) -> None:
        """Drive the ego so from now on."""
        self._client.apply(command)

    def place(self, players: list[Player]) -> None:
        """Move the others to where they are by the next tick."""
        assert self._cast is not None
        self._cast.place()

    def tick(self) -> Scene:
        """Let one step go by."""
        return self._client.tick()

    def on_lanes(self, points: FloatArray) -> NDArray[np.bool_]:
        """Tell of points (n, 2) whether the server's own map has a driving lane there."""
        chart, place = self._client.world.get_map(), self._library.Location
        found = [
            chart.get_waypoint(place(x=float(x), y=-float(y)), project_to_road=False)
            for x, y in points
        ]
        return np.array([one is not None for one in found], bool)
