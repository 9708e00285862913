# SPDX-License-Identifier: Apache-2.0
"""
Messages ↔ structs, second half of messages.py: the packages of Autoware.

They are no dependency of this package. What is made here imports them where it is made;
`missing` tells beforehand. Reports are read by field name, rclpy's and rosbags' alike. The
definitions: autoware_msgs and autoware_internal_msgs, August 2026.
"""

from __future__ import annotations

import importlib.util
import math
import uuid
from typing import Any

import numpy as np

from impromptu_vla_ros.core.courses import Course, times_along
from impromptu_vla_ros.core.motion import CURVATURE_SPEED
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    FloatArray,
    InputError,
    Odometry,
    Plan,
    Pose,
    Steering,
    Velocity,
)
from impromptu_vla_ros.messages import (
    duration_message,
    nanoseconds,
    pose_from_message,
    pose_message,
    time_message,
)

PACKAGES = ('autoware_planning_msgs', 'autoware_internal_planning_msgs')


class MissingPackages(RuntimeError):
    """Autoware's messages are wanted, and their packages cannot be imported."""


def missing(packages: tuple[str, ...] = PACKAGES) -> tuple[str, ...]:
    """Return the packages that cannot be imported here; none: plans can be made messages."""
    return tuple(name for name in packages if importlib.util.find_spec(name) is None)


def require(packages: tuple[str, ...] = PACKAGES) -> None:
    """Raise MissingPackages, with the remedy, unless all packages can be imported."""
    absent = missing(packages)
    if absent:
        raise MissingPackages(
            f'cannot import {", ".join(absent)}: source the Autoware workspace before the start, '
            'or set autoware.output:=none'
        )


def generator_id(name: str) -> bytes:
    """
    Return the 16 bytes that a generator of this name is known by.

    They are the same after a restart: the concatenator keeps one set of candidates per
    generator, and that of the planner that died is replaced, not kept beside the new one.
    """
    return uuid.uuid5(uuid.NAMESPACE_URL, f'impromptu_vla_ros/{name}').bytes


def trajectory_message(plan: Plan, wheelbase: float) -> Any:
    """Return the plan as an autoware_planning_msgs Trajectory; `wheelbase` in m."""
    from autoware_planning_msgs.msg import Trajectory

    return Trajectory(header=_header(plan), points=_points(plan, wheelbase))


def candidate_trajectories_message(
    plan: Plan, wheelbase: float, generator: bytes, generator_name: str
) -> Any:
    """
    Return the plan as the only one of an autoware_internal_planning_msgs CandidateTrajectories.

    `generator` is the id of 16 bytes, `wheelbase` is in m.
    """
    from autoware_internal_planning_msgs.msg import (
        CandidateTrajectories,
        CandidateTrajectory,
        GeneratorInfo,
    )
    from std_msgs.msg import String
    from unique_identifier_msgs.msg import UUID

    identity = UUID(uuid=np.frombuffer(generator, np.uint8))
    candidate = CandidateTrajectory(
        header=_header(plan), generator_id=identity, points=_points(plan, wheelbase)
    )
    about = GeneratorInfo(generator_id=identity, generator_name=String(data=generator_name))
    return CandidateTrajectories(candidate_trajectories=[candidate], generator_info=[about])


def _header(plan: Plan) -> Any:
    from std_msgs.msg import Header

    return Header(stamp=time_message(plan.stamp), frame_id=plan.frame_id)


def _points(plan: Plan, wheelbase: float) -> list[Any]:
    from autoware_planning_msgs.msg import TrajectoryPoint

    # acceleration_mps2 is of the magnitude of the motion: in reverse it is of the other sign.
    accelerations = np.where(plan.speeds < 0.0, -plan.accelerations, plan.accelerations)
    rows = zip(
        plan.times,
        plan.poses,
        plan.speeds,
        accelerations,
        plan.yaw_rates,
        wheel_angles(plan, wheelbase),
        strict=True,
    )
    return [
        TrajectoryPoint(
            time_from_start=duration_message(float(time)),
            pose=pose_message(Pose(*map(float, pose))),
            longitudinal_velocity_mps=float(speed),
            acceleration_mps2=float(acceleration),
            heading_rate_rps=float(yaw_rate),
            front_wheel_angle_rad=float(angle),
        )
        for time, pose, speed, acceleration, yaw_rate, angle in rows
    ]


