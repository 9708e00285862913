# SPDX-License-Identifier: Apache-2.0
"""A recording played over DDS to the real planner node, its plans collected; needs ROS 2."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from time import monotonic
from typing import Any

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import Plan
from impromptu_vla_ros.core.told import told_plan
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.process import ChildProcess, node_process
from impromptu_vla_ros.evaluation.report import NodeReport
from impromptu_vla_ros.evaluation.topics import CAMERAS, STRING

PLANNER = 'impromptu_vla_ros.nodes.planner_node'
PLAN = 'impromptu_vla_ros/msg/DrivingPlan'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
# What the node subscribes to beside pictures, by part.
STATES = {
    'odometry': 'nav_msgs/msg/Odometry',
    'acceleration': 'geometry_msgs/msg/AccelWithCovarianceStamped',
    'steering': 'sensor_msgs/msg/JointState',
    'navigation_command': STRING,
}
CLOCK_PERIOD = 0.01


class LiveError(RuntimeError):
    """Say why a recording cannot be played to the planner node, and what would mend it."""


class RosMissing(LiveError):
    """Say what of ROS 2 is not installed or not built."""


@dataclass(frozen=True)
class LiveOptions:
    """
    How to play: `rate` times as fast as recorded, `parameters` of the node by name.

    The node must be ready after `start_timeout` s, model loaded, and its last answer must
    come within `answer_timeout` s.
    """

    rate: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    start_timeout: float = 60.0
    answer_timeout: float = 30.0


@dataclass(frozen=True, eq=False)
class LivePlans:
    """
    What the answers said, by capture stamp, and what the node said of itself.

    `plans` are the answers' plans at their capture times, `tiers` counts the published ones.
    """

    plans: Mapping[int, Plan]
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    tiers: Mapping[str, int]


def play(
    bag: Bag,
    dialect: Dialect,
    options: LiveOptions,
    progress: Callable[[int], object] | None = None,
) -> LivePlans:
    """
    Return the plans that the planner node makes of a recording.

    The node runs in its own process and namespace, with /clock and /diagnostics of its own,
    so that nothing else on the network is disturbed. Raise LiveError where ROS 2 or the built
    messages are missing, and where the node dies, cannot be configured or does not answer.
    """
    heard = (part for part in STATES if part != 'navigation_command' or dialect.commanded)
    parts = [part for part in (*dialect.cameras, *heard) if part in bag.parts]
    _check_types(bag, parts)
    require_ros()
    rclpy = ros('rclpy')
    context = rclpy.Context()
    # Ctrl-C stays Python's, so that the child is ended in order.
    rclpy.init(context=context, signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    namespace = f'/replay_{os.getpid()}'
    try:
        player = _Player(context, namespace, bag, dialect, parts)
        given = _parameters(bag, dialect.cameras, options)
        with node_process(PLANNER, namespace, given) as child:
            player.wait_until_ready(child, options.start_timeout)
            player.play(child, options.rate, progress)
            player.wait_until_settled(child, options.answer_timeout)
        counts, reasons = player.report.counts, player.report.reasons
        return LivePlans(player.plans, counts, reasons, dict(player.tiers))
    finally:
        rclpy.try_shutdown(context=context)


class _Player:
    """One node that plays a recording's bytes and listens to the planner."""

    def __init__(
        self, context: Any, namespace: str, bag: Bag, dialect: Dialect, parts: Sequence[str]
    ) -> None:
        self.plans: dict[int, Plan] = {}
        self.tiers: Counter[str] = Counter()
        self._bag, self._dialect, self._parts = bag, dialect, parts
        self._offset = bag.clock_offset()
        self.report = NodeReport(-1, {})
        self._reports = 0
        self._node = ros('rclpy').create_node('player', namespace=namespace, context=context)
        self._executor = ros('rclpy.executors').SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._clock_message = ros_message('rosgraph_msgs/msg/Clock')
        self._clock = self._node.create_publisher(self._clock_message, f'{namespace}/clock', 10)
        self._publishers = {part: self._publisher(namespace, part) for part in parts}
        self._plan_topic = f'{namespace}/planner/output/plan'
        subscribe = self._node.create_subscription
        subscribe(ros_message(PLAN), self._plan_topic, self._on_plan, 1000)
        report = ros_message('diagnostic_msgs/msg/DiagnosticArray')
        subscribe(report, f'{namespace}/diagnostics', self._on_report, 10)

    def _publisher(self, namespace: str, part: str) -> Any:
        msgtype = self._bag.parts[part].msgtype
        topic = f'{namespace}/planner/input/{part}'
        if part in CAMERAS:
            topic = f'{namespace}/planner/input/camera/{part}/image'
            topic += '/compressed' if msgtype == COMPRESSED else ''
        return self._node.create_publisher(ros_message(msgtype), topic, 100)

    def wait_until_ready(self, child: ChildProcess, timeout: float) -> None:
        """Wait until the planner listens to every topic, speaks, and has our clock."""
        start = self._start()
        self._until(child, timeout, 'ready', lambda: self._ready(start), start)

    def play(
        self, child: ChildProcess, rate: float, progress: Callable[[int], object] | None
    ) -> None:
        """Publish every message when it is due, and the clock with it."""
        began, first = monotonic(), self._start()
        for recorded in self._bag.messages(self._parts):
            now = recorded.time - self._offset
            due = began + (now - first) / 1e9 / rate
            while (rest := due - monotonic()) > 0.0:
                self._tick(now - round(rest * rate * 1e9))
                self._executor.spin_once(timeout_sec=min(rest, CLOCK_PERIOD))
            self._tick(now)
            self._publishers[recorded.part].publish(recorded.raw)
            self._executor.spin_once(timeout_sec=0.0)
            self._check(child)
            if progress is not None:
                progress(1)

    def wait_until_settled(self, child: ChildProcess, timeout: float) -> None:
        """Wait for the answers that are still due: until no question is open in a report."""
        after = self._reports
        self._until(child, timeout, 'done', lambda: self._settled(after))

    def _start(self) -> int:
        return next(iter(self._bag.messages(self._parts))).time - self._offset

    def _ready(self, start: int) -> bool:
        if self.report.stamp < start:
            return False
        unheard = [p for p in self._publishers.values() if p.get_subscription_count() == 0]
        return not unheard and self._node.count_publishers(self._plan_topic) > 0

    def _settled(self, after: int) -> bool:
        return self._reports > after + 1 and self.report.open_questions <= 0

    def _until(
        self,
        child: ChildProcess,
        timeout: float,
        what: str,
        reached: Callable[[], bool],
        clock: int | None = None,
    ) -> None:
        deadline = monotonic() + timeout
        while not reached():
            if clock is not None:
                self._tick(clock)
            self._executor.spin_once(timeout_sec=0.05)
            self._check(child)
            if monotonic() > deadline:
                raise LiveError(
                    f'the planner node is not {what} after {timeout:g} s: {child.last_words()}'
                )

    def _check(self, child: ChildProcess) -> None:
        if child.exit_code is not None:
            raise LiveError(
                f'the planner node ended with code {child.exit_code}: {child.last_words()}'
            )

    def _tick(self, now: int) -> None:
        self._clock.publish(self._clock_message(clock=messages.time_message(now)))

    def _on_plan(self, message: Any) -> None:
        plan = messages.plan_from_message(message)
        self.tiers[plan.tier] += 1
        if not plan.answer or plan.capture_stamp in self.plans:
            return
        told = told_plan(
            self._dialect,
            plan.answer,
            plan.capture_stamp,
            plan.anchor,
            plan.anchor_frame_id,
            float(plan.speeds[0]),
        )
        self.plans[plan.capture_stamp] = replace(told, latencies=plan.latencies)

    def _on_report(self, message: Any) -> None:
        self.report = NodeReport.of(message)
        self._reports += 1
        if self.report.failure:
            raise LiveError(f'the planner node cannot be configured: {self.report.failure}')


