# SPDX-License-Identifier: Apache-2.0
"""Autoware's rules, each by a plan made by hand that breaks it and no other."""

import math
from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.core import autoware_rules
from impromptu_vla_ros.core.autoware_rules import broken_rules
from impromptu_vla_ros.core.structs import Plan, Pose

NOW = 1_700_000_000_000_000_000
HOME = Pose(0.0, 0.0, 0.0)


def plan(xy, speed=10.0, acceleration=0.0, yaws=0.0, speeds=None, age=0.0):
    """Return a plan through points (n, 2), a tenth of a second apart."""
    xy = np.asarray(xy, float)
    n = len(xy)
    return Plan(
        stamp=NOW - round(age * 1e9),
        frame_id='map',
        times=np.arange(n) * 0.1,
        poses=np.column_stack([xy, np.broadcast_to(yaws, n)]),
        speeds=np.full(n, speed) if speeds is None else np.asarray(speeds, float),
        accelerations=np.full(n, acceleration),
        yaw_rates=np.zeros(n),
        deviations=np.zeros(n),
        extended_from=n,
        tier='fresh',
        violations=(),
        capture_stamp=NOW,
        anchor=HOME,
        anchor_frame_id='map',
        answer='',
        dialect='nuscenes',
    )


def line(n=53, start=0.0, step=1.0, y=0.0):
    """Return points of a straight road along x."""
    return np.column_stack([start + step * np.arange(n), np.full(n, y)])


def circle(curvature, n, step):
    """Return points of a left bend, `step` m of arc apart, and their yaws."""
    yaws = curvature * step * np.arange(n)
    return np.column_stack([np.sin(yaws), 1.0 - np.cos(yaws)]) / curvature, yaws


def bend(curvature, n, step, side=1.0, **given):
    xy, yaws = circle(curvature, n, step)
    return plan(xy * [1.0, side], yaws=side * yaws, **given)


def broken(found, ego=HOME, speed=10.0, **given):
    """Return the names of the rules a plan breaks."""
    told = broken_rules(found, ego, speed, NOW, **given)
    return [text.partition(':')[0] for text in told]


def zigzag():
    """Return points that swerve 9.4 cm to a side every 1.1 m: κ = 4·0.094/1.1² = 0.31."""
    xy = line(53, step=0.55)
    xy[::4, 1], xy[2::4, 1] = 0.094, -0.094
    return xy


STRAIGHT = plan(line())


def test_a_straight_drive_breaks_nothing():
    assert broken_rules(STRAIGHT, HOME, 10.0, NOW) == ()
    assert broken_rules(STRAIGHT, HOME, 10.0, NOW, previous=STRAIGHT) == ()


def test_a_bend_breaks_nothing():
    # 10 m/s on a radius of 25 m: 4 m/s².
    for side in (1.0, -1.0):
        assert broken_rules(bend(0.04, 53, 1.0, side), HOME, 10.0, NOW) == ()


def test_a_stop_breaks_nothing():
    # 3 m/s² from 6 m/s: 6 m in 2 s, then 1 mm from point to point.
    t = np.minimum(np.arange(53) * 0.1, 2.0)
    x = 6.0 * t - 1.5 * t**2 + 0.001 * np.maximum(np.arange(53) - 20, 0)
    stop = plan(np.column_stack([x, 0.0 * x]), speeds=6.0 - 3.0 * t)
    assert broken_rules(stop, HOME, 6.0, NOW) == ()
    standing = plan(line(step=0.001), speed=0.0)
    assert broken_rules(standing, HOME, 0.0, NOW) == ()


CASES = {
    'size': (plan(line(2)), {}),
    'finite': (replace(STRAIGHT, yaw_rates=np.full(53, math.nan)), {}),
    'spacing': (replace(STRAIGHT, times=np.arange(53) * 0.5), {}),
    'distinct': (plan(np.vstack([line(), line()[-1:]])), {}),
    # Nobody is told to move, and all points lie within 1e-6 m.
    'arc length': (plan(line(3, step=2e-7), speed=0.0), {'speed': 0.0}),
    # A departure that begins at exactly 0 m/s.
    'zero speed': (plan(line(), speeds=np.arange(53.0)), {'speed': 0.0}),
    'interval': (plan(line(step=101.0)), {}),
    # Radius 0.8 m at 1 m/s, 4 m of arc.
    'curvature': (bend(1.25, 41, 0.1, speed=1.0), {'speed': 1.0}),
    # There and nearly back again, 143 degrees: κ = 2·sin(2.5/2)/15 = 0.13.
    'relative angle': (
        plan([[0, 0], [15, 0], [30, 0], [30 + 15 * math.cos(2.5), 15 * math.sin(2.5)]], 5.0),
        {'speed': 5.0},
    ),
    # 15² · 0.05 = 11.25 m/s².
    'lateral acceleration': (bend(0.05, 53, 1.5, speed=15.0), {'speed': 15.0}),
    # 3 · 10² · 1 · 0.04 = 12 m/s³.
    'lateral jerk': (bend(0.04, 53, 1.0, acceleration=1.0), {}),
    'longitudinal acceleration': (plan(line(), acceleration=-9.9), {}),
    # A bus of 8 m between its axles: atan(8 · 0.9) = 1.433 rad.
    'steering': (bend(0.9, 41, 0.1, speed=1.0), {'speed': 1.0, 'wheelbase': 8.0}),
    # One of 10 m: 2 · atan(10 · 0.31) = 2.5 rad within 1.1 m at 5.5 m/s.
    'steering rate': (plan(zigzag(), 5.5), {'speed': 5.5, 'wheelbase': 10.0}),
    'velocity deviation': (plan(line(step=10.1), 101.0), {'speed': 0.0}),
    'distance deviation': (STRAIGHT, {'ego': Pose(20.0, 101.0, 0.0)}),
    'longitudinal deviation': (STRAIGHT, {'ego': Pose(-1.0, 0.0, 0.0)}),
    'yaw deviation': (STRAIGHT, {'ego': Pose(0.0, 0.0, 1.6)}),
    # 15²/6 - 2 = 35.5 m.
    'forward length': (plan(line(36)), {'speed': 15.0}),
}


