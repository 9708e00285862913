# SPDX-License-Identifier: Apache-2.0
"""The doctor finds mistakes planted in recordings, and leaves healthy ones alone."""

import json
import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import recordings as made

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.ego_check import check_ego
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.evaluation import doctor
from impromptu_vla_ros.evaluation.doctor import diagnose, look
from impromptu_vla_ros.evaluation.provisions import Wanted
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.weights import check_weights

ROOT = Path(__file__).parents[2]
LEFT, INFO = '/camera/front_left/image', '/camera/front/camera_info'
SECONDS = 6.0


def info_at(seconds, topic=INFO):
    info = made.camera_info()
    info.header.stamp = made.header(made.at(seconds)).stamp
    return made.at(seconds), topic, info


def healthy(left=False, phase=0.03):
    """Return the rows of a drive with calibration, with a second camera `phase` s later."""
    rows = made.drive(SECONDS) + [info_at(t) for t in np.arange(0.2, SECONDS, 0.2)]
    if left:
        for t in np.arange(0.2, SECONDS, 0.2):
            rows.append((made.at(t + phase), LEFT, made.raw_picture(t + phase)))
            rows.append(info_at(t + phase, '/camera/front_left/camera_info'))
    return sorted(rows, key=lambda row: row[0])


def found_in(folder, rows, **wanted):
    seen = look(made.write(folder / 'bag', rows), {}, 'base_link')
    return diagnose(seen, Wanted(**wanted))


def serious(found):
    return {finding.what: finding for finding in found if finding.level != 'info'}


def change(rows, kind, act):
    """Let a function change every message of a type in place."""
    for _, _, content in rows:
        if content.__msgtype__.endswith(f'/{kind}'):
            act(content)
    return rows


def checkpoint(folder, name='3B_AD_finetune', body=b'\0' * 8):
    """Write the skeleton of a checkpoint: one weight of two float32."""
    place = folder / name
    place.mkdir()
    (place / 'config.json').write_text('{"model_type": "qwen2_5_vl"}')
    (place / 'tokenizer.json').write_text('{}')
    header = json.dumps({'w': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}}).encode()
    (place / 'model.safetensors').write_bytes(struct.pack('<Q', len(header)) + header + body)
    return place


@pytest.fixture(autouse=True)
def stock_fast_dds(monkeypatch):
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize('left', [False, True])
def test_a_healthy_recording(left, tmp_path):
    found = found_in(tmp_path, healthy(left))
    assert serious(found) == {}


@pytest.mark.parametrize('name', ['driving', 'walking'])
def test_the_shipped_recordings_are_healthy(name):
    found = diagnose(look(str(ROOT / 'demo' / name), {}, 'base_link'), Wanted())
    assert serious(found) == {}


@pytest.mark.parametrize('name', ['kitti_odo00', 'kitti_odo06', 'kitti_raw_queue_stop'])
def test_real_recordings_are_healthy(name, data):
    found = diagnose(look(str(data / 'bags' / name), {}, 'base_link'), Wanted())
    assert serious(found) == {}


def test_mistakes_planted_in_a_real_localization(data):
    bag = data / 'autoware_ego_bag' / 'bag_ego_trajectory.db3'
    if not bag.exists():
        pytest.skip(f'no {bag}')
    odometry = look(str(bag), {}, 'base_link').odometry
    assert check_ego(odometry) == ()

    def ahead(state, metres):
        x = state.pose.x + metres * math.cos(state.pose.yaw)
        y = state.pose.y + metres * math.sin(state.pose.yaw)
        return replace(state, pose=Pose(x, y, state.pose.yaw))

    for plant, what in (
        (lambda s: replace(s, yaw_rate=math.degrees(s.yaw_rate)), 'yaw rate: in degrees'),
        (lambda s: replace(s, yaw_rate=-s.yaw_rate), 'yaw rate: with the wrong sign'),
        (lambda s: replace(s, vx=3.6 * s.vx), 'speed: in km/h'),
        (lambda s: ahead(s, 1.4), 'not of the rear axle'),
    ):
        (found,) = check_ego([plant(state) for state in odometry])
        assert found.what == f'odometry: {what}'


