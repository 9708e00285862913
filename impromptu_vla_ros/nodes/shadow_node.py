# SPDX-License-Identifier: Apache-2.0
"""The `shadow` executable: compare plans that nobody follows, and keep bags of disagreements."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from time import monotonic, sleep
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry, Path
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from impromptu_vla_ros import autoware_messages, messages
from impromptu_vla_ros.core.shadow import Disagreement, Event, Events, Shadow
from impromptu_vla_ros.core.structs import NANOSECONDS, InputError
from impromptu_vla_ros.msg import DrivingPlan
from impromptu_vla_ros.nodes import health
from impromptu_vla_ros.nodes.declaring import ParameterError, declare
from impromptu_vla_ros.nodes.definitions import Definitions
from impromptu_vla_ros.nodes.recorder import Recorder
from impromptu_vla_ros.nodes.shadow_parameters import AUTO, ShadowParameters
from impromptu_vla_ros.nodes.snippets import MEGABYTE, Snippet, SnippetError, SnippetFolder
from impromptu_vla_ros.nodes.worker import Worker

# An event is settled this long, s, after its horizon: the odometry is on its way.
SLACK = 1.0
# A message of the topics that the planner listens to: nothing but its own business.
NOT_RECORDED = ('/parameter_events', '/rosout')
# The last snippet has so long, s, to be written when the node ends.
LAST_WRITE = 5.0


class ShadowNode(Node):
    """
    Compare the planner's plans with the driven path and another planner; say it, and snip bags.

    Options are those of rclpy's Node. Raises ParameterError for a parameter that cannot be, and
    MissingPackages where Autoware's messages are wanted and not there.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('shadow', **options)
        self.parameters: ShadowParameters = declare(self, ShadowParameters())
        given = self.parameters
        self._shadow = Shadow(given.compare, given.base_frame)
        around, settled = given.snippet.around, given.compare.horizon + SLACK
        self._events = Events(around, settled)
        self._last: Disagreement | None = None
        self._written: list[str] = []
        self._failed = 0
        self._failure = ''
        self._input_error = ''
        self._reported: tuple[int, int] = (0, 0)
        definitions = Definitions()
        self.recorder = Recorder(
            self,
            definitions,
            # Back to `around` s before an event that is handed over when it is due, or later.
            around + max(around, settled) + SLACK,
            given.snippet.buffer * MEGABYTE,
        )
        folder = SnippetFolder(given.snippet, definitions, self.get_fully_qualified_name())
        self._folder = folder if given.snippet.folder else None
        if self._folder is not None:
            self._folder.clear()
        self._finished = self.create_guard_condition(self._on_written)
        self._worker = Worker(folder.write, self._finished.trigger)
        self._subscribe()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(0.2, self._snip, clock=steady)
        self.create_timer(1.0, self._report, clock=steady)

    def close(self) -> None:
        """Write what is due now or soon, and the summary; leave the graph."""
        for event in self._events.rest():
            self._await_worker()
            self._hand_over(event)
        self._await_worker()
        self._worker.close(0.0)
        if self._folder is not None:
            try:
                self._folder.write_summary(self.summary())
            except SnippetError as error:
                self.get_logger().error(str(error))
        self.destroy_node()

    def summary(self) -> dict[str, Any]:
        """Return what came of comparing, as plain data."""
        tallies = {
            against: {
                'compared': tally.compared,
                'disagreed': tally.disagreed,
                'mean_lateral_m': round(tally.mean_lateral, 4) if tally.averaged else None,
            }
            for against, tally in self._shadow.tallies.items()
        }
        return {
            **self._shadow.counts,
            **tallies,
            'events': self._events.count,
            'last': self._last.text if self._last else None,
            'snippets': self._written,
            'snippets_failed': self._failed,
            'last_failure': self._failure or None,
        }

    def _subscribe(self) -> None:
        reliable = QoSProfile(depth=10)
        heard = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._inputs = [
            self.create_subscription(DrivingPlan, '~/input/plan', self._on_plan, reliable),
            self.create_subscription(Odometry, '~/input/odometry', self._on_odometry, heard),
        ]
        kind = self.parameters.reference.type
        if kind == 'none':
            return
        message: Any = Path
        self._course = messages.course_from_path
        if kind == 'trajectory':
            if autoware_messages.missing(('autoware_planning_msgs',)):
                raise autoware_messages.MissingPackages(
                    'cannot import autoware_planning_msgs: source the Autoware workspace before '
                    'the start, or set reference.type:=path'
                )
            from autoware_planning_msgs.msg import Trajectory

            message, self._course = Trajectory, autoware_messages.course_from_trajectory
        self._inputs.append(
            self.create_subscription(message, '~/input/reference', self._on_reference, heard)
        )

    def _on_plan(self, message: Any) -> None:
        self._take(lambda: self._shadow.planned(messages.plan_from_message(message)))

    def _on_odometry(self, message: Any) -> None:
        base_frame = self.parameters.base_frame
        jumps = self._shadow.counts['clock jumps']
        self._take(lambda: self._shadow.drove(messages.odometry_from_message(message, base_frame)))
        if self._shadow.counts['clock jumps'] > jumps:
            self._events.clear()

    def _on_reference(self, message: Any) -> None:
        def refer() -> tuple[Disagreement, ...]:
            self._shadow.referred(self._course(message))
            return ()

        self._take(refer)

    def _take(self, compare: Callable[[], Iterable[Disagreement]]) -> None:
        try:
            found = compare()
        except InputError as error:
            self._input_error = str(error)
            return
        for each in found:
            self._last = each
            self._events.add(each)

    def _snip(self) -> None:
        if not self._worker.busy:
            event = self._events.next_due(self.get_clock().now().nanoseconds)
            if event is not None:
                self._hand_over(event)

    def _hand_over(self, event: Event) -> None:
        said = '; '.join(each.text for each in event.worst)
        self.get_logger().info(f'{event.count} disagreements: {said}')
        if self._folder is not None:
            around = round(self.parameters.snippet.around * NANOSECONDS)
            start, end = event.stamp - around, event.stamp + around
            records = self.recorder.between(start, end)
            self._worker.submit(Snippet(event, start, end, records))

    def _on_written(self) -> None:
        outcome = self._worker.take()
        if outcome is None:
            return
        if outcome.error is None:
            self._written.append(outcome.result.name)
            self._failure = ''
            self.get_logger().info(f'wrote {outcome.result}')
            return
        self._failed += 1
        expected = isinstance(outcome.error, SnippetError)
        words = str(outcome.error) if expected else f'no snippet: {outcome.error!r}'
        if words != self._failure:
            self.get_logger().error(words)
        self._failure = words

    def _await_worker(self) -> None:
        end = monotonic() + LAST_WRITE
        while self._worker.busy and monotonic() < end:
            self._on_written()
            sleep(0.01)

    def _wanted(self) -> set[str]:
        """Return the topics to record now: those given, and for auto those of the planner."""
        wanted = set(self.parameters.snippet.topics)
        if AUTO not in wanted:
            return {self.resolve_topic_name(topic) for topic in wanted}
        own = {subscription.topic_name for subscription in self._inputs}
        named = {self.resolve_topic_name(topic) for topic in wanted - {AUTO}}
        found = own | named
        for planner in self.get_publishers_info_by_topic(self._inputs[0].topic_name):
            listened = self._listened(planner.node_name, planner.node_namespace)
            found |= {topic for topic in listened if topic not in NOT_RECORDED}
        return found

    def _listened(self, name: str, namespace: str) -> list[str]:
        try:
            return [t for t, _ in self.get_subscriber_names_and_types_by_node(name, namespace)]
        except RuntimeError:  # it left the graph meanwhile, or did not arrive whole yet
            return []

    def _report(self) -> None:
        if self._folder is not None:
            self.recorder.listen(self._wanted())
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(health.diagnostics(name, stamp, self._statuses()))

    def _statuses(self) -> list[DiagnosticStatus]:
        statuses = [self._comparison_status()]
        if self._folder is not None:
            statuses += [self._recording_status(), self._snippet_status()]
        return statuses

    def _comparison_status(self) -> DiagnosticStatus:
        shadow, found = self._shadow, []
        values: dict[str, object] = {**shadow.counts, 'events': self._events.count}
        for against, tally in shadow.tallies.items():
            values[f'compared ({against})'] = tally.compared
            values[f'disagreed ({against})'] = tally.disagreed
            values[f'mean lateral error ({against})'] = f'{tally.mean_lateral:.3f} m'
        if not shadow.counts['plans']:
            found.append((health.WARN, f'no plan came on {self._inputs[0].topic_name}'))
        for text in filter(None, (shadow.objection, self._input_error)):
            found.append((health.WARN, text))
        if self._last is not None:
            values['last disagreement'] = self._last.text
        before, self._reported = self._reported, self._disagreed()
        if self._last is not None and before != self._reported:
            found.append((health.WARN, self._last.text))
        return health.status('comparison', found, values)

    def _disagreed(self) -> tuple[int, int]:
        driven, reference = self._shadow.tallies.values()
        return driven.disagreed, reference.disagreed

    def _recording_status(self) -> DiagnosticStatus:
        ring, refused = self.recorder.ring, self.recorder.refused
        values: dict[str, object] = {
            'topics': ', '.join(self.recorder.topics),
            'messages': len(ring),
            'size': f'{ring.size / MEGABYTE:.1f} MB',
            'seconds': f'{ring.seconds:.1f} s',
            'dropped for snippet.buffer': ring.evicted,
        }
        found = [(health.WARN, f'{topic}: {reason}') for topic, reason in refused.items()]
        return health.status('recording', found, values)

    def _snippet_status(self) -> DiagnosticStatus:
        values: dict[str, object] = {
            'folder': self._folder.path if self._folder else '',
            'written': len(self._written),
            'failed': self._failed,
            'last': self._written[-1] if self._written else '',
        }
        found = [(health.ERROR, self._failure)] if self._failure else []
        return health.status('snippets', found, values)


def main(arguments: list[str] | None = None) -> int:
    """Run the shadow until SIGINT or SIGTERM; return the exit code."""
    rclpy.init(args=arguments)
    node = None
    try:
        node = ShadowNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (ParameterError, autoware_messages.MissingPackages) as error:
        print(f'shadow: {error}', file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # A signal ends rclpy's context in the midst of a callback, and whatever needs it raises.
        if rclpy.ok():
            raise
    if node is not None:
        node.close()
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
