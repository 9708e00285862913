# SPDX-License-Identifier: Apache-2.0
"""Plans as Autoware hears them: its own messages, over real DDS, with the QoS it demands."""

import json
import math

import numpy as np
import pytest

pytest.importorskip('rclpy')

import autoware_interfaces
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy
from rig import Car
from test_ego_sources import SPEED as CIRCLING
from test_ego_sources import TURN, Circling

from impromptu_vla_ros import autoware_messages
from impromptu_vla_ros.core.structs import Plan, Pose
from impromptu_vla_ros.nodes.autoware import QOS, TOPICS, AutowareOutput

STAMP = 1_700_000_000_123_456_789
WHEELBASE = 2.79

# The first of them may have to build the messages: half a minute, more on a busy machine.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope='module')
def autoware():
    """Make messages importable: Autoware's own, or test/interfaces', whose folder is returned."""
    if autoware_interfaces.importable():
        return None
    prefix = autoware_interfaces.build()
    autoware_interfaces.use(prefix)
    return prefix


def plan(frame_id='map', speeds=(10.0, 10.0, 5.0), yaw_rates=(1.0, 0.5, 0.5)):
    n = len(speeds)
    return Plan(
        stamp=STAMP,
        frame_id=frame_id,
        times=np.arange(n) * 0.1,
        poses=np.column_stack([np.arange(n), np.arange(n) * 2.0, np.arange(n) * 0.2]),
        speeds=np.array(speeds),
        accelerations=np.arange(n) * 0.25,
        yaw_rates=np.array(yaw_rates),
        deviations=np.full(n, math.nan),
        extended_from=n,
        tier='fresh',
        violations=(),
        capture_stamp=STAMP,
        anchor=Pose(0.0, 0.0, 0.0),
        anchor_frame_id=frame_id,
        answer='',
        dialect='nuscenes',
    )


class Reporting(Circling):
    """A car with Autoware's vehicle interface, whose heading rate is `factor` times the truth."""

    def __init__(self, node, steering, velocity, factor):
        super().__init__(node, {})
        self._kinds, self._factor = (steering, velocity), factor
        self.tires = node.create_publisher(steering, '/planner/input/steering_status', 100)
        self.report = node.create_publisher(velocity, '/planner/input/velocity_status', 100)

    def tell_steering(self, header, angle):
        steering, velocity = self._kinds
        header.frame_id = 'base_link'
        self.tires.publish(steering(stamp=header.stamp, steering_tire_angle=angle))
        rate = self._factor * TURN
        report = velocity(header=header, longitudinal_velocity=CIRCLING, heading_rate=rate)
        self.report.publish(report)


def assert_is_the_plan(header, points):
    assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert header.frame_id == 'map'
    seconds = [p.time_from_start.sec + p.time_from_start.nanosec / 1e9 for p in points]
    assert seconds == pytest.approx([0.0, 0.1, 0.2])
    assert [(p.pose.position.x, p.pose.position.y, p.pose.position.z) for p in points] == [
        (0.0, 0.0, 0.0),
        (1.0, 2.0, 0.0),
        (2.0, 4.0, 0.0),
    ]
    turned = [2 * math.atan2(p.pose.orientation.z, p.pose.orientation.w) for p in points]
    assert turned == pytest.approx([0.0, 0.2, 0.4])
    assert [p.longitudinal_velocity_mps for p in points] == [10.0, 10.0, 5.0]
    assert [p.acceleration_mps2 for p in points] == [0.0, 0.25, 0.5]
    assert [p.heading_rate_rps for p in points] == [1.0, 0.5, 0.5]
    angles = [math.atan(WHEELBASE * k) for k in (0.1, 0.05, 0.1)]
    assert [p.front_wheel_angle_rad for p in points] == pytest.approx(angles)
    assert not any(p.lateral_velocity_mps or p.rear_wheel_angle_rad for p in points)


def active(rig, output):
    """Return an active node with an AutowareOutput."""
    node = LifecycleNode('planner', context=rig.context)
    rig.executor.add_node(node)
    sender = AutowareOutput(node, output, 'impromptu_vla', WHEELBASE)
    sender.open()
    node.trigger_configure()
    node.trigger_activate()
    return node, sender


def heard(rig, kind, topic, sender):
    """Return the first message of a plan that is published until it is heard."""
    messages = []
    rig.node.create_subscription(kind, topic, messages.append, 1)

    def arrived():
        sender.publish(plan())
        return messages

    rig.until(arrived)
    return messages[0]


@pytest.mark.parametrize('output', ['validator', 'direct'])
def test_a_trajectory_is_heard(rig, autoware, output):
    from autoware_planning_msgs.msg import Trajectory

    node, sender = active(rig, output)
    message = heard(rig, Trajectory, '/planner/output/trajectory', sender)
    assert_is_the_plan(message.header, message.points)

    (endpoint,) = rig.node.get_publishers_info_by_topic('/planner/output/trajectory')
    assert endpoint.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert endpoint.qos_profile.durability == DurabilityPolicy.VOLATILE
    assert endpoint.topic_type == 'autoware_planning_msgs/msg/Trajectory'
    # What a subscriber with Autoware's own message compares, where the middleware tells it.
    expected = autoware_interfaces.HASHES[endpoint.topic_type]
    assert str(endpoint.topic_type_hash) in (expected, 'INVALID')
    sender.close()
    assert not [p for p in node.publishers if p.topic_name == '/planner/output/trajectory']


