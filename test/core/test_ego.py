# SPDX-License-Identifier: Apache-2.0
"""The history on its exact grid, from odometry of any rate, with or without a twist."""

import math
from dataclasses import replace

import numpy as np
import pytest
from drives import at, odometry, pose_after
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.ego import EgoHistory
from impromptu_vla_ros.core.structs import Acceleration, NotReady, Steering


def history(times, **kwargs):
    ego = EgoHistory(3.0)
    for time in times:
        ego.add(odometry(time, **kwargs))
    return ego


@pytest.mark.parametrize('rate', [10.0, 9.65, 37.0, 100.0])
def test_states_lie_on_the_grid_that_ends_at_the_picture(rate):
    ego = history(np.arange(0.0, 5.0, 1.0 / rate))
    states, anchor, frame = ego.states(at(4.32), 0.5, 1, 7)
    assert [s.t for s in states] == [-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0]
    assert frame == 'odom'
    for state in states:
        truth = motion.relative_to(pose_after(4.32), pose_after(4.32 + state.t))
        assert math.hypot(state.pose.x - truth.x, state.pose.y - truth.y) < 0.01
        assert state.vx == pytest.approx(8.0 + 0.5 * (4.32 + state.t), abs=0.01)
        assert state.ax == pytest.approx(0.5, abs=0.01)
        assert state.ay == pytest.approx(0.2 * state.vx, abs=0.01)


def test_speed_and_turn_come_from_the_poses_where_there_is_no_twist():
    ego = history(np.arange(0.0, 5.0, 0.05), twist=False, acceleration=0.0)
    states, _, _ = ego.states(at(4.3), 0.5, 1, 4)
    assert [s.vx for s in states] == pytest.approx([8.0] * 4, abs=0.01)
    assert [s.yaw_rate for s in states] == pytest.approx([0.2] * 4, abs=1e-3)
    assert math.isnan(states[-1].ax)  # positions only: nothing is invented


def test_measured_acceleration_and_steering_win():
    ego = history(np.arange(0.0, 1.0, 0.05))
    ego.add(Acceleration(at(0.88), 1.5, -0.5))
    ego.add(Steering(at(0.85), 0.1))
    (state,), _, _ = ego.states(at(0.9), 0.5, 1, 1)
    assert (state.ax, state.ay, state.tire_angle) == (1.5, -0.5, 0.1)


def test_what_comes_after_the_picture_is_not_seen():
    times = np.arange(0.0, 3.05, 0.05)
    before = history(times).states(at(2.98), 0.5, 1, 7)
    later = history([*times, 3.05, 3.1, 3.5]).states(at(2.98), 0.5, 1, 7)
    assert before == later


def test_a_gap_ends_the_history():
    ego = history([*np.arange(0.0, 2.0, 0.1), *np.arange(2.7, 4.05, 0.1)])
    states, _, _ = ego.states(at(4.0), 0.5, 1, 7)
    assert [s.t for s in states] == [-1.0, -0.5, 0.0]
    refused = ego.states(at(4.0), 0.5, 4, 4)
    assert (refused.reason, refused.detail) == ('short', '1.0 s of history, 1.5 s needed')


def test_why_there_is_no_history_yet():
    assert EgoHistory(3.0).states(at(0.0), 0.5, 1, 7).reason == 'missing'
    assert history([0.0, 0.1]).states(at(0.15), 0.5, 1, 7).reason == 'waiting'
    assert history([0.2, 0.3]).states(at(0.15), 0.5, 1, 7).reason == 'short'


def test_another_frame_starts_another_history():
    ego = history(np.arange(0.0, 1.0, 0.1))
    ego.add(odometry(1.0, frame_id='map'))
    assert ego.odometry.counts['frame changed'] == 1
    assert len(ego.odometry) == 1


@given(st.permutations([0.045 * k for k in range(21)]))
def test_order_of_arrival_does_not_matter(times):
    assert history(times).states(at(0.87), 0.5, 1, 7) == history(sorted(times)).states(
        at(0.87), 0.5, 1, 7
    )


@given(st.lists(st.floats(0.0, 4.0), max_size=40), st.floats(0.0, 4.0))
def test_any_samples_give_states_or_a_reason(times, stamp):
    found = history(times).states(at(stamp), 0.5, 2, 7)
    if not isinstance(found, NotReady):
        states, _, _ = found
        assert 2 <= len(states) <= 7
        last = states[-1].pose
        assert (last.x, last.y, last.yaw) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


@pytest.mark.parametrize('ahead', [0.0, 0.07, 0.15])
def test_the_ego_is_known_where_its_stamps_lie_ahead_of_the_clock(ahead):
    ego = history(np.arange(0.0, 2.0, 0.1))
    newest = ego.odometry.newest
    now = newest.stamp - round(ahead * 1e9)
    assert ego.predict(now).pose.x == pytest.approx(ego.pose(now).x, abs=1e-6)
    assert ego.predict(ego.odometry.between(0, now)[0].stamp - 1_000_000) is None


def test_poses_that_jump_to_and_fro_are_contradicted():
    ego = history(np.arange(0.0, 1.0, 0.1))
    jumps = [False]
    for k in range(10, 40):
        sample = odometry(k / 10)
        if k in (12, 14, 16):
            jumped = replace(sample.pose, y=sample.pose.y + 50.0)
            sample = replace(sample, pose=jumped)
        ego.add(sample)
        jumps.append(ego.contradicted)
    # There and back is a correction and its withdrawal; the third is one too many.
    assert jumps[1:4] == [False] * 3 and jumps[5] and not jumps[-1]
