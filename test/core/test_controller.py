# SPDX-License-Identifier: Apache-2.0
"""One controller: refuses what cannot be followed, brakes by itself, and follows the rest."""

import math
from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.core.controller import Controller
from impromptu_vla_ros.core.laws import SpeedLaw, SteeringLaw, pursuit
from impromptu_vla_ros.core.structs import NANOSECONDS, Odometry, Plan, Pose
from impromptu_vla_ros.core.track import Track

START = 1_700_000_000 * NANOSECONDS
STEP = 0.05


def at(seconds):
    return START + round(seconds * NANOSECONDS)


def planned(seconds=0.0, speed=10.0, x=0.0, **changes):
    """Return a plan straight ahead at a constant speed, that begins at `x`."""
    times = np.arange(53) * 0.1
    zero = np.zeros(53)
    plan = Plan(
        stamp=at(seconds), frame_id='odom', times=times,
        poses=np.column_stack([x + speed * times, zero, zero]), speeds=zero + speed,
        accelerations=zero, yaw_rates=zero, deviations=zero * math.nan, extended_from=53,
        tier='fresh', violations=(), capture_stamp=at(seconds - 0.5), anchor=Pose(x, 0.0, 0.0),
        anchor_frame_id='odom', answer='', dialect='nuscenes',
    )  # fmt: skip
    return replace(plan, **changes)


def odometry(seconds, speed=10.0, x=None, y=0.0, yaw_rate=0.0, frame_id='odom'):
    pose = Pose(speed * seconds if x is None else x, y, 0.0)
    return Odometry(at(seconds), pose, speed, 0.0, yaw_rate, frame_id)


def engaged(until=1.0, speed=10.0, **options):
    """Return a controller that followed a plan to `until` s."""
    controller = Controller(**options)
    controller.engage(True)
    for k in range(round(until / STEP) + 1):
        controller.observe(odometry(k * STEP, speed))
        controller.follow(planned(k * STEP, speed, speed * k * STEP))
        command = controller.command(at(k * STEP))
    assert (command.mode, command.reason) == ('following', '')
    return controller


def test_pursuit_is_the_arc_through_the_target():
    # Radius 10 to the left: the point a quarter round is (10, 10).
    assert pursuit(Pose(0, 0, 0), (10.0, 10.0), 2.79) == pytest.approx(math.atan(0.279))
    assert pursuit(Pose(5, 1, math.pi / 2), (15.0, 11.0), 2.79) == pytest.approx(-math.atan(0.279))


def test_a_track_is_read_by_its_stamp():
    times = np.arange(53) * 0.1
    track = Track(planned(speeds=10.0 - times, accelerations=np.full(53, -1.0)))
    assert track.speed(0.25) == pytest.approx(9.75)
    assert track.point(0.25) == pytest.approx((2.5, 0.0))
    assert track.nearest(3.0, 0.5) == pytest.approx((3.0, 0.5))
    assert track.ahead(60.0) == pytest.approx((60.0, 0.0))  # 52 m, then straight on
    # The points say 10 m in the second to come, the speeds 9.5: half a metre is to make up for.
    assert track.behind(Pose(0, 0, 0), 0.0, 1.0) == pytest.approx(0.5)


def test_nothing_is_asked_before_it_is_engaged():
    controller = Controller()
    controller.observe(odometry(0.0))
    controller.follow(planned())
    command = controller.command(at(0.0))
    assert (command.mode, command.tire_angle, command.acceleration) == ('disengaged', 0.0, 0.0)
    assert not controller.engaged


def test_disengaging_ends_it_at_once():
    controller = engaged()
    controller.engage(False)
    assert controller.command(at(1.05)).mode == 'disengaged'


def test_engaging_takes_over_without_a_step():
    controller = Controller()
    controller.engage(True)
    for k in range(20):
        controller.observe(odometry(k * STEP, 10.0, yaw_rate=0.5))
    command = controller.command(at(0.95))
    # 0.5 rad/s at 10 m/s is a circle of 20 m.
    assert command.tire_angle == pytest.approx(math.atan(2.79 / 20.0))
    assert command.velocity == pytest.approx(10.0)


