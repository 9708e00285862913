# SPDX-License-Identifier: Apache-2.0
"""The planner's subscriptions: what arrives is handed on with the name of its source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from geometry_msgs.msg import AccelWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState

from impromptu_vla_ros.nodes.parameters import PlannerParameters

# Called with the source's name and the message.
Take = Callable[[str, Any], None]


def input_qos(parameters: PlannerParameters) -> QoSProfile:
    """Return the quality of service of all inputs: volatile, keep last."""
    reliable = parameters.qos.reliability == 'reliable'
    return QoSProfile(
        depth=parameters.qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


def image_topic(node: Node, camera: str) -> str:
    """Return the camera's raw topic after remapping."""
    return node.resolve_topic_name(f'~/input/camera/{camera}/image')


def beside_image(node: Node, camera: str, private: str, beside: str) -> str:
    """
    Return a camera's further topic: `private` where it is remapped itself, else `beside`.

    One remapping of a camera's image so carries its compressed pictures and its camera_info.
    """
    name = f'~/input/camera/{camera}/{private}'
    remapped = node.resolve_topic_name(name)
    return beside if remapped == node.resolve_topic_name(name, only_expand=True) else remapped


class CameraInput:
    """
    One camera's pictures, raw or compressed.

    `auto` listens to both until it knows: compressed pictures that arrive end the raw
    subscription, raw ones end the other while nobody publishes it.
    """

    def __init__(self, node: Node, name: str, parameters: PlannerParameters, take: Take) -> None:
        self.name = name
        self._node = node
        self._take = take
        self._qos = input_qos(parameters)
        self._auto = parameters.image_transport == 'auto'
        raw = image_topic(node, name)
        compressed = beside_image(node, name, 'image/compressed', f'{raw}/compressed')
        topics = {'raw': (Image, raw), 'compressed': (CompressedImage, compressed)}
        self._topics = (
            topics
            if self._auto
            else {parameters.image_transport: topics[parameters.image_transport]}
        )
        self._subscriptions: dict[str, Any] = {}
        self.listen()

    @property
    def topic(self) -> str:
        """Return the topics listened to, in words."""
        return ' or '.join(self._topics[transport][1] for transport in self._subscriptions)

    def listen(self) -> None:
        """Subscribe to all that is not subscribed to; nothing changes where a publisher is."""
        if any(self._published(transport) for transport in self._subscriptions):
            return
        for transport, (kind, topic) in self._topics.items():
            if transport not in self._subscriptions:
                self._subscriptions[transport] = self._node.create_subscription(
                    kind, topic, partial(self._on_picture, transport), self._qos
                )

    def close(self) -> None:
        """End the subscriptions."""
        for transport in list(self._subscriptions):
            self._end(transport)

    def _published(self, transport: str) -> bool:
        return self._node.count_publishers(self._topics[transport][1]) > 0

    def _end(self, transport: str) -> None:
        self._node.destroy_subscription(self._subscriptions.pop(transport))

    def _on_picture(self, transport: str, message: Any) -> None:
        if transport == 'compressed' and 'raw' in self._subscriptions:
            self._end('raw')
        elif len(self._subscriptions) == 2 and not self._published('compressed'):
            self._end('compressed')
        self._take(self.name, message)


class Inputs:
    """All subscriptions of an active planner."""

    def __init__(
        self, node: Node, cameras: tuple[str, ...], parameters: PlannerParameters, take: Take
    ) -> None:
        self._node = node
        self._cameras = {c: CameraInput(node, c, parameters, take) for c in cameras}
        kinds = {
            'odometry': Odometry,
            'acceleration': AccelWithCovarianceStamped,
            'steering': JointState,
        }
        self._subscriptions = {
            source: node.create_subscription(
                kind, f'~/input/{source}', partial(take, source), input_qos(parameters)
            )
            for source, kind in kinds.items()
        }

    def topic(self, source: str) -> str:
        """Return the topic of a source, after remapping."""
        if source in self._cameras:
            return self._cameras[source].topic
        name: str = self._subscriptions[source].topic_name
        return name

    def listen(self) -> None:
        """Look again for publishers of pictures; call it now and then."""
        for camera in self._cameras.values():
            camera.listen()

    def close(self) -> None:
        """End all subscriptions."""
        for camera in self._cameras.values():
            camera.close()
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
