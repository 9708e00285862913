# SPDX-License-Identifier: Apache-2.0
"""The cameras of a rig on the ego in a CARLA world, and the pictures of each frame."""

from __future__ import annotations

from contextlib import suppress
from threading import Condition
from typing import Any

from impromptu_vla_ros.core.structs import CameraImage
from impromptu_vla_ros.worlds import carla_axes
from impromptu_vla_ros.worlds.camera_feed import Feed
from impromptu_vla_ros.worlds.carla_errors import MissingBlueprint
from impromptu_vla_ros.worlds.ego_vehicle import EgoVehicle
from impromptu_vla_ros.worlds.leftovers import camera_role
from impromptu_vla_ros.worlds.rigs import Mount, Rig


class RigFeeds:
    """The listening cameras of a rig; `sensors` has the carla.Sensor of each."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._arrived = Condition()
        self._feeds: list[Feed] = []

    @property
    def sensors(self) -> dict[str, Any]:
        """Return the carla.Sensor of each camera."""
        return {feed.mount.name: feed.sensor for feed in self._feeds}

    @property
    def silent(self) -> tuple[str, ...]:
        """Return the cameras of which a picture was due that did not come."""
        return tuple(feed.mount.name for feed in self._feeds if feed.silent)

    def spawn(self, library: Any, world: Any, ego: EgoVehicle, role: str) -> None:
        """Put the cameras on the ego of that role name; raise MissingBlueprint."""
        for mount in self._rig.cameras:
            sensor = self._spawned(library, world, ego, camera_role(role, mount.name), mount)
            self._feeds.append(Feed(mount, sensor, self._arrived))

    def _spawned(self, library: Any, world: Any, ego: EgoVehicle, role: str, mount: Mount) -> Any:
        kinds = world.get_blueprint_library().filter('sensor.camera.rgb')
        if not kinds:
            raise MissingBlueprint('the server has no sensor.camera.rgb')
        kind = kinds[0]
        given = {
            'role_name': role,
            'image_size_x': mount.width,
            'image_size_y': mount.height,
            'fov': mount.fov,
            'sensor_tick': self._rig.period,
        }
        for name, value in given.items():
            kind.set_attribute(name, str(value))
        there = carla_axes.mounted_at(library, mount, ego.chassis)
        return world.spawn_actor(kind, there, attach_to=ego.actor)

    def began(self, patience: float) -> bool:
        """Return whether every camera has sent a picture, at most that many seconds later."""
        with self._arrived:
            return self._arrived.wait_for(
                lambda: all(feed.newest is not None for feed in self._feeds), patience
            )

    def newest(self) -> tuple[CameraImage, ...]:
        """Return the pictures that nobody took, whatever frame they are of."""
        return tuple(image for feed in self._feeds for image in feed.take(None))

    def of_frame(
        self, frame: int, time: float, step: float, patience: float
    ) -> tuple[CameraImage, ...]:
        """
        Return the pictures of a frame; wait for those that are due at its `time`.

        `step` is the time between frames; who makes us wait `patience` counts as silent (all s).
        """
        with self._arrived:
            due = [feed for feed in self._feeds if feed.due(time, self._rig.period, step)]
            # Who is silent already is not waited for again.
            awaited = [feed for feed in due if not feed.silent]
            self._arrived.wait_for(lambda: all(feed.has(frame) for feed in awaited), patience)
            for feed in awaited:
                feed.silent = not feed.has(frame)
        return tuple(image for feed in self._feeds for image in feed.take(frame))

    def stop(self) -> None:
        """Listen no more."""
        for feed in self._feeds:
            with suppress(RuntimeError):
                feed.stop()

    def destroy(self) -> None:
        """Take the cameras out of the world."""
        for feed in self._feeds:
            if feed.sensor.is_alive:
                feed.sensor.destroy()
