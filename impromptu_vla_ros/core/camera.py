# SPDX-License-Identifier: Apache-2.0
"""Pinhole cameras on the vehicle: where a trajectory lies in a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impromptu_vla_ros.core.structs import CameraModel, FloatArray

# Optical axes (x right, y down, z ahead) in vehicle axes (x ahead, y left, z up): REP-103.
OPTICAL_IN_VEHICLE = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


# How wide nuScenes' front cameras see, which most training pictures are of, and how far off it
# (rad) a picture is still alike: KITTI's 81° and Waymo's 50° were trained on, too, but less.
TRAINED_FOV, FOV_BAND = math.radians(70.0), math.radians(15.0)


def rotation_from_rpy(roll: float, pitch: float, yaw: float) -> FloatArray:
    """Return the rotation matrix of fixed-axis roll, pitch, yaw in rad (REP-103)."""
    cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
    cy, sy = math.cos(yaw), math.sin(yaw)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rotation_from_quaternion(x: float, y: float, z: float, w: float) -> FloatArray:
    """Return the rotation matrix of a quaternion of any length above 0."""
    q = np.array([x, y, z, w], float)
    x, y, z, w = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def matrix_from_fov(width: int, height: int, horizontal_fov: float) -> FloatArray:
    """Return K (3, 3) for a horizontal field of view in rad, centred."""
    focal = 0.5 * width / math.tan(0.5 * horizontal_fov)
    return np.array([[focal, 0.0, 0.5 * width], [0.0, focal, 0.5 * height], [0.0, 0.0, 1.0]])


def horizontal_fov(matrix: ArrayLike, width: int) -> float:
    """Return the horizontal field of view in rad of K (3, 3), for pictures that wide."""
    k = np.asarray(matrix, float)
    left, right = k[0, 2] / k[0, 0], (width - k[0, 2]) / k[0, 0]
    return math.atan(left) + math.atan(right)


def mounted(
    matrix: ArrayLike, width: int, height: int, position: ArrayLike, rpy: ArrayLike
) -> CameraModel:
    """
    Return the camera of K (3, 3) whose body (x ahead) sits at a pose on the vehicle.

    `position` (3,) m and `rpy` (3,) rad are the camera body's pose in `base_link`.
    """
    roll, pitch, yaw = np.asarray(rpy, float)
    rotation = rotation_from_rpy(roll, pitch, yaw) @ OPTICAL_IN_VEHICLE
    return CameraModel(
        np.asarray(matrix, float), rotation, np.asarray(position, float), width, height
    )


def project(
    camera: CameraModel, points: ArrayLike, near: float = 0.5
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """
    Return pixels (n, 2) of points (n, 3) in `base_link`, and which of them are in the picture.

    Points nearer than `near` m before the camera are not in the picture and their pixels NaN.
    """
    optical = (np.asarray(points, float) - camera.translation) @ camera.rotation
    ahead = optical[:, 2] > near
    pixels = np.full((len(optical), 2), np.nan)
    homogeneous = optical[ahead] @ camera.matrix.T
    pixels[ahead] = homogeneous[:, :2] / homogeneous[:, 2:]
    inside = ahead.copy()
    u, v = pixels[ahead].T
    inside[ahead] = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    return pixels, inside


def ground_points(points: ArrayLike, every: float = 0.25) -> FloatArray:
    """Return a path (n, 2) on the ground, z = 0, resampled to a point every `every` m, (m, 3)."""
    path = np.asarray(points, float)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    at = np.linspace(0.0, lengths[-1], max(2, math.ceil(lengths[-1] / every) + 1))
    x, y = (np.interp(at, lengths, path[:, axis]) for axis in (0, 1))
    return np.column_stack([x, y, np.zeros_like(x)])


def static_transform(
    edges: Mapping[str, tuple[str, FloatArray, FloatArray]], base: str, frame: str
) -> tuple[FloatArray, FloatArray] | None:
    """
    Return rotation (3, 3) and translation (3,) that take `frame` to `base`, None if unconnected.

    `edges` maps a child frame to its parent and the rotation and translation that take the
    child's coordinates to the parent's, as static TF says them.
    """

    def up(start: str) -> dict[str, tuple[FloatArray, FloatArray]]:
        known = {start: (np.eye(3), np.zeros(3))}
        while start in edges and edges[start][0] not in known:
            parent, rotation, translation = edges[start]
            r, t = known[start]
            known[parent] = (rotation @ r, rotation @ t + translation)
            start = parent
        return known

    from_frame, from_base = up(frame), up(base)
    for meeting, (r, t) in from_frame.items():
        if meeting in from_base:
            base_r, base_t = from_base[meeting]
            return base_r.T @ r, base_r.T @ (t - base_t)
    return None
