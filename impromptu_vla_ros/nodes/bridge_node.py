# SPDX-License-Identifier: Apache-2.0
"""The node of the `carla_bridge`: a car in a CARLA world as topics, driven by commands."""

from __future__ import annotations

import faulthandler
import sys
from collections import Counter
from dataclasses import replace
from time import monotonic
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.controller import BRAKING, DISENGAGED
from impromptu_vla_ros.core.navigation import navigation_command
from impromptu_vla_ros.core.structs import ControlCommand, FloatArray, InputError
from impromptu_vla_ros.msg import DriveCommand
from impromptu_vla_ros.nodes import health
from impromptu_vla_ros.nodes.bridge_choices import ego_of, point_of, rig_of, world_of
from impromptu_vla_ros.nodes.bridge_outputs import BridgeOutputs
from impromptu_vla_ros.nodes.bridge_parameters import EXIT, LOCKSTEP, BridgeParameters
from impromptu_vla_ros.nodes.bridge_report import (
    TICKED_BY_OTHERS,
    camera_findings,
    command_findings,
    world_findings,
)
from impromptu_vla_ros.nodes.declaring import ParameterError, declare
from impromptu_vla_ros.nodes.running import executor_of, until_signalled
from impromptu_vla_ros.worlds import carla_errors
from impromptu_vla_ros.worlds.belongings import Ledger
from impromptu_vla_ros.worlds.carla_client import CarlaClient, Scene
from impromptu_vla_ros.worlds.map_route import route_between

# What a further try does not mend.
FATAL = (
    carla_errors.MissingClient,
    carla_errors.WrongVersion,
    carla_errors.MissingMap,
    carla_errors.MissingBlueprint,
)
POLL = 0.005  # s between two looks whether a command is overdue, or a frame is there
# Steps of a new connection. An executor takes what waits between any two calls of a timer, so
# that a command taken later than that was sent to this connection.
SETTLING = 2


