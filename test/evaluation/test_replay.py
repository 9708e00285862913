# SPDX-License-Identifier: Apache-2.0
"""Offline replay: every frame is accounted for, whatever the recording is like."""

import random

import numpy as np
import pytest
import recordings as made

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.replay import OVERTAKEN, replay
from impromptu_vla_ros.evaluation.score import pose_difference
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models import ModelError, create_model


class Says:
    """Answer with what a function of the query says."""

    def __init__(self, say):
        self._say = say

    def answer(self, query):
        return Answer(self._say(query))


def replayed(path, model=None, dialect='nuscenes', **options):
    with Bag(path) as bag:
        planner = Planner(DIALECTS[dialect])
        return replay(bag, planner, model or create_model('kinematic'), **options)


def same_plans(one, other):
    assert one.plans.keys() == other.plans.keys()
    return max(pose_difference(one.plans[s], other.plans[s]) for s in one.plans) < 1e-9


def test_every_frame_is_asked_about_and_counted(tmp_path):
    result = replayed(made.write(tmp_path / 'bag', made.drive(4.0)))
    assert result.mode == 'offline'
    assert len(result.frames) == len(result.plans) == len(result.prompts) == 19
    assert result.answered_share == 1.0
    assert result.counts == {
        'asked': 19, 'answered': 19, 'refused': 0, 'failed': 0, 'skipped': 0
    }  # fmt: skip
    assert result.unasked == {}
    assert result.inputs['odometry']['received'] == 81


def test_compressed_and_raw_pictures_give_the_same_plans(tmp_path):
    raw = replayed(made.write(tmp_path / 'raw', made.drive(3.0)))
    rows = made.drive(3.0, made.jpeg_picture)
    assert same_plans(raw, replayed(made.write(tmp_path / 'jpeg', rows)))


def test_duplicated_messages_change_nothing(tmp_path):
    rows = made.drive(3.0)
    once = replayed(made.write(tmp_path / 'once', rows))
    twice = replayed(made.write(tmp_path / 'twice', [row for row in rows for _ in range(2)]))
    assert same_plans(once, twice)
    assert twice.frames == once.frames
    assert twice.inputs['front']['duplicate'] == len(once.frames)


def test_messages_received_out_of_order_change_no_plan(tmp_path):
    rows, dice = made.drive(4.0), random.Random(5)
    jittered = [(time + dice.randrange(150_000_000), *rest) for time, *rest in rows]
    sorted_result = replayed(made.write(tmp_path / 'sorted', rows))
    result = replayed(made.write(tmp_path / 'jittered', jittered))
    common = result.plans.keys() & sorted_result.plans.keys()
    # A frame that a newer one overtook is not asked about any more.
    assert len(common) > 0.6 * len(sorted_result.plans)
    assert set(result.frames) == set(sorted_result.frames)
    for stamp in common:
        difference = pose_difference(result.plans[stamp], sorted_result.plans[stamp])
        assert difference < 0.05


def test_refused_answers_are_counted_with_their_reasons(tmp_path):
    path = made.write(tmp_path / 'bag', made.drive(4.0))

    def say(query):
        return 'I would rather not.' if query.stamp % 400_000_000 else query.rollout

    result = replayed(path, Says(say))
    counts = result.counts
    assert counts['refused'] > 5
    assert counts['answered'] + counts['refused'] == counts['asked'] == 19
    assert (
        sum(n for why, n in result.reasons.items() if why.startswith('refused: '))
        == (counts['refused'])
    )
    assert len(result.answers) == 19
    assert result.answered_share < 0.7


def test_a_model_that_fails_and_pictures_that_break_are_counted(tmp_path):
    rows = [
        (time, topic, made.jpeg_picture((time - made.START) / 1e9, cut=300 if k % 2 else None))
        if topic == made.FRONT
        else (time, topic, content)
        for k, (time, topic, content) in enumerate(made.drive(3.0))
    ]
    result = replayed(made.write(tmp_path / 'bag', rows))
    assert result.counts['failed'] > 0
    assert any('truncated or corrupt' in reason for reason in result.reasons)

    def fail(query):
        raise ModelError('out of memory')

    result = replayed(made.write(tmp_path / 'whole', made.drive(2.0)), Says(fail))
    assert result.counts['failed'] == result.counts['asked'] == 9
    assert result.reasons == {'failed: out of memory': 9}
    assert not result.plans