def _parameters(bag: Bag, cameras: Sequence[str], options: LiveOptions) -> dict[str, Any]:
    compressed = bag.parts[cameras[0]].msgtype == COMPRESSED
    return {
        'use_sim_time': True,
        'autostart': True,
        'image_transport': 'compressed' if compressed else 'raw',
        'cameras': list(cameras),
        'base_frame': bag.base_frame,
        # A replay shall not depend on what the network drops.
        'qos.reliability': 'reliable',
        'qos.depth': 100,
        # Every answer shall be seen, also one that the next overtakes within 0.1 s.
        'output.rate': max(10.0, 50.0 / options.rate),
        **options.parameters,
    }


def _check_types(bag: Bag, parts: Sequence[str]) -> None:
    for part in parts:
        topic = bag.parts[part]
        if part in STATES and topic.msgtype != STATES[part]:
            raise LiveError(
                f'the planner node takes {part} as {STATES[part]}, {topic.name} is '
                f'{topic.msgtype}: replay it without --live, or without this topic'
            )


def require_ros() -> None:
    """Raise RosMissing where ROS 2 or this package's messages are missing."""
    ros('rclpy')
    ros_message(PLAN)


def ros_message(msgtype: str) -> Any:
    """Return the class of a message type such as `nav_msgs/msg/Odometry`."""
    package, _, kind = msgtype.split('/')
    return getattr(ros(f'{package}.msg'), kind)


def ros(module: str) -> Any:
    """Import what only a machine with ROS 2 has; raise RosMissing where it is not."""
    try:
        return import_module(module)
    except ImportError as error:
        raise RosMissing(
            f'this needs ROS 2 and this package built for it ({error}): enter the environment '
            'that `make build` or colcon made, or replay without --live'
        ) from error
