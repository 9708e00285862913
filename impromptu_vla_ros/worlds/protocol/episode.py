# SPDX-License-Identifier: Apache-2.0
"""An episode: a map, the actors on it and the time that has gone by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from impromptu_vla_ros.worlds.protocol import axes, physics
from impromptu_vla_ros.worlds.protocol.actors import Actor, Registry, pedals_of
from impromptu_vla_ros.worlds.protocol.blueprints import SPECTATOR, Blueprint
from impromptu_vla_ros.worlds.protocol.versions import ClientVersion
from impromptu_vla_ros.worlds.roads import RoadNetwork, lane_pose
from impromptu_vla_ros.worlds.simulation import Body, Simulation

WORLD_STREAM = 1  # the actors' numbers, which their streams have too, begin behind it
LIFT = 0.5  # m above the road at which CARLA's maps have their spawn points
INSIDE = 10.0  # m between a spawn point and the end of its road
HOME = 42.0, 2.0  # latitude and longitude of maps that do not say where they are, as in CARLA


class Episode:
    """What the calls and the sensors speak of, for clients of one version."""

    def __init__(
        self, simulation: Simulation, roads: RoadNetwork, text: str, version: ClientVersion
    ) -> None:
        self.simulation = simulation
        self.version = version
        self.actors = Registry(WORLD_STREAM + 1)
        self.number = 0
        self.frame = 0
        self.load(roads, text)

    def load(self, roads: RoadNetwork, text: str) -> None:
        """Begin anew on these roads, whose OpenDRIVE text is `text`, without actors."""
        self.simulation.begin(roads)
        self.actors.clear()
        self.roads, self.text = roads, text
        self.home = tuple(
            float(found[1]) if (found := re.search(rf'\+{name}=(-?[\d.]+)', text)) else usual
            for name, usual in zip(('lat_0', 'lon_0'), HOME)
        )
        self.number += 1
        self.first_frame = self.frame + 1
        self.time = 0.0
        self.delta = 0.0
        self.spectator = self.actors.add(SPECTATOR, {}, Body(z=10.0))

    def spawn_points(self) -> list[Body]:
        """Return where vehicles may be spawned: at the beginning of every lane."""
        points = []
        for road in self.roads.roads:
            if road.junction >= 0 or road.length < 2.0 * INSIDE:
                continue
            for lane in (*range(1, road.left + 1), *range(-road.right, 0)):
                pose = lane_pose(road, lane, road.length - INSIDE if lane > 0 else INSIDE)
                points.append(Body(pose.x, pose.y, LIFT, yaw=pose.yaw))
        return points

    def body(self, actor: Actor) -> Body:
        """Return where an actor is and how it moves."""
        if actor.blueprint.kind:
            return self.simulation.body(actor.number)
        if actor.parent is None:
            return actor.mount
        return axes.attached(self.body(self.actors[actor.parent]), actor.mount)

    def has_body(self, number: int | None) -> bool:
        """Return whether the simulation knows an actor."""
        return number is not None and self.actors[number].blueprint.kind is not None

    def spawn(
        self,
        blueprint: Blueprint,
        attributes: dict[str, str],
        mount: Body,
        parent: int | None = None,
    ) -> Actor:
        """Add an actor; raise ValueError where it finds no place."""
        actor = self.actors.add(blueprint, attributes, mount, parent)
        if blueprint.kind:
            try:
                where = self.body(self.actors[parent]) if parent is not None else None
                body = axes.attached(where, mount) if where else mount
                self.simulation.add(actor.number, blueprint.kind, body)
            except ValueError:
                self.actors.remove(actor.number)
                raise
            if not blueprint.drives:
                self.simulation.free(actor.number, False)
        return actor

    def destroy(self, number: int) -> None:
        """Remove an actor and what hangs on it."""
        if number == self.spectator.number:
            raise ValueError('the spectator stays')
        for actor in self.actors.remove(number):
            if actor.blueprint.kind:
                self.simulation.remove(actor.number)

    def control(self, number: int, control: tuple[Any, ...]) -> None:
        """Drive a vehicle."""
        actor = self.vehicle(number)
        self.simulation.drive(number, pedals_of(control))
        actor.control = control

    def place(self, number: int, change: Callable[[Body], Body]) -> None:
        """Change how an actor lies and moves; one that is attached moves against its parent."""
        actor = self.actors[number]
        if actor.blueprint.kind:
            self.simulation.place(number, change(self.simulation.body(number)))
        else:
            actor.mount = change(actor.mount)

    def vehicle(self, number: int) -> Actor:
        """Return the vehicle of that number; raise ValueError for any other actor."""
        actor = self.actors[number]
        if not actor.blueprint.drives:
            raise ValueError(f'actor {number} is a {actor.blueprint.name}, no vehicle')
        return actor

    def physics(self, number: int) -> list[Any]:
        """Return a vehicle's physics control."""
        actor = self.vehicle(number)
        kind, body = actor.blueprint.kind, self.body(actor)
        assert kind is not None
        if actor.physics is None:
            return physics.of(kind, body)
        return physics.placed(actor.physics, kind, body)

    def set_physics(self, number: int, control: list[Any]) -> None:
        """Change a vehicle's physics control, of which the tires' friction has an effect."""
        actor = self.vehicle(number)
        self.simulation.grip(number, physics.grip(control))
        actor.physics = control

    def step(self, seconds: float) -> None:
        """Let time go by."""
        for actor in self.actors:
            if actor.steady is not None or actor.walk is not None:
                self._push(actor, seconds)
        self.simulation.step(seconds)
        self.frame += 1
        self.time += seconds
        self.delta = seconds

    def _push(self, actor: Actor, seconds: float) -> None:
        body = self.simulation.body(actor.number)
        if actor.walk is None:
            body = axes.heading_velocity(body, actor.steady or (0.0, 0.0, 0.0))
        else:
            # A walker has no physics: it is put where it has got to.
            body = axes.moving(body, actor.walk)
            body = replace(body, x=body.x + body.vx * seconds, y=body.y + body.vy * seconds)
        self.simulation.place(actor.number, body)
