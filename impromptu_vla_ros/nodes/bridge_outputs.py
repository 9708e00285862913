# SPDX-License-Identifier: Apache-2.0
"""What the CARLA bridge publishes, under the names of its preset."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from geometry_msgs.msg import AccelWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String

from impromptu_vla_ros import autoware_messages, images, sensor_messages
from impromptu_vla_ros.core.structs import CameraImage
from impromptu_vla_ros.nodes.bridge_parameters import BridgeParameters
from impromptu_vla_ros.nodes.inputs import VEHICLE_PACKAGES
from impromptu_vla_ros.worlds.camera_feed import optical_frame
from impromptu_vla_ros.worlds.carla_client import Scene
from impromptu_vla_ros.worlds.rigs import Rig, camera_of

OWN = {
    'image': '~/output/camera/{camera}/image',
    'camera_info': '~/output/camera/{camera}/camera_info',
    'odometry': '~/output/odometry',
    'acceleration': '~/output/acceleration',
    'steering': '~/output/steering',
    'navigation_command': '~/output/navigation_command',
}
# What a preset does not name keeps its own name.
PRESETS = {
    'own': OWN,
    'carla_ros_bridge': {
        **OWN,
        'image': '/carla/{role}/rgb_{camera}/image',
        'camera_info': '/carla/{role}/rgb_{camera}/camera_info',
        'odometry': '/carla/{role}/odometry',
    },
    'autoware': {
        **OWN,
        'image': '/sensing/camera/CAM_{CAMERA}/image_raw',
        'camera_info': '/sensing/camera/CAM_{CAMERA}/camera_info',
        'odometry': '/localization/kinematic_state',
        'acceleration': '/localization/acceleration',
        'velocity_report': '/vehicle/status/velocity_status',
        'steering_report': '/vehicle/status/steering_status',
    },
}


class BridgeOutputs:
    """The publishers."""

    def __init__(self, node: Node, parameters: BridgeParameters, rig: Rig) -> None:
        self._node = node
        self._parameters = parameters
        self._cameras = {mount.name: camera_of(mount) for mount in rig.cameras}
        self._encoders = ThreadPoolExecutor(max(1, min(len(self._cameras), 4)))
        heard = QoSProfile(depth=10)
        self._odometry = self._publisher(Odometry, 'odometry', heard)
        self._acceleration = self._publisher(AccelWithCovarianceStamped, 'acceleration', heard)
        self._steering = self._publisher(JointState, 'steering', heard)
        self._reports = self._autoware_reports(heard)
        self._navigation = self._publisher(String, 'navigation_command', QoSProfile(depth=1))
        pictures = QoSProfile(depth=5)
        self._jpegs, self._raws, self._infos = {}, {}, {}
        for name in self._cameras:
            self._jpegs[name] = self._publisher(
                CompressedImage, 'image', pictures, name, '/compressed'
            )
            self._infos[name] = self._publisher(CameraInfo, 'camera_info', pictures, name)
            if parameters.rig.raw:
                self._raws[name] = self._publisher(Image, 'image', pictures, name)
        self._clock = node.create_publisher(Clock, '/clock', heard) if parameters.clock else None
        self._transforms = self._static_transforms()

    def close(self) -> None:
        """End the threads that encode."""
        self._encoders.shutdown()

    def publish(self, scene: Scene) -> None:
        """Publish a scene, the odometry last: who is triggered by it has all the rest."""
        frame = self._parameters.base_frame
        if self._clock is not None:
            self._clock.publish(sensor_messages.clock_message(scene.stamp))
        self._publish_pictures(scene.images)
        acceleration = sensor_messages.acceleration_message(scene.acceleration, frame)
        self._acceleration.publish(acceleration)
        self._steering.publish(sensor_messages.steering_message(scene.steering, frame))
        if self._reports is not None:
            velocity, steering = self._reports
            moves = autoware_messages.velocity_report_message(scene.odometry, frame)
            velocity.publish(moves)
            steering.publish(autoware_messages.steering_report_message(scene.steering))
        self._odometry.publish(sensor_messages.odometry_message(scene.odometry, frame))

    def navigate(self, command: str) -> None:
        """Publish the navigation command."""
        self._navigation.publish(String(data=command))

    def _publish_pictures(self, pictures: tuple[CameraImage, ...]) -> None:
        encode = partial(images.to_jpeg, quality=self._parameters.rig.jpeg_quality)
        # Pillow lets other threads run while it encodes.
        made = map if len(pictures) == 1 else self._encoders.map
        for picture, jpeg in zip(pictures, made(encode, pictures)):
            name = picture.camera
            info = sensor_messages.camera_info_message(
                self._cameras[name], picture.stamp, picture.frame_id
            )
            self._infos[name].publish(info)
            if name in self._raws:
                self._raws[name].publish(sensor_messages.raw_image_message(picture))
            self._jpegs[name].publish(sensor_messages.jpeg_message(picture, jpeg))

    def _publisher(
        self, kind: Any, what: str, qos: QoSProfile, camera: str = '', suffix: str = ''
    ) -> Any:
        name = PRESETS[self._parameters.preset][what].format(
            camera=camera, CAMERA=camera.upper(), role=self._parameters.ego.role
        )
        return self._node.create_publisher(kind, name + suffix, qos)

    def _autoware_reports(self, qos: QoSProfile) -> tuple[Any, Any] | None:
        """Return publishers of what Autoware's vehicle interface tells, where its messages are."""
        if 'velocity_report' not in PRESETS[self._parameters.preset]:
            return None
        if absent := autoware_messages.missing(VEHICLE_PACKAGES):
            self._node.get_logger().warning(
                f'no velocity and steering reports: cannot import {absent[0]}; source the '
                'Autoware workspace before the start'
            )
            return None
        from autoware_vehicle_msgs.msg import SteeringReport, VelocityReport

        return (
            self._publisher(VelocityReport, 'velocity_report', qos),
            self._publisher(SteeringReport, 'steering_report', qos),
        )

    def _static_transforms(self) -> Any:
        if not sensor_messages.has_transforms() or not self._cameras:
            return None
        from tf2_msgs.msg import TFMessage

        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = self._node.create_publisher(TFMessage, '/tf_static', latched)
        frames = {optical_frame(name): camera for name, camera in self._cameras.items()}
        base = self._parameters.base_frame
        publisher.publish(sensor_messages.transforms_message(frames, base, 0))
        return publisher
