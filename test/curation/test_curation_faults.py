# SPDX-License-Identifier: Apache-2.0
"""Bad input is one clear error, or a counted skip; a full disk costs nothing that was done."""

import re
import resource
import shutil
from dataclasses import replace

import numpy as np
import pytest
import recordings as made
from curated import circle, curate, everything, factory_rows, read


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    return circle(tmp_path_factory.mktemp('drives') / 'circle', 9.0)


def rows_without(*topics):
    return [row for row in made.drive(9.0, made.jpeg_picture) if row[1] not in topics]


def test_a_missing_camera_is_one_error_and_beside_others_it_is_told(drive, tmp_path, capsys):
    blind = made.write(tmp_path / 'blind', rows_without(made.FRONT))
    assert curate(tmp_path / 'out', blind) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and 'has no front topic (sensor_msgs/msg/CompressedImage' in said
    assert 'choose one with --topic front=NAME' in said
    assert curate(tmp_path / 'out', drive, blind) == 0
    summary = read(tmp_path / 'out', 'summary.json')
    assert 'has no front topic' in summary['unread'][str(blind)]
    assert summary['clips']['train'] == 6
    assert 'impromptu-vla: unread:' in capsys.readouterr().err


def test_broken_pictures_are_counted_and_left_out(tmp_path, capsys):
    rows = [
        (t, topic, made.jpeg_picture((t - made.START) / 1e9, 200))
        if topic == made.FRONT and made.at(2.9) < t < made.at(3.5)
        else (t, topic, message)
        for t, topic, message in made.drive(9.0, made.jpeg_picture)
    ]
    assert curate(tmp_path / 'out', made.write(tmp_path / 'bag', rows)) == 0
    summary = read(tmp_path / 'out', 'summary.json')
    (reason,) = (text for text in summary['skipped'] if 'cannot be decoded' in text)
    assert summary['skipped'][reason] == 1 and summary['clips']['train'] == 5
    assert 'skipped 1×: jpeg picture of camera front cannot be decoded' in capsys.readouterr().err
    factory_rows(tmp_path / 'out')


@pytest.mark.parametrize(
    ('change', 'why'),
    [
        ({'k': np.zeros(9)}, 'camera_info is not calibrated: nothing is drawn'),
        ({'width': 64}, 'camera_info is of 64x20 pictures, these are 32x20: nothing is drawn'),
    ],
)
def test_a_wrong_calibration_is_told_and_nothing_is_drawn(tmp_path, change, why):
    info = replace(made.camera_info(), **change)
    bag = circle(tmp_path / 'bag', 9.0, rows=[(made.at(0.0), '/camera/front/camera_info', info)])
    assert curate(tmp_path / 'out', bag) == 0
    assert read(tmp_path / 'out', 'summary.json')['skipped'][why] == 1
    assert '<polyline' not in (tmp_path / 'out' / 'index.html').read_text()


def test_a_right_calibration_draws_the_way(tmp_path):
    info = made.camera_info()
    bag = circle(tmp_path / 'bag', 9.0, rows=[(made.at(0.0), '/camera/front/camera_info', info)])
    assert curate(tmp_path / 'out', bag) == 0
    assert (tmp_path / 'out' / 'index.html').read_text().count('<polyline') == 6


def test_a_truncated_recording_is_one_error(drive, tmp_path, capsys):
    cut = tmp_path / 'cut'
    shutil.copytree(drive, cut)
    (file,) = cut.glob('*.mcap')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert curate(tmp_path / 'out', cut) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and 'truncated, corrupt or no rosbag2' in said


def test_a_clock_that_jumps_back_ends_a_recording_there(tmp_path, capsys):
    rows = made.drive(9.0, made.jpeg_picture)
    later = [(t + round(9.2e9), topic, message) for t, topic, message in rows]
    assert curate(tmp_path / 'out', made.write(tmp_path / 'looped', rows + later)) == 0
    summary = read(tmp_path / 'out', 'summary.json')
    (why,) = summary['ended early'].values()
    assert 'jumped back: cut it in two there' in why and summary['clips']['train'] == 6


def test_a_receive_time_of_another_clock_is_one_error(tmp_path, capsys):
    rows = [*made.drive(9.0, made.jpeg_picture), (10**18, made.ODOMETRY, made.odometry(9.1))]
    assert curate(tmp_path / 'out', made.write(tmp_path / 'bag', rows)) == 2
    assert 'was received in 11574 days: one of its receive times' in capsys.readouterr().err


def test_what_is_broken_in_the_middle_is_cut_as_far_as_it_goes(tmp_path, capsys):
    bag = circle(tmp_path / 'bag', 14.0)
    (file,) = bag.glob('*.mcap')
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    file.write_bytes(data)
    assert curate(tmp_path / 'out', bag) == 0
    (why,) = read(tmp_path / 'out', 'summary.json')['ended early'].values()
    # The reader itself stops without a word.
    assert re.fullmatch(r'3\d of 69 pictures could not be read: truncated or corrupt', why)
    factory_rows(tmp_path / 'out')


def test_a_drive_too_short_for_a_clip_says_so(tmp_path, capsys):
    bag = circle(tmp_path / 'bag', 5.0)
    assert curate(tmp_path / 'out', bag) == 1
    assert 'the way of the next 5 s is not known' in capsys.readouterr().err
    assert read(tmp_path / 'out', 'train.json') == []


def test_a_full_disk_is_one_error_and_the_next_run_goes_on(drive, tmp_path, capsys):
    out, whole = tmp_path / 'out', tmp_path / 'whole'
    assert curate(whole, drive) == 0
    capsys.readouterr()
    most = max(path.stat().st_size for path in (whole / 'images').iterdir())
    limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses longer files, as it does where no room is left: pictures get through.
    resource.setrlimit(resource.RLIMIT_FSIZE, (most + 1, hard))
    try:
        assert curate(out, drive) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and 'cannot be written (File too large): make room' in said
    assert not [name for name in everything(out) if name.endswith('.new')]
    assert curate(out, drive) == 0
    assert everything(out) == everything(whole)


def test_models_that_answer_no_questions_and_wrong_numbers_are_refused(drive, tmp_path, capsys):
    assert curate(tmp_path, drive, '--model', 'kinematic') == 2
    assert 'answers no questions: one of chat_server' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        curate(tmp_path, drive, '--validation', '1.5')
    assert '1.5 is not at least 0 and below 1' in capsys.readouterr().err
