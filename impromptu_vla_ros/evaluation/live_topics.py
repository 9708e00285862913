# SPDX-License-Identifier: Apache-2.0
"""What a drive says on its topics, kept as it comes; and the controller engaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.controller import DISENGAGED
from impromptu_vla_ros.core.structs import ControlCommand, InputError, Plan
from impromptu_vla_ros.evaluation.live import COMPRESSED, PLAN, LiveError, ros, ros_message

PATIENCE = 20.0  # s for the controller to answer


class Listener:
    """
    The plans, commands and pictures of the nodes in a namespace.

    `pictures` are the front camera's JPEGs by stamp, `odometry_sent` and `command_sent` when
    those of a stamp were published, s of the machine's clock.
    """

    def __init__(self, node: Any, namespace: str) -> None:
        self.plans: list[Plan] = []
        self.commands: list[ControlCommand] = []
        self.pictures: dict[int, bytes] = {}
        self.odometry_sent: dict[int, float] = {}
        self.command_sent: dict[int, float] = {}
        service = ros('std_srvs.srv').SetBool
        self._request = service.Request
        self._engaging = node.create_client(service, f'{namespace}/controller/engage')
        for kind, topic, take in (
            (PLAN, 'planner/output/plan', self._on_plan),
            ('impromptu_vla_ros/msg/DriveCommand', 'carla_bridge/input/command', self._on_command),
            (COMPRESSED, 'carla_bridge/output/camera/front/image/compressed', self._on_picture),
            ('nav_msgs/msg/Odometry', 'carla_bridge/output/odometry', self._on_odometry),
        ):
            node.create_subscription(ros_message(kind), f'{namespace}/{topic}', take, 1000)

    @property
    def fresh(self) -> bool:
        """Return whether a plan was made of an answer."""
        return bool(self.plans) and bool(self.plans[-1].answer)

    @property
    def driven(self) -> bool:
        """Return whether the controller commands."""
        return bool(self.commands) and self.commands[-1].mode != DISENGAGED

    def engage(self, check: Callable[[], None]) -> None:
        """Engage the controller; `check` is called while that takes time, and may raise."""
        deadline, asked = monotonic() + PATIENCE, None
        while asked is None or not asked.done():
            check()
            if monotonic() > deadline:
                raise LiveError(f'the controller cannot be engaged within {PATIENCE:g} s')
            if asked is None:
                if self._engaging.wait_for_service(timeout_sec=0.2):
                    asked = self._engaging.call_async(self._request(data=True))
            else:
                sleep(0.02)

    def _on_plan(self, message: Any) -> None:
        self.plans.append(messages.plan_from_message(message))

    def _on_command(self, message: Any, info: Any) -> None:
        try:
            command = messages.command_from_message(message)
        except InputError:
            return
        self.command_sent[command.stamp] = _sent(info)
        self.commands.append(command)

    def _on_odometry(self, message: Any, info: Any) -> None:
        self.odometry_sent[messages.nanoseconds(message.header.stamp)] = _sent(info)

    def _on_picture(self, message: Any) -> None:
        self.pictures[messages.nanoseconds(message.header.stamp)] = bytes(message.data)


def _sent(info: Any) -> float:
    return float(info['source_timestamp']) * 1e-9


@contextmanager
def listening(namespace: str) -> Iterator[Listener]:
    """Listen, in a thread of its own."""
    rclpy = ros('rclpy')
    made = rclpy.Context()
    # Ctrl-C stays Python's, so that the children are ended in order.
    rclpy.init(context=made, signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node('listener', namespace=namespace, context=made)
        listener = Listener(node, namespace)
        executor = ros('rclpy.executors').SingleThreadedExecutor(context=made)
        executor.add_node(node)

        ending = Event()

        def spin() -> None:
            while not ending.is_set():
                executor.spin_once(timeout_sec=0.1)

        thread = Thread(target=spin, name='listener', daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            ending.set()
            thread.join(PATIENCE)
    finally:
        rclpy.try_shutdown(context=made)
