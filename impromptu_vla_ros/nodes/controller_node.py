# SPDX-License-Identifier: Apache-2.0
"""The `controller` executable: from plans and odometry to commands, while it is engaged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_srvs.srv import SetBool

from impromptu_vla_ros import messages, vehicle_messages
from impromptu_vla_ros.core.controller import BRAKING, DISENGAGED, Controller
from impromptu_vla_ros.core.planner import Vehicle
from impromptu_vla_ros.core.structs import NANOSECONDS, ControlCommand, InputError
from impromptu_vla_ros.core.timeline import CLOCK_JUMP
from impromptu_vla_ros.msg import DriveCommand, DrivingPlan
from impromptu_vla_ros.nodes import health
from impromptu_vla_ros.nodes.controller_parameters import ControllerParameters
from impromptu_vla_ros.nodes.declaring import ParameterError, declare
from impromptu_vla_ros.nodes.running import executor_of, until_signalled


class ControllerNode(Node):
    """
    Command what the controller says, at a rate or once per odometry; say how on /diagnostics.

    Options are those of rclpy's Node. Raises ParameterError for a parameter that cannot be, and
    MissingMessages where wanted messages are not installed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('controller', **options)
        self.parameters: ControllerParameters = declare(self, ControllerParameters())
        given = self.parameters
        self.controller = Controller(
            Vehicle(given.vehicle.wheelbase),
            given.steering,
            given.speed,
            given.trust,
            given.stop,
            given.base_frame,
        )
        self.controller.engage(given.engaged)
        self._command: ControlCommand | None = None
        self._refused = ''
        self._commands, self._reported = 0, monotonic()
        self._outputs = self._open_outputs()
        reliable = given.reliability == 'reliable'
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        heard = QoSProfile(depth=100, reliability=reliability)
        self._plans = self.create_subscription(
            DrivingPlan, '~/input/plan', self._on_plan, QoSProfile(depth=1)
        )
        self._odometry = self.create_subscription(
            Odometry, '~/input/odometry', self._on_odometry, heard
        )
        self.create_service(SetBool, '~/engage', self._on_engage)
        if given.trigger == 'timer':
            self.create_timer(1.0 / given.rate, self._on_tick)
        back = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
        )
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _open_outputs(self) -> list[tuple[Any, Callable[[ControlCommand], Any]]]:
        """Return the publishers of the vehicle's own messages, with what makes these."""
        latest, outputs = QoSProfile(depth=1), self.parameters.outputs
        self._drive = None
        if 'drive' in outputs:
            self._drive = self.create_publisher(DriveCommand, '~/output/command', latest)
        made: list[tuple[Any, Callable[[ControlCommand], Any]]] = []
        if 'ackermann' in outputs:
            vehicle_messages.require('ackermann_msgs')
            from ackermann_msgs.msg import AckermannDriveStamped

            publisher = self.create_publisher(AckermannDriveStamped, '~/output/ackermann', latest)
            made.append((publisher, vehicle_messages.ackermann_message))
        if 'carla' in outputs:
            vehicle_messages.require('carla_msgs')
            from carla_msgs.msg import CarlaEgoVehicleControl

            publisher = self.create_publisher(CarlaEgoVehicleControl, '~/output/carla', latest)
            scale = self.parameters.carla
            made.append((publisher, partial(vehicle_messages.carla_message, scale=scale)))
        return made

    # What comes

    def _on_plan(self, message: Any) -> None:
        try:
            self.controller.follow(messages.plan_from_message(message))
        except InputError as error:
            self.controller.refuse(f'the plan cannot be read: {error}')

    def _on_odometry(self, message: Any) -> None:
        try:
            odometry = messages.odometry_from_message(message, self.parameters.base_frame)
            self.controller.observe(odometry)
            self._refused = ''
        except InputError as error:
            self._refused = str(error)
        if self.parameters.trigger == 'odometry':
            self._command_once(messages.nanoseconds(message.header.stamp))

    def _on_engage(self, request: Any, response: Any) -> Any:
        self.controller.engage(request.data)
        response.success = True
        response.message = 'engaged' if request.data else 'disengaged'
        self.get_logger().info(response.message)
        return response

    def _on_jump(self, jump: Any) -> None:
        self.get_logger().warning('the clock jumped back: everything before is forgotten')
        self.controller.reset()

    def _on_tick(self) -> None:
        now = self.get_clock().now().nanoseconds
        if now:  # with use_sim_time there is no time before the first /clock
            self._publish(now)

    def _command_once(self, stamp: int) -> None:
        """Publish the command for an odometry, unless it is late or the same again."""
        before = self._command.stamp if self._command is not None else 0
        if stamp > before or 0 < stamp < before - CLOCK_JUMP * NANOSECONDS:
            self._publish(stamp)

    # What goes out

    def _publish(self, now: int) -> None:
        before, command = self._command, self.controller.command(now)
        self._command = command
        self._commands += 1
        if self._drive is not None:
            self._drive.publish(messages.drive_command_message(command))
        if command.mode != DISENGAGED:
            for publisher, message in self._outputs:
                publisher.publish(message(command))
        if before is None or before.mode != command.mode:
            why = f': {command.reason}' if command.reason else ''
            self.get_logger().info(f'{command.mode}{why}')

    def _report(self) -> None:
        now = monotonic()
        rate = self._commands / max(now - self._reported, 1e-3)
        self._commands, self._reported = 0, now
        stamp, name = self.get_clock().now().to_msg(), self.get_fully_qualified_name()
        statuses = [health.status('control', *self._findings(rate))]
        self._diagnostics.publish(health.diagnostics(name, stamp, statuses))

    def _findings(self, rate: float) -> tuple[list[tuple[bytes, str]], dict[str, object]]:
        command, errors = self._command, self.controller.errors
        values: dict[str, object] = {
            'engaged': self.controller.engaged,
            'rate': f'{rate:.1f} Hz',
            **self.controller.counts,
        }
        found = []
        if command is None:
            waits = '/clock' if self.parameters.trigger == 'timer' else self._odometry.topic_name
            found.append((health.WARN, f'no command yet: it waits for {waits}'))
        else:
            values |= {'mode': command.mode, 'reason': command.reason}
            if command.plan_stamp:
                age = (command.stamp - command.plan_stamp) / NANOSECONDS
                values |= {'tier': command.tier, 'plan age': f'{age:.2f} s'}
            if command.mode == BRAKING:
                found.append((health.WARN, f'braking: {command.reason}'))
            elif command.mode == DISENGAGED:
                found.append((health.OK, 'disengaged'))
            elif command.reason:
                found.append((health.OK, command.reason))
        if errors is not None:
            values |= {
                'cross-track error': f'{errors.cross_track:.3f} m',
                'station error': f'{errors.station:.3f} m',
                'speed error': f'{errors.speed:.3f} m/s',
            }
        if self._refused:
            found.append((health.WARN, f'odometry refused: {self._refused}'))
        for topic in (self._plans.topic_name, self._odometry.topic_name):
            publishers = self.count_publishers(topic)
            if publishers > 1:
                found.append((health.WARN, f'{publishers} publish {topic}: keep one'))
        return found, values


def main(arguments: list[str] | None = None) -> int:
    """Run the controller until SIGINT or SIGTERM; return the exit code."""
    rclpy.init(args=arguments)
    node = None
    try:
        with until_signalled():
            node = ControllerNode()
            executor_of(node).spin()
    except (ParameterError, vehicle_messages.MissingMessages) as error:
        print(f'controller: {error}', file=sys.stderr)
        return 2
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
