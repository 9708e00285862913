# SPDX-License-Identifier: Apache-2.0
"""
The planner behind carla-driver-interface's `drive()`.

That package serves AlpaSim's egodriver contract; a runtime of AlpaSim's own speaks it, and CARLA
scenarios of Autoware's do.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import InputError, Pose
from impromptu_vla_ros.evaluation.alpasim.cameras import TRAINED_FOV, Mounted, matched
from impromptu_vla_ros.evaluation.alpasim.session import LOG, Session
from impromptu_vla_ros.models import Model, ModelError

# Rollouts that were begun and not closed; each holds seconds of pictures.
MOST_SESSIONS = 32


def interface() -> Any:
    """Return the package of the contract; raise ModelError where it is not installed."""
    try:
        import carla_driver_interface.driver
        import carla_driver_interface.geometry
        import carla_driver_interface.server
    except ImportError as error:
        raise ModelError(f"{error}: pip install 'impromptu_vla_ros[alpasim]'") from error
    return carla_driver_interface


def alpasim_driver(
    dialect: Dialect, model: Model, cameras: Mapping[str, str], period: float
) -> Any:
    """
    Return a driver for carla-driver-interface's server.

    `cameras` chooses the simulator's names for some of ours; the others are found by where they
    look. The model is asked every `period` s of simulated time.
    """
    package = interface()
    geometry, contract = package.geometry, package.driver
    sessions: dict[str, Session] = {}
    lock = threading.Lock()

    class Driver(contract.BaseDriver):  # type: ignore[misc, name-defined]
        """A planner for each rollout."""

        name = f'impromptu_vla_{dialect.name}'

        def on_session_start(self, session: Any) -> None:
            """Find the cameras; who raises here refuses the rollout, with the reason."""
            if len(sessions) >= MOST_SESSIONS:
                raise InputError(f'{MOST_SESSIONS} rollouts are open: close some')
            mounted = [_mounted(c, geometry) for c in session.cameras.values()]
            names = matched(mounted, dialect.cameras, cameras)
            for camera in mounted:
                if camera.name in names.values() and not abs(camera.fov - TRAINED_FOV) < 15.0:
                    LOG.warning('%s is %.0f° wide, 70° in training', camera.name, camera.fov)
            sessions[session.uuid] = Session(dialect, model, names, period, lock)

        def on_session_close(self, session: Any) -> None:
            """Forget the rollout."""
            sessions.pop(session.uuid, None)

        def on_frame(self, session: Any, frame: Any) -> None:
            """Take a picture, stamped with the middle of its exposure."""
            if isinstance(frame, contract.CameraFrame):
                middle = (frame.frame_start_us + frame.frame_end_us) // 2
                sessions[session.uuid].see(frame.logical_id, middle, frame.image_bytes)

        def on_egomotion(self, session: Any, new_poses: Any) -> None:
            """Take the poses, and how the car moved where that is told."""
            with session.lock:
                poses = session.ego_trajectory
                count = min(len(new_poses), len(poses))
                parts = (poses.timestamps_us, poses.poses, session.dynamic_states)
                rows = list(zip(*(part[len(part) - count :] for part in parts), strict=True))
            for time, pose, state in rows:
                x, y = map(float, pose.position[:2])
                told = _velocity(state), _acceleration(state)
                sessions[session.uuid].move(time, Pose(x, y, pose.yaw), *told)

        def on_route(self, session: Any) -> None:
            """Take the way to go, from which commands come."""
            waypoints, time = session.route_waypoints_in_rig[:, :2], session.route_timestamp_us
            sessions[session.uuid].route(time, waypoints, session.speed_mps())

        def drive(self, ctx: Any) -> Any:
            """Return the plan, and its tier and waypoints as numbers beside it."""
            driven = sessions[ctx.session.uuid].drive(ctx.time_now_us)
            poses = [geometry.Pose.from_xyz_yaw(x, y, 0.0, yaw) for x, y, yaw in driven.poses]
            return contract.DriveResult(
                trajectory_in_rig=geometry.Trajectory(list(driven.times), poses),
                debug_scalars={driven.tier: 1.0, 'unanswered': float(bool(driven.reason))},
            )

    return Driver()


def _mounted(camera: Any, geometry: Any) -> Mounted:
    axis = geometry.Pose.from_proto(camera.rig_to_camera).rotation_matrix[:, 2]
    spec, fov = camera.intrinsics, math.nan
    if spec.HasField('opencv_pinhole_param') and spec.opencv_pinhole_param.focal_length_x > 0.0:
        half = spec.resolution_w / 2.0 / spec.opencv_pinhole_param.focal_length_x
        fov = 2.0 * math.degrees(math.atan(half))
    return Mounted(camera.logical_id, math.degrees(np.arctan2(axis[1], axis[0])), fov)


def _velocity(state: Any) -> tuple[float, float, float]:
    """Return vx, vy and the yaw rate, NaN where nobody tells: then the poses do."""
    linear, angular = state.linear_velocity, state.angular_velocity
    known = state.HasField('linear_velocity')
    vx, vy = (linear.x, linear.y) if known else (math.nan, math.nan)
    return vx, vy, angular.z if state.HasField('angular_velocity') else math.nan


def _acceleration(state: Any) -> tuple[float, float] | None:
    linear = state.linear_acceleration
    return (linear.x, linear.y) if state.HasField('linear_acceleration') else None
