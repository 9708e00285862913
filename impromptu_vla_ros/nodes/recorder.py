# SPDX-License-Identifier: Apache-2.0
"""The last seconds of some topics, as bytes in memory, with a bound on both."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from impromptu_vla_ros.core.structs import NANOSECONDS
from impromptu_vla_ros.core.timeline import CLOCK_JUMP
from impromptu_vla_ros.nodes.definitions import Definitions, NoDefinition, message_class
from impromptu_vla_ros.nodes.snippets import Record

# What a message costs beside its bytes, about: the record, its place, the bytes' own header.
OVERHEAD = 200
# Latched messages are kept for good; of each topic so many.
LATCHED = 50


class Ring:
    """
    The records of the last `span` s, of `limit` bytes at most; `evicted` counts the early losses.

    The span is infinite where it is None.
    """

    def __init__(self, span: float | None, limit: float) -> None:
        self.size = 0
        self.evicted = 0
        self._span = None if span is None else round(span * NANOSECONDS)
        self._limit = limit
        self._records: deque[Record] = deque()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def seconds(self) -> float:
        """Return how much time lies between the oldest record and the newest, s."""
        if not self._records:
            return 0.0
        return (self._records[-1].time - self._records[0].time) / NANOSECONDS

    def add(self, record: Record) -> None:
        """Append a record; after a jump of the clock back it is the only one."""
        if self._records and self._records[-1].time - record.time > CLOCK_JUMP * NANOSECONDS:
            self._records.clear()
            self.size = 0
        self._records.append(record)
        self.size += _size(record)
        while self._span is not None and record.time - self._records[0].time > self._span:
            self._drop()
        while self.size > self._limit and self._records:
            self.evicted += 1
            self._drop()

    def between(self, start: int, end: int) -> list[Record]:
        """Return the records received from `start` to `end`, ns, both included."""
        return [record for record in self._records if start <= record.time <= end]

    def _drop(self) -> None:
        self.size -= _size(self._records.popleft())


class Recorder:
    """
    Record topics raw, by the names given to `listen`; what is received is not looked at.

    `refused` says by topic why it is not recorded. `span` in s, `limit` in bytes.
    """

    def __init__(self, node: Node, definitions: Definitions, span: float, limit: float) -> None:
        self.ring = Ring(span, 0.9 * limit)
        self.refused: dict[str, str] = {}
        self._latched = Ring(None, 0.1 * limit)
        self._node = node
        self._definitions = definitions
        self._subscriptions: dict[str, Any] = {}

    @property
    def topics(self) -> list[str]:
        """Return the topics recorded."""
        return sorted(self._subscriptions)

    def listen(self, topics: Collection[str]) -> None:
        """Record these topics and no others, those of them that somebody publishes."""
        for topic in set(self._subscriptions) - set(topics):
            self._node.destroy_subscription(self._subscriptions.pop(topic))
        for topic in sorted(set(topics) - set(self._subscriptions)):
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                self._subscribe(topic, publishers)

    def between(self, start: int, end: int) -> list[Record]:
        """Return what was received from `start` to `end`, ns; latched messages lie at `start`."""
        before = [
            Record(start, record.topic, record.msgtype, record.data)
            for record in self._latched.between(0, start - 1)
        ]
        return before + sorted(
            self._latched.between(start, end) + self.ring.between(start, end),
            key=lambda record: record.time,
        )

    def _subscribe(self, topic: str, publishers: Collection[Any]) -> None:
        msgtype = next(iter(publishers)).topic_type
        try:
            self._definitions.of(msgtype)
            kind = message_class(msgtype)
        except NoDefinition as error:
            if topic not in self.refused:
                self._node.get_logger().warning(f'{topic} is not recorded: {error}')
            self.refused[topic] = str(error)
            return
        self.refused.pop(topic, None)
        latched = all(
            each.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in publishers
        )
        # Best effort hears every publisher and holds none up; latched messages come reliably only.
        qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
        if latched:
            qos = QoSProfile(depth=LATCHED, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        ring = self._latched if latched else self.ring
        self._subscriptions[topic] = self._node.create_subscription(
            kind, topic, partial(self._on_bytes, ring, topic, msgtype), qos, raw=True
        )

    def _on_bytes(self, ring: Ring, topic: str, msgtype: str, data: bytes) -> None:
        now = self._node.get_clock().now().nanoseconds
        ring.add(Record(now, topic, msgtype, data))


def _size(record: Record) -> int:
    return len(record.data) + OVERHEAD
