# SPDX-License-Identifier: Apache-2.0
"""What Autoware is told: each plan as its Trajectory or CandidateTrajectories."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from impromptu_vla_ros import autoware_messages
from impromptu_vla_ros.core.structs import Plan

# The ways to plug in, and the topic of each; autoware.launch.py remaps it to Autoware's name.
# generator: one candidate among others, for the trajectory processor. validator: in place of
# Autoware's planners. direct: past the validator too, so that nothing checks the plan after us.
TOPICS = {
    'generator': '~/output/candidate_trajectories',
    'validator': '~/output/trajectory',
    'direct': '~/output/trajectory',
}

# As Autoware's component interface specification demands it, to the letter.
QOS = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
)

# The one frame in which Autoware's planning speaks; kinematic_state comes in it.
MAP = 'map'


class AutowareOutput:
    """
    The publisher for Autoware, silent while the node is not active.

    `output` is a key of TOPICS, or `none`: then all this does nothing. `wheelbase` is in m.
    """

    def __init__(self, node: Any, output: str, generator_name: str, wheelbase: float) -> None:
        self._node = node
        self._output = output
        self._name = generator_name
        self._id = autoware_messages.generator_id(generator_name)
        self._wheelbase = wheelbase
        self._publisher: Any = None
        self._refused = ''

    def open(self) -> None:
        """Make the publisher, on configure; raise MissingPackages if there are no messages."""
        self.close()  # of a configure that failed afterwards
        if self._output == 'none':
            return
        autoware_messages.require()
        from autoware_internal_planning_msgs.msg import CandidateTrajectories
        from autoware_planning_msgs.msg import Trajectory

        kind = CandidateTrajectories if self._output == 'generator' else Trajectory
        self._publisher = self._node.create_lifecycle_publisher(kind, TOPICS[self._output], QOS)

    def close(self) -> None:
        """Leave the topic, on cleanup."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, plan: Plan) -> str:
        """Publish a plan of frame `map`; return why it was refused, which is logged once."""
        if self._publisher is None:
            return ''
        refused = self._objection(plan)
        if refused and refused != self._refused:
            self._node.get_logger().error(refused)
        self._refused = refused
        if not refused:
            self._publisher.publish(self._message(plan))
        return refused

    def _objection(self, plan: Plan) -> str:
        if plan.frame_id == MAP:
            return ''
        return (
            f'Autoware is told nothing: plans are in frame {plan.frame_id!r}, and it takes them '
            f'in {MAP!r} only; take the odometry from /localization/kinematic_state'
        )

    def _message(self, plan: Plan) -> Any:
        if self._output == 'generator':
            return autoware_messages.candidate_trajectories_message(
                plan, self._wheelbase, self._id, self._name
            )
        return autoware_messages.trajectory_message(plan, self._wheelbase)
