# SPDX-License-Identifier: Apache-2.0
"""`anchors.json`: what a replay planned at each anchor, for those who compare replays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.evaluation.replay import ReplayResult
from impromptu_vla_ros.evaluation.score import SPACING, Score, positions
from impromptu_vla_ros.evaluation.topics import BagError

FILE = 'anchors.json'
KIND = 'impromptu_vla_ros anchors 1'


@dataclass(frozen=True, eq=False)
class Anchor:
    """
    An instant with a plan, its picture taken at `capture` ns where the ego was at `pose`.

    `l2` (n,) m, `plan` and `driven` (n, 2) m in the frame of then, are of waypoints every 0.5 s;
    NaN where the plan or the recording ends.
    """

    stamp: int
    capture: int
    pose: Pose
    l2: FloatArray
    plan: FloatArray
    driven: FloatArray


@dataclass(frozen=True, eq=False)
class Anchors:
    """
    A replay at its anchors, by their stamps; `start` is the recording's first stamp.

    `drive` is the same for the same driven path only. `frames` tells of each frame that was asked
    about whether a plan came of it.
    """

    name: str
    model: str
    dialect: str
    start: int
    drive: str
    found: dict[int, Anchor]
    frames: dict[int, bool]
    why: str = ''


def anchors_of(name: str, model: str, result: ReplayResult, score: Score) -> Anchors:
    """Return a scored replay at its anchors."""
    grid = SPACING * np.arange(1, score.plan.rows.shape[1] + 1)
    path, reasons = result.path, result.reasons
    return Anchors(
        name=name,
        model=model,
        dialect=result.dialect.name,
        start=int(path.stamps[0]),
        drive=_mark(path.stamps, path.poses),
        found={
            stamp: Anchor(
                stamp=stamp,
                capture=capture,
                pose=path.pose(capture),
                l2=row,
                plan=positions(result.plans[capture], grid),
                driven=path.future(capture, grid),
            )
            for stamp, capture, row in zip(score.anchors, score.captures, score.plan.rows)
            if capture is not None
        },
        frames={stamp: stamp in result.plans for stamp in sorted(result.prompts)},
        why=max(reasons, key=lambda reason: reasons[reason], default=''),
    )


def write_anchors(path: Path, anchors: Anchors) -> None:
    """Write `anchors.json`, in µm and without NaN."""
    data = {
        'kind': KIND,
        **{name: getattr(anchors, name) for name in ('name', 'model', 'dialect', 'start')},
        **{'drive': anchors.drive, 'why': anchors.why},
        'frames': [[stamp, planned] for stamp, planned in anchors.frames.items()],
        'anchors': [
            {
                **{'stamp': one.stamp, 'capture': one.capture},
                'pose': [round(value, 9) for value in (one.pose.x, one.pose.y, one.pose.yaw)],
                **{name: _listed(getattr(one, name)) for name in ('l2', 'plan', 'driven')},
            }
            for one in anchors.found.values()
        ],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, allow_nan=False) + '\n', encoding='utf-8')
    except OSError as error:
        raise BagError(f'{path} cannot be written ({error.strerror})') from error


def read_anchors(path: Path) -> Anchors:
    """Return what `write_anchors` wrote; raise BagError for a file that holds something else."""
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        if data['kind'] != KIND:
            raise ValueError(f'of kind {data["kind"]!r}')
        return Anchors(
            name=str(data['name']),
            model=str(data['model']),
            dialect=str(data['dialect']),
            start=int(data['start']),
            drive=str(data['drive']),
            found={int(row['stamp']): _anchor(row) for row in data['anchors']},
            frames={int(stamp): bool(planned) for stamp, planned in data['frames']},
            why=str(data['why']),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BagError(
            f'{path} holds no anchors of a replay ({error}): replay the recording again'
        ) from error


def _anchor(row: dict[str, Any]) -> Anchor:
    x, y, yaw = map(float, row['pose'])
    l2 = np.array(row['l2'], float)
    plan, driven = (np.array(row[name], float).reshape(len(l2), 2) for name in ('plan', 'driven'))
    return Anchor(int(row['stamp']), int(row['capture']), Pose(x, y, yaw), l2, plan, driven)


def _listed(values: FloatArray) -> Any:
    """Return an array as lists of numbers, None for NaN."""
    if values.ndim > 1:
        return [_listed(row) for row in values]
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]


def _mark(stamps: FloatArray, poses: FloatArray) -> str:
    rounded = np.round(1e6 * poses).astype('<i8')
    return hashlib.sha256(
        np.asarray(stamps).astype('<i8').tobytes() + rounded.tobytes()
    ).hexdigest()[:16]
