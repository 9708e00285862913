# SPDX-License-Identifier: Apache-2.0
"""A CARLA bridge in the tests' own process, with whoever drives it; and the server it meets."""

import sys
from pathlib import Path
from time import monotonic

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import AccelWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from rig import Rig
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String

from impromptu_vla_ros import messages
from impromptu_vla_ros.msg import DriveCommand
from impromptu_vla_ros.nodes.bridge_node import BridgeNode

sys.path.insert(0, str(Path(__file__).parents[1] / 'worlds'))

NAME = '/carla_bridge'
OUT = f'{NAME}/output'


class Bridged:
    """A bridge in this process, whoever drives it, and what is heard of it."""

    def __init__(self, rig, server, **parameters):
        self.rig, self.server = rig, server
        self.heard = {}
        self.status = {}
        topics = {
            'odometry': (Odometry, f'{OUT}/odometry'),
            'acceleration': (AccelWithCovarianceStamped, f'{OUT}/acceleration'),
            'steering': (JointState, f'{OUT}/steering'),
            'jpeg': (CompressedImage, f'{OUT}/camera/front/image/compressed'),
            'raw': (Image, f'{OUT}/camera/front/image'),
            'info': (CameraInfo, f'{OUT}/camera/front/camera_info'),
            'navigation': (String, f'{OUT}/navigation_command'),
            'clock': (Clock, '/clock'),
        }
        for name, (kind, topic) in topics.items():
            self.heard[name] = []
            rig.node.create_subscription(kind, topic, self.heard[name].append, 100)
        rig.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)
        self._commands = rig.node.create_publisher(DriveCommand, f'{NAME}/input/command', 10)
        given = {
            'server__host': server.host, 'server__port': server.port, 'rig__width': 160,
            'server__timeout': 1.0 if server.process else 20.0, 'server__retry': 0.2,
        }  # fmt: skip
        self.node = BridgeNode(
            context=rig.context,
            parameter_overrides=[
                Parameter(name.replace('__', '.'), value=value)
                for name, value in {**given, **parameters}.items()
            ],
        )
        self.nodes = [self.node]
        rig.executor.add_node(self.node)
        self.command = None
        self._answered = 0

    def _on_report(self, report):
        for status in report.status:
            if status.hardware_id == NAME:
                self.status[status.name.partition(': ')[2]] = status

    def add(self, node):
        """Have another node in the graph."""
        self.nodes.append(node)
        self.rig.executor.add_node(node)

    def close(self):
        """Leave the world and the graph."""
        for node in self.nodes:
            self.rig.executor.remove_node(node)
        for node in self.nodes[1:]:
            node.destroy_node()
        self.node.close()

    def step(self):
        """Answer every odometry once with the command, if there is one."""
        odometry = self.heard['odometry']
        if self.command and odometry and len(odometry) > self._answered:
            self._answered = len(odometry)
            angle, acceleration = self.command
            self._commands.publish(
                DriveCommand(
                    header=odometry[-1].header, mode=DriveCommand.MODE_FOLLOWING,
                    steering_tire_angle=angle, acceleration=acceleration,
                )
            )  # fmt: skip

    def until(self, condition, patience=30.0):
        """Go on until a condition holds."""
        end = monotonic() + patience
        while not condition():
            assert monotonic() < end, f'nothing happened in time; {self.said}'
            self.step()
            self.rig.executor.spin_once(timeout_sec=0.01)

    def frames(self, more):
        """Go on for that many further frames; return the odometry of these."""
        before = len(self.heard['odometry'])
        self.until(lambda: len(self.heard['odometry']) >= before + more)
        return [self.odometry(one) for one in self.heard['odometry'][before:]]

    @staticmethod
    def odometry(message):
        """Return the struct of an odometry message."""
        return messages.odometry_from_message(message)

    @property
    def last(self):
        """Return the newest odometry."""
        return self.odometry(self.heard['odometry'][-1])

    @property
    def said(self):
        """Return the diagnostics in words."""
        return {name: status.message for name, status in self.status.items()}

    def told(self, name, words, level=DiagnosticStatus.ERROR):
        """Wait until diagnostics say something of that level."""

        def says():
            status = self.status.get(name)
            return status and words in status.message and status.level == level

        self.until(says)


@pytest.fixture
def bridged(server):
    """Return what makes bridges to the server."""
    made, rig = [], Rig()

    def make(at=server, **parameters):
        made.append(Bridged(rig, at, **parameters))
        return made[-1]

    yield make
    for each in made:
        each.close()
    rig.close()
