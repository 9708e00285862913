# SPDX-License-Identifier: Apache-2.0
"""Which plan is published: fresh, held, stopping, standing; by age, and never a wrong one."""

from itertools import pairwise

import numpy as np
import pytest
from scripted import ScriptedDrive

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.policy import Policy
from impromptu_vla_ros.core.structs import Answer, EgoNow, Odometry, Pose


def answered(name='S-curve', dialect='kitti', capture=5.0, latency=0.3):
    """Return a drive whose model has just answered."""
    drive = ScriptedDrive(name, dialect)
    query, answer = drive.ask(capture)
    drive.drive_until(capture + latency)
    drive.planner.tell(query, answer, drive.stamp(capture + latency))
    return drive


def tiers(drive, times):
    found = []
    for time in times:
        drive.drive_until(time)
        plan = drive.plan(time)
        found.append(plan.tier if plan else None)
    return found


@pytest.mark.parametrize(
    ('dialect', 'ages'),
    [
        ('kitti', {1.4: 'fresh', 1.6: 'held', 3.0: 'held', 3.1: 'stopping', 3.6: 'stopping'}),
        # Six waypoints: at 2 s only one second of the model's own horizon is left.
        ('nuscenes', {1.4: 'fresh', 1.6: 'held', 2.0: 'held', 2.1: 'stopping'}),
    ],
)
def test_tiers_follow_the_age_of_the_picture(dialect, ages):
    drive = answered(dialect=dialect)
    assert tiers(drive, [5.0 + age for age in ages]) == list(ages.values())


def test_a_new_answer_ends_the_stop():
    drive = answered()
    assert tiers(drive, [8.2, 8.5]) == ['stopping', 'stopping']
    query, answer = drive.ask(8.6)
    drive.planner.tell(query, answer, drive.stamp(8.6))
    assert tiers(drive, [8.7]) == ['fresh']


def test_the_stop_brakes_along_the_path_with_limited_jerk():
    drive = answered()
    drive.drive_until(8.1)
    first = drive.plan(8.1)
    assert (first.tier, first.extended_from, first.answer) == ('stopping', 0, '')
    assert first.speeds[0] == pytest.approx(8.0, abs=0.1)
    assert first.speeds[-1] == 0.0
    assert first.accelerations.min() > -2.7
    assert np.abs(np.diff(first.accelerations)).max() / 0.1 < 5.0
    # It keeps to the curve that the answer described.
    fine = np.arange(0.0, first.times[-1], 0.002)
    x, y = (np.interp(fine, first.times, first.poses[:, axis]) for axis in (0, 1))
    lateral = [np.hypot(x - p.x, y - p.y).min() for p in map(drive.pose, np.arange(8.1, 9.5, 0.1))]
    assert max(lateral) < 0.2


def test_a_stop_goes_on_as_it_began():
    drive = answered()
    drive.drive_until(8.0)
    speeds = []
    for tick in range(65):
        # No odometry any more: the car is taken to be where the plan wants it.
        plan = drive.planner.plan(drive.stamp(8.8 + 0.1 * tick))
        speeds.append(plan.speeds[0])
        assert plan.tier == 'stopping'
    assert all(b <= a + 1e-9 for a, b in pairwise(speeds))
    assert speeds[-1] == 0.0


def test_without_any_answer_a_moving_car_stops_straight():
    drive = ScriptedDrive('lane change', 'kitti')
    assert drive.plan(1.0) is None
    drive.drive_until(2.0)
    plan = drive.plan(2.0)
    assert plan.tier == 'standing'
    assert (plan.speeds[0], plan.speeds[-1]) == (pytest.approx(12.0, abs=0.1), 0.0)
    np.testing.assert_allclose(plan.poses[:, 1], 0.0, atol=1e-6)


def test_an_answer_the_guard_refuses_is_not_followed():
    drive = answered(capture=5.0)
    query, _ = drive.ask(5.5)
    wild = np.column_stack([np.linspace(20, 200, 10), np.zeros(10)])
    answer = Answer(codec.encode_trajectory(drive.dialect, wild))
    drive.planner.tell(query, answer, drive.stamp(5.6))
    assert drive.planner.violations[0].startswith('speed: ')
    assert drive.planner.counts['not followed'] == 1
    plan = drive.plan(5.6)
    assert plan.capture_stamp == drive.stamp(5.0)


def test_a_jump_from_the_plan_before_is_refused():
    drive = answered('lane change', capture=4.0)
    query, answer = drive.ask(4.5)
    points = codec.decode_trajectory(drive.dialect, answer.text).points
    answer = Answer(codec.encode_trajectory(drive.dialect, points + [0.0, 0.8]))
    drive.drive_until(5.5)
    drive.planner.tell(query, answer, drive.stamp(5.5))
    assert any(v.startswith('jump') for v in drive.planner.violations)


