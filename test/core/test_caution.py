# SPDX-License-Identifier: Apache-2.0
"""Deviations from the answer to the published plan, and the speed that they allow."""

import math

import numpy as np
import pytest
from closed_loop import Road, drive
from scripted import ScriptedDrive
from unsure import unsure_of

from impromptu_vla_ros.core.caution import cautious, sure_until
from impromptu_vla_ros.core.confidence import Confidence, waypoint_deviations
from impromptu_vla_ros.core.paths import Stop, timed_path
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.policy import Followed
from impromptu_vla_ros.core.structs import Answer, EgoNow


def answered(limit=0.0, scale=1.0, name='lane change', capture=3.0, latency=0.25):
    """Return a drive whose model has answered, unsure of the tenths, and what it said."""
    driven = ScriptedDrive(name, 'kitti')
    driven.planner = Planner(driven.dialect, confidence=Confidence(scale, limit))
    query, answer = driven.ask(capture)
    driven.drive_until(capture + latency)
    answer = Answer(answer.text, digits=unsure_of(answer.text))
    told = driven.planner.tell(query, answer, driven.stamp(capture + latency))
    return driven, told


def test_an_answers_deviations_are_published_with_its_points():
    driven, told = answered(scale=2.0)
    known = 2.0 * waypoint_deviations(told.answer, unsure_of(told.answer))
    np.testing.assert_allclose(told.deviations, [0.0, *known])
    plan = driven.plan(3.25)
    # It begins half a step ago, 0.2 s after the picture; between waypoints it is interpolated.
    wanted = np.interp(0.2 + plan.times, told.times, told.deviations)
    within = plan.extended_from
    np.testing.assert_allclose(plan.deviations[:within], wanted[:within], rtol=1e-4)
    # Beyond the model's own horizon nobody knows.
    assert within == 49 and np.isnan(plan.deviations[within:]).all()


def test_a_stop_and_a_silent_model_tell_no_deviations():
    driven, _ = answered()
    driven.drive_until(6.5)
    stop = driven.plan(6.5)
    assert stop.tier == 'stopping' and np.isnan(stop.deviations).all()
    query, answer = driven.ask(6.6)
    assert np.isnan(driven.planner.tell(query, answer, driven.stamp(6.6)).deviations).all()


def test_where_the_deviation_passes_is_between_waypoints():
    _, told = answered()
    k = 4
    half = 0.5 * (told.deviations[k] + told.deviations[k + 1])
    assert sure_until(told, half) == pytest.approx(told.times[k] + 0.25)
    assert sure_until(told, 1.001 * told.deviations[-1]) is None


@pytest.mark.parametrize('k', [9, 7])
def test_a_car_could_stop_where_the_model_is_still_sure(k):
    limit = float(answered(name='S-curve')[1].deviations[k])
    driven, told = answered(limit, name='S-curve')
    plan = driven.plan(3.25)
    # From 8 m/s it takes 8²/(2·1.5) + 8·1.5/(2·3) = 23.3 m, and a little to ease off.
    place = 8.0 * told.times[k]
    steps = np.hypot(*np.diff(plan.poses[:, :2], axis=0).T)
    way = 8.0 * 0.2 + steps[plan.speeds[1:] > 0.0].sum()
    assert place - 1.5 < way <= place
    begins = -plan.ages['unsure'] - 0.05
    assert begins == pytest.approx((place - 23.3) / 8.0 - 0.25, abs=0.3)
    np.testing.assert_allclose(plan.speeds[plan.times < begins], 8.0, atol=0.1)
    assert (plan.tier, plan.speeds[-1]) == ('fresh', 0.0)
    assert plan.accelerations.min() > -1.6
    # The deviations are those of the places, and none is beyond the limit.
    assert 0.8 * limit < plan.deviations.max() <= limit


