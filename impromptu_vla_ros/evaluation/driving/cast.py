# SPDX-License-Identifier: Apache-2.0
"""The others of a scenario on a CARLA server, moved by their scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.worlds.carla_axes import transform_at
from impromptu_vla_ros.worlds.carla_errors import CarlaError, NoPlace, asking


class Cast:
    """
    One actor on the server for each player; role names are the players'.

    Raises NoPlace for one who cannot be spawned.
    """

    def __init__(self, library: Any, client: Any, world: Any, players: Sequence[Player]) -> None:
        self._library, self._client, self._world = library, client, world
        self._players = list(players)
        self.actors: list[Any] = []

    def appear(self) -> None:
        """Put everybody into the world, where they begin."""
        for player in self._players:
            self.actors.append(self._spawned(player))
        self.place()

    def place(self) -> None:
        """Move everybody to where they are by the next tick."""
        library, commands = self._library, []
        for player, actor in zip(self._players, self.actors):
            moving = player.moving
            velocity = library.Vector3D(moving.vx, -moving.vy, 0.0)
            there = transform_at(library, moving.pose)
            commands.append(library.command.ApplyTransform(actor.id, there))
            commands.append(library.command.ApplyTargetVelocity(actor.id, velocity))
        if commands:
            with asking('moving the actors'):
                answers = self._client.apply_batch_sync(commands, False)
            for answer in answers:
                if answer.error:
                    raise CarlaError(f'an actor cannot be moved: {answer.error}')

    def dismiss(self) -> None:
        """Take everybody away."""
        for actor in self.actors:
            actor.destroy()

    def _spawned(self, player: Player) -> Any:
        actor = player.actor
        kinds = self._world.get_blueprint_library().filter(actor.blueprint)
        there = transform_at(self._library, player.moving.pose, 0.5)
        if not kinds:
            raise NoPlace(f'actor {actor.name!r} cannot be spawned: no {actor.blueprint} here')
        kind = kinds[0]
        kind.set_attribute('role_name', actor.name)
        spawned = self._world.try_spawn_actor(kind, there)
        if spawned is None:
            raise NoPlace(f'actor {actor.name!r} cannot be spawned: something stands there')
        spawned.set_simulate_physics(False)
        return spawned


def set_friction(vehicle: Any, friction: float) -> None:
    """Scale the grip of a vehicle's wheels."""
    if friction == 1.0:
        return
    physics = vehicle.get_physics_control()
    wheels = physics.wheels
    for wheel in wheels:
        wheel.tire_friction *= friction
    physics.wheels = wheels
    vehicle.apply_physics_control(physics)
