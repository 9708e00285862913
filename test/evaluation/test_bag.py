# SPDX-License-Identifier: Apache-2.0
"""Recordings of every storage, and one clear line for each that cannot be read."""

import random

import pytest
import recordings as made
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from impromptu_vla_ros.core.structs import CameraImage, InputError, Odometry
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.topics import BagError, Topic, choose


def samples(path):
    with Bag(path) as bag:
        return [(recorded.time, bag.sample(recorded)) for recorded in bag.messages()]


@pytest.mark.parametrize(
    ('storage', 'compression'),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    ],
)
def test_every_storage_gives_the_same_samples(tmp_path, storage, compression):
    rows = made.drive(2.0)
    found = samples(made.write(tmp_path / 'bag', rows, storage, compression))
    assert [time for time, _ in found] == [time for time, _, _ in rows]
    assert {type(sample) for _, sample in found} == {CameraImage, Odometry}


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_a_storage_file_and_a_folder_without_metadata_do_too(tmp_path, storage):
    folder = made.write(tmp_path / 'bag', made.drive(1.0), storage)
    whole = len(samples(folder))
    (folder / 'metadata.yaml').unlink()
    file = next(folder.iterdir())
    assert len(samples(folder)) == len(samples(file)) == whole


def test_an_unsorted_recording_comes_in_the_order_it_was_received(tmp_path):
    rows = made.drive(2.0)
    random.Random(1).shuffle(rows)
    times = [time for time, _ in samples(made.write(tmp_path / 'bag', rows))]
    assert times == sorted(times)
    assert len(times) == len(rows)


def test_a_real_db3_without_metadata_or_definitions_is_read(data):
    with Bag(data / 'autoware_ego_bag' / 'bag_ego_trajectory.db3') as bag:
        assert bag.parts['odometry'].name == '/localization/kinematic_state'
        assert bag.count(['odometry']) == 2130
        stamps = [bag.sample(recorded).stamp for recorded in bag.messages(['odometry'])]
        with pytest.raises(BagError, match='no front topic .*/localization/kinematic_state'):
            bag.require(['front'])
    assert (stamps[-1] - stamps[0]) / 1e9 == pytest.approx(53.2, abs=0.1)


def one_line(path, wanted=None):
    with pytest.raises(BagError) as error, Bag(path, wanted) as bag:
        bag.require(['front', 'odometry'])
        list(bag.messages())
    assert '\n' not in str(error.value)
    return str(error.value)


def test_what_cannot_be_read_is_said_in_one_line(tmp_path):
    assert 'does not exist' in one_line(tmp_path / 'nowhere')
    (tmp_path / 'notes.txt').write_text('no bag')
    assert 'no rosbag2 storage' in one_line(tmp_path / 'notes.txt')
    assert 'neither metadata.yaml nor' in one_line(tmp_path)
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0\n')
    assert 'rosbags-convert' in one_line(tmp_path / 'old.bag')


def test_an_empty_recording_is_refused(tmp_path):
    assert 'holds no messages' in one_line(made.write(tmp_path / 'bag', []))
    (tmp_path / 'empty.mcap').write_bytes(b'')
    assert 'cannot be read' in one_line(tmp_path / 'empty.mcap')


def test_a_missing_topic_is_named_with_those_there_are(tmp_path):
    rows = [row for row in made.drive(1.0) if row[1] == made.FRONT]
    said = one_line(made.write(tmp_path / 'bag', rows))
    assert 'no odometry topic (nav_msgs/msg/Odometry)' in said
    assert f'{made.FRONT} (sensor_msgs/msg/Image, {len(rows)})' in said


def test_a_wanted_topic_must_be_there_and_fit(tmp_path):
    folder = made.write(tmp_path / 'bag', made.drive(1.0))
    assert 'no topic /else' in one_line(folder, {'odometry': '/else'})
    assert 'no topic /odom of type' in one_line(folder, {'front': '/odom'})
    assert "no part 'rear'" in one_line(folder, {'rear': '/odom'})


