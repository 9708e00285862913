# SPDX-License-Identifier: Apache-2.0
"""
Commands as the messages that vehicles and simulators take: a further half of messages.py.

ackermann_msgs and carla_msgs are no dependency of this package: what is made here imports them
where it is made, and `require` tells beforehand.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from impromptu_vla_ros.core.pedals import PedalScale, pedals
from impromptu_vla_ros.core.structs import ControlCommand
from impromptu_vla_ros.messages import time_message


class MissingMessages(RuntimeError):
    """Messages are wanted, and their package cannot be imported."""


def require(package: str) -> None:
    """Raise MissingMessages, with the remedy, unless the package can be imported."""
    if importlib.util.find_spec(package) is None:
        raise MissingMessages(
            f'cannot import {package}: install it, or source its workspace before the start, or '
            'leave its output out of outputs'
        )


def _header(command: ControlCommand) -> Any:
    from std_msgs.msg import Header

    return Header(stamp=time_message(command.stamp), frame_id='base_link')


def ackermann_message(command: ControlCommand) -> Any:
    """Return a command as an ackermann_msgs AckermannDriveStamped; positive steers left."""
    from ackermann_msgs.msg import AckermannDrive, AckermannDriveStamped

    drive = AckermannDrive(
        steering_angle=command.tire_angle,
        steering_angle_velocity=abs(command.tire_rate),
        speed=command.velocity,
        acceleration=command.acceleration,
    )
    return AckermannDriveStamped(header=_header(command), drive=drive)


def carla_message(command: ControlCommand, scale: PedalScale) -> Any:
    """Return a command as a carla_msgs CarlaEgoVehicleControl, whose steer is positive right."""
    from carla_msgs.msg import CarlaEgoVehicleControl

    throttle, brake, left = pedals(command, scale)
    return CarlaEgoVehicleControl(
        header=_header(command), throttle=throttle, brake=brake, steer=-left
    )
