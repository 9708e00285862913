# SPDX-License-Identifier: Apache-2.0
"""The calls that concern one actor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from impromptu_vla_ros.worlds.protocol import axes
from impromptu_vla_ros.worlds.protocol.actors import Actor
from impromptu_vla_ros.worlds.protocol.calls import World
from impromptu_vla_ros.worlds.protocol.episode import Episode
from impromptu_vla_ros.worlds.protocol.rpc import Call

FRONT = (0, 1)  # front wheels of CARLA's VehicleWheelLocation: left, right


class ActorCalls:
    """Calls that do something to an actor, or tell of it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def calls(self) -> dict[str, Call]:
        """Return the calls by name."""
        return {
            'apply_control_to_vehicle': self.drive,
            'apply_control_to_walker': self.walk,
            'get_physics_control': self._episode.physics,
            'apply_physics_control': self._episode.set_physics,
            'set_actor_transform': self.move,
            'set_actor_location': self._relocate,
            'set_actor_target_velocity': self.push,
            'set_actor_target_angular_velocity': self.turn,
            'enable_actor_constant_velocity': self._keep_velocity,
            'disable_actor_constant_velocity': self._keep_velocity,
            'set_actor_simulate_physics': self.free,
            'set_actor_enable_gravity': lambda number, on: None,
            'set_actor_collisions': lambda number, on: None,
            'set_vehicle_light_state': lambda number, state: None,
            'get_vehicle_light_state': lambda number: 0,
            'get_wheel_steer_angle': self._wheel_angle,
            'get_actor_bounding_box': lambda number: self._world.told(self._actor(number))[3],
            'set_actor_autopilot': self.refuse_autopilot,
        }

    @property
    def _episode(self) -> Episode:
        return self._world.episode

    def _actor(self, number: int) -> Actor:
        return self._episode.actors[number]

    def drive(self, number: int, control: Sequence[Any]) -> None:
        """Apply a vehicle control."""
        self._episode.control(number, tuple(control))

    def walk(self, number: int, control: Sequence[Any]) -> None:
        """Apply a walker control: a direction, a speed."""
        actor = self._actor(number)
        if not actor.blueprint.walks:
            raise ValueError(f'actor {number} is a {actor.blueprint.name}, no walker')
        direction, speed, _ = control
        x, y, z = (float(value) * float(speed) for value in direction)
        actor.walk = x, y, z

    def move(self, number: int, transform: Any) -> None:
        """Put an actor somewhere; it moves on as it did."""
        self._episode.place(number, lambda body: axes.body_of(transform, body))

    def push(self, number: int, velocity: Sequence[float]) -> None:
        """Give an actor a velocity along the world's axes."""
        self._episode.place(number, lambda body: axes.moving(body, velocity))

    def turn(self, number: int, rates: Sequence[float]) -> None:
        """Give an actor an angular velocity, deg/s, of which the one around z counts."""
        rate = -math.radians(rates[2])
        self._episode.place(number, lambda body: replace(body, yaw_rate=rate))

    def free(self, number: int, physics: bool) -> None:
        """Let physics move an actor, or only us."""
        if self._actor(number).blueprint.drives:
            self._episode.simulation.free(number, bool(physics))

    def refuse_autopilot(self, *_: Any) -> None:
        """Say that nobody here drives by itself."""
        raise ValueError('no autopilot here: drive with apply_control')

    def _relocate(self, number: int, location: Sequence[float]) -> None:
        x, y, z = axes.flipped(location)
        self._episode.place(number, lambda body: replace(body, x=x, y=y, z=z))

    def _keep_velocity(self, number: int, velocity: Sequence[float] | None = None) -> None:
        actor = self._episode.vehicle(number)
        actor.steady = None if velocity is None else axes.flipped(axes.flipped(velocity))

    def _wheel_angle(self, number: int, wheel: int) -> float:
        self._episode.vehicle(number)
        # Both front wheels turn alike, and CARLA's angle is positive right.
        angle = -math.degrees(self._episode.simulation.steering(number))
        return angle if wheel in FRONT else 0.0
