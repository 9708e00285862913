# SPDX-License-Identifier: Apache-2.0
"""Answers to the questions: what is rendered is parsed, and what is not is said to be not."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core import question_answers as answers
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.question_answers import (
    FreeText,
    MetaPlan,
    NotUnderstood,
    ObjectPlans,
    RoadUser,
    TrafficLight,
    VulnerableUsers,
)
from impromptu_vla_ros.core.questions import PATHS, SPEEDS, TASKS, WORDINGS, SpeedPath
from impromptu_vla_ros.core.structs import Trajectory

KITTI = DIALECTS['kitti']

decisions = st.builds(SpeedPath, st.sampled_from(SPEEDS), st.sampled_from(PATHS))
users = st.builds(
    RoadUser,
    st.sampled_from(answers.VULNERABLE),
    st.integers(0, 9999),
    st.integers(-9999, 9999),
)
results = st.one_of(
    st.tuples(st.just('q1'), st.builds(VulnerableUsers, st.lists(users).map(tuple))),
    st.tuples(
        st.just('q2'),
        st.dictionaries(st.integers(0, 9999), decisions).map(
            lambda found: ObjectPlans(tuple(found.items()))
        ),
    ),
    st.tuples(st.just('q4'), st.builds(TrafficLight, st.sampled_from(answers.LIGHTS))),
    st.tuples(st.just('q6'), st.builds(MetaPlan, decisions)),
    st.tuples(
        st.sampled_from(['q3', 'q5']),
        st.text().map(str.strip).filter(bool).map(FreeText),
    ),
)
# Texts that look like answers, to come near the forms' edges.
pieces = st.lists(
    st.sampled_from(
        "Yes, I see |a pedestrian located 3 meters ahead of me|, and |.|No, I don't see|"
        '<DYNAMIC OBJECTS>|Object 1: |KEEP|, |STRAIGHT|\n|</DYNAMIC OBJECTS>|<SPEED PATH PLAN>|'
        '</SPEED PATH PLAN>|Red|[x, y]:|[1.0, 2.0]|<PLANNING>|²|9999999999'.split('|')
    )
).map(''.join)


@given(results, st.sampled_from(list(WORDINGS.values())))
def test_what_is_rendered_is_parsed(case, wording):
    task, answer = case
    text = answers.render_answer(answer, KITTI, wording)
    assert answers.parse_answer(task, text, KITTI) == answer
    json.dumps(answers.as_record(answer))


@given(st.lists(st.integers(-999, 9999), min_size=20, max_size=20))
def test_waypoints_that_are_rendered_are_parsed(centimetres):
    points = np.array(centimetres).reshape(10, 2) / 100.0
    text = answers.render_answer(Trajectory(points), KITTI, WORDINGS['others'])
    parsed = answers.parse_answer('q7', text, KITTI)
    np.testing.assert_allclose(parsed.points, points, atol=1e-9)
    assert answers.as_record(parsed)['understood']


@given(st.sampled_from(list(TASKS)), st.one_of(st.text(), pieces))
def test_any_text_is_an_answer_or_not_understood_and_never_raises(task, text):
    answer = answers.parse_answer(task, text, KITTI)
    record = answers.as_record(answer)
    if isinstance(answer, NotUnderstood):
        assert (answer.task, answer.text, record['understood']) == (task, text, False)
        assert answer.reason
    json.dumps(record)


def test_road_users_are_typed_with_their_places():
    text = (
        'Yes, I see a pedestrian located 12 meters ahead of me and 3 meters to the left, '
        'and a bicycle located 7 meters ahead of me, '
        'and a motorcycle located 18 meters ahead of me and 4 meters to the right.'
    )
    assert answers.parse_vulnerable(text) == VulnerableUsers(
        (RoadUser('pedestrian', 12, 3), RoadUser('bicycle', 7), RoadUser('motorcycle', 18, -4))
    )
    nobody = answers.parse_vulnerable(
        "No, I don't see any vulnerable road users ahead of me, such as bicycles, motorcycles, "
        'or pedestrians.'
    )
    assert nobody == VulnerableUsers(())


def test_places_are_cut_off_and_small_offsets_left_out():
    assert answers.road_user('bicycle', 12.9, 1.99) == RoadUser('bicycle', 12, 0)
    assert answers.road_user('bicycle', 0.4, -2.9) == RoadUser('bicycle', 0, -2)


@pytest.mark.parametrize(
    ('task', 'text', 'reason'),
    [
        ('q1', 'Yes, I see a dragon located 3 meters ahead of me.', "'dragon' is none of"),
        ('q1', 'Yes.', 'neither'),
        ('q1', 'There is a pedestrian located 3 meters ahead of me.', 'neither'),
        ('q1', 'Yes, I see a pedestrian located -3 meters ahead of me.', 'is not "a'),
        ('q2', '<DYNAMIC OBJECTS>Object 1: FLY, STRAIGHT\n</DYNAMIC OBJECTS>', "'FLY' is none"),
        ('q2', 'Object 1: KEEP, STRAIGHT\nObject 1: KEEP, STRAIGHT', 'twice'),
        ('q2', 'Object 1 keeps straight', 'is not "Object 1'),
        ('q2', '', 'empty'),
        ('q4', 'red', 'none of Red'),
        ('q4', 'The light is Red.', 'none of Red'),
        ('q4', 'Red Green', 'none of Red'),
        ('q5', ' \n', 'empty'),
        ('q6', 'KEEP', 'does not say'),
        ('q6', '<SPEED PATH PLAN>KEEP, KEEP\n</SPEED PATH PLAN>', "PATH 'KEEP'"),
        ('q6', '<SPEED PATH PLAN>KEEP, STRAIGHT\n', 'does not say'),
        ('q7', 'I would rather walk.', 'no waypoint'),
    ],
)
def test_what_is_not_of_the_vocabulary_is_not_understood(task, text, reason):
    answer = answers.parse_answer(task, text, KITTI)
    assert isinstance(answer, NotUnderstood) and reason in answer.reason


def test_tags_may_be_missing_as_from_argoverse():
    assert answers.parse_plan('KEEP, LEFT_TURN') == MetaPlan(SpeedPath('KEEP', 'LEFT_TURN'))
    assert answers.parse_objects('Object 2: STOP, STRAIGHT\n') == ObjectPlans(
        ((2, SpeedPath('STOP', 'STRAIGHT')),)
    )
