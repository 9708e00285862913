# SPDX-License-Identifier: Apache-2.0
"""What is told to Autoware and read from it, with rosbags' messages; no ROS needed."""

import math

import autoware_interfaces
import numpy as np
import pytest

from impromptu_vla_ros import autoware_messages
from impromptu_vla_ros.core.structs import InputError, Plan, Pose

TYPES = autoware_interfaces.typestore().types


def make(kind, /, **fields):
    return TYPES[kind](**fields)


def stamp(frame_id=None):
    time = make('builtin_interfaces/msg/Time', sec=3, nanosec=4)
    if frame_id is None:
        return time
    return make('std_msgs/msg/Header', stamp=time, frame_id=frame_id)


def plan(speeds, yaw_rates):
    n = len(speeds)
    return Plan(
        stamp=3_000_000_004,
        frame_id='map',
        times=np.arange(n) * 0.1,
        poses=np.zeros((n, 3)),
        speeds=np.array(speeds),
        accelerations=np.ones(n),
        yaw_rates=np.array(yaw_rates),
        deviations=np.zeros(n),
        extended_from=n,
        tier='fresh',
        violations=(),
        capture_stamp=0,
        anchor=Pose(0.0, 0.0, 0.0),
        anchor_frame_id='map',
        answer='',
        dialect='nuscenes',
    )


def velocity(frame_id='base_link', vx=2.0):
    return make(
        'autoware_vehicle_msgs/msg/VelocityReport',
        header=stamp(frame_id),
        longitudinal_velocity=vx,
        lateral_velocity=0.5,
        heading_rate=-0.25,
    )


def steering(angle):
    kind = 'autoware_vehicle_msgs/msg/SteeringReport'
    return make(kind, stamp=stamp(), steering_tire_angle=angle)


def test_a_velocity_report():
    found = autoware_messages.velocity_from_report(velocity())
    assert found == (3_000_000_004, 2.0, 0.5, -0.25)
    assert autoware_messages.velocity_from_report(velocity('')).vx == 2.0


@pytest.mark.parametrize(
    ('message', 'reason'),
    [(velocity('rear'), "is of 'rear'"), (velocity(vx=math.nan), 'not finite')],
)
def test_a_wrong_velocity_report_is_refused(message, reason):
    with pytest.raises(InputError, match=reason):
        autoware_messages.velocity_from_report(message)


def test_a_steering_report():
    found = autoware_messages.steering_from_report(steering(0.3))
    assert (found.stamp, found.tire_angle) == (3_000_000_004, 0.3)


@pytest.mark.parametrize('angle', [math.nan, 17.2])
def test_a_wrong_steering_report_is_refused(angle):
    with pytest.raises(InputError, match='must be the road-wheel angle'):
        autoware_messages.steering_from_report(steering(angle))


def test_the_wheel_angle_is_held_where_the_car_is_slow():
    slow = plan([0.2, 4.0, 2.0, 0.5, 0.0], [9.0, 1.0, 1.0, 9.0, 0.0])
    found = autoware_messages.wheel_angles(slow, 2.0)
    assert found == pytest.approx([*[math.atan(0.5)] * 2, *[math.atan(1.0)] * 3])
    assert not autoware_messages.wheel_angles(plan([0.0, 0.9], [9.0, 9.0]), 2.0).any()


def test_a_generator_keeps_its_id():
    one, two = (autoware_messages.generator_id(name) for name in ('one', 'two'))
    assert len(one) == 16 and one != two
    assert one == autoware_messages.generator_id('one')


def test_missing_packages_are_named(monkeypatch):
    assert autoware_messages.missing(('numpy', 'no_such_package')) == ('no_such_package',)
    with pytest.raises(autoware_messages.MissingPackages, match='cannot import no_such_package:'):
        autoware_messages.require(('numpy', 'no_such_package'))
    autoware_messages.require(('numpy',))
