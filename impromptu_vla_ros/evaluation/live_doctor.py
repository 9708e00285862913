# SPDX-License-Identifier: Apache-2.0
"""The doctor's look at a running graph: its endpoints' QoS, its clock, and what it sends."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from time import monotonic, time_ns
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSCompatibility, qos_check_compatible, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.findings import Finding
from impromptu_vla_ros.evaluation.evidence import Evidence, Stream, with_camera_infos
from impromptu_vla_ros.evaluation.topics import CAMERAS, IMAGE_TYPES, BagError, Topic, choose

NAME = 'impromptu_vla_doctor'
CLOCK = '/clock'
# Discovery takes 0 or about 2 s.
DISCOVERY = 3.0
# Of a clock with longer steps (s) the stamps are compared as if it had these.
COARSEST = 0.5
ODOMETRY = 'nav_msgs/msg/Odometry'
# Pictures of plans: whoever looks at them may wait.
NOT_INPUTS = ('/debug/', '/output/')


def look(
    seconds: float, wanted: Mapping[str, str], base_frame: str = 'base_link'
) -> tuple[Evidence, list[Finding]]:
    """
    Return what the inputs of a running graph send, and what is wrong with its endpoints.

    `wanted` names topics by part; the others are found by type and name. Looks for `seconds`
    from the first input on. Raise BagError where topics cannot be told apart.
    """
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        watch = _Watch(context, wanted, base_frame)
        try:
            watch.run(seconds)
            return watch.seen, list(watch.findings())
        finally:
            watch.close()
    finally:
        rclpy.try_shutdown(context=context)


class _Watch:
    """One node that listens to every input as soon as somebody publishes it."""

    def __init__(self, context: Any, wanted: Mapping[str, str], base_frame: str) -> None:
        self.seen = Evidence({}, True, base_frame)
        self._wanted = wanted
        self._now: int | None = None
        self._problem: BagError | None = None
        self._node = rclpy.create_node(NAME, context=context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._subscribe('rosgraph_msgs/msg/Clock', CLOCK, self._on_clock)

    def run(self, seconds: float) -> None:
        """Listen for `seconds` from the first input on."""
        end, looked = monotonic() + DISCOVERY + seconds, 0.0
        found = False
        while (now := monotonic()) < end:
            if now - looked > 0.2:
                looked = now
                self._listen()
                if self.seen.streams and not found:
                    found, end = True, now + DISCOVERY + seconds
            self._executor.spin_once(timeout_sec=0.05)
            if self._complete(seconds):
                break
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with endpoints and clock."""
        if not self.seen.streams:
            yield Finding(
                'error',
                'graph: no input',
                f'no camera and no odometry on domain {os.environ.get("ROS_DOMAIN_ID", "0")}',
                'set ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE as the drivers have them',
            )
        for part, stream in self.seen.streams.items():
            yield from self._endpoints(part, stream.topic.name)
        yield from self._unheard()
        yield from self._clocks()

    def _complete(self, seconds: float) -> bool:
        """Return whether every input sent for long enough; a silent one is waited for."""
        streams = self.seen.streams
        heard = all(part in streams for part in ('front', 'odometry'))
        return heard and all(stream.seconds >= seconds for stream in streams.values())

    def _listen(self) -> None:
        there = [
            Topic(name, kinds[0], count)
            for name, kinds in self._node.get_topic_names_and_types()
            if (count := self._node.count_publishers(name))
        ]
        try:
            parts = with_camera_infos(choose(there, self._wanted), there, self._wanted)
            self._problem = None
        except BagError as error:  # what is wanted may not be discovered yet
            self._problem = error
            return
        for part, topic in parts.items():
            if part not in self.seen.streams:
                self.seen.streams[part] = Stream(topic)
                self._subscribe(topic.msgtype, topic.name, partial(self._on_message, part))

    def _subscribe(self, msgtype: str, topic: str, callback: Any) -> None:
        kind = _message(msgtype)
        self._node.create_subscription(
            kind, topic, partial(callback, kind), qos_profile_sensor_data, raw=True
        )

    def _on_message(self, part: str, kind: Any, raw: bytes) -> None:
        now = time_ns() if self._now is None else self._now
        self.seen.add(part, now, deserialize_message(raw, kind), len(raw))

    def _on_clock(self, kind: Any, raw: bytes) -> None:
        now = messages.nanoseconds(deserialize_message(raw, kind).clock)
        step = (now - self._now) / 1e9 if self._now is not None else 0.0
        self.seen.clock_step = min(max(self.seen.clock_step, step), COARSEST)
        self._now = now

    def _endpoints(self, part: str, topic: str) -> Iterator[Finding]:
        publishers = self._node.get_publishers_info_by_topic(topic)
        if len(publishers) > 1:
            yield Finding(
                'error' if part in (*CAMERAS, 'odometry') else 'warn',
                f'{part}: {len(publishers)} publishers',
                f'{", ".join(map(_name, publishers))} all publish {topic}',
                'stop all but one, or give each its own topic',
            )
        for listener in self._listeners(topic):
            for publisher in publishers:
                fits, reason = qos_check_compatible(publisher.qos_profile, listener.qos_profile)
                if fits == QoSCompatibility.ERROR:
                    yield Finding(
                        'error',
                        f'{part}: wrong QoS',
                        f'{_name(listener)} does not hear {_name(publisher)} on {topic}: '
                        f'{reason.strip().rstrip(";").removeprefix("ERROR: ")}',
                        'set qos.reliability:=best_effort on the planner, or publish reliably',
                    )

    def _unheard(self) -> Iterator[Finding]:
        """Yield which inputs are listened to while nobody publishes them, in either transport."""
        found = set()
        for topic, kinds in self._node.get_topic_names_and_types():
            if any(word in topic for word in NOT_INPUTS):
                continue
            base = topic.removesuffix('/compressed')
            both = (base, f'{base}/compressed')
            heard = any(map(self._node.count_publishers, both))
            if not heard and {*kinds} & {ODOMETRY, *IMAGE_TYPES} and self._listeners(topic):
                found.add(topic)
        for topic in sorted(found):
            if topic.removesuffix('/compressed') in found - {topic}:
                continue
            yield Finding(
                'warn',
                f'{topic}: nobody publishes it',
                f'{", ".join(map(_name, self._listeners(topic)))} listens to it',
                'remap it to the topic that the driver or the localization publishes',
            )

    def _clocks(self) -> Iterator[Finding]:
        timed = {_name(listener) for listener in self._listeners(CLOCK)}
        if not self._node.count_publishers(CLOCK):
            if timed:
                yield Finding(
                    'error',
                    'clock: nobody publishes /clock',
                    f'{", ".join(sorted(timed))} waits for it: use_sim_time is set',
                    'play the bag with --clock, start the simulator, or unset use_sim_time',
                )
            return
        inputs = [stream.topic.name for stream in self.seen.streams.values()]
        listeners = {_name(listener) for name in inputs for listener in self._listeners(name)}
        if without := sorted(listeners - timed):
            yield Finding(
                'warn',
                'clock: use_sim_time is not set',
                f'/clock is published, and {", ".join(without)} does not listen to it',
                'set use_sim_time:=true on every node, or stop the /clock',
            )

    def _listeners(self, topic: str) -> list[Any]:
        endpoints = self._node.get_subscriptions_info_by_topic(topic)
        return [endpoint for endpoint in endpoints if endpoint.node_name != NAME]


def _name(endpoint: Any) -> str:
    """Return an endpoint's node with its namespace."""
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'


def _message(msgtype: str) -> Any:
    """Return the class of a message type such as `nav_msgs/msg/Odometry`."""
    package, _, kind = msgtype.split('/')
    return getattr(import_module(f'{package}.msg'), kind)