class BridgeNode(Node):
    """
    Let the world go on, publish what the car sees, and drive it as the newest command says.

    What it has in the world is noted in `ledger`; options are those of rclpy's Node. Raises
    ParameterError for a parameter that cannot be. `failed` says why it cannot go on, nothing
    while it can.
    """

    def __init__(self, ledger: Ledger | None = None, **options: Any) -> None:
        super().__init__('carla_bridge', **options)
        self.parameters: BridgeParameters = declare(self, BridgeParameters())
        given = self.parameters
        if given.mode == LOCKSTEP and not given.step:
            raise ParameterError('mode lockstep ticks the world: step must be above 0')
        self._destination = point_of(given.destination)
        rig = rig_of(given)
        self.client = CarlaClient(world_of(given), ego_of(given), rig, given.pedals, ledger)
        self.failed = ''
        self._lost = 'not connected yet'
        self._scene: Scene | None = None
        self._route: FloatArray | None = None
        self._told = ControlCommand(0, BRAKING)
        self._heard = self._published = self._reported = monotonic()
        self._why = 'no command yet'
        self._counts: Counter[str] = Counter()
        self._frames = self._steps = 0
        self.outputs = BridgeOutputs(self, given, rig)
        self._commands = self.create_subscription(
            DriveCommand, '~/input/command', self._on_command, QoSProfile(depth=1)
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        period = given.step / given.speed if given.mode != LOCKSTEP and given.step else POLL
        self.create_timer(period, self._on_time, clock=steady)
        self.create_timer(given.server.retry, self._connect, clock=steady)
        self.create_timer(1.0, self._report, clock=steady)
        try:
            self._connect()
        except BaseException:
            self.client.close()
            raise

    def close(self) -> None:
        """Take out of the world what we put there, and leave the graph."""
        self.client.close()
        self.outputs.close()
        self.destroy_node()

    # The world

    def _connect(self) -> None:
        if self.client.is_open or self.failed:
            return
        try:
            scene = self.client.open()
            if self._destination is not None:
                chart, start = self.client.world.get_map(), scene.odometry.pose
                self._route = route_between(chart, start, self._destination)
        except FATAL as error:
            self.failed = str(error)
        except carla_errors.CarlaError as error:
            self._lose(error)
        else:
            chassis = self.client.chassis
            self.get_logger().info(
                f'in the world: wheelbase {chassis.wheelbase:.2f} m, steering up to '
                f'{chassis.max_steer:.2f} rad'
            )
            self._lost, self._steps = '', 0
            self._publish(scene)

    def _lose(self, error: Exception) -> None:
        if str(error) != self._lost:
            self.get_logger().error(str(error))
        self._lost, self._scene = str(error), None
        self._brake('the world was lost, and no command came since')
        self._counts['connections lost'] += self.client.is_open
        self.client.close()

    def _on_time(self) -> None:
        if not self.client.is_open:
            return
        overdue = monotonic() - self._heard > self.parameters.command_timeout
        if self.parameters.mode == LOCKSTEP:
            overdue = monotonic() - self._published > self.parameters.command_timeout
            if not overdue:
                return
        if overdue:
            missed = f'no command came for {self.parameters.command_timeout:g} s'
            self._counts['commands missed'] += 1
            self._brake(missed)
        self._go_on()

    def _go_on(self) -> None:
        """Drive as was told, let a step go by, and publish what is then."""
        try:
            if self.parameters.ego.drive:
                self.client.apply(self._told)
            scene = self.client.tick()
        except carla_errors.EgoGone as error:
            self._lose(error)
            if self.parameters.ego.when_gone == EXIT:
                self.failed = str(error)
        except carla_errors.CarlaError as error:
            self._lose(error)
        else:
            self._publish(scene)

    def _publish(self, scene: Scene) -> None:
        self._scene = scene
        self._frames += 1
        self._steps += 1
        if self.parameters.step:
            self._counts[TICKED_BY_OTHERS] += scene.skipped
        self.outputs.publish(scene)
        self._published = monotonic()
        if self._route is not None:
            odometry = scene.odometry
            self.outputs.navigate(navigation_command(self._route, odometry.pose, odometry.vx))

    # The commands

    def _on_command(self, message: Any) -> None:
        try:
            command = messages.command_from_message(message)
        except InputError as error:
            self._counts['commands refused'] += 1
            self._brake(f'the command cannot be read: {error}')
            return
        waiting = self.parameters.mode == LOCKSTEP
        if waiting and (self._scene is None or command.stamp != self._scene.stamp):
            self._counts['commands of another stamp'] += 1
            return
        if not waiting and (self._scene is None or self._steps <= SETTLING):
            self._counts['commands of before'] += 1
            return
        self._heard = monotonic()
        if command.mode == DISENGAGED:
            self._brake('the controller is not engaged')
        else:
            self._told, self._why = command, ''
        if waiting:
            self._go_on()

    def _brake(self, why: str) -> None:
        if why != self._why:
            self.get_logger().warning(f'brakes: {why}')
        self._told = replace(self._told, mode=BRAKING, acceleration=-self.parameters.brake)
        self._why = why

    # What it says of itself

    def _report(self) -> None:
        now = monotonic()
        rate = self._frames / max(now - self._reported, 1e-3)
        self._frames, self._reported = 0, now
        world = world_findings(self.parameters, self.client, self._counts, self._lost, rate)
        self._counts.pop(TICKED_BY_OTHERS, None)
        topic, drives = self._commands.topic_name, self.parameters.ego.drive
        publishers = self.count_publishers(topic)
        commands = command_findings(drives, self._told, self._why, topic, publishers)
        statuses = [
            health.status('world', *world),
            health.status('cameras', *camera_findings(self.client, self._scene)),
            health.status('commands', *commands),
        ]
        stamp, name = self.get_clock().now().to_msg(), self.get_fully_qualified_name()
        self._diagnostics.publish(health.diagnostics(name, stamp, statuses))


def main(arguments: list[str] | None = None, ledger: Ledger | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit code."""
    # What the client's own code throws in its threads ends the process: let it say where.
    faulthandler.enable()
    rclpy.init(args=arguments)
    node = None
    try:
        with until_signalled():
            node = BridgeNode(ledger)
            executor = executor_of(node)
            while rclpy.ok() and not node.failed:
                executor.spin_once(timeout_sec=0.1)
    except ParameterError as error:
        print(f'carla_bridge: {error}', file=sys.stderr)
        return 2
    finally:
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    if node is not None and node.failed:
        print(f'carla_bridge: {node.failed}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