def test_the_same_inputs_give_the_same_commands():
    one, other = engaged(), engaged()
    assert one.command(at(1.05)) == other.command(at(1.05)) == one.command(at(1.05))


def with_row(**changes):
    """Return a plan with one number of it changed."""
    plan = planned(1.05, x=10.5)
    for name, value in changes.items():
        row = getattr(plan, name).copy()
        row[3] = value
        plan = replace(plan, **{name: row})
    return plan


WRONG = {
    'not finite': with_row(poses=math.nan),
    'is not finite': with_row(speeds=math.inf),
    'do not increase': with_row(times=0.0),
    'reverses': with_row(speeds=-1.0),
    'violations: jerk: 99': planned(1.05, x=10.5, violations=('jerk: 99',)),
    'points: two are needed': replace(
        planned(1.05),
        **{name: np.zeros((1, 3) if name == 'poses' else 1) for name in
           ('times', 'poses', 'speeds', 'accelerations', 'yaw_rates', 'deviations')},
    ),
    "in frame 'map', the odometry in 'odom'": planned(1.05, x=10.5, frame_id='map'),
    '0.50 s ahead of the clock': planned(1.55, x=15.5),
    '1.20 m from the ego': planned(1.05, x=11.7),
    'does the planner publish': planned(0.5, x=5.0),
}  # fmt: skip


@pytest.mark.parametrize('words', WRONG)
def test_what_cannot_be_followed_is_braked_for_with_its_reason(words):
    controller = engaged()
    controller.observe(odometry(1.05))
    if 'publish' in words:
        for k in range(22, 32):
            controller.observe(odometry(k * STEP))
        command = controller.command(at(1.55))
    else:
        controller.follow(WRONG[words])
        command = controller.command(at(1.05))
    assert command.mode == 'braking'
    assert words in command.reason
    assert command.plan_stamp == at(1.0) and command.acceleration < 0.0
    # The next good one is followed.
    controller.observe(odometry(1.6))
    controller.follow(planned(1.6, x=16.0))
    assert controller.command(at(1.6)).mode == 'following'


def test_no_plan_and_no_odometry_are_named():
    controller = Controller()
    controller.engage(True)
    assert 'no odometry yet' in controller.command(at(0.0)).reason
    controller.observe(odometry(0.05))
    assert 'no plan yet' in controller.command(at(0.05)).reason
    controller.refuse('the plan says NaN')
    assert controller.command(at(0.1)).reason == 'the plan says NaN'


def braked(controller, first, told=True, jerk=10.0):
    """Let it brake to a stand; return the commands of a car that does what it is told."""
    speed, x, commands = 10.0, 10.0, [controller.command(at(first - STEP))]
    for k in range(200):
        now = first + k * STEP
        if told:
            controller.observe(odometry(now, speed, x))
        command = controller.command(at(now))
        commands.append(command)
        x += speed * STEP
        speed = max(0.0, speed + command.acceleration * STEP)
    steps = np.diff([c.acceleration for c in commands])
    assert np.abs(steps).max() <= jerk * STEP + 1e-9
    return commands, speed


def test_it_brakes_on_the_last_path_when_plans_stop():
    controller = engaged()
    commands, speed = braked(controller, 1.05)
    ages = [(c.stamp - c.plan_stamp) / NANOSECONDS for c in commands if c.mode == 'following']
    assert max(ages) == pytest.approx(0.5)
    assert speed == 0.0 and commands[-1].velocity == 0.0
    assert commands[-1].acceleration == -SpeedLaw().hold
    # With its own stop profile it needs no more than 2.5 m/s².
    assert min(c.acceleration for c in commands) >= -2.6
    assert commands[-1].reason.endswith('0.5 s allowed: does the planner publish?')


def test_without_odometry_it_brakes_from_its_last_speed_and_holds_the_wheel():
    controller = engaged()
    commands, speed = braked(controller, 1.05, told=False)
    lost = next(c for c in commands if c.mode == 'braking')
    assert (lost.stamp - at(1.0)) / NANOSECONDS == pytest.approx(0.35)
    assert 'the odometry is 0.35 s old' in lost.reason
    assert speed == pytest.approx(0.0, abs=0.3) and commands[-1].velocity == 0.0
    assert {c.tire_angle for c in commands[10:]} == {lost.tire_angle}


