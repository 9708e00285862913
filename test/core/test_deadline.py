# SPDX-License-Identifier: Apache-2.0
"""What is given up for a deadline, and when it is taken up again."""

import math

import pytest
from drives import at, odometry, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros.core.deadline import (
    ANSWERS,
    FEW_ROWS,
    MISSES,
    WARM,
    Deadline,
    levels,
    with_one_camera,
)
from impromptu_vla_ros.core.dialects import DIALECTS, TRAINED_PIXELS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import Answer

HALF = TRAINED_PIXELS // 2
NAVSIM, KITTI = DIALECTS['navsim'], DIALECTS['kitti']
# Answers until a level is left.
LEAVES = WARM + MISSES


def all_levels():
    return levels(NAVSIM, HALF, KITTI)


def run(deadline, seconds, answers):
    """Let a model answer whose seconds depend on the level; return the levels asked at."""
    asked = []
    for _ in range(answers):
        asked.append(deadline.level)
        deadline.answered(deadline.level, seconds(deadline.level))
    return asked


def whole(seconds):
    return {'model': seconds}


def by_pixels(base, per_picture, decode=0.0):
    """Return the stages of a model that takes so long, and more for each whole picture."""

    def seconds(level):
        prefill = per_picture * level.pixels / TRAINED_PIXELS
        return {'prefill': prefill, 'decode': decode, 'model': base + prefill + decode}

    return seconds


def test_levels_are_ordered_by_what_they_ask_of_the_model():
    found = all_levels()
    shares = [level.pixels / TRAINED_PIXELS for level in found]
    assert shares == [3.0, 2.25, 1.5, 1.0, 0.75, 0.5]
    assert [level.dialect.name for level in found] == 3 * ['navsim'] + 3 * ['kitti']
    # Pixels that may not be given up, and a dialect with one camera only.
    assert [level.pixels for level in levels(KITTI, TRAINED_PIXELS)] == [TRAINED_PIXELS]


@pytest.mark.parametrize(
    ('dialect', 'checkpoint', 'fewer'),
    [
        ('navsim', 'ImpromptuVLAModel/3B_AD', 'kitti'),
        ('navsim', 'models/3B_AD/', 'kitti'),
        # Trained on something that we do not know: nothing else may be asked of it.
        ('navsim', 'mine', None),
        ('kitti', '3B_AD', None),
        ('nuscenes', '3B_base+nuscenes_finetune', None),
        ('waymo', '3B_AD', None),
    ],
)
def test_only_a_checkpoint_trained_with_both_may_look_through_one_camera(
    dialect, checkpoint, fewer
):
    found = with_one_camera(DIALECTS[dialect], checkpoint)
    assert (found and found.name) == fewer


def test_one_miss_is_none_and_the_second_goes_down():
    deadline = Deadline(0.5, all_levels())
    run(deadline, lambda _: whole(9.0), WARM)
    run(deadline, lambda _: whole(0.3), 5)
    run(deadline, lambda _: whole(0.6), 1)
    run(deadline, lambda _: whole(0.3), ANSWERS - 2)
    assert (deadline.changes, deadline.missing) == (0, False)
    # Nineteenth of twenty: 0.3 still.
    assert deadline.p95 == 0.3
    run(deadline, lambda _: whole(0.7), 1)
    assert deadline.changes == 1
    assert deadline.level == all_levels()[1]
    assert 'p95 of 0.60 s missed 0.50 s' in deadline.why


def test_it_goes_down_a_level_at_a_time_until_it_holds():
    # 0.1 s, and 0.3 s a picture: 1.0, 0.775, 0.55 s with three, 0.4 s with one.
    deadline = Deadline(0.45, all_levels())
    asked = run(deadline, by_pixels(0.1, 0.3), 200)
    names = [level.pixels / TRAINED_PIXELS for level in dict.fromkeys(asked)]
    assert names == [3.0, 2.25, 1.5, 1.0]
    assert asked[3 * LEAVES :] == (200 - 3 * LEAVES) * [all_levels()[3]]
    assert (deadline.changes, deadline.missing) == (3, False)
    assert deadline.place == '4 of 6: 1 camera of 100% of the pixels'


def test_it_comes_back_when_the_load_is_gone():
    deadline = Deadline(0.45, all_levels())
    run(deadline, by_pixels(0.1, 0.3), 100)
    assert deadline.level == all_levels()[3]
    # Half the load: 0.2 s here, and 0.5·0.55 = 0.275 s above, 0.39 s are too near, 0.8·0.45.
    asked = run(deadline, by_pixels(0.05, 0.15), 200)
    assert asked[-1] == all_levels()[2]
    assert deadline.changes == 4
    # A tenth: all the way.
    run(deadline, by_pixels(0.01, 0.03), 100)
    assert deadline.level == all_levels()[0]
    assert 'estimated' in deadline.why


def test_fewer_rows_are_tried_first_and_kept_where_they_are_faster():
    def rows_cost(level):
        decode = 0.2 if level.window == FEW_ROWS else 0.6
        return {'prefill': 0.1, 'decode': decode, 'model': 0.1 + decode}

    deadline = Deadline(0.5, levels(KITTI, HALF))
    asked = run(deadline, rows_cost, 100)
    assert asked[-1].window == FEW_ROWS
    assert {level.most_pixels for level in asked} == {TRAINED_PIXELS}


