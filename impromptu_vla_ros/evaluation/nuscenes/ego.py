# SPDX-License-Identifier: Apache-2.0
"""Cases from ego motion alone: the scenes of `replay --ego-scenes`, with grey pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from impromptu_vla_ros.core import codec, metrics, motion
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Odometry, Pose
from impromptu_vla_ros.evaluation.ego_scenes import EgoScene
from impromptu_vla_ros.evaluation.nuscenes.can_bus import Signals
from impromptu_vla_ros.evaluation.nuscenes.cases import STEPS, Case, Skipped, rollout

# Scenes all begin at the same stamp: apart by this, s, no two of their cases have the same.
APART = 100_000


def ego_cases(folder: Path, dialect: Dialect) -> Iterator[Case | Skipped]:
    """
    Yield the cases of all scenes of a folder, at the anchors of `replay`.

    Prompts say positions only, the trained fallback, as nothing was measured. Raise BagError for
    a file that is no scene.
    """
    for number, path in enumerate(sorted(folder.glob('*.csv'))):
        scene = EgoScene(path, ())
        samples = [scene.sample(each) for each in scene.messages(())]
        driven = DrivenPath.of(each for each in samples if isinstance(each, Odometry))
        for anchor in metrics.anchors(driven):
            yield _case(path.stem, number * APART * NANOSECONDS, driven, anchor, dialect)


def _case(
    scene: str, shift: int, path: DrivenPath, anchor: int, dialect: Dialect
) -> Case | Skipped:
    steps = round(dialect.spacing * NANOSECONDS)
    most = min(dialect.max_states, 1 + (anchor - int(path.stamps[0])) // steps)
    if most < dialect.min_states:
        return Skipped('less history than the dialect takes', f'{scene}: {most} states')
    points = _seen(path, anchor, dialect, np.arange(1 - most, STEPS + 1))
    history, driven = points[:most], points[most:, :2]
    before = _seen(path, anchor, dialect, np.array([-metrics.BASELINE_PAST / dialect.spacing]))[0]
    rolled = rollout(dialect, Signals(), before)
    states = [PromptState(float(x), float(y)) for x, y, _ in history]
    return Case(
        name=f'{scene}@{(anchor - int(path.stamps[0])) / NANOSECONDS:.1f}',
        scene=scene,
        stamp=shift + anchor,
        prompt=codec.encode_prompt(dialect, states, rolled[:2]),
        rolled=rolled,
        before=before,
        driven=driven,
        pictures=tuple((camera, None) for camera in dialect.cameras),
        point_ahead=dialect.reference_ahead,
    )


def _seen(path: DrivenPath, anchor: int, dialect: Dialect, steps: FloatArray) -> FloatArray:
    """Return the poses (n, 3) of the dialect's point so many steps later, from its frame now."""
    offsets = np.round(steps * dialect.spacing * NANOSECONDS).astype(np.int64)
    poses, now = path.at(anchor + offsets), path.pose(anchor)
    xy = motion.to_frame(Pose(now.x, now.y, now.yaw), poses[:, :2])
    relative = np.column_stack([xy, poses[:, 2] - now.yaw])
    return np.column_stack([motion.point_ahead(relative, dialect.reference_ahead), relative[:, 2]])