def test_odometry_that_jumps_takes_the_plan_along():
    drive = answered('S-curve', capture=6.0)
    drive.drive_until(7.0)
    before = drive.plan(7.0)
    pose = drive.pose(7.02)
    jumped = Pose(pose.x + 3.0, pose.y - 4.0, pose.yaw)
    drive.planner.observe(Odometry(drive.stamp(7.02), jumped, 8.0, 0.0, 0.0))
    after = drive.plan(7.02, jumped)
    assert after.tier == 'fresh'
    assert drive.planner.buffer.ego.odometry.counts['pose jumped'] == 1
    moved = after.poses[10, :2] - before.poses[10, :2]
    np.testing.assert_allclose(moved, [3.0, -4.0], atol=0.3)


def test_a_clock_that_jumps_forgets_the_plan():
    drive = answered()
    drive.planner.reset()
    assert drive.plan(5.4) is None


def test_another_frame_forgets_the_plan():
    drive = answered()
    for t in (5.4, 5.42, 5.44, 5.46):
        sample = Odometry(drive.stamp(t), drive.pose(t), 8.0, 0.0, 0.0, frame_id='map')
        drive.planner.observe(sample)
        assert t > 5.4 or drive.plan(t) is None
    plan = drive.plan(5.46)
    assert (plan.tier, plan.frame_id) == ('standing', 'map')


def test_a_policy_that_knows_nothing_says_nothing():
    assert Policy().current(0, 0, None, 'odom') is None


@pytest.mark.parametrize(('ahead', 'followed'), [(0.15, True), (0.25, False)])
def test_a_picture_a_little_ahead_of_the_clock_is_followed(ahead, followed):
    # The clock of a simulation ticks after its sensors; no answer may be dropped for it.
    drive = ScriptedDrive('S-curve', 'kitti')
    query, answer = drive.ask(5.0)
    drive.planner.tell(query, answer, drive.stamp(5.0 - ahead))
    plan = drive.plan(5.0 - ahead)
    assert plan.tier == ('fresh' if followed else 'standing')
    assert any('synchronize' in each for each in drive.planner.violations) != followed
    truth = drive.pose(drive.time(plan.stamp))
    assert plan.poses[0, :2] == pytest.approx([truth.x, truth.y], abs=0.02)


def test_an_answer_without_odometry_is_refused_with_its_reason():
    drive = answered()
    query, answer = drive.ask(6.0)
    # The odometry ended with the question: the first answer is held, and the second not judged.
    before = drive.plan(6.0).capture_stamp
    drive.planner.tell(query, answer, drive.stamp(6.8))
    assert drive.planner.violations[0].startswith('ego: no odometry')
    assert drive.planner.counts['not followed'] == 1
    assert drive.plan(6.8).capture_stamp == before


@pytest.mark.parametrize('latency', [0.3, 1.0])
def test_an_emergency_stop_is_followed(latency):
    drive = ScriptedDrive('lane change', 'nuscenes')
    query, _ = drive.ask(4.0)
    # 6.3 m/s² from 12 m/s to a stand after 11.4 m, as it is told twice a second.
    stop = np.array([[5.21, 0], [8.85, 0], [10.91, 0], [11.43, 0], [11.43, 0], [11.43, 0]])
    drive.drive_until(4.0 + latency)
    answer = Answer(codec.encode_trajectory(drive.dialect, stop))
    drive.planner.tell(query, answer, drive.stamp(4.0 + latency))
    assert drive.planner.violations == ()
    plan = drive.planner.plan(drive.stamp(4.0 + latency))
    assert (plan.tier, plan.speeds[-1]) == ('fresh', 0.0)
    # A second late the car is past where it should brake: it stands as near as it can.
    way = plan.poses[-1, 0] - plan.poses[0, 0]
    assert way == pytest.approx(11.4 - 12.0 * 0.25 if latency < 0.5 else 12.0**2 / 9.0, abs=3.0)


@pytest.mark.parametrize(('faster', 'anew'), [(0.5, False), (1.0, True)])
def test_a_stop_begins_anew_where_the_car_does_not_brake(faster, anew):
    policy, second = Policy(), 1_000_000_000
    first = policy.current(0, 0, EgoNow(Pose(0.0, 0.0, 0.0), 8.0), 'odom')
    there = Pose(*map(float, first.poses[10]))
    ego = EgoNow(there, float(first.speeds[10]) + faster)
    plan = policy.current(second, second, ego, 'odom')
    wanted = ego.speed if anew else first.speeds[10]
    assert plan.speeds[0] == pytest.approx(wanted, abs=0.05)
