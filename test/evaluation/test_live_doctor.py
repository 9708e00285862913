# SPDX-License-Identifier: Apache-2.0
"""The doctor at a running graph: mistakes planted with real publishers over real DDS."""

import os
import threading
from contextlib import contextmanager
from time import monotonic

import pytest

rclpy = pytest.importorskip('rclpy', reason='a running graph needs ROS 2')

from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from impromptu_vla_ros.evaluation.doctor import diagnose  # noqa: E402
from impromptu_vla_ros.evaluation.live_doctor import look  # noqa: E402
from impromptu_vla_ros.evaluation.provisions import Wanted  # noqa: E402
from impromptu_vla_ros.messages import time_message  # noqa: E402

FRONT, INFO, ODOMETRY = '/camera/front/image', '/camera/front/camera_info', '/odom'
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """Keep all other graphs apart, as the doctor looks at the whole one; stock Fast DDS."""
    # Linux also allows 215 to 232, which nobody else here uses.
    monkeypatch.setenv('ROS_DOMAIN_ID', str(215 + os.getpid() % 18))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)


class Car:
    """A driver of one camera and odometry, 20 Hz, with what a test wants wrong with it."""

    def __init__(self, context, size=(32, 20), info=True, late=0.0, every=4):
        self._size, self._info, self._late, self._every = size, info, late, every
        self.node = rclpy.create_node('car', context=context)
        create = self.node.create_publisher
        self._picture = create(Image, FRONT, qos_profile_sensor_data)
        self._calibration = create(CameraInfo, INFO, 10) if info else None
        self._odometry = create(Odometry, ODOMETRY, qos_profile_sensor_data)
        self._steps, self._began = 0, monotonic()
        self.node.create_timer(0.05, self._step)

    def _stamp(self, late=0.0):
        return time_message(self.node.get_clock().now().nanoseconds - round(late * 1e9))

    def _step(self):
        self._steps += 1
        odometry = Odometry(child_frame_id='base_link')
        odometry.header.stamp, odometry.header.frame_id = self._stamp(), 'odom'
        odometry.pose.pose.position.x = 8.0 * (monotonic() - self._began)
        odometry.pose.pose.orientation.w = 1.0
        odometry.twist.twist.linear.x = 8.0
        self._odometry.publish(odometry)
        if self._steps % self._every == 0:
            self._see()

    def _see(self):
        width, height = self._size
        picture = Image(width=width, height=height, step=3 * width, encoding='rgb8')
        picture.header.stamp, picture.header.frame_id = self._stamp(self._late), 'camera'
        picture.data.frombytes(bytes(3 * width * height))
        self._picture.publish(picture)
        if self._calibration is not None:
            info = CameraInfo(width=width, height=height, header=picture.header)
            info.k[0] = info.k[4] = 30.0
            self._calibration.publish(info)


@contextmanager
def graph(*make, **car):
    """Run a car, and nodes that `make(context)` returns, on a thread of their own."""
    context = rclpy.Context()
    rclpy.init(context=context)
    executor = SingleThreadedExecutor(context=context)
    driver = Car(context, **car)
    nodes = [driver.node, *(each(context) for each in make)]
    for node in nodes:
        executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join(10.0)
        for node in nodes:
            node.destroy_node()
        rclpy.shutdown(context=context)


def serious(seconds=1.5, **wanted):
    """Return what the doctor finds at the running graph beyond infos, by what it is."""
    seen, found = look(seconds, {})
    everything = diagnose(seen, Wanted(**wanted), more=found)
    return {finding.what: finding for finding in everything if finding.level != 'info'}


def listener(name, qos, sim_time=False):
    def make(context):
        given = [Parameter('use_sim_time', value=sim_time)]
        node = rclpy.create_node(name, context=context, parameter_overrides=given)
        node.create_subscription(Odometry, ODOMETRY, lambda message: None, qos)
        return node

    return make


def test_a_healthy_graph():
    with graph(listener('planner', qos_profile_sensor_data)):
        assert serious() == {}


def test_a_reliable_listener_and_a_second_publisher():
    def second(context):
        node = rclpy.create_node('second', context=context)
        node.create_publisher(Odometry, ODOMETRY, 10)
        return node

    with graph(listener('planner', RELIABLE), second):
        found = serious()
    assert set(found) == {'odometry: wrong QoS', 'odometry: 2 publishers'}
    assert '/planner does not hear /car on /odom' in found['odometry: wrong QoS'].detail
    assert 'qos.reliability:=best_effort' in found['odometry: wrong QoS'].remedy


def test_no_calibration_and_a_camera_of_another_clock():
    with graph(info=False, late=3.0):
        found = serious()
    assert set(found) == {'front: no camera_info', 'front: clock skew'}
    assert '3.0' in found['front: clock skew'].detail


def test_large_pictures_and_simulated_time_without_a_clock():
    with graph(listener('planner', qos_profile_sensor_data, True), size=(640, 400)):
        found = serious()
    assert 'clock: nobody publishes /clock' in found
    assert '/planner waits for it' in found['clock: nobody publishes /clock'].detail
    # The stock segment may lose some of them, or all.
    assert 'pictures: too large for shared memory' in found


def test_a_slow_camera_and_a_clock_that_nobody_heeds():
    def clock(context):
        node = rclpy.create_node('simulator', context=context)
        publisher = node.create_publisher(Clock, '/clock', 10)
        tick = lambda: publisher.publish(Clock(clock=node.get_clock().now().to_msg()))  # noqa: E731
        node.create_timer(0.01, tick)
        return node

    with graph(listener('planner', qos_profile_sensor_data), clock, every=16):
        found = serious(2.5)
    assert set(found) == {'front: rate too low', 'clock: use_sim_time is not set'}


def test_a_listener_whom_nobody_heeds():
    def astray(context):
        node = rclpy.create_node('planner', context=context)
        for topic, kind in (('/in/odometry', Odometry), ('/in/image', Image)):
            node.create_subscription(kind, topic, lambda message: None, 10)
        return node

    with graph(astray):
        found = serious()
    assert set(found) == {f'/in/{name}: nobody publishes it' for name in ('odometry', 'image')}


def test_an_empty_graph():
    found = serious(0.1)
    assert {'graph: no input', 'front: missing', 'odometry: missing'} == set(found)
