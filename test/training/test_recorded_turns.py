# SPDX-License-Identifier: Apache-2.0
"""Lessons from recordings: what was driven is right, and nothing of it is in the question."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, CameraImage, InputError, Odometry, Pose
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models.preprocessing import to_patches
from impromptu_vla_ros.training.tuning.recordings import driven, recorded_turns

START = 1_000_000_000_000
KITTI, NUSCENES = DIALECTS['kitti'], DIALECTS['nuscenes']


@dataclass(frozen=True)
class Received:
    time: int
    sample: object


class Made:
    """A recording in memory: a car heading along y, its pictures every 0.1 s, 30 ms late."""

    def __init__(self, seconds, along, drop=(), width=20, height=12):
        pixels = np.arange(3 * width * height, dtype=np.uint8)
        self.rows = []
        for tick in range(round(10 * seconds)):
            pose = Pose(3.0, along(0.1 * tick), math.pi / 2)
            if tick not in drop:
                stamp = START + tick * 10**8
                self.rows.append(Odometry(stamp, pose, math.nan, math.nan, math.nan))
            stamp = START + tick * 10**8 + 3 * 10**7
            picture = (height, width, 3 * width)
            self.rows.append(CameraImage('front', stamp, 'rgb8', pixels, *picture))

    def require(self, parts):
        if 'front_left' in parts:
            raise BagError('no front_left')

    def clock_offset(self):
        return 0

    def messages(self, parts):
        return [Received(row.stamp, row) for row in self.rows]

    def sample(self, recorded):
        if recorded.sample is None:
            raise InputError('broken')
        return recorded.sample


def stopping(seconds):
    """Drive with 8 m/s for 6 s, and stand."""
    return 8.0 * min(seconds, 6.0)


def points(turn, dialect=KITTI):
    return decode_trajectory(dialect, turn.answer).points


def test_the_answer_is_the_way_between_the_odometrys_samples():
    turns = recorded_turns(Made(20.0, stopping), KITTI)
    # Four states take 1.5 s: the first picture is that of 1.53 s, or 12.24 m.
    expected = np.minimum(12.24 + 4.0 * np.arange(1, 11), 48.0) - 12.24
    np.testing.assert_allclose(points(turns.learned[0])[:, 0], expected, atol=0.0051)
    np.testing.assert_allclose(points(turns.learned[0])[:, 1], 0.0, atol=1e-9)
    assert '(t-1.5s) [-12.00, ' in turns.learned[0].prompt
    assert '(t-0.0s) [0.0, 0.0]' in turns.learned[0].prompt


def test_a_lesson_every_half_second_while_the_future_is_known():
    turns = recorded_turns(Made(20.0, stopping), KITTI)
    stamps = [turn.pictures[0].stamp for turn in (*turns.learned, *turns.held)]
    seconds = [(stamp - START) / NANOSECONDS for stamp in stamps]
    # The odometry ends at 19.9 s, and five seconds are said.
    assert seconds[0] == 1.53 and seconds[-1] == 14.53
    steps = np.diff(seconds)
    # Three of 27 are held out, and what is learned has ended before the first of them.
    assert len(turns.held) == 3
    assert seconds[-3] - seconds[-4] >= KITTI.horizon
    assert np.delete(steps, len(turns.learned) - 1) == pytest.approx(0.5)


def test_the_question_knows_nothing_of_the_future():
    one = recorded_turns(Made(16.0, stopping), KITTI).learned
    other = recorded_turns(Made(16.0, lambda t: 8.0 * t), KITTI).learned
    # Asked before 6 s, when one of them stops.
    early = [k for k, turn in enumerate(one) if turn.pictures[0].stamp < START + 59 * 10**8]
    assert len(early) > 5
    assert all(one[k].prompt == other[k].prompt for k in early)
    assert sum(one[k].answer != other[k].answer for k in early) > 5


def test_the_dialects_own_point_is_where_it_was_driven():
    # A circle of 20 m to the left: after the angle a at (20 sin a, 20 - 20 cos a).
    angles = np.linspace(0.0, 1.0, 1001)
    poses = np.column_stack([20.0 * np.sin(angles), 20.0 - 20.0 * np.cos(angles), angles])
    path = DrivenPath(START + np.arange(1001) * 5 * 10**6, poses)
    turned = 0.1 * np.arange(1, 7)
    x = 20.0 * np.sin(turned) + 0.94 * (np.cos(turned) - 1.0)
    y = 20.0 - 20.0 * np.cos(turned) + 0.94 * np.sin(turned)
    for stamp in (START, START + 10**9):
        found = driven(path, NUSCENES, stamp)
        np.testing.assert_allclose(found, np.column_stack([x, y]), atol=1e-9)
    assert driven(path, NUSCENES, START + 21 * 10**8) is None


def test_a_gap_in_the_odometry_is_no_way():
    whole = recorded_turns(Made(12.0, stopping), NUSCENES).learned
    broken = recorded_turns(Made(12.0, stopping, drop=range(50, 57)), NUSCENES).learned
    missed = {t.pictures[0].stamp for t in whole} - {t.pictures[0].stamp for t in broken}
    assert missed
    # Between 4.9 s and 5.7 s nobody knows, and three seconds are said.
    seconds = [(turn.pictures[0].stamp - START) / NANOSECONDS for turn in broken]
    assert all(second <= 1.9 or second >= 5.7 for second in seconds)
    assert {second < 3.0 for second in seconds} == {True, False}


def test_what_no_car_drives_is_not_learned():
    leap = recorded_turns(Made(12.0, lambda t: 8.0 * t + 100.0 * (t > 6.0)), NUSCENES)
    assert all((points(turn, NUSCENES)[:, 0] < 60.0).all() for turn in leap.learned)


def test_raw_pictures_are_kept_no_larger_than_they_are_learned_from():
    small = replace(NUSCENES, most_pixels=3000)
    made = Made(12.0, stopping, width=90, height=60)
    kept = recorded_turns(made, small).learned[0].pictures[0]
    assert (kept.width, kept.height) == (67, 44)
    whole = next(row for row in made.rows if isinstance(row, CameraImage))
    one, other = (to_patches(image.pixels, 'nearest', 3000) for image in (whole, kept))
    np.testing.assert_array_equal(one.values, other.values)


def test_a_short_recording_is_learned_as_a_whole():
    turns = recorded_turns(Made(9.0, stopping), KITTI)
    assert len(turns.learned) > 3 and not turns.held


def test_a_clock_that_jumps_back_and_missing_cameras_are_errors():
    looped = Made(9.0, stopping)
    looped.rows += looped.rows
    with pytest.raises(BagError, match='jumped back'):
        recorded_turns(looped, KITTI)
    with pytest.raises(BagError, match='front_left'):
        recorded_turns(Made(9.0, stopping), DIALECTS['navsim'])
