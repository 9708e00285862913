# SPDX-License-Identifier: Apache-2.0
"""A Simulation whose vehicles, physics and pictures are MetaDrive's."""

from __future__ import annotations

import atexit
import math
from typing import Any

from numpy.typing import NDArray

from impromptu_vla_ros.worlds.kinematic import overlap
from impromptu_vla_ros.worlds.metadrive import engine as engines
from impromptu_vla_ros.worlds.roads import RoadNetwork
from impromptu_vla_ros.worlds.simulation import Body, Kind, Lens, Pedals

SUBSTEP = 0.02  # s, the longest step of the physics: MetaDrive's


class MetaDriveWorld:
    """
    A Simulation in MetaDrive's engine; there is one in a process.

    Raise ImportError or OSError, which say what to do, where it is missing or cannot draw.
    """

    def __init__(self) -> None:
        self._engine = engines.start()
        # MetaDrive can be imported only now.
        from impromptu_vla_ros.worlds.metadrive import land
        from impromptu_vla_ros.worlds.metadrive.cameras import Cameras
        from impromptu_vla_ros.worlds.metadrive.looks import shine

        self._root = self._engine.render
        self._actors: dict[int, Any] = {}
        self._land: Any = None
        shine(self._root)
        sky = land.sky(self._engine)
        sky.reparent_to(self._root)
        self._cameras = Cameras(self._engine, self._root, sky)
        atexit.register(self.close)  # the engine crashes when the interpreter ends it

    def begin(self, roads: RoadNetwork) -> None:
        """Start a new episode on these roads, without actors."""
        from impromptu_vla_ros.worlds.metadrive import land

        for number in list(self._actors):
            self.remove(number)
        engines.renew_physics(self._engine)
        if self._land is not None:
            self._land.remove_node()
        self._land = land.land(self._engine, roads)
        self._land.reparent_to(self._root)

    def add(self, number: int, kind: Kind, body: Body) -> None:
        """Put a vehicle there; raise ValueError where another one stands."""
        from impromptu_vla_ros.worlds.metadrive.car import Car
        from impromptu_vla_ros.worlds.metadrive.props import Prop

        for other, actor in self._actors.items():
            if overlap(kind, body, actor.kind, actor.body_now()):
                raise ValueError(
                    f'{kind.name} cannot be put at ({body.x:.2f}, {body.y:.2f}): '
                    f'number {other} stands there'
                )
        if kind.name.startswith('vehicle.'):
            actor = Car(number, kind)
            actor.attach_to_world(self._root, self._engine.physics_world)
        else:
            actor = Prop(self._engine, kind)
        actor.put(body)
        self._actors[number] = actor

    def remove(self, number: int) -> None:
        """Take a vehicle away."""
        self._actors.pop(number).destroy()

    def drive(self, number: int, pedals: Pedals) -> None:
        """Hold the pedals so from the next step on."""
        self._actors[number].pedals = pedals

    def place(self, number: int, body: Body) -> None:
        """Move a vehicle there at once, with that velocity."""
        self._actors[number].put(body)

    def free(self, number: int, physics: bool) -> None:
        """Without physics a vehicle obeys `place` only, and keeps still between two calls."""
        self._actors[number].set_free(physics)

    def grip(self, number: int, friction: float) -> None:
        """Set the friction between a vehicle's tires and the road; 1 is a dry one."""
        if not friction > 0.0:
            raise ValueError(f'the friction is {friction}; it must be more than 0')
        self._actors[number].grip(friction)

    def step(self, seconds: float) -> None:
        """Let that much time go by, s."""
        if not seconds > 0.0:
            raise ValueError(f'a step takes {seconds} s; it must take more than 0')
        free = [actor for actor in self._actors.values() if actor.placed is None]
        count = max(1, math.ceil(seconds / SUBSTEP - 1e-9))
        substep = seconds / count
        for _ in range(count):
            for actor in free:
                actor.press(substep)
            self._engine.physics_world.dynamic_world.do_physics(substep, 1, substep)
        for actor in free:
            actor.moved(seconds)

    def body(self, number: int) -> Body:
        """Return how a vehicle lies and moves now."""
        body: Body = self._actors[number].body_now()
        return body

    def steering(self, number: int) -> float:
        """Return the angle of a vehicle's road wheels now, rad, positive left."""
        angle: float = self._actors[number].steer
        return angle

    def see(self, lens: Lens) -> NDArray[Any]:
        """Return what a camera sees now: BGRA, uint8 (height, width, 4)."""
        parent = None if lens.parent is None else self._actors[lens.parent].ground
        return self._cameras.see(lens, parent)

    def close(self) -> None:
        """Free what the engine holds."""
        atexit.unregister(self.close)
        for number in list(self._actors):
            self.remove(number)
        self._cameras.close()
        engines.stop()
