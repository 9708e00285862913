# SPDX-License-Identifier: Apache-2.0
"""The planner's subscriptions: what arrives is handed on with the name of its source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from geometry_msgs.msg import AccelWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from impromptu_vla_ros.autoware_messages import missing
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.nodes.parameters import PlannerParameters

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

# What Autoware's vehicle interface reports, where its messages can be imported.
VEHICLE_PACKAGES = ('autoware_vehicle_msgs',)
REPORTS = ('~/input/steering_status', '~/input/velocity_status')

STATES = {
    'odometry': Odometry,
    'acceleration': AccelWithCovarianceStamped,
    'steering': JointState,
}

# Heard where the dialect says it, or questions in words do.
NAVIGATION = 'navigation_command'

# Every state counts for the history, while of pictures the newest will do: 1 s at 100 Hz.
STATE_DEPTH = 100


class Listener(Protocol):
    """Who is told what the subscriptions bring."""

    def on_message(self, source: str, message: Any) -> None:
        """Take one message."""

    def on_loss(self, source: str, messages: int) -> None:
        """Take note that the middleware lost messages on their way."""


class Input:
    """
    One source of messages, and its topics by transport, the best last; most have one only.

    With two, `raw` and `compressed`, it listens to both until it knows: a message by the best
    (a compressed picture) ends the other subscription, one by the other that of the best, while
    nobody publishes that.
    """

    def __init__(
        self,
        node: Node,
        source: str,
        topics: Mapping[str, tuple[Any, str]],
        qos: QoSProfile,
        listener: Listener,
    ) -> None:
        self.source = source
        self._node = node
        self._topics = topics
        self._qos = qos
        self._listener = listener
        self._subscriptions: dict[str, Any] = {}
        self.listen()

    @property
    def topic(self) -> str:
        """Return the topics listened to, in words."""
        return ' or '.join(self._topics[transport][1] for transport in self._subscriptions)

    @property
    def publishers(self) -> int:
        """Return how many publishers the topics listened to have."""
        return sum(map(self._published, self._subscriptions))

    @property
    def crowded(self) -> str:
        """Return those of the topics that more than one publishes, in words."""
        return ' and '.join(
            self._topics[transport][1]
            for transport in self._subscriptions
            if self._published(transport) > 1
        )

    def listen(self) -> None:
        """Subscribe to every transport, unless one of those listened to has a publisher."""
        if self.publishers:
            return
        lost = SubscriptionEventCallbacks(
            message_lost=lambda event: self._listener.on_loss(
                self.source, event.total_count_change
            )
        )
        for transport, (kind, topic) in self._topics.items():
            if transport not in self._subscriptions:
                self._subscriptions[transport] = self._node.create_subscription(
                    kind,
                    topic,
                    partial(self._on_message, transport),
                    self._qos,
                    event_callbacks=lost,
                )

    def close(self) -> None:
        """End the subscriptions."""
        for transport in list(self._subscriptions):
            self._end(transport)

    def _published(self, transport: str) -> int:
        count: int = self._node.count_publishers(self._topics[transport][1])
        return count

    def _end(self, transport: str) -> None:
        self._node.destroy_subscription(self._subscriptions.pop(transport))

    def _on_message(self, transport: str, message: Any) -> None:
        if len(self._subscriptions) > 1:
            other, best = self._topics
            if transport == best:
                self._end(other)
            elif not self._published(best):
                self._end(best)
        self._listener.on_message(self.source, message)


def open_inputs(
    node: Node, dialect: Dialect, parameters: PlannerParameters, listener: Listener
) -> dict[str, Input]:
    """Subscribe to all that a planner takes in a dialect; return its inputs by source."""
    cameras = dialect.cameras
    topics: dict[str, Mapping[str, tuple[Any, str]]] = {
        camera: _image_topics(node, camera, parameters.image_transport) for camera in cameras
    }
    said = dialect.commanded or parameters.questions.enabled
    states = {**STATES, **({NAVIGATION: String} if said else {})}
    for source, kind in states.items():
        topics[source] = {'': (kind, node.resolve_topic_name(f'~/input/{source}'))}
    if not missing(VEHICLE_PACKAGES):
        from autoware_vehicle_msgs.msg import SteeringReport, VelocityReport

        report, velocity = map(node.resolve_topic_name, REPORTS)
        topics['steering'] = {**topics['steering'], 'report': (SteeringReport, report)}
        topics['velocity_status'] = {'': (VelocityReport, velocity)}
    depths = dict.fromkeys(cameras, parameters.qos.depth)
    reliable = parameters.qos.reliability == 'reliable'
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return {
        source: Input(
            node,
            source,
            topics[source],
            QoSProfile(depth=depths.get(source, STATE_DEPTH), reliability=reliability),
            listener,
        )
        for source in topics
    }


def _image_topics(node: Node, camera: str, transport: str) -> dict[str, tuple[Any, str]]:
    raw = image_topic(node, camera)
    compressed = beside_image(node, camera, 'image/compressed', f'{raw}/compressed')
    topics = {'raw': (Image, raw), 'compressed': (CompressedImage, compressed)}
    return topics if transport == 'auto' else {transport: topics[transport]}


def image_topic(node: Node, camera: str) -> str:
    """Return the camera's raw topic after remapping."""
    topic: str = node.resolve_topic_name(f'~/input/camera/{camera}/image')
    return topic


def beside_image(node: Node, camera: str, private: str, beside: str) -> str:
    """
    Return a camera's further topic: `private` where it is remapped itself, else `beside`.

    One remapping of a camera's image so carries its compressed pictures and its camera_info.
    """
    name = f'~/input/camera/{camera}/{private}'
    remapped: str = node.resolve_topic_name(name)
    return beside if remapped == node.resolve_topic_name(name, only_expand=True) else remapped
