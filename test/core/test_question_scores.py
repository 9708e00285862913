# SPDX-License-Identifier: Apache-2.0
"""Scores of answers against numbers by hand: the paper's way, and corrected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.paper_scores import paper_scores
from impromptu_vla_ros.core.question_answers import RoadUser
from impromptu_vla_ros.core.question_scores import SCORED, Pair, corrected_scores, same_users

NOBODY = "No, I don't see any vulnerable road users ahead of me, such as bicycles, or pedestrians."


def seen(*users):
    return f'Yes, I see {", and ".join(users)}.'


WALKER = 'a pedestrian located 12 meters ahead of me and 3 meters to the left'
FAR_WALKER = 'a pedestrian located 19 meters ahead of me and 3 meters to the left'
CYCLE = 'a bicycle located 7 meters ahead of me'


def scores(*pairs):
    made = [Pair(*each) for each in pairs]
    return paper_scores(made), corrected_scores(made)


def test_vulnerable_users():
    paper, corrected = scores(
        ('q1', seen(WALKER, CYCLE), seen(WALKER, CYCLE)),
        ('q1', seen(FAR_WALKER), seen(WALKER)),
        ('q1', NOBODY, NOBODY),
        ('q1', 'A dog!', seen(CYCLE)),
    )
    # The paper sees no one without a place aside: 1, 1, 1; and nobody twice in the last: 1.
    assert paper['q1'] == {'f1': 1.0, 'count': 4}
    # Of 4 users 2 were found; 3 were told.
    assert corrected['q1'] == {
        'f1': pytest.approx(4 / 7),
        'precision': pytest.approx(2 / 3),
        'recall': 0.5,
        'unparsed': 1,
        'unscored': 0,
        'count': 4,
    }


def test_a_road_user_is_matched_once_and_the_nearest_first():
    right = [RoadUser('pedestrian', 10), RoadUser('pedestrian', 12)]
    assert same_users([RoadUser('pedestrian', 11)] * 3, right) == 2
    assert same_users([RoadUser('pedestrian', 12)], right) == 1
    assert same_users([RoadUser('bicycle', 12), RoadUser('pedestrian', 12, 3)], right) == 0


def test_objects_by_number_or_by_lot():
    right = (
        '<DYNAMIC OBJECTS>Object 1: KEEP, STRAIGHT\nObject 2: STOP, LEFT_TURN\n</DYNAMIC OBJECTS>'
    )
    swapped = 'Object 1: STOP, LEFT_TURN\nObject 2: KEEP, STRAIGHT\nObject 3: KEEP, STRAIGHT\n'
    half = 'Object 1: KEEP, LEFT_TURN\n'
    paper, corrected = scores(('q2', swapped, right), ('q2', half, right), ('q2', 'both', right))
    assert paper['q2'] == {
        'speed': pytest.approx((1.0 + 0.5 + 0.0) / 3),
        'path': pytest.approx((1.0 + 0.5 + 0.0) / 3),
        'both': pytest.approx((1.0 + 0.0 + 0.0) / 3),
        'count': 3,
    }
    assert corrected['q2'] == {
        'speed': pytest.approx(1 / 6),
        'path': 0.0,
        'both': 0.0,
        'objects': 6,
        'extra': 1,
        'unparsed': 1,
        'unscored': 0,
        'count': 3,
    }


def test_a_light_anywhere_in_a_sentence_counts_for_the_paper():
    paper, corrected = scores(
        ('q4', 'Red', 'Red'),
        ('q4', 'It is not Red.', 'Red'),
        ('q4', 'None, not Yellow', 'Yellow'),
        ('q4', 'Green', 'None'),
        ('q4', 'Red', 'dark red'),
    )
    assert paper['q4'] == {'accuracy': pytest.approx(3 / 5), 'count': 5}
    assert corrected['q4'] == {'accuracy': 0.25, 'unparsed': 2, 'unscored': 1, 'count': 5}


def test_plans():
    def plan(text):
        return f'<SPEED PATH PLAN>{text}\n</SPEED PATH PLAN>'

    right = plan('KEEP, STRAIGHT')
    paper, corrected = scores(
        ('q6', right, right),
        ('q6', f'I say {plan("KEEP, LEFT_TURN")}', right),
        ('q6', 'KEEP, STRAIGHT', right),
    )
    # The paper takes a plan out of a sentence, but none without tags.
    assert paper['q6'] == {
        'speed': pytest.approx(2 / 3),
        'path': pytest.approx(1 / 3),
        'both': pytest.approx(1 / 3),
        'count': 3,
    }
    assert corrected['q6'] == {
        'speed': pytest.approx(2 / 3),
        'path': pytest.approx(2 / 3),
        'both': pytest.approx(2 / 3),
        'unparsed': 1,
        'unscored': 0,
        'count': 3,
    }


def way(sign=1.0, dialect='kitti'):
    count = DIALECTS[dialect].waypoints
    return encode_trajectory(DIALECTS[dialect], [(3.0 * k, sign * k) for k in range(1, count + 1)])


def test_a_mirrored_way_is_perfect_for_the_paper_only():
    paper, corrected = scores(('q7', way(-1.0), way()))
    assert paper['q7'] == {**{f'l2_{k}s': 0.0 for k in range(1, 6)}, 'count': 1}
    # Waypoint k is 2·k m off: the mean up to 1 s is 3 m, up to 5 s 11 m; at 5 s it is 20 m.
    assert corrected['q7']['l2_1s'] == pytest.approx(3.0)
    assert corrected['q7']['l2_5s'] == pytest.approx(11.0)
    assert corrected['q7']['l2_at_5s'] == pytest.approx(20.0)


def test_what_is_no_way_counts_as_standing_or_as_unparsed():
    paper, corrected = scores(('q7', 'I stop.', way()), ('q7', way(), way()))
    far = [(9.0 + 1.0) ** 0.5 * k for k in range(1, 11)]
    assert paper['q7']['l2_1s'] == pytest.approx(sum(far[:2]) / 2 / 2)
    assert paper['q7']['l2_5s'] == pytest.approx(sum(far) / 10 / 2)
    assert (corrected['q7']['l2_5s'], corrected['q7']['unparsed']) == (0.0, 1)


def test_nine_points_do_for_the_paper_and_ways_of_3_s_end_there():
    nine = way().rpartition(', [')[0]
    paper, corrected = scores(('q7', nine, way()))
    assert paper['q7']['l2_4s'] == 0.0
    assert paper['q7']['l2_5s'] == pytest.approx((9.0 + 1.0) ** 0.5 / 10)
    assert corrected['q7'] == {'unparsed': 1, 'unscored': 0, 'count': 1}
    short = way(dialect='nuscenes')
    paper, corrected = scores(('q7', short, short))
    assert 'l2_3s' in corrected['q7'] and 'l2_4s' not in corrected['q7']
    assert 'l2_4s' not in paper['q7']


def test_words_are_not_scored():
    assert scores(('q3', 'a', 'b'), ('q5', 'a', 'b'), ('free', 'a', 'b')) == ({}, {})


@given(st.lists(st.tuples(st.sampled_from(SCORED), st.text(), st.text())))
def test_any_texts_have_finite_scores(rows):
    for found in scores(*rows):
        json.dumps(found, allow_nan=False)


@given(st.sampled_from(SCORED), st.integers(1, 5))
def test_right_answers_are_right_both_ways(task, count):
    right = {
        'q1': seen(WALKER),
        'q2': '<DYNAMIC OBJECTS>Object 1: KEEP, STRAIGHT\n</DYNAMIC OBJECTS>',
        'q4': 'None',
        'q6': '<SPEED PATH PLAN>STOP, STRAIGHT\n</SPEED PATH PLAN>',
        'q7': way(),
    }[task]
    for found in scores(*[(task, right, right)] * count):
        assert found[task].pop('count') == count
        for name in ('objects', 'extra', 'unparsed', 'unscored'):
            found[task].pop(name, None)
        assert set(found[task].values()) == {0.0 if task == 'q7' else 1.0}
