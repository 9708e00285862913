# SPDX-License-Identifier: Apache-2.0
"""Lessons of how real cars moved, here of one that drives in a circle."""

import re

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.training.lessons.real_drives import (
    COLUMNS,
    SOURCES,
    read_motion,
    real_drives,
)

SPEED, RADIUS, SECONDS = 6.0, 20.0, 70.0


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / SOURCES['boreas']
    path.parent.mkdir(parents=True)
    times = np.arange(0.0, SECONDS, 0.1)
    yaw = SPEED * times / RADIUS
    # As a table says headings: within one turn.
    wrapped = (yaw + np.pi) % (2.0 * np.pi) - np.pi
    x, y = RADIUS * np.sin(yaw), RADIUS * (1.0 - np.cos(yaw))
    rows = np.column_stack([times, x, y, wrapped, np.full_like(times, SPEED)])
    np.savetxt(path, rows, delimiter=',', header=COLUMNS, comments='')
    return tmp_path


def test_the_answer_is_what_was_driven_and_the_command_where_to(folder, caplog):
    (drive,) = real_drives(folder)
    assert 'comma2k19' in caplog.text and 'missing' in caplog.text
    assert drive.kind == 'boreas' and drive.jpegs == () and set(drive.picture) == {-1}
    turned = SPEED * 0.5 * np.arange(1.0, 7.0) / RADIUS
    circle = RADIUS * np.column_stack([np.sin(turned), 1.0 - np.cos(turned)])
    for prompt, answer in zip(drive.prompts, drive.answers):
        # Between the rows of a table it goes straight: that is 2 mm of a chord.
        points = decode_trajectory(DIALECTS['nano'], answer).points
        assert points == pytest.approx(circle, abs=0.011)
        assert "'turn left'" in prompt
        states = re.findall(r'Y (\S+) m/s\^2, Velocity: X (\S+), Y', prompt)
        assert [float(v) for _, v in states] == pytest.approx([SPEED] * 3)
        assert float(states[-1][0]) == pytest.approx(SPEED**2 / RADIUS, abs=0.1)


def test_nothing_is_learnt_of_what_is_held_out(folder):
    (learnt,), (held,) = real_drives(folder), real_drives(folder, held_out=True)
    # A second of history before the first lesson, ten of the future behind the last.
    assert len(learnt.prompts) == pytest.approx((0.8 * SECONDS - 11.0) / 0.5, abs=2)
    assert len(held.prompts) == pytest.approx((0.2 * SECONDS - 11.0) / 0.5, abs=2)


def test_a_table_of_other_columns_is_refused(folder):
    path = folder / SOURCES['boreas']
    path.write_text('t,x,y\n0,0,0\n')
    with pytest.raises(ValueError, match='columns t,x,y'):
        read_motion(path)
