# SPDX-License-Identifier: Apache-2.0
"""Plans against the drive and against another planner, with numbers worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.courses import Course, difference, times_along
from impromptu_vla_ros.core.disagreements import Disagreement, Event, Events
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.shadow import Shadow, ShadowLimits
from impromptu_vla_ros.core.structs import NANOSECONDS, InputError, Odometry, Plan, Pose

START = 1_700_000_000_000_000_000
SPEED = 10.0


def at(seconds):
    return START + round(seconds * NANOSECONDS)


def plan(seconds=0.0, lateral=0.0, speed=SPEED, yaw=0.0, tier='fresh', frame='odom', x=None):
    """Return a plan straight ahead along x from where the car is then, 5 s long, every 0.1 s."""
    times = np.arange(51) * 0.1
    begin = SPEED * seconds if x is None else x
    poses = np.column_stack([begin + speed * times, np.full(51, lateral), np.full(51, yaw)])
    zeros = np.zeros(51)
    return Plan(
        at(seconds), frame, times, poses, zeros + speed, zeros, zeros, zeros + math.nan, 51, tier,
        (), at(seconds), Pose(begin, 0.0, 0.0), frame, 'answer', 'nuscenes',
    )  # fmt: skip


def state(seconds, y=0.0, x=None, frame='odom'):
    place = Pose(SPEED * seconds if x is None else x, y, 0.0)
    return Odometry(at(seconds), place, SPEED, 0.0, 0.0, frame)


def driven(shadow, start=0.0, end=3.5, y=lambda t: 0.0, **changes):
    """Drive straight on at 10 m/s, 20 poses a second; return what was found."""
    found = []
    for t in np.arange(round(start * 20), round(end * 20) + 1) / 20.0:
        found += shadow.drove(state(t, y(t), **changes))
    return found


def path(times, poses):
    return Course.of(START, 'odom', times, poses).path


def test_a_plan_beside_and_ahead_of_a_turned_course():
    # The other drives along +y at 10 m/s; the plan lies 2 m left of it (-x) and 3 m ahead.
    times = np.arange(0.0, 3.01, 0.1)
    other = path(times, [(0.0, 10.0 * t, math.pi / 2) for t in times])
    mine = Course.of(START, 'odom', times, [(-2.0, 10.0 * t + 3.0, math.pi / 2) for t in times])
    found = difference(mine, other, 3.0)
    assert found.after == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert found.lateral == pytest.approx([2.0] * 7)
    assert found.longitudinal == pytest.approx([3.0] * 7)
    assert found.speed == pytest.approx([0.0] * 7, abs=1e-9)
    assert found.mean_lateral == pytest.approx(2.0)


def test_only_common_times_are_compared():
    times = np.arange(0.0, 5.01, 0.5)
    mine = Course.of(START, 'odom', times, [(10.0 * t, 0.0, 0.0) for t in times])
    late = Course.of(at(1.0), 'odom', [0.0, 1.2], [(10.0, 0.0, 0.0), (16.0, 0.0, 0.0)])
    found = difference(mine, late.path, 3.0)
    assert found.after == pytest.approx([1.0, 1.5, 2.0])
    # 5 m/s against 10 m/s: 2.5 m more in every half second.
    assert found.longitudinal == pytest.approx([0.0, 2.5, 5.0])
    assert found.speed == pytest.approx([0.0, 5.0, 5.0])
    short = Course.of(at(2.8), 'odom', [0.0, 3.0], [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)])
    assert difference(mine, short.path, 3.0) is None


@given(st.floats(-3.0, 3.0), st.floats(-50.0, 50.0), st.floats(-4.0, 4.0), st.floats(-4.0, 4.0))
def test_where_the_frame_lies_does_not_matter(turn, shift, ahead, left):
    times = np.arange(0.0, 3.01, 0.5)
    straight = np.column_stack([8.0 * times, np.zeros(7), np.zeros(7)])
    c, s = math.cos(turn), math.sin(turn)

    def laid(poses):
        x, y = poses[:, 0], poses[:, 1]
        return np.column_stack([c * x - s * y + shift, s * x + c * y - shift, poses[:, 2] + turn])

    mine = Course.of(START, 'odom', times, laid(straight + [ahead, left, 0.0]))
    found = difference(mine, path(times, laid(straight)), 3.0)
    assert found.lateral == pytest.approx([left] * 7, abs=1e-6)
    assert found.longitudinal == pytest.approx([ahead] * 7, abs=1e-6)


def test_a_drive_along_the_plan_agrees():
    shadow = Shadow(ShadowLimits())
    assert shadow.planned(plan(lateral=0.5)) == ()
    assert driven(shadow) == []
    tally = shadow.tallies['driven']
    assert (tally.compared, tally.disagreed) == (1, 0)
    assert tally.mean_lateral == pytest.approx(0.5)


def test_nothing_is_said_before_the_horizon_is_driven():
    shadow = Shadow(ShadowLimits(horizon=2.0))
    shadow.planned(plan(lateral=-3.0))
    assert driven(shadow, 0.0, 1.95) == []
    (found,) = driven(shadow, 2.0, 2.0)
    assert (found.stamp, found.against, found.measure) == (START, 'driven', 'lateral')
    assert (found.value, found.limit) == pytest.approx((3.0, 1.0))
    assert found.text == 'lateral: 3.00 m right of the driven path after 0.0 s, 1 allowed'


def test_a_swerve_is_measured_at_its_most():
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan())
    # 0.5 m/s to the left from 1 s on: 1 m after 3 s is not beyond 1 m, but of 0.6 m/s 1.2 m are.
    assert driven(shadow, y=lambda t: 0.5 * max(0.0, t - 1.0)) == []
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan())
    (found,) = driven(shadow, y=lambda t: 0.6 * max(0.0, t - 1.0))
    assert found.value == pytest.approx(1.2)
    assert 'right of the driven path after 3.0 s' in found.text


def test_a_slower_plan_differs_in_way_and_speed():
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan(speed=6.0))
    along, speed = driven(shadow)
    assert along.measure == 'longitudinal' and along.value == pytest.approx(12.0)
    assert speed.measure == 'speed' and speed.value == pytest.approx(4.0)
    assert 'behind' in along.text and 'below' in speed.text
    assert shadow.tallies['driven'].disagreed == 1  # one plan, however many measures


@pytest.mark.parametrize(('stops', 'measures'), [('report', ['stop']), ('ignore', [])])
def test_a_plan_to_stop_is_called_one(stops, measures):
    shadow = Shadow(ShadowLimits(stops=stops))
    shadow.planned(plan(speed=2.0, tier='stopping'))
    found = driven(shadow)
    assert [each.measure for each in found] == measures
    assert all(each.text.startswith('a plan to stop: longitudinal: 24.00 m') for each in found)
    assert shadow.counts['stops'] == 1
    assert math.isnan(shadow.tallies['driven'].mean_lateral)


def test_a_plan_seen_from_the_car_is_laid_where_the_car_was():
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan(1.0, lateral=2.0, frame='base_link', x=0.0))
    (found,) = driven(shadow, 0.0, 4.5, y=lambda t: 30.0)
    assert (found.measure, found.value) == ('lateral', pytest.approx(2.0))


def test_another_frame_is_not_compared():
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan(frame='map'))
    assert driven(shadow) == []
    assert "'map' and the odometry in 'odom'" in shadow.objection
    assert shadow.counts['not compared'] == 1


def test_a_plan_that_is_no_number_is_said():
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan(lateral=math.nan))
    assert driven(shadow) == [] and shadow.objection == 'a number of the plan is not finite'
    assert shadow.tallies['driven'].compared == 0


@pytest.mark.parametrize('missing', [(0.0, 0.5), (1.0, 1.8)])
def test_a_drive_with_holes_is_not_compared(missing):
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan(lateral=5.0))
    for t in np.arange(71) / 20.0:
        if not missing[0] <= t < missing[1]:
            assert shadow.drove(state(t)) == ()
    assert shadow.tallies['driven'].compared == 0
    assert 'odometry' in shadow.objection


def test_a_correction_of_the_localization_is_no_disagreement():
    shadow = Shadow(ShadowLimits())
    shadow.planned(plan())
    assert driven(shadow, end=1.5) == []
    assert driven(shadow, 1.55, 3.5, y=lambda t: 4.0) == []
    assert shadow.tallies['driven'].mean_lateral == pytest.approx(0.0, abs=0.01)


def test_a_clock_that_jumps_back_forgets():
    shadow = Shadow(ShadowLimits())
    driven(shadow, 20.0, 21.0)
    shadow.planned(plan(21.0, lateral=9.0))
    shadow.drove(state(1.0))
    shadow.drove(state(1.05))
    assert shadow.counts['clock jumps'] == 1
    assert driven(shadow, 1.1, 25.0) == []


def test_an_unstamped_pose_is_refused():
    with pytest.raises(InputError, match='stamp is 0'):
        Shadow(ShadowLimits()).drove(replace(state(0.0), stamp=0))


def course(seconds, lateral, frame='odom'):
    times = np.arange(0.0, 4.01, 0.2)
    rows = [(SPEED * (seconds + t), lateral, 0.0) for t in times]
    return Course.of(at(seconds), frame, times, rows)


def test_another_planner_is_compared_at_once():
    shadow = Shadow(ShadowLimits())
    shadow.referred(course(-0.3, 1.5))
    (found,) = shadow.planned(plan())
    assert (found.against, found.measure) == ('reference', 'lateral')
    assert found.value == pytest.approx(1.5) and 'right' in found.text
    shadow.referred(course(0.0, 0.9))
    assert shadow.planned(plan(0.1)) == ()
    assert shadow.tallies['reference'].mean_lateral == pytest.approx(1.2)


def test_an_old_course_and_another_frame_are_not_compared():
    shadow = Shadow(ShadowLimits())
    shadow.referred(course(-1.5, 9.0))
    assert shadow.planned(plan()) == ()
    shadow.referred(course(0.0, 9.0, frame='map'))
    assert shadow.planned(plan()) == ()
    assert shadow.tallies['reference'].compared == 0
    assert "'odom' and the other planner in 'map'" in shadow.objection


def test_times_follow_from_speeds():
    # 10 m at (10 + 10)/2, 10 m at (10 + 0)/2, and what lies behind a stop is never reached.
    points = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (10.0, 11.0)]
    assert times_along(points, [10.0, 10.0, 0.0, 0.0]) == pytest.approx([0.0, 1.0, 3.0])


def disagreement(seconds, measure='lateral', value=2.0, against='driven'):
    return Disagreement(at(seconds), against, measure, value, 1.0, f'{measure}: {value}')


def test_disagreements_nearer_than_a_snippet_are_one_event():
    events = Events(around=5.0, settled=4.0)
    for seconds, value in ((0.0, 2.0), (0.1, 4.0), (9.9, 3.0)):
        events.add(disagreement(seconds, value=value))
    events.add(disagreement(1.0, 'speed'))
    assert events.next_due(at(4.99)) is None
    event = events.next_due(at(5.0))
    assert (event.stamp, event.count) == (START, 4)
    worst = {each.measure: each.value for each in event.worst}
    assert worst == {'lateral': 4.0, 'speed': 2.0}
    assert events.next_due(at(100.0)) is None
    # Its tail comes late and is part of it; what lies a whole snippet later is another one.
    events.add(disagreement(9.0))
    assert events.rest() == []
    events.add(disagreement(10.0))
    assert events.rest() == [Event(at(10.0), (disagreement(10.0),))]
    assert events.count == 2


def test_an_event_waits_for_its_horizon():
    events = Events(around=1.0, settled=4.0)
    events.add(disagreement(0.0))
    assert events.next_due(at(3.9)) is None and events.next_due(at(4.0)) is not None


def test_a_driven_path_of_a_plan_keeps_exact_stamps():
    found = Course.of(START, 'odom', [0.0, 0.1], [(0, 0, 3.1), (1, 0, -3.1)]).path
    assert isinstance(found, DrivenPath) and list(found.stamps) == [START, START + 100_000_000]
    assert found.poses[1, 2] == pytest.approx(2 * math.pi - 3.1)
