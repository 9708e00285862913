# SPDX-License-Identifier: Apache-2.0
"""The controller over DDS: plans and odometry in, commands out, and every fault told."""

import importlib.util
import math
import signal
import sys
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rig import START, time_of
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.structs import Plan, Pose
from impromptu_vla_ros.msg import DriveCommand, DrivingPlan
from impromptu_vla_ros.nodes.controller_node import ControllerNode
from impromptu_vla_ros.nodes.declaring import ParameterError
from impromptu_vla_ros.vehicle_messages import MissingMessages

SPEED = 5.0
C = DriveCommand


class World:
    """A car that drives straight on at SPEED, its planner, and whoever hears the commands."""

    def __init__(self, rig, simulated=False):
        self._rig, node = rig, rig.node
        self.node, self.time = node, START
        self.commands, self.status = [], DiagnosticStatus()
        self.plans = node.create_publisher(DrivingPlan, '/controller/input/plan', 1)
        self.odometry = node.create_publisher(
            Odometry, '/controller/input/odometry', qos_profile_sensor_data
        )
        self.clock = node.create_publisher(Clock, '/clock', 10) if simulated else None
        node.create_subscription(
            DriveCommand, '/controller/output/command', self.commands.append, 100
        )
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)
        self._engage = node.create_client(SetBool, '/controller/engage')
        self.planning, self.driving, self.change = True, True, {}
        self.others = []
        self._controller = None

    def controller(self, **parameters):
        """Return a controller in this process."""
        self._controller = ControllerNode(
            context=self._rig.context,
            parameter_overrides=[
                Parameter(name.replace('__', '.'), value=value)
                for name, value in parameters.items()
            ],
        )
        self._rig.executor.add_node(self._controller)
        return self._controller

    def close(self):
        """Take the controller out of the graph."""
        if self._controller is not None:
            self._rig.executor.remove_node(self._controller)
            self._controller.destroy_node()

    def _on_report(self, report):
        for status in report.status:
            if status.hardware_id == '/controller':
                self.status = status

    @property
    def last(self):
        """Return the newest command, a fresh message before the first."""
        return self.commands[-1] if self.commands else DriveCommand()

    def now(self):
        """Return the time, ns."""
        return self.time if self.clock else self.node.get_clock().now().nanoseconds

    def plan(self, stamp):
        """Return the plan straight on from where the car is."""
        times, zero = np.arange(53) * 0.1, np.zeros(53)
        x = SPEED * (stamp % 10**12) / 1e9
        return Plan(
            stamp=stamp, frame_id='odom', times=times,
            poses=np.column_stack([x + SPEED * times, zero, zero]), speeds=zero + SPEED,
            accelerations=zero, yaw_rates=zero, deviations=zero * math.nan, extended_from=53,
            tier='fresh', violations=(), capture_stamp=stamp, anchor=Pose(x, 0.0, 0.0),
            anchor_frame_id='odom', answer='', dialect='nuscenes',
        )  # fmt: skip

    def plan_message(self, stamp, **changes):
        """Return its message."""
        return messages.driving_plan_message(replace(self.plan(stamp), **changes), 'test', {})

    def state(self, stamp):
        """Return the odometry of the car."""
        message = Odometry(child_frame_id='base_link')
        message.header.frame_id, message.header.stamp = 'odom', time_of(stamp)
        message.pose.pose.position.x = SPEED * (stamp % 10**12) / 1e9
        message.pose.pose.orientation.w = 1.0
        message.twist.twist.linear.x = SPEED
        return message

    def step(self):
        """Publish what is due, 20 times a second."""
        self.time += 50_000_000
        stamp = self.now()
        if self.clock:
            self.clock.publish(Clock(clock=time_of(stamp)))
        if self.driving:
            self.odometry.publish(self.state(stamp))
        if self.planning:
            self.plans.publish(self.plan_message(stamp, **self.change))
        for other in self.others:
            other.publish(DrivingPlan())

    def until(self, condition, patience=20.0):
        """Drive until a condition holds."""
        self._rig.until(condition, self, patience=patience)

    def engage(self, on=True):
        """Call the service."""
        self.until(self._engage.service_is_ready)
        answer = self._engage.call_async(SetBool.Request(data=on))
        self.until(answer.done)
        assert answer.result().success
        return answer.result().message

    def following(self):
        """Engage, and drive until the plan is followed."""
        self.until(lambda: self.plans.get_subscription_count() and self.commands)
        self.engage()
        self.until(lambda: self.last.mode == C.MODE_FOLLOWING)

    def braking(self, words):
        """Drive until it brakes for a reason, and diagnostics say so; return the commands."""
        self.until(lambda: self.last.mode == C.MODE_BRAKING and words in self.last.reason)
        self.until(lambda: f'braking: {self.last.reason[:20]}' in self.status.message)
        assert self.status.level == self.status.WARN
        return [command for command in self.commands if command.mode == C.MODE_BRAKING]


@pytest.fixture
def world(rig):
    """Return the car, its planner and who listens."""
    world = World(rig)
    yield world
    world.close()


def gap(commands):
    """Return how old the plan was when the first of them was braked for, s."""
    stamps = (
        messages.nanoseconds(commands[0].header.stamp),
        messages.nanoseconds(commands[0].plan_stamp),
    )
    return (stamps[0] - stamps[1]) / 1e9


