# SPDX-License-Identifier: Apache-2.0
"""Drives to feed buffers with: stamped samples of a known motion."""

import math

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.structs import NANOSECONDS, CameraImage, Odometry, Pose

START = 1_700_000_000 * NANOSECONDS
ORIGIN = Pose(100.0, -50.0, 2.0)


def at(seconds):
    """Return the stamp `seconds` after the start."""
    return START + round(seconds * NANOSECONDS)


def pose_after(seconds, speed=8.0, yaw_rate=0.2, acceleration=0.5):
    """Return where the drive is, in odom."""
    x, y, yaw = map(float, motion.rollout(speed, yaw_rate, acceleration, [seconds])[0])
    outer = motion.from_frame(ORIGIN, [[x, y]])[0]
    return Pose(float(outer[0]), float(outer[1]), motion.wrap(ORIGIN.yaw + yaw))


def odometry(seconds, twist=True, frame_id='odom', speed=8.0, yaw_rate=0.2, acceleration=0.5):
    """Return the drive's odometry at one time, with or without its twist."""
    now = (speed + acceleration * seconds, 0.0, yaw_rate) if twist else (math.nan,) * 3
    pose = pose_after(seconds, speed, yaw_rate, acceleration)
    return Odometry(at(seconds), pose, *now, frame_id=frame_id)


def picture(seconds, camera='front'):
    """Return a picture that nobody decodes."""
    return CameraImage(camera, at(seconds), 'jpeg', b'not looked at')
