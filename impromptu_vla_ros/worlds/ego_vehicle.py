# SPDX-License-Identifier: Apache-2.0
"""The ego in a CARLA world: spawned or adopted, read on the rear axle, driven by commands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from impromptu_vla_ros.core.pedals import PedalScale, pedals
from impromptu_vla_ros.core.structs import (
    Acceleration,
    ControlCommand,
    Odometry,
    Pose,
    Steering,
)
from impromptu_vla_ros.worlds import carla_axes
from impromptu_vla_ros.worlds.carla_errors import EgoGone, MissingBlueprint, NoPlace, asking
from impromptu_vla_ros.worlds.leftovers import ego_in

LIFT = 0.5  # m above the road's height at which a vehicle is spawned, as CARLA's points have it


@dataclass(frozen=True)
class EgoChoice:
    """
    Which car is ours: the vehicle of that `role` name, or else a new one of that `blueprint`.

    It is spawned at `place` (of its rear axle, in the map's frame), or, where that is None, at
    the map's spawn point of that number. An empty `blueprint` adopts only.
    """

    role: str = 'ego_vehicle'
    blueprint: str = 'vehicle.lincoln.mkz_2020'
    spawn_point: int = 0
    place: Pose | None = None


class EgoVehicle:
    """
    Our car. Positions, velocities and accelerations are those of its rear axle.

    `owned` is whether we spawned it. Raises NoPlace, MissingBlueprint, EgoGone.
    """

    def __init__(self, library: Any, world: Any, choice: EgoChoice, scale: PedalScale) -> None:
        self._library = library
        self._choice = choice
        self._world = world
        self._yaw_rate: tuple[int, float] | None = None
        found = ego_in(world, choice.role)
        self.owned = found is None
        self.actor = found or self._spawned()
        self.chassis = carla_axes.Chassis(0.0, 0.0, 0.0)
        self._scale = scale

    def measure(self) -> None:
        """Learn where the axles are and how far the wheels turn; it must have been ticked."""
        with asking('asking for the physics of the ego'):
            physics = self.actor.get_physics_control()
        length = 2.0 * self.actor.bounding_box.extent.x
        self.chassis = carla_axes.chassis_of(physics, self.actor.get_transform(), length)
        self._scale = replace(self._scale, steer=self.chassis.max_steer)

    def read(self, snapshot: Any, stamp: int) -> tuple[Odometry, Acceleration, Steering]:
        """Return how it moves in a carla.WorldSnapshot; raise EgoGone where it is not in it."""
        seen = snapshot.find(self.actor.id)
        if seen is None:
            raise EgoGone(
                f'the vehicle {self._choice.role!r} (actor {self.actor.id}) is no more: another '
                'client destroyed it, or loaded a map'
            )
        odometry = carla_axes.odometry_of(stamp, seen, self.chassis)
        before, self._yaw_rate = self._yaw_rate, (stamp, odometry.yaw_rate)
        turn = 0.0
        if before is not None and 0 < stamp - before[0] < 1_000_000_000:
            turn = (odometry.yaw_rate - before[1]) * 1e9 / (stamp - before[0])
        return (
            odometry,
            carla_axes.acceleration_of(stamp, seen, self.chassis, odometry.yaw_rate, turn),
            Steering(stamp, self._tire_angle()),
        )

    def _tire_angle(self) -> float:
        """Return the road wheels' angle (rad, + = left), from the wheels where they tell it."""
        places = self._library.VehicleWheelLocation
        with asking('asking for the angle of the wheels'):
            angles = [
                -math.radians(self.actor.get_wheel_steer_angle(place))
                for place in (places.FL_Wheel, places.FR_Wheel)
            ]
        return carla_axes.bicycle_angle(angles)

    def apply(self, command: ControlCommand, speed: float) -> None:
        """Drive so, at that speed (m/s); the control holds until the next one."""
        throttle, brake, left = pedals(command, self._scale, speed)
        control = self._library.VehicleControl(throttle=throttle, steer=-left, brake=brake)
        with asking('driving'):
            self.actor.apply_control(control)

    def destroy(self) -> None:
        """Take it out of the world if we put it there."""
        if self.owned and self.actor.is_alive:
            self.actor.destroy()

    def _spawned(self) -> Any:
        choice = self._choice
        if not choice.blueprint:
            raise NoPlace(
                f'no vehicle has the role name {choice.role!r}: spawn it first, or name a '
                'blueprint to spawn'
            )
        kinds = self._world.get_blueprint_library().filter(choice.blueprint)
        if not kinds:
            raise MissingBlueprint(f'the server has no vehicle {choice.blueprint!r}')
        kind = kinds[0]
        kind.set_attribute('role_name', choice.role)
        actor = self._world.try_spawn_actor(kind, self._place())
        if actor is None:
            where = choice.place or f'spawn point {choice.spawn_point}'
            raise NoPlace(
                f'no place for {choice.blueprint} at {where}: something stands there, or it is '
                'off the map; choose another one'
            )
        return actor

    def _place(self) -> Any:
        choice, chart = self._choice, self._world.get_map()
        if choice.place is None:
            points = chart.get_spawn_points()
            if not 0 <= choice.spawn_point < len(points):
                raise NoPlace(
                    f'there is no spawn point {choice.spawn_point}: {chart.name} has '
                    f'{len(points)}, from 0 on; choose one, or a place'
                )
            return points[choice.spawn_point]
        there = carla_axes.transform_at(self._library, choice.place)
        road = chart.get_waypoint(there.location)
        there.location.z = (road.transform.location.z if road else 0.0) + LIFT
        return there
