# SPDX-License-Identifier: Apache-2.0
"""
Between REP-103 and CARLA's axes: left-handed with y to the right, angles in degrees.

A transform at the wire is [[x, y, z], [pitch, yaw, roll]].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from impromptu_vla_ros.core.camera import rotation_from_rpy
from impromptu_vla_ros.worlds.simulation import Body

Vector = tuple[float, float, float]
NOWHERE: tuple[Vector, Vector] = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def flipped(vector: Iterable[float]) -> Vector:
    """Return a location, velocity or acceleration in the other axes, of either kind."""
    x, y, z = (float(value) for value in vector)
    return x, -y, z


def transform_of(body: Body) -> tuple[Vector, Vector]:
    """Return a body's pose as CARLA's location and rotation."""
    rotation = -math.degrees(body.pitch), -math.degrees(body.yaw), math.degrees(body.roll)
    return flipped((body.x, body.y, body.z)), rotation


def body_of(transform: Sequence[Sequence[float]], motion: Body | None = None) -> Body:
    """Return the body at CARLA's location and rotation, moving as `motion` does (default not)."""
    (x, y, z), (pitch, yaw, roll) = flipped(transform[0]), (float(a) for a in transform[1])
    return replace(
        motion or Body(),
        x=x,
        y=y,
        z=z,
        roll=math.radians(roll),
        pitch=-math.radians(pitch),
        yaw=-math.radians(yaw),
    )


def moving(body: Body, velocity: Sequence[float]) -> Body:
    """Return a body that has CARLA's velocity (m/s, along the world's axes)."""
    vx, vy, vz = flipped(velocity)
    return replace(body, vx=vx, vy=vy, vz=vz)


def heading_velocity(body: Body, velocity: Sequence[float]) -> Body:
    """Return a body that has CARLA's velocity (m/s) along its own axes."""
    vx, vy, vz = rotation_from_rpy(body.roll, body.pitch, body.yaw) @ flipped(velocity)
    return replace(body, vx=float(vx), vy=float(vy), vz=float(vz))


def angular_velocity(body: Body) -> Vector:
    """Return CARLA's angular velocity, deg/s."""
    return 0.0, 0.0, -math.degrees(body.yaw_rate)


def attached(parent: Body, mount: Body) -> Body:
    """Return the body that sits at `mount` relative to a parent, and moves as it does."""
    turn = rotation_from_rpy(parent.roll, parent.pitch, parent.yaw)
    x, y, z = np.array([parent.x, parent.y, parent.z]) + turn @ [mount.x, mount.y, mount.z]
    turned = turn @ rotation_from_rpy(mount.roll, mount.pitch, mount.yaw)
    return replace(
        parent,
        x=float(x),
        y=float(y),
        z=float(z),
        roll=math.atan2(turned[2, 1], turned[2, 2]),
        pitch=-math.asin(max(-1.0, min(1.0, turned[2, 0]))),
        yaw=math.atan2(turned[1, 0], turned[0, 0]),
    )
