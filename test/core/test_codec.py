# SPDX-License-Identifier: Apache-2.0
"""The wire format, byte for byte, and answers of every kind of wrong."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.codec import AnswerError, PromptState
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import Trajectory

GOLDEN = json.loads((Path(__file__).parents[1] / 'data' / 'golden.json').read_text())
NUSCENES, KITTI = DIALECTS['nuscenes'], DIALECTS['kitti']
HEAD = codec.answer_header(NUSCENES)

# A real record's answer and two of its states, as two third parties quote the released file.
REAL_ANSWER = (
    HEAD + '[2.15, 0.09], [3.8, 0.27], [5.86, 0.67], [7.93, 1.28], [9.92, 2.17], [11.77, 3.42]'
    '</PLANNING>'
)
REAL_STATES = (
    '(t-0.5s) [-4.83, 0.15], Acceleration: X 0.06, Y 0.56 m/s^2, Velocity: 9.38 m/s, '
    'Steering angle: 0.5 (positive: left turn, negative: right turn), (t-0.0s) [0.0, 0.0], '
    'Acceleration: X -0.1, Y 0.96 m/s^2, Velocity: 9.45 m/s, Steering angle: 0.55 '
    '(positive: left turn, negative: right turn)\n'
)


def golden_states(case):
    names = ('x', 'y', 'vx', 'vy', 'ax', 'ay', 'steering') if case['kinematics'] else ('x', 'y')
    return [PromptState(**{name: state[name] for name in names}) for state in case['states']]


def test_there_are_fourteen_golden_cases():
    assert len(GOLDEN) == 14


@pytest.mark.parametrize('case', GOLDEN, ids=lambda c: f'{c["dialect"]}-{len(c["states"])}')
def test_golden_prompts_and_answers_match_byte_for_byte(case):
    dialect = DIALECTS[case['dialect']]
    prompt = codec.encode_prompt(dialect, golden_states(case), case.get('predicted'))
    assert prompt == case['prompt']
    assert codec.encode_trajectory(dialect, case['waypoints']) == case['answer']
    decoded = codec.decode_trajectory(dialect, case['answer'])
    np.testing.assert_allclose(decoded.points, case['waypoints'], atol=0.0056)


def test_a_real_fragment_renders():
    states = [
        PromptState(-4.83, 0.15, vx=9.38, vy=0.0, ax=0.06, ay=0.56, steering=0.5),
        PromptState(0.0, 0.0, vx=9.45, vy=0.0, ax=-0.1, ay=0.96, steering=0.55),
    ]
    prompt = codec.encode_prompt(NUSCENES, states)
    assert prompt.endswith('in the format [x, y]:.' + REAL_STATES)
    assert 'over the last 0.5 seconds' in prompt


def test_the_recognized_but_undrivable_source_renders_its_real_fragment():
    # From upstream issue 35: three or more states, vx and vy, nothing between colon and states.
    dialect = DIALECTS['impromptu_nuscenes']
    states = [
        PromptState(-14.0, -0.25, vx=4.76, vy=0.0, ax=-1.11, ay=-0.21),
        PromptState(-11.74, 0.04, vx=4.5, vy=0.0, ax=0.0, ay=0.0),
        PromptState(0.0, 0.0, vx=4.5, vy=0.0, ax=0.0, ay=0.0),
    ]
    prompt = codec.encode_prompt(dialect, states)
    first = '[-14.0, -0.25], Acceleration: X -1.11, Y -0.21 m/s^2, Velocity: X 4.76, Y 0.0 m/s, ('
    assert 'in the format [x, y]:(t-1.0s) ' + first in prompt
    assert 'images. Provided are the previous ego vehicle status recorded' in prompt


@pytest.mark.parametrize('missing', ['vx', 'ax', 'ay', 'steering'])
def test_one_missing_signal_leaves_positions_only_in_all_states(missing):
    whole = dict(x=-5.0, y=0.0, vx=9.0, vy=0.0, ax=0.1, ay=0.0, steering=0.0)
    states = [PromptState(**whole), PromptState(**{**whole, missing: math.nan})]
    assert codec.encode_prompt(NUSCENES, states).endswith(
        ':.(t-0.5s) [-5.0, 0.0], (t-0.0s) [0.0, 0.0]\n'
    )


def test_minus_zero_is_kept_for_signals_only():
    states = [PromptState(-0.001, -0.001, -0.001, 0.0, -0.001, -0.001, -0.001)] * 2
    prompt = codec.encode_prompt(NUSCENES, states)
    assert '(t-0.5s) [0.0, 0.0], Acceleration: X -0.0, Y -0.0 m/s^2, Velocity: -0.0 m/s' in prompt


@pytest.mark.parametrize(('name', 'count'), [('nuscenes', 0), ('nuscenes', 8), ('kitti', 3)])
def test_an_untrained_history_is_refused(name, count):
    with pytest.raises(ValueError, match='states, not'):
        codec.encode_prompt(DIALECTS[name], [PromptState(0.0, 0.0)] * count, [[0, 0], [0, 0]])


def test_forward_differences_by_hand():
    # 1.234 is rounded to 1.23 first: v(0) = 2·(2.0 - 0), a(0) = 2·(v(0.5) - v(0)).
    velocities, accelerations = codec.forward_differences(
        [[-1.234, 0.0], [0.0, 0.0]], [[2.0, 0.5], [5.0, 0.5]]
    )
    np.testing.assert_allclose(velocities, [[2.46, 0.0], [4.0, 1.0]])
    np.testing.assert_allclose(accelerations, [[3.08, 2.0], [4.0, -2.0]])


@pytest.mark.parametrize(
    'text',
    [
        REAL_ANSWER,
        REAL_ANSWER.removesuffix('</PLANNING>'),
        REAL_ANSWER.removeprefix('<PLANNING>'),
        'The road bends left [1, 2]. ' + REAL_ANSWER + ' Drive safely! [3, 4]',
        REAL_ANSWER.replace('</PLANNING>', ', [13.5, 4'),
        REAL_ANSWER.partition('[x, y]: ')[2],
        REAL_ANSWER.replace(', ', ',\n').replace('[2.15,', '[ 2.15 ,'),
    ],
)
def test_what_surrounds_the_list_is_tolerated(text):
    points = codec.decode_trajectory(NUSCENES, text).points
    assert points.shape == (6, 2)
    np.testing.assert_array_equal(points[[0, 5]], [[2.15, 0.09], [11.77, 3.42]])


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'no waypoint'),
        ('I cannot help with that.', 'no waypoint'),
        (REAL_ANSWER.replace('], [11.77, 3.42]', ''), '4 whole waypoints'),
        (REAL_ANSWER.replace('11.77, 3.42]', '11.77, 3.'), '5 whole waypoints'),
        (REAL_ANSWER.replace('</PL', ', [1.0, 2.0]</PL'), '7 whole waypoints'),
        (REAL_ANSWER + REAL_ANSWER, 'opens <PLANNING> 2 times'),
        (REAL_ANSWER.replace('</PLANNING>', HEAD[10:]), r"says '\[x, y\]:' 2 times"),
        (REAL_ANSWER.replace('], [7.93', '] then [7.93'), 'stands between'),
        (REAL_ANSWER.replace('7.93', 'nan'), 'stands between'),
        (REAL_ANSWER.replace('7.93', '9' * 400), 'too large'),
        (REAL_ANSWER.replace('7.93', '1e3'), 'stands between'),
    ],
)
def test_everything_else_is_refused_and_says_why(text, reason):
    with pytest.raises(AnswerError, match=reason):
        codec.decode_trajectory(NUSCENES, text)


PIECES = st.sampled_from(
    [
        '<PLANNING>',
        '</PLANNING>',
        '[x, y]:',
        '[',
        ']',
        ',',
        ' ',
        '1.5',
        '-',
        '.',
        'nan',
        '\n',
        '[1, 2]',
    ]
)


@given(
    st.one_of(st.text(), st.lists(PIECES, max_size=60).map(''.join)), st.sampled_from([*DIALECTS])
)
def test_any_text_gives_the_exact_count_or_its_own_error(text, name):
    dialect = DIALECTS[name]
    try:
        points = codec.decode_trajectory(dialect, text).points
    except AnswerError as error:
        assert str(error)
        return
    assert points.shape == (dialect.waypoints, 2)
    assert np.isfinite(points).all()


coordinates = st.floats(-300.0, 300.0)


@given(st.data(), st.sampled_from([*DIALECTS]))
def test_a_trajectory_survives_its_answer(data, name):
    dialect = DIALECTS[name]
    pair = st.tuples(coordinates, coordinates)
    points = data.draw(st.lists(pair, min_size=dialect.waypoints, max_size=dialect.waypoints))
    decoded = codec.decode_trajectory(dialect, codec.encode_trajectory(dialect, points))
    np.testing.assert_allclose(decoded.points, points, atol=0.0056)
    # What was said once is said the same way again.
    again = codec.encode_trajectory(dialect, decoded.points)
    np.testing.assert_array_equal(codec.decode_trajectory(dialect, again).points, decoded.points)


@pytest.mark.parametrize('points', [np.zeros((5, 2)), np.full((6, 2), np.nan), np.zeros((6, 3))])
def test_a_trajectory_of_another_form_is_not_said(points):
    with pytest.raises(ValueError, match='6 finite waypoints'):
        codec.encode_trajectory(NUSCENES, points)


def test_plausibility_is_another_verdict():
    standing = Trajectory(np.zeros((6, 2)))
    assert codec.implausibilities(standing) == ()
    wild = Trajectory(np.array([[36.0, 0.0], [0.0, 0.0], [-1.5, 0.0]]))
    assert codec.implausibilities(wild) == (
        'reverses to x = -1.50 m',
        'moves at 72.0 m/s, more than 70 m/s',
    )


def test_a_first_waypoint_that_is_now_is_dropped_only_when_moving():
    shifted = Trajectory(np.array([[0.01, 0.0], [2.0, 0.0], [4.0, 0.0]]))
    assert len(codec.without_current_pose(shifted, 4.0).points) == 2
    assert codec.without_current_pose(shifted, 0.4) is shifted
    assert codec.without_current_pose(Trajectory(shifted.points[1:]), 4.0).points[0, 0] == 2.0


def test_zoe_steering_by_hand():
    # κ = 0.1/m: 16·atan(0.2588) = 16·0.25324 rad.
    assert codec.zoe_steering(0.1) == pytest.approx(4.0519, abs=1e-4)
    assert codec.zoe_steering(-0.1) == -codec.zoe_steering(0.1)


def test_nano_says_the_navigation_command():
    dialect = DIALECTS['nano']
    states = [PromptState(0.0, 0.0, 5.0, 0.0, 0.0, 0.0)]
    prompt = codec.encode_prompt(dialect, states, command='turn left')
    assert prompt.endswith("Y 0.00 m/s. The navigation command is 'turn left'.\n")
    assert "'go straight'" in codec.encode_prompt(dialect, states)