@pytest.mark.parametrize('rule', CASES)
def test_one_rule_is_broken(rule):
    found, given = CASES[rule]
    assert broken(found, **given) == [rule]


def test_columns_of_unequal_length_are_told_before_they_are_read():
    assert broken(replace(STRAIGHT, speeds=np.zeros(52))) == ['size']
    assert broken(plan(np.zeros((0, 2)))) == ['size']


def test_every_rule_has_its_plan():
    here = {*CASES, 'latency', 'candidate age', 'trajectory shift'}
    rules = (*autoware_rules.FORM, *autoware_rules.RULES)
    assert {rule.__name__.replace('_', ' ') for rule in rules} == here


def test_age():
    assert broken(plan(line(), age=0.2)) == []
    assert broken(plan(line(), age=0.21)) == ['candidate age']
    assert broken(plan(line(), age=1.0)) == ['candidate age']
    assert broken(plan(line(), age=1.01)) == ['latency', 'candidate age']


@pytest.mark.parametrize(
    ('rule', 'found'),
    [
        ('curvature', bend(1.25, 41, 0.1, -1.0, speed=1.0)),
        ('lateral acceleration', bend(0.05, 53, 1.5, -1.0, speed=15.0)),
        ('lateral jerk', bend(0.04, 53, 1.0, -1.0, acceleration=1.0)),
    ],
)
def test_right_bends_count_too(rule, found):
    assert broken(found, speed=1.0) == [rule]


def test_past_the_end():
    found = plan(line(5))
    assert broken(found, Pose(4.9, 0.0, 0.0), 1.0) == []
    assert broken(found, Pose(5.1, 0.0, 0.0), 1.0) == ['longitudinal deviation']


def test_a_slow_yaw_is_not_looked_at_again():
    turned = Pose(0.0, 0.0, 1.6)
    assert broken(STRAIGHT, turned, previous=STRAIGHT) == []
    # The previous plan's yaw was 0.2 rad less.
    before = replace(STRAIGHT, poses=STRAIGHT.poses - [0.0, 0.0, 0.2])
    assert broken(STRAIGHT, turned, previous=before) == ['yaw deviation']


def test_a_standing_ego_needs_no_length_and_may_see_jumps():
    short = plan(line(3, start=0.5), speed=0.0)
    assert broken(short, speed=0.2, previous=plan(line(start=-0.9))) == []


@pytest.mark.parametrize(
    ('found', 'previous', 'ego'),
    [
        # 0.6 m beside both the ego and the previous plan.
        (line(start=-5.0, y=0.6), line(start=-5.0), HOME),
        # From the segment that began at -0.9 m to the one that begins at 0.5 m.
        (line(start=0.5), line(start=-5.9), HOME),
        # The end of the plan comes back from 0 m to -0.2 m.
        (line(9, start=-7.2), line(start=-7.0), Pose(0.6, 0.0, 0.0)),
    ],
    ids=['lateral', 'forward', 'backward'],
)
def test_a_jump(found, previous, ego):
    told = broken(plan(found), ego, 1.0, previous=plan(previous))
    assert told == ['trajectory shift']


@pytest.mark.parametrize(
    ('found', 'previous', 'ego'),
    [
        # Beside the previous plan, but under the ego.
        (line(start=-5.0, y=0.6), line(start=-5.0), Pose(0.0, 0.6, 0.0)),
        (line(start=0.5), line(start=-5.4), HOME),
        # The ego is at the end of the previous plan.
        (line(start=0.5), line(7, start=-5.9), HOME),
    ],
    ids=['lateral', 'forward', 'at the end'],
)
def test_no_jump(found, previous, ego):
    assert broken(plan(found), ego, 1.0, previous=plan(previous)) == []
