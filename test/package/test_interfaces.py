# SPDX-License-Identifier: Apache-2.0
"""The generated messages, and their type hashes, which bind recorded bags."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HASHES = json.loads((ROOT / 'test' / 'data' / 'type_hashes.json').read_text())


def test_every_interface_has_a_recorded_hash():
    files = [*ROOT.glob('msg/*.msg'), *ROOT.glob('srv/*.srv')]
    assert HASHES.keys() == {f'impromptu_vla_ros/{f.parent.name}/{f.stem}' for f in files}


@pytest.mark.parametrize('name', [name for name in HASHES if '/msg/' in name])
def test_rosbags_computes_the_recorded_hash(name):
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for file in ROOT.glob('msg/*.msg'):
        types |= get_types_from_msg(file.read_text(), f'impromptu_vla_ros/msg/{file.stem}')
    store.register(types)
    assert store.hash_rihs01(name) == HASHES[name]


@pytest.mark.parametrize('name', HASHES)
def test_rosidl_installed_the_recorded_hash(name):
    ament = pytest.importorskip('ament_index_python', reason='there is no ROS here')
    share = Path(ament.get_package_share_directory('impromptu_vla_ros'))
    file = share.joinpath(*name.split('/')[1:]).with_suffix('.json')
    if not file.exists():
        pytest.skip('this ROS distribution knows no type hashes')
    hashes = {entry['type_name']: entry['hash_string'] for entry in _hashes(file)}
    assert hashes[name] == HASHES[name]


def _hashes(file):
    return json.loads(file.read_text())['type_hashes']


def test_the_generated_messages_work():
    pytest.importorskip('rclpy', reason='there is no ROS here')
    from rclpy.serialization import deserialize_message, serialize_message

    from impromptu_vla_ros.msg import DriveCommand, DrivingPlan, NamedDuration, PlanPoint
    from impromptu_vla_ros.srv import Ask

    tiers = [
        DrivingPlan.TIER_FRESH,
        DrivingPlan.TIER_HELD,
        DrivingPlan.TIER_STOPPING,
        DrivingPlan.TIER_STANDING,
    ]
    assert tiers == [0, 1, 2, 3]
    assert DriveCommand().mode == DriveCommand.MODE_DISENGAGED
    plan = DrivingPlan(
        tier=DrivingPlan.TIER_HELD,
        points=[PlanPoint(position_deviation=float('nan')), PlanPoint(yaw_rate=0.1)],
        extended_from=1,
        violations=['speed: 40.0 m/s'],
        answer='<PLANNING>…</PLANNING>',
        ages=[NamedDuration(name='answer')],
    )
    copy = deserialize_message(serialize_message(plan), DrivingPlan)
    assert copy.points[1] == plan.points[1]
    assert (copy.answer, copy.ages, copy.violations) == (plan.answer, plan.ages, plan.violations)
    assert Ask.Request(task='q3').timeout.sec == 0
    assert Ask.Response().latencies == []
