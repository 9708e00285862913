# SPDX-License-Identifier: Apache-2.0
"""Signals that contradict the poses are derived from them, as long as they do."""

import math
import random
from dataclasses import replace

import pytest
from drives import at
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ego_check import WHEELBASE, drive, scaled

from impromptu_vla_ros.core.ego import EgoHistory
from impromptu_vla_ros.core.ego_watch import SPAN
from impromptu_vla_ros.core.structs import Acceleration, Odometry, Pose, Steering, Velocity


def fed(samples):
    ego = EgoHistory(3.0, WHEELBASE)
    for sample in samples:
        ego.add(sample)
    return ego


def last_state(ego, stamp):
    (state,), _, _ = ego.states(stamp, 0.5, 1, 1)
    return state


@pytest.mark.parametrize(
    ('factors', 'wrong'),
    [
        ({'yaw_rate': -180.0 / math.pi}, 'yaw rate'),
        ({'vx': 3.6}, 'speed'),
        ({'vx': 3.6, 'yaw_rate': -1.0}, 'speed and yaw rate'),
        ({'vx': 0.0, 'vy': 0.0, 'yaw_rate': 0.0}, 'speed and yaw rate'),
    ],
)
def test_a_wrong_twist_is_replaced_by_what_the_poses_say(factors, wrong):
    honest = drive(noise=0.0)[0]
    ego = fed(scaled(honest, **factors))
    stamp = honest[-1].stamp
    assert ego.watch.distrusted(stamp) == set(wrong.split(' and '))
    found, truth = last_state(ego, stamp), last_state(fed(honest), stamp)
    # Poses of the last half second lag a quarter behind.
    assert found.vx == pytest.approx(truth.vx, abs=0.6)
    assert found.yaw_rate == pytest.approx(truth.yaw_rate, abs=0.06)
    assert found.ax == pytest.approx(truth.ax, abs=0.7)
    for signal in ('speed', 'yaw rate'):
        assert ego.signals.sources[signal] == ('poses' if signal in wrong else 'measured')
    assert ego.odometry.counts['pose jumped'] == 0 and ego.take_change() is None


def test_a_wrong_steering_angle_and_acceleration_are_not_used():
    odometry, accelerations, steering = drive()
    ego = fed(
        [
            *(replace(a, ax=-a.ax) for a in accelerations),
            *(replace(s, tire_angle=16.0 * s.tire_angle) for s in steering),
            *odometry,
        ]
    )
    state = last_state(ego, odometry[-1].stamp)
    assert math.isnan(state.tire_angle)
    assert state.ax == pytest.approx(accelerations[-1].ax, abs=0.5)
    assert ego.signals.sources == {
        'speed': 'measured',
        'yaw rate': 'measured',
        'acceleration': 'slope of speed',
        'steering': 'yaw rate / speed',
    }


def test_a_source_that_recovers_is_trusted_again_once_a_corner_shows_it():
    honest = drive(70.0)[0]
    bad = scaled(honest, yaw_rate=-57.3)
    end = bad[399].pose
    straight = [
        Odometry(
            at(20.0 + k / 20.0),
            Pose(
                end.x + 0.35 * k * math.cos(end.yaw), end.y + 0.35 * k * math.sin(end.yaw), end.yaw
            ),
            *(7.0, 0.0, 0.0),
        )
        for k in range(1, 600)
    ]
    ego = fed([*bad[:400], *straight])
    assert ego.watch.distrusted(straight[-1].stamp) == {'yaw rate'}  # nothing shows it mended
    ego = fed([*bad[:400], *honest[400:]])
    assert ego.watch.distrusted(honest[-1].stamp) == set()
    assert ego.watch.findings == ()


def test_the_verdict_for_a_stamp_is_the_same_whenever_it_is_asked():
    odometry = scaled(drive()[0], yaw_rate=57.3)
    ego, told = EgoHistory(3.0), {}
    for sample in odometry:
        ego.add(sample)
        told[sample.stamp] = ego.watch.distrusted(sample.stamp)
    assert set(told.values()) == {frozenset(), frozenset({'yaw rate'})}
    for stamp in [s for s in told if s > odometry[-1].stamp - 5_000_000_000]:
        assert ego.watch.distrusted(stamp) == told[stamp]


def test_inputs_that_arrive_late_change_no_verdict():
    odometry, accelerations, steering = drive()
    steering = [replace(s, tire_angle=-s.tire_angle) for s in steering]
    by_stamp = sorted([*odometry, *accelerations, *steering], key=lambda s: s.stamp)
    shuffled = random.Random(1)
    delayed = sorted(by_stamp, key=lambda s: s.stamp + shuffled.uniform(0.0, 5e8))
    one, two = fed(by_stamp), fed(delayed)
    seconds = [odometry[-1].stamp - k * 10**9 for k in range(6)]
    verdicts = [one.watch.distrusted(stamp) for stamp in seconds]
    assert verdicts == [two.watch.distrusted(stamp) for stamp in seconds]
    assert verdicts[0] == {'steering'}
    assert one.watch.findings == two.watch.findings


def test_a_pose_that_is_wrong_itself_is_named_and_nothing_else_is_blamed():
    odometry = [replace(o, pose=Pose(o.pose.x, o.pose.y, -o.pose.yaw)) for o in drive()[0]]
    ego = fed(odometry)
    assert [f.what for f in ego.watch.findings] == ['odometry: left-handed orientation']
    assert ego.watch.distrusted(odometry[-1].stamp) == set()


def test_what_is_distrusted_stays_so_when_the_clock_jumps_back():
    odometry = scaled(drive()[0], vx=3.6)
    ego = fed(odometry)
    ego.clear()
    assert ego.watch.distrusted(at(0.0)) == {'speed'} and not ego.watch.judged


def test_the_vehicles_own_report_is_compared_and_changes_nothing_else():
    odometry = drive()[0]
    reports = [Velocity(o.stamp, 3.6 * o.vx, 0.0, -57.3 * o.yaw_rate) for o in odometry]
    ego = fed([*reports, *odometry])
    assert [f.what for f in ego.watch.findings] == [
        'velocity report: speed: in km/h',
        'velocity report: yaw rate: in degrees, with the wrong sign',
    ]
    assert ego.watch.distrusted(odometry[-1].stamp) == set()


NUMBERS = st.sampled_from([0.0, -0.0, 1e-9, 0.3, -7.0, 57.0, 1e6, math.nan])
PLACES = st.sampled_from([0.0, 0.2, 5.0, -300.0, 1e7])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(PLACES, PLACES, PLACES, NUMBERS, NUMBERS), min_size=3, max_size=12),
    st.sampled_from([0.02, 0.1, 0.45, 0.7]),
)
def test_whatever_comes_is_judged_without_an_error(rows, period):
    samples = []
    for k in range(80):
        x, y, yaw, v, w = rows[k % len(rows)]
        stamp = at(k * period)
        samples.append(Odometry(stamp, Pose(x + 0.1 * k, y, yaw), v, 0.0, w))
        if not math.isnan(v + w):
            samples += [Acceleration(stamp, v, w), Steering(stamp, w), Velocity(stamp, v, 0.0, w)]
    assert isinstance(fed(samples).watch.findings, tuple)


def test_what_is_looked_back_on_is_bounded():
    ego = fed(drive(60.0)[0])
    assert len(ego.watch._odometry) <= 20 * (SPAN + 2) + 1