def test_it_starts_disengaged_follows_when_engaged_and_ends_when_disengaged(world):
    world.controller()
    world.until(lambda: len(world.commands) > 10)
    for command in world.commands:
        said = (command.mode, command.velocity, command.acceleration, command.steering_tire_angle)
        assert said == (C.MODE_DISENGAGED, 0.0, 0.0, 0.0)
    world.following()
    assert (world.last.reason, world.last.velocity) == ('', pytest.approx(SPEED, abs=0.3))
    assert world.last.tier == DrivingPlan.TIER_FRESH
    world.until(lambda: world.status.message == 'well')
    values = {pair.key: pair.value for pair in world.status.values}
    assert values['mode'] == 'following' and 'cross-track error' in values
    assert world.engage(False) == 'disengaged'
    world.until(lambda: world.last.mode == C.MODE_DISENGAGED)


def test_without_a_plan_it_brakes_and_says_so(world):
    world.controller()
    world.planning = False
    world.until(lambda: world.commands)
    world.engage()
    world.braking('no plan yet')
    assert messages.nanoseconds(world.last.plan_stamp) == 0


def test_plans_stop(world):
    world.controller()
    world.following()
    world.planning = False
    braking = world.braking('does the planner publish')
    # Within the time-out and one period of the commands.
    assert 0.5 < gap(braking) < 0.7
    world.until(lambda: world.last.acceleration < -2.0)
    demands = [command.acceleration for command in world.commands]
    assert min(np.diff(demands)) > -2.1  # 10 m/s³ for no longer than 0.2 s
    world.planning = True
    world.until(lambda: world.last.mode == C.MODE_FOLLOWING)


def test_the_planner_is_killed(rig, world, start):
    world.planning = False
    world.controller()
    child = start([sys.executable, '-m', 'impromptu_vla_ros.nodes.planner_node', '--ros-args',
                   '-p', 'autostart:=true', '-p', 'output.rate:=20.0',
                   '-p', 'model.name:=kinematic',
                   '-r', '~/output/plan:=/controller/input/plan',
                   '-r', '~/input/odometry:=/controller/input/odometry'])  # fmt: skip
    world.until(lambda: world.commands)
    world.engage()
    # Without a camera it plans to stop.
    world.until(lambda: 'the plan is a stop (standing)' in world.last.reason)
    child.send_signal(signal.SIGKILL)
    braking = world.braking('does the planner publish')
    assert 0.5 < gap([each for each in braking if 'publish?' in each.reason]) < 0.7


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'tier': 'stopping'}, 'the plan is a stop (stopping)'),
        ({'speeds': np.full(53, math.nan)}, 'not finite'),
        ({'poses': np.full((53, 3), math.nan)}, 'cannot be read'),
        ({'violations': ('jerk: 99',)}, 'violations: jerk: 99'),
        ({'frame_id': 'moon'}, "frame 'moon'"),
    ],
)
def test_a_plan_that_is_no_good(world, change, words):
    world.controller()
    world.following()
    world.change = change
    world.braking(words)
    world.change = {}
    world.until(lambda: world.last.mode == C.MODE_FOLLOWING)


def test_odometry_stops(world):
    world.controller()
    world.following()
    world.driving = False
    braking = world.braking('the odometry is')
    angles = {command.steering_tire_angle for command in braking}
    assert len(angles) == 1
    world.driving = True
    world.until(lambda: world.last.mode == C.MODE_FOLLOWING)


def test_two_planners_are_named(world):
    world.controller()
    world.following()
    other = world.node.create_publisher(DrivingPlan, '/controller/input/plan', 1)
    world.until(lambda: '2 publish /controller/input/plan: keep one' in world.status.message)
    world.others.append(other)
    world.until(lambda: world.last.mode == C.MODE_BRAKING)
    assert 'the plan is not stamped' in world.last.reason
    world.others.clear()
    world.until(lambda: world.last.mode == C.MODE_FOLLOWING)


def test_the_clock_jumps_back(rig):
    world = World(rig, simulated=True)
    try:
        world.controller(use_sim_time=True)
        world.following()
        world.time -= 3600 * 10**9
        first = len(world.commands)
        world.until(
            lambda: len(world.commands) > first + 5 and world.last.mode == C.MODE_FOLLOWING
        )
        stamps = [messages.nanoseconds(each.header.stamp) for each in world.commands]
        begun = next(k for k, stamp in enumerate(stamps) if stamp < START)
        after = world.commands[begun:]
        # Nothing of before is followed: it brakes until fresh inputs have come.
        assert after[0].mode == C.MODE_BRAKING
        assert all(messages.nanoseconds(each.plan_stamp) < START for each in after)
    finally:
        world.close()


def test_one_command_for_each_odometry(rig):
    world = World(rig)
    try:
        world.controller(trigger='odometry')
        world.until(lambda: world.odometry.get_subscription_count() and world.commands)
        world.engage()
        world.planning = world.driving = False
        end = monotonic() + 0.5
        world.until(lambda: monotonic() > end)
        world.commands.clear()
        sent = []
        for _ in range(20):
            sent.append(world.now())
            world.odometry.publish(world.state(sent[-1]))
            world.odometry.publish(world.state(sent[-1]))  # the same again makes no command
            world.until(lambda: len(world.commands) == len(sent))
        assert [messages.nanoseconds(each.header.stamp) for each in world.commands] == sent
    finally:
        world.close()


@pytest.mark.parametrize('output', ['ackermann', 'carla'])
def test_messages_that_are_not_installed_are_named(world, output):
    if importlib.util.find_spec(f'{output}_msgs'):
        pytest.skip(f'{output}_msgs is installed')
    with pytest.raises(MissingMessages, match=f'cannot import {output}_msgs'):
        world.controller(outputs=['drive', output])


def test_a_wrong_parameter_is_named(world):
    with pytest.raises(ParameterError, match='trigger'):
        world.controller(trigger='never')


def test_the_executable_ends_cleanly(world, start):
    child = start([sys.executable, '-m', 'impromptu_vla_ros.nodes.controller_node'])
    world.until(lambda: world.commands)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=20.0)
    assert child.returncode == 0 and 'Traceback' not in output, output
