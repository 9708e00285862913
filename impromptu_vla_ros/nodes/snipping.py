# SPDX-License-Identifier: Apache-2.0
"""From disagreements to bags: record all the time, and write in a thread when an event is due."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from impromptu_vla_ros.core.disagreements import Disagreement, Event, Events
from impromptu_vla_ros.core.structs import NANOSECONDS
from impromptu_vla_ros.nodes import health
from impromptu_vla_ros.nodes.definitions import Definitions
from impromptu_vla_ros.nodes.recorder import Recorder
from impromptu_vla_ros.nodes.shadow_parameters import AUTO, ShadowParameters
from impromptu_vla_ros.nodes.snippets import MEGABYTE, Snippet, SnippetError, SnippetFolder
from impromptu_vla_ros.nodes.worker import Worker

# An event is settled this long, s, after its horizon: the odometry is on its way.
SLACK = 1.0
# What every node has, and no planner plans from.
NOT_RECORDED = ('/parameter_events', '/rosout')
# Each snippet has so long, s, to be written when the node ends.
LAST_WRITE = 5.0


class Snipping:
    """
    Join disagreements to events, and write what was recorded around each.

    Without snippet.folder nothing is recorded or written. `written` are the names of the bags,
    `failure` is why the last one was not, empty if it was.
    """

    def __init__(self, node: Node, parameters: ShadowParameters) -> None:
        given, horizon = parameters.snippet, parameters.compare.horizon
        settled = max(given.around, horizon + SLACK)
        self.events = Events(given.around, horizon + SLACK)
        self.written: list[str] = []
        self.failed = 0
        self.failure = ''
        self._node, self._given = node, given
        definitions = Definitions()
        # Back to `around` s before an event that is handed over when it is settled, or later.
        span = given.around + settled + SLACK
        self.recorder = Recorder(node, definitions, span, given.buffer * MEGABYTE)
        self._folder = SnippetFolder(given, definitions, node.get_fully_qualified_name())
        if self.wanted:
            self._folder.clear()
        finished = node.create_guard_condition(self._on_written)
        self._worker: Worker[Snippet, Path] = Worker(self._folder.write, finished.trigger)

    @property
    def wanted(self) -> bool:
        """Return whether snippets are written at all."""
        return bool(self._given.folder)

    def add(self, found: Disagreement) -> None:
        """Take one disagreement."""
        self.events.add(found)

    def tick(self) -> None:
        """Hand the next due event over to be written, unless one is being written."""
        if not self._worker.busy:
            event = self.events.next_due(self._node.get_clock().now().nanoseconds)
            if event is not None:
                self._hand_over(event)

    def listen(self, inputs: set[str], plan_topic: str) -> None:
        """Record the topics of snippet.topics; auto are `inputs` and what the planner hears."""
        if not self.wanted:
            return
        topics = {
            self._node.resolve_topic_name(name) for name in self._given.topics if name != AUTO
        }
        if AUTO in self._given.topics:
            topics |= inputs
            for planner in self._node.get_publishers_info_by_topic(plan_topic):
                topics |= self._heard_by(planner.node_name, planner.node_namespace)
        self.recorder.listen(topics)

    def close(self, summary: dict[str, Any]) -> None:
        """Write the events that are not due yet with what there is of them, and a summary."""
        for event in self.events.rest():
            self._await_worker()
            self._hand_over(event)
        self._await_worker()
        self._worker.close(0.0)
        if self.wanted:
            try:
                self._folder.write_summary({**summary, **self.summary()})
            except SnippetError as error:
                self._node.get_logger().error(str(error))

    def summary(self) -> dict[str, Any]:
        """Return what became of the events, as plain data."""
        return {
            'events': self.events.count,
            'snippets': self.written,
            'snippets_failed': self.failed,
            'last_failure': self.failure or None,
        }

    def statuses(self) -> list[DiagnosticStatus]:
        """Return how recording and writing go; nothing where they are not wanted."""
        if not self.wanted:
            return []
        ring, refused = self.recorder.ring, self.recorder.refused
        recorded: dict[str, object] = {
            'topics': ', '.join(self.recorder.topics),
            'messages': len(ring),
            'size': f'{ring.size / MEGABYTE:.1f} MB',
            'seconds': f'{ring.seconds:.1f} s',
            'dropped for snippet.buffer': ring.evicted,
        }
        refusals = [(health.WARN, f'{topic}: {reason}') for topic, reason in refused.items()]
        snippets: dict[str, object] = {
            'folder': self._folder.path,
            'written': len(self.written),
            'failed': self.failed,
            'last': self.written[-1] if self.written else '',
        }
        failures = [(health.ERROR, self.failure)] if self.failure else []
        return [
            health.status('recording', refusals, recorded),
            health.status('snippets', failures, snippets),
        ]

    def _heard_by(self, name: str, namespace: str) -> set[str]:
        try:
            found = self._node.get_subscriber_names_and_types_by_node(name, namespace)
        except RuntimeError:  # it left the graph meanwhile, or did not arrive whole yet
            return set()
        return {topic for topic, _ in found} - set(NOT_RECORDED)

    def _hand_over(self, event: Event) -> None:
        said = '; '.join(each.text for each in event.worst)
        self._node.get_logger().info(f'{event.count} disagreements: {said}')
        if self.wanted:
            around = round(self._given.around * NANOSECONDS)
            start, end = event.stamp - around, event.stamp + around
            self._worker.submit(Snippet(event, start, end, self.recorder.between(start, end)))

    def _on_written(self) -> None:
        outcome = self._worker.take()
        if outcome is None:
            return
        if outcome.result is not None:
            self.written.append(outcome.result.name)
            self.failure = ''
            self._node.get_logger().info(f'wrote {outcome.result}')
            return
        self.failed += 1
        expected = isinstance(outcome.error, SnippetError)
        words = str(outcome.error) if expected else f'no snippet: {outcome.error!r}'
        if words != self.failure:
            self._node.get_logger().error(words)
        self.failure = words

    def _await_worker(self) -> None:
        end = monotonic() + LAST_WRITE
        while self._worker.busy and monotonic() < end:
            self._on_written()
            sleep(0.01)