def test_swapped_camera_stamps(tmp_path):
    rows = healthy(left=True)
    pictures = [content for _, topic, content in rows if topic in (made.FRONT, LEFT)]
    for one, other in zip(pictures[::2], pictures[1::2], strict=True):
        one.header.stamp, other.header.stamp = other.header.stamp, one.header.stamp
    found = serious(found_in(tmp_path, rows))
    assert list(found) == ['front_left: stamps swapped with front']
    assert '+0.030 s after front' in found['front_left: stamps swapped with front'].detail


def test_swapped_stamps_of_one_camera(tmp_path):
    rows = healthy()
    pictures = [content for _, topic, content in rows if topic == made.FRONT]
    one, other = pictures[4:6]
    one.header.stamp, other.header.stamp = other.header.stamp, one.header.stamp
    assert list(serious(found_in(tmp_path, rows))) == ['front: stamps go back']


def test_degrees_for_radians(tmp_path):
    def act(odometry):
        odometry.twist.twist.angular.z *= -180.0 / math.pi

    found = serious(found_in(tmp_path, change(healthy(), 'Odometry', act)))
    assert list(found) == ['odometry: yaw rate: in degrees, with the wrong sign']


def test_no_odometry_twist(tmp_path):
    def act(odometry):
        odometry.twist.twist.linear.x = odometry.twist.twist.angular.z = 0.0

    found = serious(found_in(tmp_path, change(healthy(), 'Odometry', act)))
    assert list(found) == ['odometry: no twist']
    assert found['odometry: no twist'].level == 'error'


def test_missing_camera_info(tmp_path):
    assert list(serious(found_in(tmp_path, made.drive(SECONDS)))) == ['front: no camera_info']


def test_camera_info_that_is_not_calibrated_or_of_another_size(tmp_path):
    def uncalibrate(info):
        info.k = np.zeros(9)

    def enlarge(info):
        info.width = 64

    for act, what in (
        (uncalibrate, 'front/camera_info: unusable'),
        (enlarge, 'front: camera_info of another size'),
    ):
        folder = tmp_path / act.__name__
        folder.mkdir()
        assert list(serious(found_in(folder, change(healthy(), 'CameraInfo', act)))) == [what]


@pytest.mark.parametrize(('late', 'side'), [(0.3, 'ahead of'), (-2.0, 'behind')])
def test_clock_skew(late, side, tmp_path):
    rows = healthy()
    for time, topic, content in rows:
        if topic == made.FRONT:
            content.header.stamp = made.header(time + round(late * 1e9)).stamp
    found = serious(found_in(tmp_path, rows))
    assert list(found) == ['front: clock skew']
    assert f'{abs(late):.3f} s {side}' in found['front: clock skew'].detail


def test_a_recording_of_another_day_is_not_skewed(tmp_path):
    rows = [(time + 10**15, topic, content) for time, topic, content in healthy()]
    found = found_in(tmp_path, rows)
    assert serious(found) == {}
    assert 'recording: times of another day' in {f.what for f in found}


@pytest.mark.parametrize(
    ('topic', 'what', 'level'),
    [(made.FRONT, 'front', 'error'), (made.ODOMETRY, 'odometry', 'warn')],
)
def test_rate_too_low(topic, what, level, tmp_path):
    rows = healthy()
    few = [row for row in rows if row[1] == topic][::7]
    found = serious(found_in(tmp_path, [r for r in rows if r[1] != topic] + few))
    assert found[f'{what}: rate too low'].level == level


def test_a_picture_too_large_for_shared_memory(tmp_path, monkeypatch):
    picture = made.raw_picture(1.0, width=640, height=400)
    rows = [r for r in made.drive(SECONDS, lambda t: large(picture, t))] + [info_at(0.2)]
    change(rows, 'CameraInfo', resize)
    rows.sort(key=lambda row: row[0])
    found = serious(found_in(tmp_path, rows))
    assert list(found) == ['pictures: too large for shared memory']
    assert 'front 750 kB' in found['pictures: too large for shared memory'].detail
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', 'fastdds.xml')
    (tmp_path / 'again').mkdir()
    assert serious(found_in(tmp_path / 'again', rows)) == {}


