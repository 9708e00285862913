# SPDX-License-Identifier: Apache-2.0
"""A camera in the world: where points lie in its picture, and which ground each pixel shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.camera import (
    OPTICAL_IN_VEHICLE,
    matrix_from_fov,
    rotation_from_rpy,
)
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.worlds.ground import Ground
from impromptu_vla_ros.worlds.scenery import Look
from impromptu_vla_ros.worlds.simulation import Body, Lens

NEAR = 0.15  # m before the camera from which on there is something to see
HAZE = 450.0  # m at which two thirds of a colour are lost in the haze
_CLEAR_TO = 40.0  # m up to which haze on the ground is not worth its time


@dataclass(frozen=True)
class Camera:
    """
    A camera in the world: `yaw` of what carries it, `tilt` (3, 3) of its body relative to that.

    `position` is (3,) in the world, `matrix` is K (3, 3).
    """

    lens: Lens
    yaw: float
    tilt: FloatArray
    position: FloatArray
    matrix: FloatArray

    @property
    def key(self) -> tuple[object, ...]:
        """Return what two cameras have in common that share a `View`."""
        lens = self.lens
        return lens.width, lens.height, lens.fov, float(self.position[2]), self.tilt.tobytes()

    @cached_property
    def turned(self) -> FloatArray:
        """Return the optical axes in the world, (3, 3)."""
        turned = rotation_from_rpy(0.0, 0.0, self.yaw) @ self.tilt @ OPTICAL_IN_VEHICLE
        return np.asarray(turned, float)

    def optical(self, points: FloatArray) -> FloatArray:
        """Return points (n, 3) of the world in optical axes: x right, y down, z ahead."""
        return np.asarray((points - self.position) @ self.turned, float)

    def pixels(self, optical: FloatArray) -> FloatArray:
        """Return pixels (n, 2) of points in optical axes, which must be ahead."""
        homogeneous = optical @ self.matrix.T
        return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:], float)

    def clipped(self, optical: FloatArray) -> FloatArray:
        """Return the pixels (m, 2) of what of a polygon (n, 3) in optical axes is not too near."""
        kept = []
        for a, b in zip(optical, np.roll(optical, -1, axis=0)):
            if a[2] >= NEAR:
                kept.append(a)
            if (a[2] >= NEAR) != (b[2] >= NEAR):
                kept.append(a + (NEAR - a[2]) / (b[2] - a[2]) * (b - a))
        return self.pixels(np.array(kept).reshape(-1, 3))


def placed(lens: Lens, parent: Body | None) -> Camera:
    """Return the camera of a lens on an actor that lies so, or, where that is None, free."""
    mount = lens.mount
    offset = np.array([mount.x, mount.y, mount.z])
    matrix = matrix_from_fov(lens.width, lens.height, lens.fov)
    if parent is None:
        tilt = rotation_from_rpy(mount.roll, mount.pitch, 0.0)
        return Camera(lens, mount.yaw, tilt, offset, matrix)
    lies = rotation_from_rpy(parent.roll, parent.pitch, 0.0)
    tilt = lies @ rotation_from_rpy(mount.roll, mount.pitch, mount.yaw)
    turned = rotation_from_rpy(0.0, 0.0, parent.yaw) @ lies
    position = np.array([parent.x, parent.y, parent.z]) + turned @ offset
    return Camera(lens, parent.yaw, tilt, position, matrix)


class View:
    """
    What of a picture stays while a camera only turns about the vertical and moves level.

    The sky, and for each pixel that shows ground, where that lies relative to the camera.
    """

    def __init__(self, camera: Camera, look: Look, ground: Ground) -> None:
        lens = camera.lens
        v, u = np.mgrid[: lens.height, : lens.width].reshape(2, -1) + 0.5
        rays = np.column_stack([u, v, np.ones_like(u)]) @ np.linalg.inv(camera.matrix).T
        rays @= (camera.tilt @ OPTICAL_IN_VEHICLE).T
        rise = rays[:, 2] / np.hypot(rays[:, 0], rays[:, 1])
        # Most of the sky's colours change near the horizon.
        share = np.sqrt(np.clip(rise, 0.0, 1.0))[:, None]
        self.backdrop = np.full((lens.height, lens.width, 4), 255, np.uint8)
        colours = look.horizon + share * (look.zenith - look.horizon)
        self.backdrop[..., :3] = colours.reshape(lens.height, lens.width, 3)
        self._ground = ground
        self._horizon = look.horizon
        below = np.flatnonzero(rays[:, 2] < -1e-4)
        if camera.position[2] <= 0.0:
            below = below[:0]
        distance = camera.position[2] / -rays[below, 2]
        ahead, left = rays[below, :2].T * distance
        far = np.hypot(ahead, left)
        # Without roll the ground is the lower part of the picture, and a slice is faster.
        whole = len(below) and below[-1] - below[0] + 1 == len(below)
        self._below = slice(below[0], below[-1] + 1) if whole else below
        self._ahead, self._left = ahead.astype(np.float32), left.astype(np.float32)
        # A pixel shows a patch that is longer than wide: the level in between.
        wide = np.hypot(far, camera.position[2]) / camera.matrix[0, 0]
        long = wide * np.hypot(far, camera.position[2]) / max(camera.position[2], 1e-3)
        level = np.log2(np.sqrt(wide * long) / ground.sizes[0])
        level = np.clip(np.rint(level - 0.2), 0, len(ground.sizes) - 1).astype(int)
        self._scale = (1.0 / ground.sizes)[level].astype(np.float32)
        self._offsets = ground.offsets[level]
        self._last_column, self._last_row = ground.widths[level] - 1, ground.heights[level] - 1
        self._widths = ground.widths[level]
        self._hazy = np.flatnonzero(far > _CLEAR_TO)
        haze = 1.0 - np.exp(-(far[self._hazy] - _CLEAR_TO) / HAZE)
        self._clear = (1.0 - haze)[:, None].astype(np.float32)
        self._haze = (haze[:, None] * look.horizon).astype(np.float32)

    def background(self, camera: Camera) -> NDArray[np.uint8]:
        """Return sky and ground as the camera sees them: BGRA (height, width, 4)."""
        pixels = self.backdrop.copy()
        c, s = math.cos(camera.yaw), math.sin(camera.yaw)
        west, south = (
            camera.position[0] - self._ground.west,
            camera.position[1] - self._ground.south,
        )
        column = c * self._ahead
        column -= s * self._left
        column += west
        row = s * self._ahead
        row += c * self._left
        row += south
        index = self._cells(row, self._last_row)
        index *= self._widths
        index += self._cells(column, self._last_column)
        index += self._offsets
        seen = self._ground.pixels[index]
        if len(self._hazy):
            colours = seen.view(np.uint8).reshape(-1, 4)
            colours[self._hazy, :3] = colours[self._hazy, :3] * self._clear + self._haze
        pixels.reshape(-1, 4).view(np.uint32)[self._below, 0] = seen
        return pixels

    def _cells(self, metres: NDArray[np.float32], last: NDArray[np.int32]) -> NDArray[np.int32]:
        metres *= self._scale
        cells = metres.astype(np.int32)
        np.maximum(cells, 0, out=cells)
        np.minimum(cells, last, out=cells)
        return cells
