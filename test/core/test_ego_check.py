# SPDX-License-Identifier: Apache-2.0
"""The ego against its own poses: planted mistakes are named, honest drives are left alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
from drives import at, pose_after
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros.core.ego_check import check_ego
from impromptu_vla_ros.core.ego_windows import windows_of
from impromptu_vla_ros.core.findings import fit_ratio
from impromptu_vla_ros.core.structs import Acceleration, Odometry, Pose, Steering

WHEELBASE = 2.79


def drive(seconds=20.0, speed=7.0, swing=0.35, noise=0.01, seed=0, ahead=0.0, rate=20.0):
    """
    Return odometry, accelerations and steering of a weaving car that speeds up and slows down.

    Poses are those of the point `ahead` m before the rear axle, with `noise` m on them.
    """
    random = np.random.default_rng(seed)
    fine = np.arange(0.0, seconds, 0.001)
    v = speed * (1.0 + 0.4 * np.sin(0.7 * fine))
    w = swing * np.sin(0.5 * fine)
    yaw = 0.4 + np.cumsum(w) * 0.001
    x, y = np.cumsum(v * np.cos(yaw)) * 0.001, np.cumsum(v * np.sin(yaw)) * 0.001
    odometry, accelerations, steering = [], [], []
    for i in range(0, len(fine), round(1000 / rate)):
        stamp = at(fine[i])
        px, py = random.normal(0.0, noise, 2) if noise else (0.0, 0.0)
        px += x[i] + ahead * math.cos(yaw[i])
        py += y[i] + ahead * math.sin(yaw[i])
        odometry.append(Odometry(stamp, Pose(px, py, yaw[i]), v[i], ahead * w[i], w[i]))
        gain = speed * 0.28 * math.cos(0.7 * fine[i])
        accelerations.append(Acceleration(stamp, gain, v[i] * w[i]))
        steering.append(Steering(stamp, math.atan(WHEELBASE * w[i] / v[i])))
    return odometry, accelerations, steering


def whats(found):
    return [f.what for f in found]


def scaled(odometry, **factors):
    return [replace(o, **{k: f * getattr(o, k) for k, f in factors.items()}) for o in odometry]


def test_an_honest_drive_has_no_finding():
    assert check_ego(*drive()) == ()


@settings(max_examples=40, deadline=None)
@given(
    speed=st.floats(3.0, 15.0),
    swing=st.floats(0.0, 0.5),
    noise=st.floats(0.0, 0.03),
    rate=st.sampled_from([5.0, 10.0, 50.0]),
    seed=st.integers(0, 99),
)
def test_no_honest_drive_is_blamed(speed, swing, noise, rate, seed):
    found = check_ego(*drive(15.0, speed, swing, noise, seed, rate=rate))
    assert [f for f in found if f.level != 'info'] == []


@settings(max_examples=30, deadline=None)
@given(
    swing=st.floats(0.25, 0.5),
    noise=st.floats(0.0, 0.03),
    seed=st.integers(0, 99),
    left=st.booleans(),
)
def test_degrees_for_radians_is_named_whatever_the_drive(swing, noise, seed, left):
    odometry, *_ = drive(swing=swing, noise=noise, seed=seed)
    sign = -1.0 if left else 1.0
    (found,) = check_ego(scaled(odometry, yaw_rate=sign * 180.0 / math.pi))
    assert found.level == 'error'
    wanted = 'odometry: yaw rate: in degrees'
    assert found.what == (wanted + ', with the wrong sign' if left else wanted)


@pytest.mark.parametrize(
    ('factors', 'what'),
    [
        ({'yaw_rate': -1.0}, 'odometry: yaw rate: with the wrong sign'),
        ({'yaw_rate': 0.0}, 'odometry: yaw rate: always zero'),
        ({'vx': 3.6}, 'odometry: speed: in km/h'),
        ({'vx': 2.2369}, 'odometry: speed: in mph'),
        ({'vx': 1.5}, 'odometry: speed: of another scale'),
        ({'vx': -1.0}, 'odometry: speed: with the wrong sign'),
        ({'vx': 0.0, 'vy': 0.0, 'yaw_rate': 0.0}, 'odometry: no twist'),
    ],
)
def test_a_wrong_twist_is_named(factors, what):
    (found,) = check_ego(scaled(drive()[0], **factors))
    assert (found.level, found.what) == ('error', what)
    assert found.remedy


def test_without_twist_is_no_error_but_said():
    odometry = [replace(o, vx=math.nan, vy=math.nan, yaw_rate=math.nan) for o in drive()[0]]
    (found,) = check_ego(odometry)
    assert (found.level, found.what) == ('info', 'odometry: no twist')


@pytest.mark.parametrize('ahead', [1.4, -1.2, 3.7])
def test_another_point_than_the_rear_axle_is_measured(ahead):
    (found,) = check_ego(drive(ahead=ahead, speed=5.0)[0])
    assert (found.level, found.what) == ('warn', 'odometry: not of the rear axle')
    assert f'{abs(ahead):.1f} m' in found.detail
    assert ('ahead' in found.detail) == (ahead > 0.0)


@pytest.mark.parametrize('askew', [0.0, 0.05])
def test_one_circle_tells_no_axle_from_a_mount_askew(askew):
    poses = [pose_after(0.05 * i, 6.0, 0.2, 0.0) for i in range(400)]
    turned = [Pose(p.x, p.y, p.yaw - askew) for p in poses]
    odometry = [Odometry(at(0.05 * i), p, 6.0, 0.0, 0.2) for i, p in enumerate(turned)]
    assert check_ego(odometry) == ()


def test_a_left_handed_orientation_is_named():
    odometry = [replace(o, pose=Pose(o.pose.x, o.pose.y, -o.pose.yaw)) for o in drive()[0]]
    assert whats(check_ego(odometry)) == ['odometry: left-handed orientation']


def test_an_orientation_that_nobody_fills_is_named():
    odometry = [replace(o, pose=Pose(o.pose.x, o.pose.y, 0.0)) for o in drive()[0]]
    assert whats(check_ego(odometry)) == ['odometry: orientation does not turn']


def test_an_orientation_beside_the_way_is_named():
    odometry = [replace(o, pose=Pose(o.pose.x, o.pose.y, o.pose.yaw + 1.57)) for o in drive()[0]]
    (found,) = check_ego(odometry)
    assert found.what == 'odometry: orientation off the way driven'
    assert '-90°' in found.detail


def test_a_frozen_pose_is_named():
    odometry = [replace(o, pose=Pose(1.0, 2.0, 0.3)) for o in drive()[0]]
    assert whats(check_ego(odometry)) == ['odometry: the pose stands still']


@pytest.mark.parametrize(
    ('change', 'what'),
    [
        (lambda a: replace(a, ax=-a.ax), 'acceleration: with the wrong sign'),
        (lambda a: replace(a, ax=a.ax / 9.81), 'acceleration: in g'),
        (lambda a: replace(a, ax=a.ax + 9.81), 'acceleration: gravity or a tilt in it'),
        (lambda a: replace(a, ay=-a.ay), 'lateral acceleration: with the wrong sign'),
    ],
)
def test_a_wrong_acceleration_is_named(change, what):
    odometry, accelerations, _ = drive()
    assert whats(check_ego(odometry, [change(a) for a in accelerations])) == [what]


@pytest.mark.parametrize(
    ('factor', 'what'),
    [
        (-1.0, 'steering: with the wrong sign'),
        (15.0, 'steering: angle of the steering wheel'),
        (180.0 / math.pi, 'steering: in degrees'),
    ],
)
def test_a_wrong_steering_angle_is_named(factor, what):
    odometry, _, steering = drive()
    wrong = [replace(s, tire_angle=factor * s.tire_angle) for s in steering]
    assert whats(check_ego(odometry, (), wrong, WHEELBASE)) == [what]


@pytest.mark.parametrize('length', [0, 2, 10, 60])
def test_little_motion_tells_nothing(length):
    odometry = scaled(drive(speed=2.0)[0][:length], yaw_rate=57.3, vx=3.6)
    (found,) = check_ego(odometry)
    assert (found.level, found.what) == ('info', 'ego: not enough motion')


def test_a_jump_of_the_localization_is_no_motion():
    odometry = drive()[0]
    far = [replace(o, pose=Pose(o.pose.x + 500.0, o.pose.y, o.pose.yaw)) for o in odometry[200:]]
    assert check_ego([*odometry[:200], *far]) == ()


def test_windows_of_a_straight_drive_by_hand():
    samples = [Odometry(at(0.1 * i), Pose(0.3 * i, 0.0, 0.0), 3.0, 0.0, 0.0) for i in range(16)]
    windows = windows_of(samples)
    np.testing.assert_allclose(windows.along, [3.0, 3.0, 3.0], atol=1e-9)
    np.testing.assert_allclose(windows.said_along, [3.0, 3.0, 3.0], atol=1e-9)
    np.testing.assert_allclose(windows.side, 0.0, atol=1e-9)
    np.testing.assert_allclose(windows.middle, [0.5, 0.75, 1.0], atol=1e-9)


def test_the_ratio_shrugs_off_outliers():
    derived = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    ratio, rest = fit_ratio(np.array([2.0, 4.0, 6.0, 8.0, -90.0]), derived)
    assert ratio == pytest.approx(2.0)
    assert rest == pytest.approx(0.0)