def test_a_stop_plan_is_followed_as_it_is():
    controller = engaged()
    times = np.arange(53) * 0.1
    speeds = np.maximum(10.0 - 4.0 * times, 0.0)
    slowing = np.where(speeds > 0.0, -4.0, 0.0)
    way = np.cumsum(np.concatenate([[0.0], 0.05 * (speeds[1:] + speeds[:-1])]))
    stop = planned(1.0, x=10.0, tier='stopping', speeds=speeds, accelerations=slowing)
    stop = replace(stop, poses=np.column_stack([10.0 + way, 0 * way, 0 * way]))
    for k in range(1, 9):
        controller.follow(replace(stop, stamp=stop.stamp + k))
        now = 1.0 + k * STEP
        speed, x = 10.0 - 4.0 * k * STEP, 10.0 + 10.0 * k * STEP - 2.0 * (k * STEP) ** 2
        controller.observe(odometry(now, speed, x))
        command = controller.command(at(now))
        assert (command.mode, command.tier) == ('braking', 'stopping')
        assert 'the plan is a stop (stopping)' in command.reason
    assert command.acceleration == pytest.approx(-4.0, abs=0.9)


def test_a_late_plan_does_not_replace_a_newer_one():
    controller = engaged()
    controller.follow(planned(0.9, x=9.0))
    controller.observe(odometry(1.05))
    assert controller.command(at(1.05)).plan_stamp == at(1.0)
    assert controller.counts['late plans'] == 1


def test_a_plan_in_base_link_is_laid_where_the_ego_was_at_its_stamp():
    controller = engaged()
    controller.follow(planned(1.02, x=0.0, frame_id='base_link'))
    controller.observe(odometry(1.05))
    assert controller.command(at(1.05)).mode == 'following'
    assert controller.errors.cross_track == pytest.approx(0.0, abs=1e-9)
    assert controller.errors.station == pytest.approx(0.0, abs=1e-6)
    young = Controller()
    young.engage(True)
    young.observe(odometry(1.05))
    young.follow(planned(0.95, x=0.0, frame_id='base_link'))
    assert 'ego pose at its stamp is not known' in young.command(at(1.05)).reason


def test_a_corrected_localization_moves_the_last_path_too():
    controller = engaged()
    controller.observe(odometry(1.05, x=110.5, y=40.0))
    command = controller.command(at(1.05))
    assert command.mode == 'following' and abs(command.tire_angle) < 1e-6


def test_a_clock_that_jumps_back_needs_fresh_inputs():
    controller = engaged()
    before = controller.command(at(1.0))
    command = controller.command(at(-100.0))
    assert (command.mode, command.plan_stamp) == ('braking', 0)
    assert command.tire_angle == before.tire_angle
    controller.follow(planned(-99.95, x=-999.5))
    assert 'no odometry yet' in controller.command(at(-99.95)).reason
    controller.observe(odometry(-99.9))
    assert controller.command(at(-99.9)).mode == 'following'
    assert controller.counts['clock jumps'] == 1


def test_the_wheel_turns_no_faster_and_no_farther_than_it_may():
    law = SteeringLaw(largest=0.2, rate=0.5)
    controller = engaged(steering=law)
    aside = planned(1.0, x=10.0)
    way = np.column_stack([10.0 + 0.2 * np.arange(53), np.arange(53) * 1.0, np.zeros(53) + 1.3])
    angles = []
    for k in range(1, 12):
        controller.follow(replace(aside, stamp=aside.stamp + k, poses=way))
        controller.observe(odometry(1.0 + k * STEP, 0.0, 10.0))
        command = controller.command(at(1.0 + k * STEP))
        angles.append(command.tire_angle)
        assert abs(command.tire_rate) <= 0.5 + 1e-9
    assert max(angles) <= 0.2 + 1e-9
