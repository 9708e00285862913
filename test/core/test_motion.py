# SPDX-License-Identifier: Apache-2.0
"""Frames, rollouts and reference points, with numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.structs import EgoState, Pose

LIDAR = 0.94
angles = st.floats(-10.0, 10.0)
poses = st.builds(Pose, st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), angles)


def state(vx=0.0, yaw_rate=0.0, tire_angle=math.nan):
    return EgoState(0.0, Pose(0.0, 0.0, 0.0), vx, 0.0, 0.0, 0.0, yaw_rate, tire_angle)


@given(angles)
def test_wrap_keeps_the_direction(angle):
    wrapped = motion.wrap(angle)
    assert -math.pi < wrapped <= math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-9)
    assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-9)


def test_relative_pose_by_hand():
    # Facing +y at (1, 2), a point at (1, 5) lies 3 m ahead and one at (0, 2) 1 m to the left.
    origin = Pose(1.0, 2.0, math.pi / 2)
    ahead = motion.relative_to(origin, Pose(1.0, 5.0, math.pi))
    left = motion.relative_to(origin, Pose(0.0, 2.0, 0.0))
    assert (ahead.x, ahead.y, ahead.yaw) == pytest.approx((3.0, 0.0, math.pi / 2))
    assert (left.x, left.y, left.yaw) == pytest.approx((0.0, 1.0, -math.pi / 2))


@given(poses, poses)
def test_frames_go_both_ways(origin, pose):
    inner = motion.to_frame(origin, [[pose.x, pose.y]])
    np.testing.assert_allclose(motion.from_frame(origin, inner), [[pose.x, pose.y]], atol=1e-8)


def test_interpolation_turns_the_shorter_way():
    middle = motion.interpolate(Pose(0, 0, math.radians(170)), Pose(2, 4, math.radians(-170)), 0.5)
    assert (middle.x, middle.y) == (1.0, 2.0)
    assert abs(middle.yaw) == pytest.approx(math.pi)


@pytest.mark.parametrize(
    ('motion_now', 'time', 'pose'),
    [
        ((10.0, 0.0, 0.0), 2.0, (20.0, 0.0, 0.0)),
        ((10.0, 0.0, -2.0), 2.0, (16.0, 0.0, 0.0)),
        ((4.0, 0.0, -2.0), 5.0, (4.0, 0.0, 0.0)),  # stands after 2 s
        ((-4.0, 0.0, 2.0), 5.0, (-4.0, 0.0, 0.0)),  # reverses, brakes, stands
        ((0.0, 0.3, -1.0), 5.0, (0.0, 0.0, 0.0)),  # a standing car does not start backwards
        ((0.0, 0.0, 1.0), 2.0, (2.0, 0.0, 0.0)),
        # A quarter circle of radius 10 m: π/2 rad in 1 s.
        ((5.0 * math.pi, math.pi / 2, 0.0), 1.0, (10.0, 10.0, math.pi / 2)),
    ],
)
def test_rollout_by_hand(motion_now, time, pose):
    np.testing.assert_allclose(motion.rollout(*motion_now, [time])[0], pose, atol=1e-9)


@given(st.floats(0, 30), st.floats(-0.8, 0.8), st.floats(-4, 3))
def test_rollout_equals_small_steps(speed, yaw_rate, acceleration):
    step, x, y, yaw, v = 1e-3, 0.0, 0.0, 0.0, speed
    for _ in range(2000):
        after = v + acceleration * step
        if v <= 0.0 and acceleration <= 0.0:
            break
        middle = max(0.5 * (v + max(after, 0.0)), 0.0)
        x += middle * step * math.cos(yaw + 0.5 * yaw_rate * step)
        y += middle * step * math.sin(yaw + 0.5 * yaw_rate * step)
        yaw, v = yaw + yaw_rate * step, max(after, 0.0)
        if v == 0.0 and acceleration < 0.0:
            break
    got = motion.rollout(speed, yaw_rate, acceleration, [2.0])[0]
    np.testing.assert_allclose(got[:2], [x, y], atol=0.01)


def test_the_reference_point_by_hand():
    # After a left quarter turn a point 0.94 m ahead lies 0.94 m to the left of the axle, and it
    # started 0.94 m ahead: in its own frame it is at r + 0.94·(-1, 1).
    point = motion.point_ahead([[10.0, 10.0, math.pi / 2]], LIDAR)
    np.testing.assert_allclose(point, [[9.06, 10.94]])


@given(st.floats(0.3, 25), st.floats(-0.5, 0.5), st.floats(-2, 2))
def test_the_rear_axle_is_found_again_from_rounded_points(speed, yaw_rate, acceleration):
    yaw_rate = float(np.clip(yaw_rate, -8.0 / speed, 8.0 / speed))  # 8 m/s² to the side
    driven = motion.rollout(speed, yaw_rate, acceleration, 0.5 * np.arange(1, 7))
    said = np.round(motion.point_ahead(driven, LIDAR), 2)
    found = motion.rear_axle(said, LIDAR)
    np.testing.assert_allclose(found[:, :2], driven[:, :2], atol=0.04)


def test_without_an_offset_the_points_stay():
    points = [[1.0, 0.0], [2.0, 0.1], [3.0, 0.3]]
    np.testing.assert_array_equal(motion.rear_axle(points, 0.0)[:, :2], points)


def test_headings_of_a_standing_end():
    yaw = motion.headings([[0, 0], [2, 0], [4, 0], [4.01, 0.01], [4.0, 0.0]])
    np.testing.assert_allclose(yaw, 0.0, atol=1e-12)


def test_headings_of_a_circle():
    path = np.vstack([[0, 0], motion.rollout(8.0, 0.4, 0.0, 0.5 * np.arange(1, 7))[:, :2]])
    np.testing.assert_allclose(motion.headings(path), 0.2 * np.arange(7), atol=1e-9)


def test_a_profile_by_hand():
    # 0, 1, 3, 6 m at 0.5 s spacing: 2, 4, 6 m/s between the points.
    poses = np.array([[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0], [6.0, 0, 0]])
    speeds, accelerations, yaw_rates = motion.profile(poses, 0.5, 1.0)
    np.testing.assert_allclose(speeds, [1.0, 3.0, 5.0, 6.0])
    np.testing.assert_allclose(accelerations, [4.0, 4.0, 3.0, 2.0])
    np.testing.assert_allclose(yaw_rates, 0.0)


def test_reversing_is_a_negative_speed():
    poses = np.array([[0.0, 0, 0], [-1.0, 0, 0], [-2.0, 0, 0]])
    assert (motion.profile(poses, 0.5, -2.0)[0] == -2.0).all()


def test_curvature_comes_from_steering_or_is_held():
    assert motion.curvatures([state(10.0, 0.5)], 2.7) == [0.05]
    assert motion.curvatures([state(10.0, 0.5), state(0.9, 0.9)], 2.7) == [0.05, 0.05]
    assert motion.curvatures([state(0.5, 0.5)], 2.7) == [0.0]
    steered = motion.curvatures([state(0.0, 0.0, math.atan(0.27))], 2.7)
    assert steered == pytest.approx([0.1])
