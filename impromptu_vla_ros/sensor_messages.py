# SPDX-License-Identifier: Apache-2.0
"""The ego and its cameras as a car's drivers publish them: a further half of messages.py."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import (
    Acceleration,
    CameraImage,
    CameraModel,
    FloatArray,
    Odometry,
    Steering,
)
from impromptu_vla_ros.messages import pose_message, time_message


def _header(stamp: int, frame_id: str) -> Any:
    from std_msgs.msg import Header

    return Header(stamp=time_message(stamp), frame_id=frame_id)


def odometry_message(odometry: Odometry, base_frame: str) -> Any:
    """Return a nav_msgs Odometry."""
    from nav_msgs.msg import Odometry as OdometryMessage

    message = OdometryMessage(
        header=_header(odometry.stamp, odometry.frame_id), child_frame_id=base_frame
    )
    message.pose.pose = pose_message(odometry.pose)
    message.twist.twist.linear.x = odometry.vx
    message.twist.twist.linear.y = odometry.vy
    message.twist.twist.angular.z = odometry.yaw_rate
    return message


def acceleration_message(acceleration: Acceleration, base_frame: str) -> Any:
    """Return an AccelWithCovarianceStamped."""
    from geometry_msgs.msg import AccelWithCovarianceStamped

    message = AccelWithCovarianceStamped(header=_header(acceleration.stamp, base_frame))
    message.accel.accel.linear.x = acceleration.ax
    message.accel.accel.linear.y = acceleration.ay
    return message


def steering_message(steering: Steering, base_frame: str) -> Any:
    """Return a JointState of one joint, the road wheels of the bicycle model."""
    from sensor_msgs.msg import JointState

    return JointState(
        header=_header(steering.stamp, base_frame),
        name=['steering'],
        position=[steering.tire_angle],
    )


def jpeg_message(picture: CameraImage, jpeg: bytes) -> Any:
    """Return a CompressedImage of a picture that was made a JPEG."""
    from sensor_msgs.msg import CompressedImage

    message = CompressedImage(header=_header(picture.stamp, picture.frame_id), format='jpeg')
    # What is given to the constructor is checked byte by byte.
    message.data.frombytes(jpeg)
    return message


def raw_image_message(picture: CameraImage) -> Any:
    """Return an Image of an uncompressed picture, in its own encoding."""
    from sensor_msgs.msg import Image

    message = Image(
        header=_header(picture.stamp, picture.frame_id),
        height=picture.height,
        width=picture.width,
        encoding=picture.encoding,
        step=picture.step,
    )
    message.data.frombytes(picture.data)
    return message


def camera_info_message(camera: CameraModel, stamp: int, frame_id: str) -> Any:
    """Return the CameraInfo of a camera without distortion."""
    from sensor_msgs.msg import CameraInfo

    projection = np.column_stack([camera.matrix, np.zeros(3)])
    return CameraInfo(
        header=_header(stamp, frame_id),
        width=camera.width,
        height=camera.height,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=camera.matrix.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=projection.ravel().tolist(),
    )


def clock_message(stamp: int) -> Any:
    """Return a Clock."""
    from rosgraph_msgs.msg import Clock

    return Clock(clock=time_message(stamp))


def has_transforms() -> bool:
    """Return whether tf2_msgs can be imported; no package index has it."""
    return importlib.util.find_spec('tf2_msgs') is not None


def transforms_message(cameras: dict[str, CameraModel], base_frame: str, stamp: int) -> Any:
    """Return a TFMessage with the static pose of each camera's optical frame, by its name."""
    from geometry_msgs.msg import TransformStamped
    from tf2_msgs.msg import TFMessage

    transforms = []
    for frame, camera in cameras.items():
        one = TransformStamped(header=_header(stamp, base_frame), child_frame_id=frame)
        place, turn = one.transform.translation, one.transform.rotation
        place.x, place.y, place.z = map(float, camera.translation)
        turn.x, turn.y, turn.z, turn.w = quaternion_from_rotation(camera.rotation)
        transforms.append(one)
    return TFMessage(transforms=transforms)


def quaternion_from_rotation(rotation: FloatArray) -> tuple[float, float, float, float]:
    """Return x, y, z, w of a rotation (3, 3), of length 1."""
    m = np.asarray(rotation, float)
    # Bar-Itzhack (2000): the eigenvector of the greatest eigenvalue, stable for every rotation.
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0.0, 0.0, 0.0],
            [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], 0.0, 0.0],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], 0.0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], np.trace(m)],
        ]
    )
    x, y, z, w = np.linalg.eigh(k, UPLO='L')[1][:, -1]
    return float(x), float(y), float(z), float(w)
