# SPDX-License-Identifier: Apache-2.0
"""The newest synchronized observation, each once, or which input is missing, stale or skewed."""

import numpy as np
import pytest
from drives import at, odometry, picture

from impromptu_vla_ros.core.buffer import BufferLimits, ObservationBuffer
from impromptu_vla_ros.core.structs import InputError, NavigationCommand, NotReady, Observation

THREE = ('front', 'front_right', 'front_left')


def buffer(cameras=('front',), states=(1, 7)):
    return ObservationBuffer(cameras, 0.5, states, BufferLimits(0.05, 1.0, 8))


def drive(buf, end, start=0.0):
    for time in np.arange(start, end + 1e-9, 0.05):
        buf.observe(odometry(float(time)))


def test_each_picture_is_handed_out_once_and_the_newest_wins():
    buf = buffer()
    drive(buf, 4.0)
    for time in (3.7, 3.8, 3.9):
        buf.observe(picture(time))
    found = buf.take(at(4.0))
    assert isinstance(found, Observation)
    assert (found.stamp, len(found.states), found.frame_id) == (at(3.9), 7, 'odom')
    assert buf.take(at(4.0)).reason == 'used'


def test_a_picture_waits_for_the_odometry_behind_it():
    buf = buffer()
    drive(buf, 3.0)
    buf.observe(picture(3.02))
    assert buf.take(at(3.03)).reason == 'waiting'
    buf.observe(odometry(3.05))
    assert buf.take(at(3.06)).stamp == at(3.02)


def test_an_older_whole_set_is_used_while_the_newest_is_incomplete():
    buf = buffer(THREE)
    drive(buf, 3.2)
    for camera in THREE:
        buf.observe(picture(3.0, camera))
    buf.observe(picture(3.1))
    found = buf.take(at(3.2))
    assert [image.camera for image in found.images] == list(THREE)
    assert found.stamp == at(3.0)


@pytest.mark.parametrize(
    ('pictures', 'odometry_until', 'now', 'reason', 'source'),
    [
        ([], 3.0, 3.0, 'missing', 'front'),
        ([('front', 3.0), ('front_right', 3.0)], 3.0, 3.0, 'missing', 'front_left'),
        ([(c, 3.0) for c in THREE], None, 3.0, 'missing', 'odometry'),
        ([(c, 3.0) for c in THREE], 3.0, 4.5, 'stale', 'front'),
        ([(c, 3.0) for c in THREE], 1.5, 3.0, 'stale', 'odometry'),
        ([(c, 3.0) for c in THREE], 3.0, 1.5, 'ahead', 'front'),
        ([(c, 3.0) for c in THREE[:2]] + [('front_left', 2.9)], 3.0, 3.0, 'skewed', 'front_left'),
        ([(c, 2.9) for c in THREE], 2.85, 3.0, 'waiting', 'odometry'),
    ],
)
def test_it_says_which_input_is_at_fault(pictures, odometry_until, now, reason, source):
    buf = buffer(THREE)
    if odometry_until is not None:
        drive(buf, odometry_until)
    for camera, time in pictures:
        buf.observe(picture(time, camera))
    found = buf.take(at(now))
    assert isinstance(found, NotReady)
    assert (found.reason, found.source) == (reason, source)
    assert source in str(found)


def test_history_too_short_for_the_dialect():
    buf = buffer(states=(4, 4))
    drive(buf, 1.0)
    buf.observe(picture(0.9))
    assert buf.take(at(1.0)).reason == 'short'


def test_a_clock_that_jumps_back_starts_anew():
    buf = buffer()
    drive(buf, 20.0, start=16.0)
    buf.observe(picture(20.0))
    assert isinstance(buf.take(at(20.0)), Observation)
    drive(buf, 4.0)
    buf.observe(picture(4.0))
    buf.observe(picture(4.1))
    buf.observe(odometry(4.15))
    assert buf.resets == 1
    found = buf.take(at(4.15))
    assert isinstance(found, Observation)
    assert found.stamp == at(4.1)


def test_one_straggler_does_not_reset():
    buf = buffer()
    drive(buf, 20.0, start=16.0)
    buf.observe(odometry(1.0))
    assert buf.resets == 0
    assert len(buf.ego.odometry) > 10


def test_pictures_are_bounded():
    buf = buffer()
    for k in range(100):
        buf.observe(picture(0.1 * k))
    assert len(buf.frames['front']) == 8


def test_one_stamp_from_the_future_costs_two_messages():
    buf = buffer()
    drive(buf, 2.0)
    buf.observe(odometry(5000.0))
    drive(buf, 4.0, start=2.05)
    buf.observe(picture(3.9))
    assert buf.resets == 1
    assert isinstance(buf.take(at(4.0)), Observation)


def test_a_camera_nobody_asked_for_is_refused():
    with pytest.raises(InputError, match="'back' is none of"):
        buffer().observe(picture(1.0, 'back'))


def test_an_unstamped_picture_is_refused():
    with pytest.raises(InputError, match='stamp is 0 ns'):
        buffer().observe(picture(-1_700_000_000))


def test_a_picture_is_asked_about_with_the_command_of_its_time():
    buf = buffer()
    drive(buf, 4.0)
    buf.observe(NavigationCommand(at(1.0), 'go straight'))
    buf.observe(NavigationCommand(at(3.5), 'turn left'))
    buf.observe(NavigationCommand(at(3.95), 'turn right'))
    buf.observe(picture(3.9))
    assert buf.take(at(4.0)).command == 'turn left'


def test_without_a_command_there_is_none():
    buf = buffer()
    drive(buf, 4.0)
    buf.observe(picture(3.9))
    assert buf.take(at(4.0)).command == ''


def test_an_unknown_command_is_refused():
    with pytest.raises(InputError, match="no command 'fly': one of go straight"):
        buffer().observe(NavigationCommand(at(1.0), 'fly'))