def large(picture, seconds):
    fields = {name: getattr(picture, name) for name in picture.__dataclass_fields__}
    fields.pop('__msgtype__', None)
    return type(picture)(**{**fields, 'header': made.header(made.at(seconds), 'camera')})


def resize(info):
    info.width, info.height = 640, 400


def test_wrong_dialect_for_the_checkpoint(tmp_path):
    place = str(checkpoint(tmp_path, '3B_finetune'))
    found = found_in(tmp_path, healthy(), checkpoint=place, dialect='kitti')
    assert "trained in dialect 'nuscenes'" in serious(found)['dialect: does not fit'].detail


def test_a_dialect_for_cameras_that_are_not_there(tmp_path):
    found = serious(found_in(tmp_path, healthy(), dialect='navsim'))
    assert list(found) == ['dialect: no camera front_right', 'dialect: no camera front_left']


@pytest.mark.parametrize('body', [b'\0' * 8, b'\0' * 5, b''])
def test_unreadable_weights(body, tmp_path):
    place = checkpoint(tmp_path, '3B_finetune', body)
    found = serious(found_in(tmp_path, healthy(), checkpoint=str(place)))
    assert ('weights: unreadable' in found) == (len(body) != 8)


def test_weights_in_shards(tmp_path):
    place = checkpoint(tmp_path)
    single = place / 'model.safetensors'
    assert check_weights(place) == single.stat().st_size
    single.rename(place / 'one.safetensors')
    index = place / 'model.safetensors.index.json'
    for content, said in (
        ('{"weight_map": {"w": "one.safetensors"}}', ''),
        ('{"weight_map": {"v": "one.safetensors"}}', 'lacks 1 weights, v'),
        ('{"weight_map": {"w": "two.safetensors"}}', 'cannot be read'),
        ('{}', 'cannot be read'),
    ):
        index.write_text(content)
        if said:
            with pytest.raises(ModelError, match=said):
                check_weights(place)
        else:
            assert check_weights(place) > 8


def test_other_child_frame_unstamped_and_frames(tmp_path):
    def act(odometry):
        odometry.child_frame_id = 'imu'

    def unstamp(picture):
        picture.header = made.header(0, 'camera')

    rows = change(change(healthy(), 'Odometry', act), 'Image', unstamp)
    found = serious(found_in(tmp_path, rows))
    assert set(found) == {'odometry: unusable', 'front: not stamped'}
    assert 'base_frame:=imu' in found['odometry: unusable'].remedy


def test_the_command(tmp_path, capsys):
    bag, file = made.write(tmp_path / 'well', healthy()), tmp_path / 'found.json'
    assert cli.main(['doctor', str(bag), '--json', str(file)]) == 0
    assert f'{made.FRONT} (Image, 32x20): 29 messages, 5.0 Hz' in capsys.readouterr().out
    assert json.loads(file.read_text())['inputs']['odometry']['messages'] == 121
    blind = made.write(tmp_path / 'blind', [r for r in healthy() if r[1] == made.ODOMETRY])
    assert cli.main(['doctor', str(blind), '--seconds', '2']) == 1
    said = capsys.readouterr().out
    assert 'error  front: missing' in said
    assert '→ publish it, or name it with --topic front=NAME' in said
    assert cli.main(['doctor', str(tmp_path / 'nowhere')]) == 2
    assert 'does not exist' in capsys.readouterr().err


def test_without_ros_the_graph_cannot_be_looked_at(capsys, monkeypatch):
    def import_module(name):
        raise ImportError("No module named 'rclpy'")

    monkeypatch.setattr(doctor, 'import_module', import_module)
    assert cli.main(['doctor', '--graph']) == 2
    said = capsys.readouterr().err
    assert "needs ROS 2 (No module named 'rclpy')" in said
