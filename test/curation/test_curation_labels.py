# SPDX-License-Identifier: Apache-2.0
"""Labels, signs, categories, decisions and the split: numbers by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.questions import SpeedPath
from impromptu_vla_ros.core.structs import NANOSECONDS, InputError
from impromptu_vla_ros.curation import categories, labels
from impromptu_vla_ros.curation.decisions import Decision, decisions
from impromptu_vla_ros.curation.signs import motion_signs, picture_signs, plan_sign
from impromptu_vla_ros.curation.split import AFTER, BEFORE, PACK, TRAIN, VALIDATION, split_of


def straight(*speeds):
    """Return poses on a line, driven at these m/s for half a second each."""
    x = np.concatenate([[0.0], 0.5 * np.cumsum(speeds)])
    return np.column_stack([x, 0.0 * x, 0.0 * x])


def arc(speed, rate, steps=13):
    yaw = 0.5 * rate * np.arange(steps)
    return np.column_stack([speed / rate * np.sin(yaw), speed / rate * (1 - np.cos(yaw)), yaw])


@pytest.mark.parametrize(
    ('speeds', 'speed'),
    [
        ([8, 8, 8, 8, 10.9, 20], 'KEEP'),
        ([8, 8, 8, 8, 11, 0], 'ACCELERATE'),
        ([8, 8, 8, 8, 5, 9], 'DECELERATE'),
        ([8, 8, 8, 8, 1.9, 9], 'STOP'),
        ([0, 0, 0, 0, 0, 0], 'STOP'),
        ([0, 0, 1, 2, 3, 4], 'ACCELERATE'),
    ],
)
def test_speed_is_that_of_two_seconds_later(speeds, speed):
    assert labels.speed_path(straight(*speeds)) == SpeedPath(speed, 'STRAIGHT')


@pytest.mark.parametrize(
    ('poses', 'path'),
    [
        # 20° in three seconds are 0.1164 rad/s.
        (arc(8.0, 0.115), 'STRAIGHT'),
        (arc(8.0, 0.118), 'LEFT_TURN'),
        (arc(8.0, -0.118), 'RIGHT_TURN'),
        (straight(*[8.0] * 6) + np.linspace([0, 0, 0], [0, 1.6, 0], 7), 'LEFT_CHANGE'),
        (straight(*[8.0] * 6) - np.linspace([0, 0, 0], [0, 1.6, 0], 7), 'RIGHT_CHANGE'),
        (straight(*[8.0] * 6) + np.linspace([0, 0, 0], [0, 1.4, 0], 7), 'STRAIGHT'),
    ],
)
def test_path_tells_curves_lane_changes_and_turns_apart(poses, path):
    assert labels.speed_path(poses).path == path


def test_what_is_not_known_to_its_end_has_no_label():
    poses = straight(*[8.0] * 12)
    assert labels.speed_path(poses[:6]) is None
    poses[6] = np.nan
    assert labels.speed_path(poses) is None
    assert labels.command(straight(*[8.0] * 11)) is None


@pytest.mark.parametrize(
    ('x', 'y', 'command'),
    [
        (50, 9.9, 'go straight'),
        (50, 10, 'go straight and turn left'),
        (20, -10, 'go straight and turn right'),
        (19.9, 12, 'turn left'),
        (5, -12, 'turn right'),
    ],
)
def test_the_command_is_where_the_car_is_after_six_seconds(x, y, command):
    poses = straight(*[8.0] * 12)
    poses[12, :2] = x, y
    assert labels.command(poses) == command


def test_signs_of_motion_plan_and_picture():
    assert not list(motion_signs(straight(8, 8, 7, 6, 5)))
    (brakes,) = motion_signs(straight(8, 8, 6.5, 5, 5))
    assert (brakes.name, brakes.value) == ('brakes', pytest.approx(3.0))
    # 8 m/s and 0.4 rad/s push by 3.2 m/s²; chords are a little shorter than their arcs.
    (aside,) = motion_signs(arc(8.0, 0.4))
    assert aside.value == pytest.approx(3.2, abs=0.03)
    way = np.column_stack([np.arange(1, 11) * 4.0, np.zeros(10)])
    plan = way + [3.0, 4.0]
    (off,) = plan_sign(plan, way, 0.5)
    assert off.value == pytest.approx(5.0)
    assert not list(plan_sign(way + [3.0, 2.0], way, 0.5))
    half = np.zeros((40, 60, 3), np.uint8)
    half[:, :30] = 255
    names = [[s.name for s in picture_signs(p)] for p in (half, half // 5, half * 0 + 128)]
    assert names == [['glaring'], ['dark'], ['without contrast']]


def test_a_models_word_is_a_category_or_none_and_never_bent():
    for name in categories.CATEGORIES:
        assert categories.seen(f' {name}.\n').category == name
    assert categories.seen('None') == categories.Verdict('', 'the model sees nothing unusual')
    wrong = categories.seen('Challenging roads')
    assert wrong.category == '' and "'Challenging roads', which is no category" in wrong.reason


@given(st.integers(0, 10**6), st.floats(0.05, 0.6))
def test_no_clip_of_training_shares_time_with_validation(number, share):
    stamp = number * NANOSECONDS // 2
    split = split_of('drive', stamp, share)
    assert split == split_of('drive', stamp, share)
    if split == TRAIN:
        for other in (stamp - BEFORE, stamp, stamp + AFTER):
            beside = other // PACK * PACK + PACK // 2
            assert split_of('drive', beside, share) != VALIDATION


def test_about_the_share_asked_for_is_held_out():
    middles = [k * PACK + PACK // 2 for k in range(3000)]
    held = [split_of('drive', stamp, 0.2) == VALIDATION for stamp in middles]
    # Five standard deviations of a lot drawn 3000 times.
    assert abs(np.mean(held) - 0.2) < 5 * math.sqrt(0.2 * 0.8 / 3000)
    assert {split_of('drive', stamp, 0.0) for stamp in middles} == {TRAIN}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(['accept', 'category', 'x']), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(JSON)
def test_any_file_of_decisions_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'decisions.json'
    path.write_text(json.dumps(data))
    try:
        assert all(isinstance(each, Decision) for each in decisions(path).values())
    except InputError as error:
        assert str(path) in str(error)


def test_a_reviewer_has_the_last_word(tmp_path):
    path = tmp_path / 'decisions.json'
    assert decisions(path) == {}
    name = categories.CHANGED_RULES
    path.write_text(json.dumps({'a': {'accept': True, 'category': name}, 'b': {'accept': False}}))
    told = decisions(path)
    verdict = categories.Verdict('', 'nothing stands out')
    assert told['a'].over(verdict) == categories.Verdict(name, 'the reviewer says so')
    assert told['b'] == Decision(False) and told['b'].over(verdict) is verdict
    path.write_text('{"a": {"accept"')
    with pytest.raises(InputError, match='cannot be read .* save it from the page again'):
        decisions(path)