def test_fewer_rows_are_left_where_they_are_slower():
    def passes_cost(level):
        decode = 0.4 if level.window == FEW_ROWS else 0.3
        prefill = 0.3 * level.pixels / TRAINED_PIXELS
        return {'prefill': prefill, 'decode': decode, 'model': prefill + decode}

    deadline = Deadline(0.5, levels(KITTI, HALF))
    asked = run(deadline, passes_cost, 100)
    assert [(each.window, each.most_pixels) for each in dict.fromkeys(asked)] == [
        (0, TRAINED_PIXELS),
        (FEW_ROWS, TRAINED_PIXELS),
        (0, TRAINED_PIXELS * 3 // 4),
        (0, HALF),
    ]
    assert not deadline.missing


def test_nothing_is_given_up_that_would_not_help():
    deadline = Deadline(0.5, all_levels())
    # Decoding takes it all: pictures of no pixels would save 3 %.
    asked = run(deadline, by_pixels(0.0, 0.01, decode=1.0), 100)
    assert asked[-1] == all_levels()[0]
    assert deadline.missing
    assert 'nothing that may be given up would help' in deadline.why


def test_the_cheapest_that_misses_says_so():
    deadline = Deadline(0.5, all_levels())
    run(deadline, lambda _: whole(2.0), 100)
    assert deadline.level == all_levels()[-1]
    assert deadline.missing
    assert 'nothing' in deadline.why


def test_answers_that_never_come_are_misses():
    deadline = Deadline(0.5, all_levels())
    for _ in range(LEAVES):
        deadline.late(deadline.level, 10.0)
    assert deadline.level == all_levels()[1]
    # What was asked before the change tells nothing of the level now.
    for _ in range(20):
        deadline.late(all_levels()[0], 10.0)
    assert deadline.changes == 1 and math.isnan(deadline.p95)


@settings(max_examples=200, deadline=None)
@given(
    base=st.floats(0.0, 2.0),
    per_picture=st.floats(0.0, 1.0),
    decode=st.floats(0.0, 1.0),
    rows=st.floats(0.3, 3.0),
    period=st.floats(0.05, 3.0),
    noise=st.lists(st.floats(1.0, 1.15), min_size=17, max_size=17),
)
def test_under_a_constant_load_it_settles_within_what_is_allowed(
    base, per_picture, decode, rows, period, noise
):
    deadline = Deadline(period, all_levels())
    plain, count = by_pixels(base, per_picture), [0]

    def seconds(level):
        count[0] += 1
        stages = plain(level)
        slow = decode * (rows if level.window else 1.0)
        some = noise[count[0] % len(noise)]
        model = some * (stages['model'] + slow)
        return {'prefill': some * stages['prefill'], 'decode': some * slow, 'model': model}

    asked = run(deadline, seconds, 400)
    allowed = {(each.dialect.name, each.most_pixels) for each in all_levels()}
    assert {(each.dialect.name, each.most_pixels) for each in asked} <= allowed
    assert {each.window for each in asked} <= {0, FEW_ROWS}
    # It only ever gives up, each level once, and that within the first answers.
    places = list(dict.fromkeys(asked))
    changes = sum(a != b for a, b in zip(asked, asked[1:], strict=False))
    assert changes <= len(all_levels()) + 1
    pixels = [each.pixels for each in places]
    assert pixels == sorted(pixels, reverse=True)
    assert len(set(asked[250:])) == 1


def asked_by(planner, time):
    for camera in NAVSIM.cameras:
        planner.observe(picture(time, camera))
    return planner.ask(at(time))


def test_a_planner_asks_at_the_level_and_understands_its_answer():
    deadline = Deadline(0.5, all_levels())
    planner = Planner(NAVSIM, deadline=deadline)
    seen = []
    for k in range(140):
        time = 0.05 * k
        planner.observe(odometry(time))
        if k < 40:
            continue
        query = asked_by(planner, time)
        seen.append((len(query.images), query.most_pixels))
        slow = 0.2 + 0.2 * len(query.images)
        told = planner.tell(query, Answer(query.rollout, {'model': slow}), at(time))
        assert told.dialect == ('navsim' if len(query.images) == 3 else 'kitti')
        assert query.prompt.count('<image>') == len(query.images)
    # Pictures of any size take as long here: only one camera is fast enough.
    assert list(dict.fromkeys(seen)) == [
        (3, TRAINED_PIXELS),
        (3, TRAINED_PIXELS * 3 // 4),
        (3, HALF),
        (1, TRAINED_PIXELS),
    ]


def test_with_one_camera_the_others_may_fail():
    deadline = Deadline(0.5, all_levels())
    planner = Planner(NAVSIM, deadline=deadline)
    for k in range(60):
        planner.observe(odometry(0.05 * k))
    while deadline.level.dialect is NAVSIM:
        deadline.late(deadline.level, 1.0)
    planner.observe(picture(2.9, 'front'))
    assert len(planner.ask(at(2.95)).images) == 1


def test_who_was_trained_with_few_pixels_is_asked_with_all_of_them():
    (level,) = levels(DIALECTS['nano'], 131072)
    assert level.most_pixels == DIALECTS['nano'].most_pixels
    assert str(level) == '1 camera of 100% of the pixels'
