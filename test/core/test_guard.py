# SPDX-License-Identifier: Apache-2.0
"""Each rule of the guard finds its own mistake, by hand, and nothing else."""

from dataclasses import fields, replace

import numpy as np
import pytest

from impromptu_vla_ros.core.guard import Limits, violations
from impromptu_vla_ros.core.retiming import Motion
from impromptu_vla_ros.core.structs import EgoNow, Pose

TIMES = np.arange(0.0, 5.25, 0.1)
EGO = EgoNow(Pose(0.0, 0.0, 0.0), 10.0)


def moving(speed=10.0, acceleration=0.0, yaw_rate=0.0):
    speeds = np.maximum(speed + acceleration * TIMES, 0.0)
    along = np.concatenate([[0.0], np.cumsum(0.5 * (speeds[1:] + speeds[:-1]) * 0.1)])
    yaw = yaw_rate * TIMES
    steps = np.diff(along)[:, None] * np.column_stack([np.cos(yaw), np.sin(yaw)])[:-1]
    poses = np.column_stack([np.vstack([[0.0, 0.0], np.cumsum(steps, axis=0)]), yaw])
    ones = np.ones_like(TIMES)
    return Motion(TIMES, poses, speeds, acceleration * ones, yaw_rate * ones)


def rules(planned, ego=EGO, step=0.0):
    return [text.partition(':')[0] for text in violations(planned, ego, Limits(), step)]


def test_an_ordinary_motion_is_fine():
    assert rules(moving()) == []
    assert rules(moving(0.0), EgoNow(EGO.pose, 0.0)) == []


@pytest.mark.parametrize(
    ('planned', 'step', 'rule'),
    [
        (moving(31.0), 0.0, ['speed']),
        (moving(2.0, 5.1), 0.0, ['acceleration']),
        (moving(29.9, -8.1), 0.0, ['deceleration', 'jerk']),
        (moving(10.0, yaw_rate=0.61), 0.0, ['lateral_acceleration']),
        (moving(3.0, yaw_rate=0.8), 0.0, ['curvature']),
        (moving(0.4, yaw_rate=1.1), 0.0, ['yaw_rate']),
        (replace(moving(), offset=1.1), 0.0, ['start']),
        (replace(moving(), offset=0.4), 0.4, ['jump']),
        (replace(moving(), offset=0.4), 0.2, []),
        (replace(moving(), offset=0.1), 5.0, []),
    ],
)
def test_each_rule_finds_its_own(planned, step, rule):
    assert rules(planned, step=step) == rule


def test_going_backwards_is_found():
    poses = moving().poses.copy()
    poses[:, 0] = np.concatenate([np.linspace(0, 5, 10), np.linspace(5, 4.5, len(TIMES) - 10)])
    assert rules(replace(moving(), poses=poses)) == ['reversing']


def test_a_sudden_change_of_acceleration_is_found():
    speeds = 18.0 - 4.0 * np.abs(TIMES - 2.0)
    assert rules(replace(moving(), speeds=speeds)) == ['jerk']
    assert rules(replace(moving(), speeds=18.0 - 3.0 * np.abs(TIMES - 2.0))) == []


@pytest.mark.parametrize('row', ['poses', 'speeds', 'accelerations', 'yaw_rates'])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_what_is_not_finite_is_found(row, value):
    planned = moving()
    array = getattr(planned, row).copy()
    array[7] = value
    assert rules(replace(planned, **{row: array})) == ['finite']


def test_a_finding_says_value_unit_and_limit():
    assert violations(moving(31.0), EGO, Limits()) == ('speed: 31.00 m/s, 30 allowed',)


def test_every_limit_says_its_unit_and_why():
    for each in fields(Limits):
        assert each.metadata['unit']
        assert each.metadata['description'].endswith('.')
        assert each.metadata['reason'].endswith('.')