def test_a_candidate_is_heard(rig, autoware):
    from autoware_internal_planning_msgs.msg import CandidateTrajectories

    _, sender = active(rig, 'generator')
    topic = '/planner/output/candidate_trajectories'
    message = heard(rig, CandidateTrajectories, topic, sender)
    (candidate,), (about,) = message.candidate_trajectories, message.generator_info
    assert_is_the_plan(candidate.header, candidate.points)
    assert about.generator_name.data == 'impromptu_vla'
    assert candidate.generator_id == about.generator_id
    assert bytes(about.generator_id.uuid) == autoware_messages.generator_id('impromptu_vla')


def test_acceleration_is_of_the_magnitude_of_the_motion(autoware):
    back = plan(speeds=(2.0, -2.0), yaw_rates=(0.0, 0.0))
    points = autoware_messages.trajectory_message(back, WHEELBASE).points
    assert [p.acceleration_mps2 for p in points] == [0.0, -0.25]
    assert [p.longitudinal_velocity_mps for p in points] == [2.0, -2.0]


def test_the_queue_is_one_plan(rig, autoware):
    node, sender = active(rig, 'validator')
    sender.open()  # again, as after a configure that failed
    (publisher,) = [p for p in node.publishers if p.topic_name.endswith('/output/trajectory')]
    assert publisher.qos_profile.history == HistoryPolicy.KEEP_LAST
    assert publisher.qos_profile.depth == 1


def test_another_frame_is_refused_and_said_once(rig, autoware, capfd):
    from autoware_planning_msgs.msg import Trajectory

    _, sender = active(rig, 'validator')
    messages = []
    rig.node.create_subscription(Trajectory, '/planner/output/trajectory', messages.append, 1)
    for _ in range(3):
        assert "plans are in frame 'odom'" in sender.publish(plan('odom'))
    assert capfd.readouterr().err.count("plans are in frame 'odom'") == 1
    assert sender.publish(plan()) == ''
    assert not any(message.header.frame_id == 'odom' for message in messages)


@pytest.mark.parametrize('output', ['direct', 'generator'])
def test_the_planner_tells_autoware_what_it_publishes(rig, autoware, output):
    from autoware_internal_planning_msgs.msg import CandidateTrajectories
    from autoware_planning_msgs.msg import Trajectory

    kind = CandidateTrajectories if output == 'generator' else Trajectory
    heard = []
    rig.node.create_subscription(kind, TOPICS[output].replace('~', '/planner'), heard.append, QOS)
    _, seen = rig.planner(autoware__output=output)
    car = Car(rig.node)
    state = car.state

    def on_map(stamp):
        message = state(stamp)
        message.header.frame_id = 'map'
        return message

    car.state = on_map
    rig.heard(car)
    rig.until(lambda: len(heard) > 5 and len(seen.plans) > 5, car)
    told = heard[-1].candidate_trajectories[0] if output == 'generator' else heard[-1]
    stamps = [(plan.header.stamp.sec, plan.header.stamp.nanosec) for plan in seen.plans]
    same = seen.plans[stamps.index((told.header.stamp.sec, told.header.stamp.nanosec))]
    assert (told.header.frame_id, len(told.points)) == ('map', len(same.points))
    assert told.points[3].pose == same.points[3].pose


def test_a_planner_without_autowares_messages_says_what_to_source(rig, monkeypatch):
    monkeypatch.setattr(autoware_messages, 'missing', lambda _: ('autoware_planning_msgs',))
    _, seen = rig.planner(autoware__output='direct')
    rig.reported(seen, 1)
    assert 'source the Autoware workspace' in seen.diagnostics['state'].message


@pytest.mark.parametrize('factor', [1.0, -180.0 / math.pi])
def test_what_the_vehicle_reports_is_taken_and_compared(rig, autoware, factor):
    from autoware_vehicle_msgs.msg import SteeringReport, VelocityReport

    _, seen = rig.planner(vehicle__wheelbase=WHEELBASE)
    car = Reporting(rig.node, SteeringReport, VelocityReport, factor)
    rig.heard(car)
    rig.until(lambda: car.report.get_subscription_count() and car.tires.get_subscription_count())
    car.come(rig)
    found = 'velocity report: yaw rate: in degrees, with the wrong sign'
    words = 'well' if factor == 1.0 else found
    rig.until(lambda: 'ego' in seen.diagnostics and words in seen.diagnostics['ego'].message, car)
    assert seen.value('steering', 'topic') == '/planner/input/steering_status'
    assert seen.value('ego', 'steering from') == seen.value('ego', 'yaw rate from') == 'measured'
    assert int(seen.value('velocity_status', 'received')) > 100
    assert 'heading_rate in rad/s' in seen.value('ego', found) or factor == 1.0


def test_none_does_nothing(rig):
    _, sender = active(rig, 'none')
    assert sender.publish(plan('odom')) == ''
    sender.close()


def test_missing_messages_are_one_clear_error(rig, monkeypatch):
    monkeypatch.setattr(autoware_messages, 'missing', lambda _: ('autoware_planning_msgs',))
    sender = AutowareOutput(rig.node, 'direct', 'impromptu_vla', WHEELBASE)
    with pytest.raises(autoware_messages.MissingPackages, match='source the Autoware workspace'):
        sender.open()


def test_rosidl_computes_autowares_hashes(autoware):
    if autoware is None:
        pytest.skip("these are Autoware's own packages")
    files = [autoware / 'share' / f'{name}.json' for name in autoware_interfaces.HASHES]
    if not any(file.exists() for file in files):
        pytest.skip('this ROS distribution knows no type hashes')
    for name, file in zip(autoware_interfaces.HASHES, files, strict=True):
        entries = json.loads(file.read_text())['type_hashes']
        found = {entry['type_name']: entry['hash_string'] for entry in entries}
        assert found[name] == autoware_interfaces.HASHES[name]
