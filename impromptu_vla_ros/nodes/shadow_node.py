# SPDX-License-Identifier: Apache-2.0
"""The `shadow` executable: compare plans that nobody follows, and keep bags of disagreements."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry, Path
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from impromptu_vla_ros import autoware_messages, messages
from impromptu_vla_ros.core.disagreements import Disagreement
from impromptu_vla_ros.core.shadow import Shadow
from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.msg import DrivingPlan
from impromptu_vla_ros.nodes import health
from impromptu_vla_ros.nodes.declaring import ParameterError, declare
from impromptu_vla_ros.nodes.running import executor_of, until_signalled
from impromptu_vla_ros.nodes.shadow_parameters import ShadowParameters
from impromptu_vla_ros.nodes.snipping import Snipping


class ShadowNode(Node):
    """
    Compare the planner's plans with the driven path and another planner; say it, and snip bags.

    Options are those of rclpy's Node. Raises ParameterError for a parameter that cannot be, and
    MissingPackages where Autoware's messages are wanted and not there.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('shadow', **options)
        self.parameters: ShadowParameters = declare(self, ShadowParameters())
        self._shadow = Shadow(self.parameters.compare, self.parameters.base_frame)
        self.snipping = Snipping(self, self.parameters)
        self._last: Disagreement | None = None
        self._refused = ''
        self._reported = 0
        self._subscribe()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(0.2, self.snipping.tick, clock=steady)
        self.create_timer(1.0, self._report, clock=steady)

    def close(self) -> None:
        """Write what is due now or soon, and the summary; leave the graph."""
        self.snipping.close(self.summary())
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
        last = self._last.text if self._last else None
        return {**self._shadow.counts, **tallies, 'last': last}

    def _subscribe(self) -> None:
        reliable = QoSProfile(depth=10)
        heard = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._inputs = [
            self.create_subscription(DrivingPlan, '~/input/plan', self._on_plan, reliable),
            self.create_subscription(Odometry, '~/input/odometry', self._on_odometry, heard),
        ]
        if self.parameters.reference.type != 'none':
            kind, self._course = _reference(self.parameters.reference.type)
            self._inputs.append(
                self.create_subscription(kind, '~/input/reference', self._on_reference, heard)
            )

    def _on_plan(self, message: Any) -> None:
        self._take(lambda: self._shadow.planned(messages.plan_from_message(message)))

    def _on_odometry(self, message: Any) -> None:
        base_frame = self.parameters.base_frame
        jumps = self._shadow.counts['clock jumps']
        self._take(lambda: self._shadow.drove(messages.odometry_from_message(message, base_frame)))
        if self._shadow.counts['clock jumps'] > jumps:
            self.snipping.events.clear()

    def _on_reference(self, message: Any) -> None:
        def refer() -> tuple[Disagreement, ...]:
            self._shadow.referred(self._course(message))
            return ()

        self._take(refer)

    def _take(self, compare: Callable[[], Iterable[Disagreement]]) -> None:
        try:
            found = compare()
        except InputError as error:
            self._refused = str(error)
            return
        for each in found:
            self._last = each
            self.snipping.add(each)

    def _report(self) -> None:
        topics = {subscription.topic_name for subscription in self._inputs}
        self.snipping.listen(topics, self._inputs[0].topic_name)
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        statuses = [self._status(), *self.snipping.statuses()]
        self._diagnostics.publish(health.diagnostics(name, stamp, statuses))

    def _status(self) -> DiagnosticStatus:
        shadow, found = self._shadow, []
        values: dict[str, object] = {**shadow.counts, 'events': self.snipping.events.count}
        for against, tally in shadow.tallies.items():
            values[f'compared ({against})'] = tally.compared
            values[f'disagreed ({against})'] = tally.disagreed
            values[f'mean lateral error ({against})'] = f'{tally.mean_lateral:.3f} m'
        for what, source in zip(('plans', 'courses'), (self._inputs[0], *self._inputs[2:])):
            if not shadow.counts[what]:
                found.append((health.WARN, f'no {what} came on {source.topic_name}'))
        # A refused message is said once, as the next one may be well.
        refused, self._refused = self._refused, ''
        found += [(health.WARN, text) for text in (shadow.objection, refused) if text]
        disagreed = sum(tally.disagreed for tally in shadow.tallies.values())
        if self._last is not None:
            values['last disagreement'] = self._last.text
            if disagreed > self._reported:
                found.append((health.WARN, self._last.text))
        self._reported = disagreed
        return health.status('comparison', found, values)


def _reference(kind: str) -> tuple[Any, Callable[[Any], Any]]:
    """Return another planner's message class and what makes a course of such a message."""
    if kind == 'path':
        return Path, messages.course_from_path
    if autoware_messages.missing(('autoware_planning_msgs',)):
        raise autoware_messages.MissingPackages(
            'cannot import autoware_planning_msgs: source the Autoware workspace before the '
            'start, or set reference.type:=path'
        )
    from autoware_planning_msgs.msg import Trajectory

    return Trajectory, autoware_messages.course_from_trajectory


def main(arguments: list[str] | None = None) -> int:
    """Run the shadow until SIGINT or SIGTERM; return the exit code."""
    rclpy.init(args=arguments)
    node = None
    try:
        with until_signalled():
            node = ShadowNode()
            executor_of(node).spin()
    except (ParameterError, autoware_messages.MissingPackages) as error:
        print(f'shadow: {error}', file=sys.stderr)
        return 2
    if node is not None:
        node.close()
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
