# SPDX-License-Identifier: Apache-2.0
"""Commands as messages: of this package, there and back; of vehicles, with their signs."""

import math
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from impromptu_vla_ros import messages, vehicle_messages
from impromptu_vla_ros.core.pedals import PedalScale, pedals
from impromptu_vla_ros.core.structs import ControlCommand, InputError

COMMAND = ControlCommand(
    1_700_000_000_123_456_789, 'braking', 0.2, -0.1, 7.0, -2.0, 'held', 17, 16, 'for a test'
)


def test_a_command_comes_back_as_it_went():
    assert messages.command_from_message(messages.drive_command_message(COMMAND)) == COMMAND


def test_a_command_that_is_none_is_refused():
    message = messages.drive_command_message(COMMAND)
    message.acceleration = math.nan
    with pytest.raises(InputError, match='not finite'):
        messages.command_from_message(message)
    message.mode = 7
    with pytest.raises(InputError, match='mode is 7'):
        messages.command_from_message(message)


def test_pedals_are_in_proportion_and_never_both():
    scale = PedalScale(throttle=4.0, brake=8.0, steer=0.8)
    assert pedals(COMMAND, scale) == pytest.approx((0.0, 0.25, 0.25))
    strong = ControlCommand(1, 'following', -2.0, acceleration=9.0)
    assert pedals(strong, scale) == (1.0, 0.0, -1.0)


@pytest.fixture
def vehicle_packages(monkeypatch):
    """Stand in for the two packages, which no wheel brings: what they are given is kept."""
    kinds = {'ackermann_msgs': ('AckermannDrive', 'AckermannDriveStamped'),
             'carla_msgs': ('CarlaEgoVehicleControl',)}  # fmt: skip
    for package, names in kinds.items():
        module = SimpleNamespace(**dict.fromkeys(names, SimpleNamespace))
        monkeypatch.setitem(sys.modules, package, SimpleNamespace(msg=module))
        monkeypatch.setitem(sys.modules, f'{package}.msg', module)


@pytest.mark.usefixtures('vehicle_packages')
def test_left_is_positive_for_ackermann_and_negative_for_carla():
    drive = vehicle_messages.ackermann_message(COMMAND).drive
    assert (drive.steering_angle, drive.speed, drive.acceleration) == (0.2, 7.0, -2.0)
    control = vehicle_messages.carla_message(COMMAND, PedalScale(steer=0.8))
    assert control.steer == pytest.approx(-0.25)
    assert (control.throttle, control.brake) == (0.0, 0.25)
    assert messages.nanoseconds(control.header.stamp) == COMMAND.stamp
