# SPDX-License-Identifier: Apache-2.0
"""The scenes of a devkit's data root: keyframes with poses, pictures and annotated boxes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from impromptu_vla_ros.core.camera import rotation_from_quaternion
from impromptu_vla_ros.core.structs import CameraModel, FloatArray
from impromptu_vla_ros.evaluation.nuscenes.tables import (
    NuscenesError,
    Row,
    rows,
    version_folder,
)

LIDAR = 'LIDAR_TOP'
CHANNELS = {
    'front': 'CAM_FRONT',
    'front_left': 'CAM_FRONT_LEFT',
    'front_right': 'CAM_FRONT_RIGHT',
}
# What VAD and ST-P3 count collisions with; not barriers, cones and what can be pushed.
HIT = ('human.', 'vehicle.')
# LIDAR_TOP's axes are x right, y ahead, z up; these columns are ahead, left, up in them.
LIDAR_AXES = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


class Frame(NamedTuple):
    """A frame in another: what its axes are there (3, 3), and where it begins (3,), m."""

    rotation: FloatArray
    origin: FloatArray

    def within(self, outer: Frame) -> Frame:
        """Return this frame, given in `outer`, in the frame that `outer` is given in."""
        return Frame(outer.rotation @ self.rotation, outer.rotation @ self.origin + outer.origin)

    def pose_of(self, other: Frame) -> FloatArray:
        """Return x, y, yaw (3,) of another frame in this one."""
        x, y, _ = (other.origin - self.origin) @ self.rotation
        ahead = other.rotation[:, 0] @ self.rotation
        return np.array([x, y, np.arctan2(ahead[1], ahead[0])])


@dataclass(frozen=True, eq=False)
class Annotation:
    """A box that somebody drew: its frame in the map, x along its length; size in m."""

    frame: Frame
    length: float
    width: float


@dataclass(eq=False)
class Keyframe:
    """
    One sample: `stamp` in µs, the ego's rear axle and LIDAR_TOP (x ahead) in the map.

    `pictures` are the files by camera, relative to the root; `models` their calibrations.
    """

    token: str
    stamp: int
    ego: Frame | None = None
    lidar: Frame | None = None
    pictures: dict[str, str] = field(default_factory=dict)
    models: dict[str, CameraModel] = field(default_factory=dict)
    boxes: list[Annotation] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene's keyframes in order; `annotated` tells whether anybody drew boxes."""

    name: str
    keyframes: Sequence[Keyframe]
    annotated: bool


def read_scenes(root: Path, version: str = '', names: Collection[str] = ()) -> list[Scene]:
    """
    Return the scenes of a data root, sorted by name; all, or those of `names`.

    Raise NuscenesError for what is no such root, a broken table, and a name that is not there.
    """
    folder = version_folder(root, version)
    scenes = {row.text('token'): row for row in rows(folder, 'scene')}
    if missing := set(names) - {row.text('name') for row in scenes.values()}:
        raise NuscenesError(
            f'{folder} has no scene {", ".join(sorted(missing)[:5])}: it has {len(scenes)}, from '
            f'{min((row["name"] for row in scenes.values()), default="none")} on'
        )
    wanted = {token for token, row in scenes.items() if not names or row.text('name') in names}
    samples: dict[str, list[Keyframe]] = {token: [] for token in wanted}
    keyframes: dict[str, Keyframe] = {}
    for row in rows(folder, 'sample'):
        if (scene := row.text('scene_token')) in wanted:
            keyframe = Keyframe(row.text('token'), int(row.numbers('timestamp')))
            keyframes[keyframe.token] = keyframe
            samples[scene].append(keyframe)
    _place(folder, keyframes)
    annotated = _annotate(folder, keyframes)
    found = [
        Scene(scenes[token].text('name'), sorted(each, key=lambda k: k.stamp), annotated)
        for token, each in samples.items()
    ]
    return sorted(found, key=lambda scene: scene.name)


def _place(folder: Path, keyframes: Mapping[str, Keyframe]) -> None:
    """Give keyframes their poses, pictures and cameras."""
    sensors = {row.text('token'): row.text('channel') for row in rows(folder, 'sensor')}
    wanted = {LIDAR, *CHANNELS.values()}
    mounted: dict[str, tuple[str, Row]] = {}
    for row in rows(folder, 'calibrated_sensor'):
        channel = sensors.get(row.text('sensor_token'), '')
        if channel in wanted:
            mounted[row.text('token')] = channel, row
    cameras = {channel: name for name, channel in CHANNELS.items()}
    models: dict[str, CameraModel] = {}
    lidars: dict[str, tuple[Keyframe, Frame]] = {}
    for row in _keyframed(folder, keyframes):
        if (calibrated := row.text('calibrated_sensor_token')) not in mounted:
            continue
        channel, mount = mounted[calibrated]
        keyframe = keyframes[row.text('sample_token')]
        if channel == LIDAR:
            lidars[row.text('ego_pose_token')] = keyframe, _frame(mount)
        else:
            camera = cameras[channel]
            keyframe.pictures[camera] = row.text('filename')
            if calibrated not in models:
                models[calibrated] = _camera(mount, row)
            keyframe.models[camera] = models[calibrated]
    for row in rows(folder, 'ego_pose'):
        if (token := row.text('token')) in lidars:
            keyframe, mount_frame = lidars[token]
            keyframe.ego = _frame(row)
            lidar = mount_frame.within(keyframe.ego)
            keyframe.lidar = Frame(lidar.rotation @ LIDAR_AXES, lidar.origin)
    for keyframe in keyframes.values():
        if keyframe.lidar is None:
            raise NuscenesError(
                f'sample {keyframe.token} has no {LIDAR} with an ego pose: are the tables of '
                f'{folder} whole, and of one version?'
            )


def _keyframed(folder: Path, keyframes: Mapping[str, Keyframe]) -> Iterator[Row]:
    for row in rows(folder, 'sample_data'):
        if row['is_key_frame'] and row.text('sample_token') in keyframes:
            yield row


def _annotate(folder: Path, keyframes: Mapping[str, Keyframe]) -> bool:
    """Give keyframes the boxes that a plan must not hit; return whether there are any at all."""
    if not (folder / 'sample_annotation.json').is_file():
        return False
    names = {row.text('token'): row.text('name') for row in rows(folder, 'category')}
    hit = {
        row.text('token')
        for row in rows(folder, 'instance')
        if names.get(row.text('category_token'), '').startswith(HIT)
    }
    annotated = False
    for row in rows(folder, 'sample_annotation'):
        annotated = True
        # What no sensor saw does not count: VAD's and SparseDrive's valid_flag.
        seen = row.numbers('num_lidar_pts') + row.numbers('num_radar_pts') > 0
        if seen and row.text('instance_token') in hit and row.text('sample_token') in keyframes:
            width, length, _ = row.numbers('size', 3)
            box = Annotation(_frame(row), float(length), float(width))
            keyframes[row.text('sample_token')].boxes.append(box)
    return annotated


def _frame(row: Row) -> Frame:
    w, x, y, z = row.numbers('rotation', 4)
    if not any((w, x, y, z)):
        raise NuscenesError(f'a row of {row.table} has a rotation of no length')
    return Frame(rotation_from_quaternion(x, y, z, w), row.numbers('translation', 3))


def _camera(mount: Row, row: Row) -> CameraModel:
    frame = _frame(mount)
    matrix = mount.numbers('camera_intrinsic', 3, 3)
    width, height = (int(row.numbers(name)) for name in ('width', 'height'))
    return CameraModel(matrix, frame.rotation, frame.origin, width, height)