def wheel_angles(plan: Plan, wheelbase: float) -> FloatArray:
    """
    Return the front road-wheel angle in rad, + = left, at each point of the plan, (n,).

    From the curvature yaw rate / speed. Below 1 m/s that is noise: the angle of the nearest
    point before it that is faster is kept, else of the first one after it, else 0.
    """
    fast = np.flatnonzero(np.abs(plan.speeds) >= CURVATURE_SPEED)
    if not len(fast):
        return np.zeros(len(plan.speeds))
    last = np.searchsorted(fast, np.arange(len(plan.speeds)), side='right') - 1
    rows = fast[np.maximum(last, 0)]
    return np.asarray(np.arctan(wheelbase * plan.yaw_rates[rows] / plan.speeds[rows]), float)


def velocity_report_message(odometry: Odometry, base_frame: str) -> Any:
    """Return how the ego moves as an autoware_vehicle_msgs VelocityReport."""
    from autoware_vehicle_msgs.msg import VelocityReport
    from std_msgs.msg import Header

    return VelocityReport(
        header=Header(stamp=time_message(odometry.stamp), frame_id=base_frame),
        longitudinal_velocity=odometry.vx,
        lateral_velocity=odometry.vy,
        heading_rate=odometry.yaw_rate,
    )


def steering_report_message(steering: Steering) -> Any:
    """Return the road-wheel angle as an autoware_vehicle_msgs SteeringReport."""
    from autoware_vehicle_msgs.msg import SteeringReport

    return SteeringReport(
        stamp=time_message(steering.stamp), steering_tire_angle=steering.tire_angle
    )


def velocity_from_report(message: Any, base_frame: str = 'base_link') -> Velocity:
    """Return an autoware_vehicle_msgs VelocityReport; raise InputError for another frame."""
    frame = message.header.frame_id
    if frame not in ('', base_frame):
        raise InputError(f'the velocity report is of {frame!r}, not of {base_frame!r}')
    vx, vy = message.longitudinal_velocity, message.lateral_velocity
    found = Velocity(
        nanoseconds(message.header.stamp), float(vx), float(vy), float(message.heading_rate)
    )
    if not all(map(math.isfinite, found[1:])):
        raise InputError('the velocity report is not finite: check the vehicle interface')
    return found


def steering_from_report(message: Any) -> Steering:
    """Return the road-wheel angle of an autoware_vehicle_msgs SteeringReport."""
    angle = float(message.steering_tire_angle)
    if not math.isfinite(angle) or abs(angle) > math.pi / 2:
        raise InputError(f'steering angle is {angle} rad: it must be the road-wheel angle')
    return Steering(nanoseconds(message.stamp), angle)


def course_from_trajectory(message: Any) -> Course:
    """
    Return the course of an autoware_planning_msgs Trajectory; raise InputError without one.

    Where time_from_start does not ascend, as in planners that leave it 0, the times follow from
    the speeds.
    """
    points = message.points
    poses = [pose_from_message(point.pose) for point in points]
    rows = np.array([(pose.x, pose.y, pose.yaw) for pose in poses]).reshape(-1, 3)
    times = np.array([nanoseconds(p.time_from_start) for p in points]) / NANOSECONDS
    if len(points) > 1 and not (np.diff(times) > 0.0).all():
        times = times_along(rows[:, :2], [p.longitudinal_velocity_mps for p in points])
    if len(times) < 2:
        raise InputError("the other planner's trajectory has less than two points that it reaches")
    stamp = nanoseconds(message.header.stamp)
    return Course.of(stamp, message.header.frame_id, times, rows[: len(times)])
