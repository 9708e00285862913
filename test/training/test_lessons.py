# SPDX-License-Identifier: Apache-2.0
"""Lessons: what a drive gives, how they are kept, and that a seed says all of it."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.training.lessons.files import (
    Drive,
    lessons_hash,
    read_drive,
    read_lessons,
    write_lessons,
)
from impromptu_vla_ros.training.lessons.record import record, recorded
from impromptu_vla_ros.training.lessons.situations import dealt

NANO = DIALECTS['nano']
STOPS = next(index for index in range(100) if dealt(index) == 'leaving')


@pytest.fixture(scope='module')
def drive():
    return recorded(3, STOPS, longest=4.0)


def test_lessons_are_of_the_dialect_and_of_pictures_as_the_model_takes_them(drive):
    assert drive.kind == 'leaving' and len(drive.prompts) > len(drive.jpegs) > 4
    assert len(drive.prompts) == len(drive.answers) == len(drive.picture)
    assert set(drive.picture.tolist()) == set(range(len(drive.jpegs)))
    for prompt, answer in zip(drive.prompts, drive.answers):
        assert "The navigation command is '" in prompt
        points = decode_trajectory(NANO, answer).points
        assert points.shape == (6, 2) and points[:, 0].min() >= 0.0 and '-0.00' not in answer
    assert Image.open(io.BytesIO(drive.jpegs[0])).size == (252, 140)


def test_not_everybody_who_is_asked_begins_from_a_stand_as_the_driver_does(drive):
    asked = [re.findall(r'Velocity: X (\S+),', prompt)[-1] for prompt in drive.prompts]
    assert max(map(float, asked)) > 5.0 and min(map(float, asked)) == 0.0


def test_files_have_the_same_bytes_for_the_same_seed(drive, tmp_path):
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
    write_lessons(tmp_path / 'one/a.npz', drive)
    write_lessons(tmp_path / 'two/a.npz', recorded(3, STOPS, longest=4.0))
    assert lessons_hash(tmp_path / 'one') == lessons_hash(tmp_path / 'two')
    (again,) = read_lessons(tmp_path / 'one')
    assert (again.kind, again.jpegs, again.prompts, again.answers) == (
        drive.kind,
        drive.jpegs,
        drive.prompts,
        drive.answers,
    )
    assert np.array_equal(again.picture, drive.picture)
    assert [path.name for path in (tmp_path / 'one').iterdir()] == ['a.npz']


def test_lessons_without_pictures_are_kept_too(tmp_path):
    none = np.zeros((0, 45), np.float32)
    drive = Drive('real', (), ('q',), ('a',), np.array([-1]), none)
    write_lessons(tmp_path / 'b.npz', drive)
    again = read_drive(tmp_path / 'b.npz')
    assert again.jpegs == () and again.picture.tolist() == [-1] and again.prompts == ('q',)
    write_lessons(tmp_path / 'c.npz', Drive('real', (), (), (), np.zeros(0), none))
    assert read_drive(tmp_path / 'c.npz').prompts == ()


def test_what_is_there_is_not_recorded_again_and_nothing_is_no_lesson(tmp_path):
    for index in range(2):
        (tmp_path / f'0007-{index:06d}.npz').write_bytes(b'kept')
    record(tmp_path, 2, 7)
    assert all(path.read_bytes() == b'kept' for path in tmp_path.iterdir())
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='record some'):
        read_lessons(tmp_path / 'empty')
