# SPDX-License-Identifier: Apache-2.0
"""
Messages ↔ structs: the only file that knows both.

Incoming messages are read by field name, so that rclpy's and rosbags' classes both serve.
Outgoing ones are rclpy's; their packages are imported where they are made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core import camera
from impromptu_vla_ros.core.courses import Course
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Acceleration,
    CameraImage,
    ControlCommand,
    FloatArray,
    InputError,
    NavigationCommand,
    Odometry,
    Plan,
    Pose,
    Steering,
)

TIERS = ('fresh', 'held', 'stopping', 'standing')
MODES = ('disengaged', 'following', 'braking')


def nanoseconds(time: Any) -> int:
    """Return a builtin_interfaces Time or Duration in ns."""
    return int(time.sec) * NANOSECONDS + int(time.nanosec)


def image_from_message(message: Any, camera_name: str) -> CameraImage:
    """Return the picture of a sensor_msgs Image or CompressedImage; its bytes are not copied."""
    header = message.header
    if hasattr(message, 'encoding'):
        return CameraImage(
            camera=camera_name,
            stamp=nanoseconds(header.stamp),
            encoding=message.encoding,
            data=memoryview(message.data),
            height=int(message.height),
            width=int(message.width),
            step=int(message.step),
            frame_id=header.frame_id,
        )
    return CameraImage(
        camera=camera_name,
        stamp=nanoseconds(header.stamp),
        encoding=_compressed_encoding(message.format),
        data=memoryview(message.data),
        frame_id=header.frame_id,
    )


def _compressed_encoding(text: str) -> str:
    """Return `jpeg` or `png` for a CompressedImage.format such as `rgb8; jpeg compressed bgr8`."""
    lowered = text.lower()
    for name, encoding in (('jpeg', 'jpeg'), ('jpg', 'jpeg'), ('png', 'png')):
        if name in lowered:
            return encoding
    raise InputError(f'compressed format {text!r} is neither jpeg nor png: republish as jpeg')


def pose_from_message(pose: Any) -> Pose:
    """Return a geometry_msgs Pose in the plane; raise InputError for NaN or a zero quaternion."""
    p, q = pose.position, pose.orientation
    if not all(map(math.isfinite, (p.x, p.y, q.x, q.y, q.z, q.w))):
        raise InputError('the pose holds a number that is not finite: check the localization')
    norm = math.sqrt(q.x**2 + q.y**2 + q.z**2 + q.w**2)
    if norm < 0.5:
        raise InputError(f'the orientation quaternion has length {norm:.3f}: it must be 1')
    yaw = math.atan2(2.0 * (q.w * q.z + q.x * q.y), norm**2 - 2.0 * (q.y**2 + q.z**2))
    return Pose(float(p.x), float(p.y), yaw)


def odometry_from_message(message: Any, base_frame: str = 'base_link') -> Odometry:
    """
    Return a nav_msgs Odometry whose child frame is `base_frame`, or is not named.

    A twist that is not finite counts as unknown. Raise InputError for another child frame: its
    pose would be of another point of the vehicle.
    """
    child = message.child_frame_id
    if child not in ('', base_frame):
        raise InputError(
            f'odometry is of {child!r}, not of {base_frame!r}: publish it for the rear axle, or '
            f'set base_frame:={child} if that is on the rear axle'
        )
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    return Odometry(
        stamp=nanoseconds(message.header.stamp),
        pose=pose_from_message(message.pose.pose),
        vx=float(linear.x),
        vy=float(linear.y),
        yaw_rate=float(angular.z),
        frame_id=message.header.frame_id or 'odom',
    )


def acceleration_from_message(message: Any) -> Acceleration:
    """Return the body acceleration of an AccelWithCovarianceStamped, AccelStamped or Imu."""
    linear = (
        message.linear_acceleration
        if hasattr(message, 'linear_acceleration')
        else getattr(message.accel, 'accel', message.accel).linear
    )
    if not (math.isfinite(linear.x) and math.isfinite(linear.y)):
        raise InputError('the acceleration is not finite: check its source')
    return Acceleration(nanoseconds(message.header.stamp), float(linear.x), float(linear.y))


def steering_from_message(message: Any) -> Steering:
    """Return the road-wheel angle of a JointState: the joint named steering, or the only one."""
    names = [index for index, name in enumerate(message.name) if 'steer' in name]
    index = names[0] if names else 0
    if index >= len(message.position) or (not names and len(message.position) != 1):
        raise InputError(f'no steering joint among {list(message.name)}: name one "steering"')
    angle = float(message.position[index])
    if not math.isfinite(angle) or abs(angle) > math.pi / 2:
        raise InputError(f'steering angle is {angle} rad: it must be the road-wheel angle')
    return Steering(nanoseconds(message.header.stamp), angle)


def navigation_command_from_message(message: Any, stamp: int) -> NavigationCommand:
    """Return the command of a std_msgs String, which says no time itself: `stamp` in ns."""
    if stamp <= 0:
        raise InputError('a navigation command before the first /clock is of no time: repeat it')
    return NavigationCommand(stamp, message.data)


def camera_matrix_from_message(message: Any) -> tuple[FloatArray, int, int]:
    """Return K (3, 3), width and height of a CameraInfo; raise InputError if uncalibrated."""
    matrix = np.array(getattr(message, 'k', getattr(message, 'K', None)), float).reshape(3, 3)
    if matrix[0, 0] <= 0.0 or message.width == 0 or message.height == 0:
        raise InputError('camera_info is not calibrated: K[0] or the size is 0')
    return matrix, int(message.width), int(message.height)


def transforms_from_message(message: Any) -> dict[str, tuple[str, FloatArray, FloatArray]]:
    """Return child → (parent, rotation (3, 3), translation (3,)) of a tf2_msgs TFMessage."""
    edges = {}
    for stamped in message.transforms:
        t, q = stamped.transform.translation, stamped.transform.rotation
        rotation = camera.rotation_from_quaternion(q.x, q.y, q.z, q.w)
        edges[stamped.child_frame_id] = (
            stamped.header.frame_id,
            rotation,
            np.array([t.x, t.y, t.z]),
        )
    return edges


def time_message(stamp: int) -> Any:
    """Return a stamp in ns as a builtin_interfaces Time."""
    from builtin_interfaces.msg import Time

    return Time(sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS)


def duration_message(seconds: float) -> Any:
    """Return seconds as a builtin_interfaces Duration, negative ones included."""
    from builtin_interfaces.msg import Duration

    whole, rest = divmod(round(seconds * NANOSECONDS), NANOSECONDS)
    return Duration(sec=whole, nanosec=rest)


def pose_message(pose: Pose) -> Any:
    """Return a planar pose as a geometry_msgs Pose, z = 0."""
    from geometry_msgs.msg import Point, Quaternion
    from geometry_msgs.msg import Pose as PoseMessage

    return PoseMessage(
        position=Point(x=pose.x, y=pose.y),
        orientation=Quaternion(z=math.sin(pose.yaw / 2), w=math.cos(pose.yaw / 2)),
    )


def _header(stamp: int, frame_id: str) -> Any:
    from std_msgs.msg import Header

    return Header(stamp=time_message(stamp), frame_id=frame_id)


def _poses(plan: Plan) -> list[Pose]:
    return [Pose(*map(float, row)) for row in plan.poses]


def path_message(plan: Plan) -> Any:
    """Return the plan as a nav_msgs Path; each pose is stamped with the time it is for."""
    from geometry_msgs.msg import PoseStamped
    from nav_msgs.msg import Path

    stamps = [plan.stamp + round(t * NANOSECONDS) for t in plan.times]
    return Path(
        header=_header(plan.stamp, plan.frame_id),
        poses=[
            PoseStamped(header=_header(stamp, plan.frame_id), pose=pose_message(pose))
            for stamp, pose in zip(stamps, _poses(plan), strict=True)
        ],
    )


def named_durations(seconds: Mapping[str, float]) -> list[Any]:
    """Return seconds by name as NamedDurations."""
    from impromptu_vla_ros.msg import NamedDuration

    return [NamedDuration(name=n, duration=duration_message(s)) for n, s in seconds.items()]


def driving_plan_message(plan: Plan, model: str, frames: Mapping[str, int]) -> Any:
    """Return the plan as a DrivingPlan; `frames` counts the frames seen, used and dropped."""
    from impromptu_vla_ros.msg import DrivingPlan, PlanPoint

    rows = zip(
        plan.times, _poses(plan), plan.speeds, plan.accelerations, plan.yaw_rates, strict=True
    )
    points = [
        PlanPoint(
            time_from_start=duration_message(float(time)),
            pose=pose_message(pose),
            longitudinal_velocity=float(speed),
            acceleration=float(acceleration),
            yaw_rate=float(yaw_rate),
        )
        for time, pose, speed, acceleration, yaw_rate in rows
    ]
    for point, deviation in zip(points, plan.deviations, strict=True):
        point.position_deviation = float(deviation)
    return DrivingPlan(
        header=_header(plan.stamp, plan.frame_id),
        capture_stamp=time_message(plan.capture_stamp),
        anchor=pose_message(plan.anchor),
        anchor_frame_id=plan.anchor_frame_id,
        tier=TIERS.index(plan.tier),
        points=points,
        extended_from=plan.extended_from,
        violations=list(plan.violations),
        model=model,
        dialect=plan.dialect,
        navigation_command=plan.navigation_command,
        answer=plan.answer,
        latencies=named_durations(plan.latencies),
        ages=named_durations(plan.ages),
        frames_seen=frames.get('seen', 0),
        frames_used=frames.get('used', 0),
        frames_dropped=frames.get('dropped', 0),
    )


def image_message(pixels: NDArray[np.uint8], stamp: int, frame_id: str) -> Any:
    """Return pixels (height, width, 3) RGB as a sensor_msgs Image."""
    from sensor_msgs.msg import Image

    height, width = pixels.shape[:2]
    message = Image(
        header=_header(stamp, frame_id),
        height=height,
        width=width,
        encoding='rgb8',
        step=3 * width,
    )
    # A list or an array given to the constructor is checked byte by byte: 100 to 240 ms.
    message.data.frombytes(memoryview(np.ascontiguousarray(pixels)).cast('B'))
    return message


def plan_from_message(message: Any) -> Plan:
    """Return the plan of a DrivingPlan; raise InputError where it cannot be one."""
    points = message.points
    tier = _named('tier', message.tier, TIERS)
    poses = [pose_from_message(point.pose) for point in points]
    seconds = {
        field: {d.name: nanoseconds(d.duration) / NANOSECONDS for d in getattr(message, field)}
        for field in ('latencies', 'ages')
    }
    return Plan(
        stamp=nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
        times=np.array([nanoseconds(p.time_from_start) / NANOSECONDS for p in points]),
        poses=np.array([(p.x, p.y, p.yaw) for p in poses]).reshape(-1, 3),
        speeds=np.array([p.longitudinal_velocity for p in points]),
        accelerations=np.array([p.acceleration for p in points]),
        yaw_rates=np.array([p.yaw_rate for p in points]),
        deviations=np.array([p.position_deviation for p in points]),
        extended_from=int(message.extended_from),
        tier=tier,
        violations=tuple(message.violations),
        capture_stamp=nanoseconds(message.capture_stamp),
        anchor=pose_from_message(message.anchor),
        anchor_frame_id=message.anchor_frame_id,
        answer=message.answer,
        dialect=message.dialect,
        latencies=seconds['latencies'],
        ages=seconds['ages'],
        navigation_command=message.navigation_command,
    )


def course_from_path(message: Any) -> Course:
    """Return the course of a nav_msgs Path; raise InputError where its poses carry no times."""
    stamp = nanoseconds(message.header.stamp)
    times = np.array([nanoseconds(p.header.stamp) - stamp for p in message.poses]) / NANOSECONDS
    if len(times) < 2 or not (np.diff(times) > 0.0).all():
        raise InputError(
            "the other planner's path says no times: stamp each pose with the time it is for"
        )
    poses = [pose_from_message(each.pose) for each in message.poses]
    rows = [(pose.x, pose.y, pose.yaw) for pose in poses]
    return Course.of(stamp, message.header.frame_id, times, rows)


def drive_command_message(command: ControlCommand) -> Any:
    """Return a command as a DriveCommand."""
    from impromptu_vla_ros.msg import DriveCommand

    return DriveCommand(
        header=_header(command.stamp, 'base_link'),
        mode=MODES.index(command.mode),
        steering_tire_angle=command.tire_angle,
        steering_tire_rotation_rate=command.tire_rate,
        velocity=command.velocity,
        acceleration=command.acceleration,
        tier=TIERS.index(command.tier),
        plan_stamp=time_message(command.plan_stamp),
        plan_capture_stamp=time_message(command.plan_capture_stamp),
        reason=command.reason,
    )


def command_from_message(message: Any) -> ControlCommand:
    """Return the command of a DriveCommand; raise InputError where it cannot be one."""
    command = ControlCommand(
        stamp=nanoseconds(message.header.stamp),
        mode=_named('mode', message.mode, MODES),
        tire_angle=float(message.steering_tire_angle),
        tire_rate=float(message.steering_tire_rotation_rate),
        velocity=float(message.velocity),
        acceleration=float(message.acceleration),
        tier=_named('tier', message.tier, TIERS),
        plan_stamp=nanoseconds(message.plan_stamp),
        plan_capture_stamp=nanoseconds(message.plan_capture_stamp),
        reason=message.reason,
    )
    numbers = (command.tire_angle, command.tire_rate, command.velocity, command.acceleration)
    if not all(map(math.isfinite, numbers)):
        raise InputError('a number of the command is not finite')
    return command


def _named(what: str, value: int, names: tuple[str, ...]) -> str:
    if value >= len(names):
        raise InputError(f'{what} is {value}: only 0 to {len(names) - 1} are known')
    return names[value]
