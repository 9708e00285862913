# SPDX-License-Identifier: Apache-2.0
"""Where one camera sits and how it sees: camera_info and static TF, else parameters."""

from __future__ import annotations

from math import radians
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.camera import (
    horizontal_fov,
    matrix_from_fov,
    mounted,
    static_transform,
)
from impromptu_vla_ros.core.structs import CameraImage, CameraModel, FloatArray, InputError
from impromptu_vla_ros.nodes.inputs import beside_image, image_topic
from impromptu_vla_ros.nodes.parameters import PlannerParameters


class Lens:
    """Listen to a camera's camera_info."""

    def __init__(self, node: Node, camera: str, parameters: PlannerParameters) -> None:
        self._node = node
        self._fov = radians(getattr(parameters.camera, camera).fov_deg)
        self._calibrated: tuple[FloatArray, int, int] | None = None
        folder = image_topic(node, camera).rpartition('/')[0]
        topic = beside_image(node, camera, 'camera_info', f'{folder}/camera_info')
        self._subscription = node.create_subscription(
            CameraInfo, topic, self._on_info, qos_profile_sensor_data
        )

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_subscription(self._subscription)

    @property
    def view(self) -> tuple[float, str]:
        """Return the horizontal field of view in rad and who says it; nobody: it is unknown."""
        if self._calibrated is not None:
            matrix, width, _ = self._calibrated
            return horizontal_fov(matrix, width), 'camera_info'
        return self._fov, 'parameter' if self._fov > 0.0 else ''

    def of(self, picture: CameraImage) -> tuple[FloatArray, int, int] | None:
        """Return K (3, 3) and its width and height, None where nobody says them."""
        if self._calibrated is None and self._fov > 0.0:
            matrix = matrix_from_fov(picture.width, picture.height, self._fov)
            return matrix, picture.width, picture.height
        return self._calibrated

    def _on_info(self, message: Any) -> None:
        try:
            self._calibrated = messages.camera_matrix_from_message(message)
        except InputError as error:
            self._node.get_logger().warning(str(error), throttle_duration_sec=10.0)


class Calibration:
    """Listen to a camera's calibration, for as long as plans are drawn into its pictures."""

    def __init__(self, node: Node, camera: str, parameters: PlannerParameters) -> None:
        self._node = node
        self._base_frame = parameters.base_frame
        self._mount = getattr(parameters.camera, camera)
        self._lens = Lens(node, camera, parameters)
        self._edges: dict[str, tuple[str, FloatArray, FloatArray]] = {}
        self._transforms: Any = None
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            node.get_logger().info('tf2_msgs is not installed: camera poses come from parameters')
            return
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._transforms = node.create_subscription(
            TFMessage, '/tf_static', self._on_transforms, latched
        )

    def close(self) -> None:
        """End the subscriptions."""
        self._lens.close()
        if self._transforms is not None:
            self._node.destroy_subscription(self._transforms)
            self._transforms = None

    def camera(self, picture: CameraImage) -> CameraModel | None:
        """Return the camera that took a decoded picture, None if its lens is not known."""
        mount, lens = self._mount, self._lens.of(picture)
        if lens is None:
            return None
        placed = static_transform(self._edges, self._base_frame, picture.frame_id)
        if placed is not None:
            return CameraModel(lens[0], *placed, *lens[1:])
        position, angles = (mount.x, mount.y, mount.z), (mount.roll, mount.pitch, mount.yaw)
        return mounted(*lens, position, angles)

    def _on_transforms(self, message: Any) -> None:
        self._edges.update(messages.transforms_from_message(message))