def test_messages_that_cannot_be_used_are_skipped_and_counted(tmp_path):
    rows = made.drive(3.0)
    rows.insert(30, (rows[29][0] + 1, made.ODOMETRY, made.odometry(1.0, child='gps_antenna')))
    rows.insert(40, (rows[39][0] + 1, made.ODOMETRY, made.odometry(1.2, x=float('nan'))))
    result = replayed(made.write(tmp_path / 'bag', rows))
    assert result.counts['skipped'] == 2
    said = ' '.join(result.reasons)
    assert 'gps_antenna' in said
    assert 'not finite' in said
    assert len(result.plans) == 14


def test_a_busy_model_misses_frames_and_the_newest_wins(tmp_path):
    path = made.write(tmp_path / 'bag', made.drive(4.0))
    quick, slow = replayed(path), replayed(path, latency=0.5)
    assert 5 <= len(slow.plans) <= 9
    assert slow.frames == quick.frames
    assert len(slow.unasked) + len(slow.plans) == len(slow.frames)
    assert set(slow.unasked.values()) == {OVERTAKEN}
    assert all(
        pose_difference(plan, quick.plans[stamp]) == 0.0 for stamp, plan in slow.plans.items()
    )


def test_receive_times_of_another_day_do_not_make_everything_stale(tmp_path):
    rows = made.drive(3.0)
    later = [(time + 10**17, *rest) for time, *rest in rows]
    one = replayed(made.write(tmp_path / 'now', rows))
    assert same_plans(one, replayed(made.write(tmp_path / 'later', later)))


def test_frames_that_no_question_was_asked_about_say_why(tmp_path):
    result = replayed(made.write(tmp_path / 'bag', made.drive(4.0)), dialect='kitti')
    assert set(result.unasked.values()) == {'odometry short'}
    assert max(result.unasked) < made.at(1.5)
    assert len(result.plans) + len(result.unasked) == len(result.frames)


def test_three_cameras_are_used_where_the_dialect_has_them(tmp_path):
    rows = []
    for time, topic, content in made.drive(4.0):
        rows.append((time, topic, content))
        if topic == made.FRONT:
            rows += [(time, f'/camera/front_{side}/image', content) for side in ('left', 'right')]
    result = replayed(made.write(tmp_path / 'bag', rows), dialect='navsim')
    assert result.plans
    assert set(result.inputs) == {'front', 'front_left', 'front_right', 'odometry'}
    with pytest.raises(BagError, match='no front_right topic'):
        replayed(made.write(tmp_path / 'one', made.drive(2.0)), dialect='navsim')


def test_a_recorded_navigation_command_holds_from_when_it_came(tmp_path):
    told = made.message('std_msgs/String', data='turn left')
    rows = [*made.drive(4.0), (made.at(2.5), '/bridge/navigation_command', told)]
    path = made.write(tmp_path / 'bag', sorted(rows, key=lambda row: row[0]))
    plans = replayed(path, dialect='nano').plans
    said = {stamp < made.at(2.5): plan.navigation_command for stamp, plan in plans.items()}
    assert said == {True: 'go straight', False: 'turn left'}
    assert {p.navigation_command for p in replayed(path).plans.values()} == {''}


def test_a_recording_without_motion_is_no_drive(tmp_path):
    rows = [row for row in made.drive(2.0) if row[1] == made.FRONT]
    rows.append((made.at(1.0), made.ODOMETRY, made.odometry(1.0)))
    with pytest.raises(BagError, match='needs two odometry messages'):
        replayed(made.write(tmp_path / 'bag', rows))


def test_progress_is_told_once_a_message(tmp_path):
    rows, told = made.drive(1.0), []
    replayed(made.write(tmp_path / 'bag', rows), progress=told.append)
    assert np.sum(told) == len(rows)
