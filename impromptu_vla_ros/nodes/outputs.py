# SPDX-License-Identifier: Apache-2.0
"""What the planner publishes: each plan as Path and DrivingPlan, and drawn for who looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nav_msgs.msg import Path
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from impromptu_vla_ros import marker_messages, messages
from impromptu_vla_ros.core.structs import CameraImage, Plan
from impromptu_vla_ros.core.told import in_base_link, relative_poses
from impromptu_vla_ros.drawing import draw_plan
from impromptu_vla_ros.msg import DrivingPlan
from impromptu_vla_ros.nodes.autoware import AutowareOutput
from impromptu_vla_ros.nodes.calibration import Calibration
from impromptu_vla_ros.nodes.parameters import PlannerParameters


class Outputs:
    """
    The publishers, silent while the node is not active.

    `model` is the name in the plans. `draws` tells whether pictures are wanted; `autoware` is
    opened on configure.
    """

    def __init__(self, node: Any, parameters: PlannerParameters, model: str) -> None:
        self._node = node
        self._model = model
        self._parameters = parameters
        latest = QoSProfile(depth=1)
        self._path = node.create_lifecycle_publisher(Path, '~/output/path', latest)
        self._plan = node.create_lifecycle_publisher(DrivingPlan, '~/output/plan', latest)
        self._markers = node.create_lifecycle_publisher(MarkerArray, '~/debug/markers', latest)
        self.autoware = AutowareOutput(
            node,
            parameters.autoware.output,
            parameters.autoware.generator_name,
            parameters.vehicle.wheelbase,
        )
        self.draws = parameters.debug.image
        if self.draws:
            self._image = node.create_lifecycle_publisher(Image, '~/debug/image', latest)
        self._calibration: Calibration | None = None

    def open(self, camera: str) -> None:
        """Learn how the camera of the drawn pictures sees."""
        if self.draws:
            self._calibration = Calibration(self._node, camera, self._parameters)

    def close(self) -> None:
        """Stop learning it."""
        calibration, self._calibration = self._calibration, None
        if calibration is not None:
            calibration.close()

    def publish(self, plan: Plan, frames: Mapping[str, int]) -> None:
        """Publish a plan in the wanted frame; `frames` counts what became of the pictures."""
        self.autoware.publish(plan)
        self._mark(plan)
        if self._parameters.output.frame == 'base_link':
            plan = in_base_link(plan, self._parameters.base_frame)
        self._path.publish(messages.path_message(plan))
        self._plan.publish(messages.driving_plan_message(plan, self._model, frames))

    def _mark(self, plan: Plan) -> None:
        if not self._markers.get_subscription_count():
            return
        # In the car's frame, who looks needs no transform from the odometry's.
        seen = in_base_link(plan, self._parameters.base_frame)
        wheelbase = self._parameters.vehicle.wheelbase
        self._markers.publish(marker_messages.plan_markers_message(seen, wheelbase))

    def publish_picture(self, told: Plan, picture: CameraImage) -> None:
        """Draw what an answer says into its own picture, rgb8, and publish that."""
        if self._calibration is None:
            return
        camera = self._calibration.camera(picture)
        if camera is None:
            self._node.get_logger().warning(
                f'nothing is drawn: no camera_info of camera {picture.camera} came, and '
                f'camera.{picture.camera}.fov_deg is 0',
                throttle_duration_sec=10.0,
            )
            return
        drawn = draw_plan(picture.pixels, camera, relative_poses(told)[:, :2])
        self._image.publish(messages.image_message(drawn, picture.stamp, picture.frame_id))
