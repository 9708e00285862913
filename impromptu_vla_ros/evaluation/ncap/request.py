# SPDX-License-Identifier: Apache-2.0
"""What NeuroNCAP asks: the body of an /infer request, checked, and what its numbers mean."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import CameraImage, FloatArray, InputError, Pose
from impromptu_vla_ros.evaluation.ncap.tensor import picture_of

# Six pictures of 1600x900 are 34.6 MB in base64.
MOST_BYTES = 64 * 2**20
# A request has some 300 numbers; each is an object of Python's, and pictures have no commas.
MOST_PARTS = 4096

CAMERAS = {
    'front': 'CAM_FRONT',
    'front_left': 'CAM_FRONT_LEFT',
    'front_right': 'CAM_FRONT_RIGHT',
}
# By number: what lies 3 s ahead on the reference is more than 2 m to a side.
COMMANDS = ('turn right', 'turn left', 'go straight')


@dataclass(frozen=True, eq=False)
class Request:
    """
    One /infer request.

    `timestamp` is in µs. `ego2world` (4, 4) is the rear axle's pose. `canbus` (16,) holds
    position, orientation (w, x, y, z), acceleration, turn rates and velocity. `lidar2ego` is
    (4, 4). `pictures` are the simulator's texts by its own names, not decoded.
    """

    timestamp: int
    ego2world: FloatArray
    canbus: FloatArray
    lidar2ego: FloatArray
    command: int
    pictures: Mapping[str, str]

    @property
    def pose(self) -> Pose:
        """Return the rear axle in the plane of the world."""
        m = self.ego2world
        return Pose(float(m[0, 3]), float(m[1, 3]), math.atan2(m[1, 0], m[0, 0]))

    @property
    def automatic(self) -> bool:
        """
        Return whether the simulator drives, and made the CAN bus up.

        It then knows no roll and pitch: real gyroscopes never say exactly 0.
        """
        return bool(self.canbus[10] == self.canbus[11] == 0.0)

    @property
    def speed(self) -> float:
        """Return the speed ahead, m/s; of centre and rear axle it is the same."""
        return float(self.canbus[13])

    @property
    def yaw_rate(self) -> float:
        """Return the turn rate, rad/s."""
        return float(self.canbus[12])

    @property
    def navigation(self) -> str:
        """Return the navigation command, '' for none."""
        return COMMANDS[self.command] if 0 <= self.command < len(COMMANDS) else ''

    @property
    def lidar_ahead(self) -> float:
        """Return how far ahead of the rear axle the lidar is, m."""
        return float(self.lidar2ego[0, 3])

    def picture(self, camera: str) -> CameraImage:
        """Return a camera's picture; raise InputError where it is missing or none."""
        name = CAMERAS[camera]
        text = self.pictures.get(name)
        if not isinstance(text, str):
            raise InputError(f'images has no {name}')
        try:
            data = base64.b64decode(text, validate=True)
        except ValueError as error:
            raise InputError(f'images.{name} is no base64: {error}') from error
        pixels = picture_of(data)
        height, width, _ = pixels.shape
        flat = np.ascontiguousarray(pixels).reshape(-1)
        stamp = 1000 * self.timestamp
        return CameraImage(camera, stamp, 'rgb8', flat, height, width, 3 * width, name)


def read_request(body: bytes) -> Request:
    """Return the request in a body; raise InputError for anything else, and beyond the limits."""
    if len(body) > MOST_BYTES:
        raise InputError(f'the request has {len(body)} bytes, {MOST_BYTES} are taken')
    if sum(body.count(mark) for mark in (b',', b'[', b'{')) > MOST_PARTS:
        raise InputError(f'the request has more than {MOST_PARTS} parts')
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f'the request is no JSON: {error!s:.200}') from error
    wanted = ('images', 'ego2world', 'canbus', 'timestamp', 'command', 'calibration')
    calibration = _part(said, wanted)['calibration']
    pictures = said['images']
    if not isinstance(pictures, dict):
        raise InputError('images is no object of camera: base64 text')
    return Request(
        timestamp=_integer(said, 'timestamp', 1, 2**53),
        ego2world=_pose(said, 'ego2world'),
        canbus=_numbers(said, 'canbus', (16,)),
        lidar2ego=_pose(_part(calibration, ('lidar2ego',)), 'lidar2ego'),
        command=_integer(said, 'command', 0, 3),
        pictures=pictures,
    )


def _part(said: Any, wanted: Collection[str]) -> dict[str, Any]:
    if not isinstance(said, dict) or not set(wanted) <= set(said):
        lacking = sorted(set(wanted) - set(said if isinstance(said, dict) else ()))
        raise InputError(f'the request lacks {", ".join(lacking)}')
    return said


def _integer(said: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = said[name]
    if type(value) is not int or not least <= value <= most:
        raise InputError(f'{name} is {value!r:.80}, not a whole number from {least} to {most}')
    return value


def _numbers(said: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> FloatArray:
    try:
        values = np.asarray(said[name], np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.shape != shape or not np.isfinite(values).all() or np.abs(values).max() > 1e7:
        size = ' x '.join(map(str, shape))
        raise InputError(f'{name} is not {size} numbers of m, rad and s')
    return values


def _pose(said: Mapping[str, Any], name: str) -> FloatArray:
    matrix = _numbers(said, name, (4, 4))
    turned = matrix[:3, :3]
    if np.abs(turned @ turned.T - np.eye(3)).max() > 1e-3 or np.linalg.det(turned) < 0.0:
        raise InputError(f'{name} turns and stretches: it is no pose')
    return matrix
