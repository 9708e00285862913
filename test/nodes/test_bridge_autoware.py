# SPDX-License-Identifier: Apache-2.0
"""The CARLA bridge under Autoware's names, with the reports of its vehicle interface."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('carla', reason="CARLA's client is not installed")

from bridged import bridged
from carla_servers import server
from nav_msgs.msg import Odometry
from test_autoware import autoware

from impromptu_vla_ros import autoware_messages, messages
from impromptu_vla_ros.nodes import bridge_outputs

__all__ = ['autoware', 'bridged', 'server']

pytestmark = pytest.mark.timeout(400)  # the messages may have to be built
REPORTS = '/vehicle/status/velocity_status', '/vehicle/status/steering_status'


def test_reports_say_what_the_odometry_says(bridged, autoware):
    from autoware_vehicle_msgs.msg import SteeringReport, VelocityReport

    bridge = bridged(preset='autoware')
    heard = {}
    kinds = (Odometry, VelocityReport, SteeringReport)
    for kind, topic in zip(kinds, ('/localization/kinematic_state', *REPORTS)):
        heard[kind] = bridge.heard['odometry'] if kind is Odometry else []
        bridge.rig.node.create_subscription(kind, topic, heard[kind].append, 100)
    bridge.command = 0.1, 2.0
    bridge.until(lambda: heard[Odometry] and bridge.last.vx > 2.0)
    bridge.until(lambda: len(heard[VelocityReport]) > 30)
    odometry = {one.stamp: one for one in map(messages.odometry_from_message, heard[Odometry])}
    velocities = [autoware_messages.velocity_from_report(one) for one in heard[VelocityReport]]
    for one in velocities[:-1]:
        true = odometry[one.stamp]
        assert (one.vx, one.vy, one.yaw_rate) == pytest.approx((true.vx, true.vy, true.yaw_rate))
    steering = autoware_messages.steering_from_report(heard[SteeringReport][-1])
    assert steering.tire_angle == pytest.approx(0.1, abs=0.01)
    # Left is positive in both.
    assert velocities[-1].yaw_rate > 0.05


def test_without_autoware_it_says_so_and_goes_on(bridged, monkeypatch):
    monkeypatch.setattr(bridge_outputs, 'VEHICLE_PACKAGES', ('no_such_package',))
    bridge = bridged(preset='autoware')
    topics = {publisher.topic_name for publisher in bridge.node.publishers}
    assert '/localization/kinematic_state' in topics and not topics & set(REPORTS)
    bridge.until(lambda: bridge.node._frames)
