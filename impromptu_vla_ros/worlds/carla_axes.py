# SPDX-License-Identifier: Apache-2.0
"""
Between CARLA's objects and our frames.

CARLA's axes are left-handed with y to the right, angles in degrees, and a vehicle's origin lies
between its axles. Ours are REP-103's, and base_link is on the rear axle (REP-105).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.core.motion import moved, wrap
from impromptu_vla_ros.core.structs import Acceleration, Odometry, Pose

WORLD_FRAME = 'map'
CENTIMETRES = 0.01  # wheel positions are in cm in 0.9.16
WHEELBASES = 1.0, 9.0  # m; beyond, the wheels' positions are not what they should be
WHEELBASE_SHARE = 0.6  # of a car's length, where its wheels do not say


@dataclass(frozen=True)
class Chassis:
    """
    What must be known of a vehicle.

    `rear` is how far its rear axle lies behind its origin, m, `max_steer` the angle of the road
    wheels at full steering, rad. `measured` is whether its wheels told the axles.
    """

    wheelbase: float
    rear: float
    max_steer: float
    measured: bool = True


def pose_of(transform: Any) -> Pose:
    """Return a carla.Transform in the plane."""
    place = transform.location
    return Pose(place.x, -place.y, wrap(-math.radians(transform.rotation.yaw)))


def transform_at(library: Any, pose: Pose, z: float = 0.0) -> Any:
    """Return the carla.Transform of a pose."""
    place = library.Location(x=pose.x, y=-pose.y, z=z)
    return library.Transform(place, library.Rotation(yaw=-math.degrees(pose.yaw)))


def mounted_at(library: Any, mount: Any, chassis: Chassis) -> Any:
    """Return where a rigs.Mount, given from the rear axle, hangs on the vehicle's origin."""
    place = library.Location(x=mount.x - chassis.rear, y=-mount.y, z=mount.z)
    turn = library.Rotation(pitch=-mount.pitch, yaw=-mount.yaw, roll=mount.roll)
    return library.Transform(place, turn)


def chassis_of(physics: Any, transform: Any, length: float) -> Chassis:
    """
    Return the chassis of a vehicle from its physics control and where it stands.

    `length` is that of its bounding box, m.
    """
    max_steer = math.radians(max((wheel.max_steer_angle for wheel in physics.wheels), default=0))
    heading = math.radians(transform.rotation.yaw)
    c, s = math.cos(heading), math.sin(heading)
    ahead = sorted(
        (CENTIMETRES * wheel.position.x - transform.location.x) * c
        + (CENTIMETRES * wheel.position.y - transform.location.y) * s
        for wheel in physics.wheels
    )
    half = len(ahead) // 2
    if half:
        rear, front = sum(ahead[:half]) / half, sum(ahead[-half:]) / half
        if WHEELBASES[0] < front - rear < WHEELBASES[1] and rear < 0.0 < front:
            return Chassis(front - rear, -rear, max_steer or math.radians(70.0))
    wheelbase = WHEELBASE_SHARE * length
    return Chassis(wheelbase, 0.5 * wheelbase, max_steer or math.radians(70.0), measured=False)


def rear_pose(origin: Pose, chassis: Chassis) -> Pose:
    """Return base_link of a vehicle whose origin lies so."""
    return moved(origin, Pose(-chassis.rear, 0.0, 0.0))


def odometry_of(stamp: int, seen: Any, chassis: Chassis) -> Odometry:
    """Return the rear axle's odometry of a carla.ActorSnapshot, in the map's frame."""
    origin = pose_of(seen.get_transform())
    yaw_rate = -math.radians(seen.get_angular_velocity().z)
    ahead, left = along(seen.get_velocity(), origin.yaw)
    pose = rear_pose(origin, chassis)
    return Odometry(stamp, pose, ahead, left - yaw_rate * chassis.rear, yaw_rate, WORLD_FRAME)


def acceleration_of(
    stamp: int, seen: Any, chassis: Chassis, yaw_rate: float, yaw_acceleration: float
) -> Acceleration:
    """Return the rear axle's acceleration, without gravity; rates in rad/s and rad/s²."""
    ahead, left = along(seen.get_acceleration(), pose_of(seen.get_transform()).yaw)
    # Of two points of one rigid body: a + dω/dt × r + ω × (ω × r), with r behind the origin.
    return Acceleration(
        stamp, ahead + yaw_rate**2 * chassis.rear, left - yaw_acceleration * chassis.rear
    )


def along(vector: Any, yaw: float) -> tuple[float, float]:
    """Return a carla.Vector3D of the world ahead and to the left of a heading (ours, rad)."""
    x, y = vector.x, -vector.y
    c, s = math.cos(yaw), math.sin(yaw)
    return x * c + y * s, y * c - x * s


def bicycle_angle(wheels: Sequence[float]) -> float:
    """
    Return the bicycle model's angle for front wheels at these angles, rad.

    Ackermann's geometry: the cotangents of both have the one in the middle as their mean.
    """
    tangents = [math.tan(angle) for angle in wheels]
    if min(map(abs, tangents)) < 1e-6:
        return sum(wheels) / len(wheels)
    return math.atan(len(tangents) / sum(1.0 / tangent for tangent in tangents))