def test_a_car_that_is_too_fast_for_its_doubt_brakes_at_once():
    limit = float(answered()[1].deviations[3])
    driven, _ = answered(limit)
    plan = driven.plan(3.25)
    # From 12 m/s it takes 12²/(2·1.5) + 12·1.5/(2·3) = 51 m, where 18 are sure.
    way = 12.0 * 0.2 + float(np.hypot(*(plan.poses[-1, :2] - plan.poses[0, :2])))
    assert 51.0 < way < 56.0
    assert plan.ages['unsure'] == pytest.approx(-0.05)
    assert (plan.tier, plan.speeds[-1]) == ('fresh', 0.0)
    assert plan.accelerations.min() > -1.6


def test_a_limit_that_is_kept_changes_nothing():
    plain, told = answered()
    kept, _ = answered(limit=1.01 * float(told.deviations[-1]))
    one, other = plain.plan(3.25), kept.plan(3.25)
    np.testing.assert_array_equal(one.poses, other.poses)
    assert 'unsure' not in other.ages


def test_an_answer_that_stops_in_time_is_left_alone():
    path = timed_path(np.column_stack([[3.0, 5.0, 6.0] + [6.0] * 7, np.zeros(10)]), 0.5, 8.0)
    _, told = answered()
    offered = Followed(path, told.stamp, told.anchor, 'odom', 5.0, told)
    ego = EgoNow(told.anchor, 8.0)
    limit = float(told.deviations[6])
    assert cautious(offered, limit, Stop(), told.stamp, ego) is offered
    # Where it would have to stop before, it does not.
    assert cautious(offered, 0.1, Stop(), told.stamp, ego) is not offered


def test_a_paced_way_keeps_the_deviations_of_its_places():
    driven, told = answered(name='S-curve', capture=2.0)
    policy = driven.planner._policy
    followed = policy._followed
    now = driven.stamp(2.25)
    # A car that stands where the answer begins, and goes the way at its own pace.
    slow = policy._at_own_pace(followed, now, EgoNow(followed.anchor, 0.0))
    assert slow is not None and slow.paced
    at = np.array([2.0, 4.0])
    place = slow.path.distance(at)
    wanted = np.interp(place, followed.path.distance(told.times), told.deviations)
    np.testing.assert_allclose(slow.deviations(at), wanted, rtol=1e-6)
    assert (slow.deviations(at) < followed.deviations(at)).all()


@pytest.mark.parametrize(('latency', 'reach'), [(0.5, 2.0), (1.0, 3.0)])
def test_an_unsure_drive_settles_at_a_speed_it_can_stop_from(latency, reach):
    _, told = answered()
    limit = float(np.interp(reach, told.times, told.deviations))
    cycles = drive(
        25.0,
        lambda t: 12.0,
        lambda: latency,
        road=Road(radius=400.0),
        confidence=Confidence(1.0, limit),
        sure=unsure_of,
    )
    assert [c.broken for c in cycles if c.broken] == []
    late = [c for c in cycles if c.time > 12.0]
    speeds = np.array([c.speed for c in late])
    # It drives on, and slower than it would.
    assert 1.0 < speeds.min() and speeds.max() < 11.0
    assert {c.plan.tier for c in late} <= {'fresh', 'held'}
    assert all('unsure' in c.plan.ages for c in late)
    assert max(abs(c.aside) for c in cycles) < 0.3
    # What was promised: along each plan the car stops within what the model was sure of.
    assert max(float(np.nanmax(c.plan.deviations)) for c in late) <= 1.02 * limit


def test_off_is_off():
    drives = [
        drive(6.0, lambda t: 8.0, lambda: 0.3, sure=sure, road=Road(radius=400.0))
        for sure in (lambda text: None, unsure_of)
    ]
    for one, other in zip(*drives, strict=True):
        np.testing.assert_array_equal(one.plan.poses, other.plan.poses)
    assert math.isfinite(drives[1][-1].plan.deviations[0])
