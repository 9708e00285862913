# SPDX-License-Identifier: Apache-2.0
"""What is asked and what was driven then: the cases of a nuScenes evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from impromptu_vla_ros.core import codec, metrics, motion
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.collisions import MIDDLE_AHEAD
from impromptu_vla_ros.core.dialects import LIDAR_TOP_AHEAD, Dialect
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, CameraModel, FloatArray
from impromptu_vla_ros.evaluation.nuscenes.can_bus import CanBus, Signals, read_can_bus
from impromptu_vla_ros.evaluation.nuscenes.scenes import CHANNELS, Frame, Keyframe, Scene

# Waypoints that are scored: 3 s of them, at the keyframes' 2 Hz.
STEPS = 6
NO_FUTURE = 'less than 3 s of future'
NO_HISTORY = 'less history than the dialect takes'
# m/s, rad/s, m/s²: whatever is more is a broken number.
MOST = 1e3
UNKNOWN = np.full(3, np.nan)


@dataclass(frozen=True, eq=False)
class Case:
    """
    One question with its right answer, in the frame of the dialect's point now.

    `stamp` in ns, unlike any other case's. `rolled` (n, 2) are the waypoints of a kinematic
    prediction, `before` x, y, yaw (3,) half a second ago, NaN where unknown, `driven` (6, 2) the
    waypoints to be told. `pictures` are camera and file, None for a grey picture. `others` has
    the outlines to be avoided, (m, 5) at each waypoint, None where nobody annotated any;
    `middle_ahead` is m from the point to the middle of the ego's outline. `camera` is the first
    picture's, and `point_ahead` how far before base_link the point lies, m.
    """

    name: str
    scene: str
    stamp: int
    prompt: str
    rolled: FloatArray
    before: FloatArray
    driven: FloatArray
    pictures: tuple[tuple[str, Path | None], ...]
    others: tuple[FloatArray, ...] | None = None
    middle_ahead: float = MIDDLE_AHEAD
    camera: CameraModel | None = None
    point_ahead: float = LIDAR_TOP_AHEAD


@dataclass(frozen=True)
class Skipped:
    """Something that is no case, and why: `reason` in general, `detail` of this one."""

    reason: str
    detail: str


def scene_cases(root: Path, scenes: Sequence[Scene], dialect: Dialect) -> Iterator[Case | Skipped]:
    """
    Yield a case for each keyframe of some scenes, or why it is none.

    Only keyframes with six more behind them are cases, as in the published protocols. Raise
    NuscenesError for broken files of the CAN bus.
    """
    for scene in scenes:
        can = read_can_bus(root, scene.name)
        for index, keyframe in enumerate(scene.keyframes):
            detail = f'{scene.name}, sample {keyframe.token}'
            missing = [name for name in dialect.cameras if name not in keyframe.pictures]
            if index + STEPS >= len(scene.keyframes):
                yield Skipped(NO_FUTURE, detail)
            elif index + 1 < dialect.min_states:
                yield Skipped(NO_HISTORY, f'{detail}: dialect {dialect.name}')
            elif missing:
                yield Skipped('no picture in the tables', f'{detail}: {CHANNELS[missing[0]]}')
            else:
                yield _case(root, scene, index, can, dialect)


def _case(root: Path, scene: Scene, index: int, can: CanBus | None, dialect: Dialect) -> Case:
    now = scene.keyframes[index]
    first = max(0, index + 1 - dialect.max_states)
    history = scene.keyframes[first : index + 1]
    future = scene.keyframes[index + 1 : index + 1 + STEPS]
    here = _point(now, dialect)
    poses = np.array([here.pose_of(_point(each, dialect)) for each in history])
    before = _before(np.array([each.stamp for each in history]) * 1000, poses)
    told = [can.at(each.stamp) if can is not None else Signals() for each in history]
    states = [
        PromptState(float(x), float(y), s.vx, s.vy, s.ax, s.ay, s.steering)
        for (x, y, _), s in zip(poses, told, strict=True)
    ]
    rolled = rollout(dialect, told[-1], before)
    assert now.ego is not None and now.lidar is not None
    lidar_ahead = float(now.ego.pose_of(now.lidar)[0])
    ahead = lidar_ahead if dialect.reference_ahead else 0.0
    return Case(
        name=now.token,
        scene=scene.name,
        stamp=now.stamp * 1000,
        prompt=codec.encode_prompt(dialect, states, rolled[:2]),
        rolled=rolled,
        before=before,
        driven=np.array([here.pose_of(_point(each, dialect))[:2] for each in future]),
        pictures=tuple((name, root / now.pictures[name]) for name in dialect.cameras),
        others=tuple(_outlines(here, each) for each in future) if scene.annotated else None,
        middle_ahead=MIDDLE_AHEAD + lidar_ahead - ahead,
        camera=now.models.get(dialect.cameras[0]),
        point_ahead=ahead,
    )


def _point(keyframe: Keyframe, dialect: Dialect) -> Frame:
    """Return the frame that the dialect speaks of: LIDAR_TOP's, or the rear axle's."""
    frame = keyframe.lidar if dialect.reference_ahead else keyframe.ego
    assert frame is not None
    return frame


def _before(stamps: FloatArray, poses: FloatArray) -> FloatArray:
    """Return the pose (3,) half a second before the last of some poses (n, 3), else NaN."""
    if len(poses) < 2:
        return UNKNOWN
    turned = np.column_stack([poses[:, :2], np.unwrap(poses[:, 2])])
    at = int(stamps[-1]) - round(metrics.BASELINE_PAST * NANOSECONDS)
    return DrivenPath(stamps, turned).at([at])[0]


def _outlines(here: Frame, keyframe: Keyframe) -> FloatArray:
    rows = [(*here.pose_of(box.frame), box.length, box.width) for box in keyframe.boxes]
    return np.array(rows, float).reshape(len(rows), 5)


def rollout(dialect: Dialect, signals: Signals, before: FloatArray) -> FloatArray:
    """
    Return where constant turn rate and acceleration lead, (n, 2) at the dialect's point.

    Where nothing is measured the motion is that of the half second `before`; where that is not
    known either, nothing moves.
    """
    times = dialect.spacing * np.arange(1.0, max(dialect.waypoints, 2, STEPS) + 1.0)
    known = (signals.vx, signals.yaw_rate, signals.ax)
    if not _known(signals.vx) and np.isfinite(before).all():
        past = -before / metrics.BASELINE_PAST
        speed = math.copysign(math.hypot(past[0], past[1]), past[0])
        known = (speed, float(past[2]), 0.0)
    speed, yaw_rate, acceleration = (x if _known(x) else 0.0 for x in known)
    poses = motion.rollout(speed, yaw_rate, acceleration, times)
    return motion.point_ahead(poses, dialect.reference_ahead)


def _known(value: float) -> bool:
    """Tell whether a speed, turn rate or acceleration can be one of a car."""
    return abs(value) < MOST
