# SPDX-License-Identifier: Apache-2.0
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.codec import answer_template, decode_trajectory, encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.drafting import MotionDraft, moved, nearest_beginning
from impromptu_vla_ros.core.paths import timed_path
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Answer,
    CameraImage,
    Odometry,
    Pose,
    Query,
)

KITTI, NUSCENES = DIALECTS['kitti'], DIALECTS['nuscenes']
STRAIGHT = np.column_stack([np.arange(5.0, 51.0, 5.0), np.zeros(10)])
METRES = st.floats(-300, 300, allow_nan=False)


def test_with_nothing_written_it_is_the_guess():
    assert MotionDraft(KITTI, STRAIGHT).continued('') == encode_trajectory(KITTI, STRAIGHT)


def written(text):
    return f'{answer_template(KITTI).header} {text}'


def points(said):
    return decode_trajectory(KITTI, MotionDraft(KITTI, STRAIGHT).continued(written(said))).points


def test_the_rest_moves_along_with_what_is_written():
    # Off by 0.1 and then 0.3 m ahead: each further point is 0.2 m farther off.
    ahead = points('[5.10, 0.00], [10.30, 0.00]')
    assert np.allclose(ahead[2:5, 0], [15.5, 20.7, 25.9])
    assert np.allclose(points('[5.00, -0.02]')[:, 1], -0.02 * np.arange(1, 11))


def test_a_point_that_is_begun_keeps_its_beginning():
    x, y = points('[5.00, 0.00], [9.')[1]
    assert (x, y) == (9.99, 0.0)
    x, y = points('[5.00, 0.00], [10.00, -')[1]
    assert (x, y) == (10.0, -0.01)
    assert points('[5.00, 0.00], [10.20,')[1, 0] == 10.2


@pytest.mark.parametrize(
    ('begun', 'value', 'nearest'),
    [
        ('1', 9.97, 10.0),
        ('2', 1.3, 2.0),
        ('2', 21.3, 21.3),
        ('2.1', 2.05, 2.1),
        ('2.', 3.4, 2.99),
        ('-0.', 0.3, 0.0),
        ('-1', -0.5, -1.0),
        ('0', 4.0, 0.99),
        ('', -0.3, 0.0),
        ('-', 0.3, -0.01),
    ],
)
def test_numbers_that_are_begun(begun, value, nearest):
    assert nearest_beginning(begun, value) == pytest.approx(nearest)


@given(
    st.sampled_from([KITTI, NUSCENES]),
    st.lists(METRES, min_size=40, max_size=40),
    st.integers(0, 300),
)
def test_it_goes_on_in_form_from_any_part_of_any_answer(dialect, values, length):
    count = dialect.waypoints
    guess, truth = np.reshape(values, (2, 10, 2))[:, :count] * [[[1.0]], [[0.9]]]
    whole = encode_trajectory(dialect, truth)
    cut = whole[: len(answer_template(dialect).header) + length]
    said = MotionDraft(dialect, guess).continued(cut)
    # Moved along, points may run out of the range of numbers; what is written stays.
    known = re.findall(r'\[.*?\]', cut[len(answer_template(dialect).header) :])
    assert said.startswith(answer_template(dialect).header)
    assert (
        re.findall(r'\[.*?\]', said[len(answer_template(dialect).header) :])[: len(known)] == known
    )


def test_an_earlier_answer_moved_to_now():
    path = timed_path(STRAIGHT, 0.5, 10.0)
    # One second later the car is 10 m on, 0.3 m aside and turned by 90°: the way turns with it.
    ego = Pose(10.0, 0.3, math.pi / 2)
    poses = moved(path, Pose(0.0, 0.0, 0.0), 1.0, ego, np.array([0.5, 1.0]))
    assert np.allclose(poses, [[0.0, -5.0, -math.pi / 2], [0.0, -10.0, -math.pi / 2]])


def test_the_planner_guesses_by_its_last_answer_while_that_is_new():
    planner = Planner(NUSCENES)
    query = ask(planner, 0.0)
    assert query.draft.continued('') == query.rollout
    slower = encode_trajectory(NUSCENES, [[4.0 * k, 0.0] for k in range(1, 7)])
    planner.tell(query, Answer(slower), query.stamp)
    # It said 4 m per step while the car drives 5: half a second later the rest, from the car on.
    x = decode_trajectory(NUSCENES, ask(planner, 0.5).draft.continued('')).points[:, 0]
    assert np.allclose(x[:5], [4.0, 8.0, 12.0, 16.0, 20.0], atol=0.3)
    planner.tell(query := ask(planner, 1.0), Answer(slower), query.stamp)
    late = ask(planner, 2.5)
    assert late.draft.continued('') == late.rollout
    planner.reset()
    again = ask(planner, 20.0)
    assert again.draft.continued('') == again.rollout


def ask(planner, seconds):
    """Ask after 4 s of odometry at 10 m/s, or what is new of it, and one picture."""
    start = round((100.0 + seconds) * NANOSECONDS)
    newest = planner.buffer.ego.odometry.newest
    for tenth in range(-40, 2):
        stamp = start + tenth * NANOSECONDS // 10
        pose = Pose(10.0 * (stamp / NANOSECONDS - 100.0), 0.0, 0.0)
        if newest is None or stamp > newest.stamp:
            planner.observe(Odometry(stamp, pose, 10.0, 0.0, 0.0))
    planner.observe(CameraImage('front', start, 'rgb8', bytes(3), 1, 1, 3))
    query = planner.ask(start)
    assert isinstance(query, Query), query
    return query


def test_whatever_is_written_it_guesses_something():
    for text in ('', 'I see a car', '<PLANNING>', written('[1, 2], [x'), written('[--, ')):
        assert MotionDraft(KITTI, STRAIGHT).continued(text)
