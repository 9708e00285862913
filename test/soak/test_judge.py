# SPDX-License-Identifier: Apache-2.0
"""The soak's judge finds what is wrong, and its signs can be read."""

from dataclasses import replace

import numpy as np
import pytest
import road_sign
from closed_loop import drive
from judge import Judge, flat

from impromptu_vla_ros.core.structs import NANOSECONDS, CameraImage, Pose
from impromptu_vla_ros.images import decode


@pytest.fixture(scope='module')
def cycles():
    """Return a drive of 6 s, without those before its first answer."""
    driven = drive(6.0, lambda t: 5.0, lambda: 0.3)
    return [cycle for cycle in driven if cycle.plan.tier == 'fresh'][:20]


@pytest.fixture
def judged(cycles):
    """Return a function that judges the drive, and the judge; `changed` changes each plan."""

    def judged(changed=lambda plan: plan, aside=0.0, said=None, **more):
        judge = Judge(len(cycles))
        for cycle in cycles:
            x, y, yaw = cycle.plan.poses[0]
            ego = Pose(x - aside * np.sin(yaw), y + aside * np.cos(yaw), yaw), cycle.speed
            plan = changed(cycle.plan)
            judge.see(plan, cycle.time, ego, 1.0, said or plan.answer, **more)
        return judge

    return judged


def missed(judge):
    return [each.name.partition(':')[0] for each in judge.criteria(2.0) if not each.met]


def test_nothing_is_wrong_with_a_good_drive(judged):
    judge = judged()
    assert judge.cycles == 20 and missed(judge) == []
    assert judge.followed() == (20, 20)


def test_a_plan_on_too_old_an_answer_is_found(judged):
    older = 2 * NANOSECONDS
    judge = judged(lambda plan: replace(plan, capture_stamp=plan.capture_stamp - older))
    assert missed(judge) == ['plans older than their tier allows'] and len(judge.old) == 20


def test_a_broken_rule_is_found_and_no_stall_excuses_it(judged):
    judge = judged(
        lambda plan: replace(plan, accelerations=plan.accelerations + 20.0), affected=True
    )
    assert missed(judge) == ['plans that break a rule'] and len(judge.broken) >= 20
    assert judge.affected == 20


def test_the_true_ego_is_what_counts(judged):
    assert missed(judged(aside=150.0)) == ['plans that break a rule']


def test_what_is_wrong_with_a_message_counts(judged):
    assert missed(judged(form=('points coincide',))) == ['plans that break a rule']


def test_an_answer_to_another_picture_is_found(judged):
    assert missed(judged(said='something else')) == ['plans not of their own picture']


def test_a_stop_despite_a_young_answer_is_found(judged):
    judge = judged(lambda plan: replace(plan, tier='stopping', capture_stamp=0, answer=''))
    assert judge.followed() == (20, 0)
    assert missed(judge) == ['fresh or held while an answer is younger than 2 s']


def test_plans_that_do_not_come_are_missed(judged):
    assert [each.met for each in judged().criteria(3.0)][4] is False


def test_memory_that_rises_is_told_from_memory_that_wavers():
    times = np.arange(600.0)
    assert not flat('leak', times, 100.0 + times / 100.0, 4.0, 60.0).met
    assert flat('noise', times, 100.0 + np.sin(times), 4.0, 60.0).met
    # What is taken while warming up is not held against it.
    assert flat('warm', times, np.minimum(100.0 + times, 160.0), 4.0, 60.0).met
    assert not flat('short', times[:2], times[:2], 4.0, 0.0).met


def test_a_sign_is_read_as_it_was_painted():
    text = '<PLANNING>[2.21, 0.00], [4.75, -0.10] °</PLANNING>'
    picture = CameraImage('front', 1, 'png', road_sign.painted(text))
    assert road_sign.read(decode(picture).pixels) == text
    assert road_sign.read(np.full((512, 512, 3), 128, np.uint8)) is None
