# SPDX-License-Identifier: Apache-2.0
"""The actors of an episode: what they are, where they hang, what they were told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.worlds.protocol.axes import Vector
from impromptu_vla_ros.worlds.protocol.blueprints import Blueprint, description_of
from impromptu_vla_ros.worlds.simulation import Body, Pedals

NO_CONTROL: tuple[Any, ...] = (0.0, 0.0, 0.0, False, False, False, 0)


@dataclass
class Actor:
    """
    One actor; `mount` is relative to the `parent`, or in the world where it has none.

    The simulation knows where those with a kind are: their mount is where they were spawned.
    `control` and `physics` are as the client set them; `steady` is a velocity along its own
    axes that it shall keep, `walk` one along the world's (both CARLA's, m/s).
    """

    number: int
    blueprint: Blueprint
    attributes: dict[str, str]
    mount: Body
    parent: int | None = None
    control: tuple[Any, ...] = NO_CONTROL
    physics: list[Any] | None = None
    steady: Vector | None = None
    walk: Vector | None = None
    due: float = 0.0


def told(actor: Actor, base: int, token: bytes = b'') -> list[Any]:
    """Return an actor as the client reads it; a sensor has a `token` to listen with."""
    kind = actor.blueprint.kind
    size = (0.5 * kind.length, 0.5 * kind.width, 0.5 * kind.height) if kind else (0.0,) * 3
    box = [(0.0, 0.0, size[2]), size, (0.0, 0.0, 0.0), actor.number]
    description = description_of(actor.blueprint, actor.attributes, base)
    return [actor.number, actor.parent or 0, description, box, b'', token]


def pedals_of(control: tuple[Any, ...]) -> Pedals:
    """Return a driver's action from CARLA's vehicle control, whose steering is positive right."""
    throttle, steer, brake, hand_brake, reverse, _, _ = control
    return Pedals(
        throttle=_within(throttle, 0.0),
        brake=_within(brake, 0.0),
        steer=-_within(steer, -1.0),
        reverse=bool(reverse),
        hand_brake=bool(hand_brake),
    )


def _within(value: float, lowest: float) -> float:
    # A NaN fails every comparison: it counts as the least.
    return min(1.0, float(value)) if value > lowest else lowest


class Registry:
    """All actors by number; numbers are never used again."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._actors: dict[int, Actor] = {}

    def __iter__(self) -> Iterator[Actor]:
        return iter(list(self._actors.values()))

    def __contains__(self, number: int) -> bool:
        return number in self._actors

    def __getitem__(self, number: int) -> Actor:
        if number not in self._actors:
            raise ValueError(f'there is no actor {number}')
        return self._actors[number]

    def add(
        self,
        blueprint: Blueprint,
        attributes: dict[str, str],
        mount: Body,
        parent: int | None = None,
    ) -> Actor:
        """Add an actor with the next number."""
        if parent is not None:
            self[parent]
        actor = Actor(self._next, blueprint, attributes, mount, parent)
        self._next += 1
        self._actors[actor.number] = actor
        return actor

    def remove(self, number: int) -> list[Actor]:
        """Remove an actor and what hangs on it; return them, each before what it hangs on."""
        gone = [self[number]]
        for actor in self:
            if actor.parent == number:
                gone = self.remove(actor.number) + gone
        del self._actors[number]
        return gone

    def clear(self) -> None:
        """Remove all."""
        self._actors.clear()