@pytest.mark.parametrize('kept', [0.05, 0.5, 0.97, 0.9999])
def test_a_truncated_mcap_is_refused(tmp_path, kept):
    folder = made.write(tmp_path / 'bag', made.drive(2.0))
    file = folder / 'bag.mcap'
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    assert 'cannot be read' in one_line(folder)
    assert 'truncated' in one_line(file)


def test_a_corrupted_mcap_is_refused_or_read_never_a_traceback(tmp_path):
    compressed = CompressionMode.STORAGE
    folder = made.write(tmp_path / 'bag', made.drive(1.0), compression=compressed)
    file, dice = folder / 'bag.mcap', random.Random(7)
    whole = file.read_bytes()
    refused = 0
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(20):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        file.write_bytes(broken)
        try:
            with Bag(file) as bag:
                for recorded in bag.messages():
                    try:
                        bag.sample(recorded)
                    except InputError:
                        continue
        except BagError as error:
            refused += 1
            assert '\n' not in str(error)
    assert refused > 30


def test_random_bytes_are_no_recording(tmp_path):
    file = tmp_path / 'noise.mcap'
    file.write_bytes(random.Random(3).randbytes(5000))
    assert 'truncated, corrupt or no rosbag2' in one_line(file)
    file = file.rename(tmp_path / 'noise.db3')
    assert 'truncated, corrupt or no rosbag2' in one_line(file)


def test_receive_times_of_another_clock_are_told_from_late_messages(tmp_path):
    rows = made.drive(1.0)
    year = 365 * 86400 * 10**9
    with Bag(made.write(tmp_path / 'same', [(t + 10**8, *rest) for t, *rest in rows])) as bag:
        assert bag.clock_offset() == 0
    with Bag(made.write(tmp_path / 'other', [(t + year, *rest) for t, *rest in rows])) as bag:
        assert bag.clock_offset() == year


IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


def chosen(*rows, **wanted):
    found = choose([Topic(name, kind, 5) for name, kind in rows], wanted)
    return {part: topic.name for part, topic in found.items()}


def test_cameras_are_told_by_name_and_the_only_one_is_the_front():
    three = [(f'/CAM_FRONT{side}/image', IMAGE) for side in ('_LEFT', '', '_RIGHT')]
    assert chosen(*three, ('/CAM_BACK/image', IMAGE)) == {
        'front': '/CAM_FRONT/image',
        'front_left': '/CAM_FRONT_LEFT/image',
        'front_right': '/CAM_FRONT_RIGHT/image',
    }
    assert chosen(('/cam2/image_raw', IMAGE))['front'] == '/cam2/image_raw'
    assert chosen(('/front/depth', IMAGE), ('/left/image', IMAGE))['front'] == '/left/image'
    both = [('/front/image', IMAGE), ('/front/image/compressed', COMPRESSED)]
    assert chosen(*both)['front'] == '/front/image/compressed'
    assert chosen(*both, front='/front/image')['front'] == '/front/image'


def test_calibration_is_that_of_the_front_camera():
    info = 'sensor_msgs/msg/CameraInfo'
    found = chosen(
        ('/rear/camera_info', info), ('/front/camera_info', info), ('/front/image', IMAGE)
    )
    assert found['camera_info'] == '/front/camera_info'


def test_several_odometry_topics_need_a_choice():
    odometry = 'nav_msgs/msg/Odometry'
    rows = [('/wheels/odom', odometry), ('/ekf/odom', odometry)]
    with pytest.raises(BagError, match='choose one with --topic odometry=NAME'):
        chosen(*rows)
    assert chosen(*rows, odometry='/ekf/odom')['odometry'] == '/ekf/odom'
    autoware = ('/localization/kinematic_state', odometry)
    assert chosen(*rows, autoware)['odometry'] == autoware[0]
