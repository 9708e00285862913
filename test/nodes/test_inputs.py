# SPDX-License-Identifier: Apache-2.0
"""Raw and compressed pictures, the choice between them, remapped topics, reliability, losses."""

import pytest

pytest.importorskip('rclpy')

from rclpy.qos import QoSProfile
from rig import Car, captured
from sensor_msgs.msg import Image

from impromptu_vla_ros.core.timeline import Timeline
from impromptu_vla_ros.nodes.health import LOST_REMEDY, Health


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
@pytest.mark.parametrize('chosen', ['auto', 'same'])
def test_raw_and_compressed_pictures(rig, transport, chosen):
    _, seen = rig.planner(image_transport=transport if chosen == 'same' else 'auto')
    car = Car(rig.node, transport=transport)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    rig.until(lambda: seen.value('front', 'received'), car)
    end = '/compressed' if transport == 'compressed' else '/image'
    assert seen.value('front', 'topic').endswith(end)


def test_the_other_transport_is_not_listened_to(rig):
    rig.planner(image_transport='compressed')
    raw, compressed = Car(rig.node, transport='raw'), Car(rig.node)
    rig.heard(compressed)
    assert raw.cameras['front'].get_subscription_count() == 0


def test_auto_ends_the_raw_subscription_and_takes_it_up_again(rig):
    _, seen = rig.planner()
    raw, compressed = Car(rig.node, transport='raw'), Car(rig.node)
    rig.heard(raw)
    rig.heard(compressed)
    rig.until(lambda: raw.cameras['front'].get_subscription_count() == 0, raw, compressed)
    assert compressed.cameras['front'].get_subscription_count() == 1
    # The compressing publisher dies: raw pictures are better than none.
    rig.node.destroy_publisher(compressed.cameras.pop('front'))
    rig.until(lambda: raw.cameras['front'].get_subscription_count() == 1)
    before = len(captured(seen.plans))
    rig.until(lambda: len(captured(seen.plans)) > before + 1, raw)


def test_one_remapping_carries_all_topics_of_a_camera(rig):
    arguments = ['-r', '~/input/camera/front/image:=/rig/front/image_raw']
    rig.planner(arguments, namespace='/car', debug__image=True)
    listening = {
        name: types
        for name, types in rig.node.get_topic_names_and_types()
        if rig.node.count_subscribers(name) and name.startswith('/rig')
    }
    assert listening == {
        '/rig/front/image_raw': ['sensor_msgs/msg/Image'],
        '/rig/front/image_raw/compressed': ['sensor_msgs/msg/CompressedImage'],
        '/rig/front/camera_info': ['sensor_msgs/msg/CameraInfo'],
    }


def test_a_remapping_of_its_own_wins(rig):
    arguments = ['-r', '~/input/camera/front/image:=/a', '-r']
    arguments.append('~/input/camera/front/image/compressed:=/b')
    rig.planner(arguments)
    rig.until(lambda: rig.node.count_subscribers('/a') and rig.node.count_subscribers('/b'))
    assert not rig.node.count_subscribers('/a/compressed')


def test_reliability_is_settable(rig):
    rig.planner(qos__reliability='reliable', image_transport='raw')
    best_effort = Car(rig.node, transport='raw')
    reliable = rig.node.create_publisher(
        Image, '/planner/input/camera/front/image', QoSProfile(depth=1)
    )
    rig.until(lambda: reliable.get_subscription_count() == 1)
    assert best_effort.cameras['front'].get_subscription_count() == 0


def test_losses_are_named_with_their_remedy():
    health, timeline = Health(), Timeline('front', 5.0, 8)

    class Source:
        source, topic, publishers, crowded = 'front', '/camera', 1, ''

    def status():
        health.begin_report()
        return health.input_status(Source, timeline, 0, 1.0, needed=False)

    assert status().level == b'\x00'
    health.lost['front'] += 7
    lost = status()
    assert lost.level == b'\x01' and LOST_REMEDY in lost.message
    assert 'config/fastdds.xml' in LOST_REMEDY
    values = {pair.key: pair.value for pair in lost.values}
    assert values['lost in transport'] == '7'
    # Seven are still seven, but nothing is lost any more.
    assert status().level == b'\x00'
