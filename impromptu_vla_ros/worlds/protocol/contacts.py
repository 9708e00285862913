# SPDX-License-Identifier: Apache-2.0
"""Who touches whom: a simulation tells where the bodies are, and their outlines tell the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from impromptu_vla_ros.worlds.kinematic import overlap
from impromptu_vla_ros.worlds.protocol import axes, physics
from impromptu_vla_ros.worlds.protocol.actors import Actor
from impromptu_vla_ros.worlds.protocol.episode import Episode

# An engine that keeps bodies apart leaves a gap; nearer than this (m) they touch.
NEAR = 0.1


def of(actor: Actor, episode: Episode) -> Iterator[tuple[Actor, axes.Vector]]:
    """
    Yield what an actor touches now, with the impulse (N s, CARLA's axes) that would stop it.

    That is of its velocity relative to the other one; how bodies give way is not computed.
    """
    kind, body = actor.blueprint.kind, episode.body(actor)
    if kind is None:
        return
    grown = replace(kind, length=kind.length + 2.0 * NEAR, width=kind.width + 2.0 * NEAR)
    mass = physics.mass(kind)
    for other in episode.actors:
        if other is actor or other.blueprint.kind is None:
            continue
        there = episode.body(other)
        if overlap(grown, body, other.blueprint.kind, there):
            relative = there.vx - body.vx, there.vy - body.vy, there.vz - body.vz
            x, y, z = axes.flipped(relative)
            yield other, (mass * x, mass * y, mass * z)
