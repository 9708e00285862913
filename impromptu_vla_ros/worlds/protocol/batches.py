# SPDX-License-Identifier: Apache-2.0
"""Batches: many commands in one call, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from impromptu_vla_ros.worlds.protocol.actor_calls import ActorCalls
from impromptu_vla_ros.worlds.protocol.calls import World
from impromptu_vla_ros.worlds.protocol.rpc import Bare, Call, refusal

SPAWN = 0


class Batches:
    """A command at the wire is [[index, fields]], the index being CARLA's."""

    def __init__(self, world: World, actors: ActorCalls) -> None:
        self._world = world
        self._commands: dict[int, Callable[..., None]] = {
            1: world.episode.destroy,
            2: actors.drive,
            4: actors.walk,
            5: world.episode.set_physics,
            6: actors.move,
            7: lambda number, transform, speed: actors.move(number, transform),
            8: actors.push,
            9: actors.turn,
            14: actors.free,
            15: lambda number, gravity: None,
            16: actors.refuse_autopilot,
            18: lambda number, lights: None,
        }

    def calls(self) -> dict[str, Call]:
        """Return the calls by name."""
        return {'apply_batch': self._batch}

    def _batch(self, commands: Sequence[Any], tick: bool) -> Bare:
        answers = [self._answer(command) for command in commands]
        if tick and self._world.clock.synchronous:
            self._world.clock.tick()
        return Bare(answers)

    def _answer(self, command: Any) -> Any:
        try:
            return [[1, self._carry_out(command, 0)]]
        except ValueError as error:
            return refusal(str(error))

    def _carry_out(self, command: Any, spawned: int) -> int:
        """Carry out a command, whose actor 0 is the one just `spawned`; return its actor."""
        ((index, fields),) = command
        if index == SPAWN:
            description, transform, parent, *_, then = fields
            hangs_on = parent[1] or spawned if parent[0] else None
            number: int = self._world.spawn(description, transform, hangs_on)[0]
            for following in then:
                self._carry_out(following, number)
            return number
        if index not in self._commands:
            raise ValueError(f'this server has no batch command {index}')
        number = fields[0] or spawned
        self._commands[index](number, *fields[1:])
        return number
