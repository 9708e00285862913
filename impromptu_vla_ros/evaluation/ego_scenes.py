# SPDX-License-Identifier: Apache-2.0
"""
Ego motion without pictures, scene by scene: what a model makes of the history alone.

A scene is a CSV of `t_s` (s) and poses in m and rad: `x_s,y_s,yaw_s` where they were smoothed,
else `x_m,y_m,yaw_rad`. Along it a grey picture is shown every half second. The baselines see the
same poses.
"""

from __future__ import annotations

import csv
import json
from argparse import Namespace
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.structs import NANOSECONDS, CameraImage, FloatArray, Odometry, Pose
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.bag import Sample
from impromptu_vla_ros.evaluation.replay import replay
from impromptu_vla_ros.evaluation.run import model_options
from impromptu_vla_ros.evaluation.score import Distances, Score, score
from impromptu_vla_ros.evaluation.summary import PROTOCOLS, Summary, means, summarize, table
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models import create_model

# A scene begins here, since a stamp of 0 means none.
START = NANOSECONDS
SPACING = 0.5
# Pictures as wide as most cameras', of no colour at all.
WIDTH, HEIGHT, GREY = 640, 360, 128
POSES = (('x_s', 'y_s', 'yaw_s'), ('x_m', 'y_m', 'yaw_rad'))


@dataclass(frozen=True)
class Arrived:
    """A sample when it arrives, `time` in ns."""

    time: int
    sample: Sample


class EgoScene:
    """A recording of the ego's poses and of grey pictures from some cameras."""

    def __init__(self, path: Path, cameras: Sequence[str]) -> None:
        self.path = path
        self._cameras = cameras
        self._odometry = _odometry(path)

    def require(self, parts: Collection[str]) -> None:
        """Have everything."""

    def clock_offset(self) -> int:
        """Return 0: samples arrive at their stamps."""
        return 0

    def messages(self, parts: Collection[str]) -> Iterator[Arrived]:
        """Yield poses, and pictures of the half seconds between them."""
        pictured = START
        for odometry in self._odometry:
            while pictured <= odometry.stamp:
                for camera in self._cameras:
                    yield Arrived(pictured, grey(camera, pictured))
                pictured += round(SPACING * NANOSECONDS)
            yield Arrived(odometry.stamp, odometry)

    def sample(self, recorded: Arrived) -> Sample:
        """Return what arrived."""
        return recorded.sample


def grey(camera: str, stamp: int) -> CameraImage:
    """Return a picture that shows nothing."""
    pixels = np.full(3 * WIDTH * HEIGHT, GREY, np.uint8)
    return CameraImage(camera, stamp, 'rgb8', pixels, HEIGHT, WIDTH, 3 * WIDTH)


def _odometry(path: Path) -> list[Odometry]:
    """Return poses and velocities, the latter as the slope of the poses around."""
    times, poses = _poses(path)
    yaws = np.unwrap(poses[:, 2])
    dx, dy, yaw_rates = (np.gradient(each, times) for each in (*poses[:, :2].T, yaws))
    c, s = np.cos(yaws), np.sin(yaws)
    moves = np.column_stack([c * dx + s * dy, c * dy - s * dx, yaw_rates])
    return [
        Odometry(START + round(time * NANOSECONDS), Pose(*pose), *move)
        for time, pose, move in zip(times.tolist(), poses.tolist(), moves.tolist(), strict=True)
    ]


def _poses(path: Path) -> tuple[FloatArray, FloatArray]:
    """Return the times (n,) in s and the poses (n, 3) of a scene."""
    try:
        with path.open(encoding='utf-8', newline='') as file:
            rows = list(csv.DictReader(file))
        names = next(names for names in POSES if set(names) <= set(rows[0]))
        values = np.array([[float(row[name]) for name in ('t_s', *names)] for row in rows])
        if len(values) < 2 or not (
            np.isfinite(values).all() and (np.diff(values[:, 0]) > 0).all()
        ):
            raise ValueError('it takes two rows of numbers, and times that ascend')
        return values[:, 0], values[:, 1:]
    except (OSError, LookupError, StopIteration, TypeError, ValueError) as error:
        wanted = ' or '.join(','.join(names) for names in POSES)
        raise BagError(f'{path} is no scene, a CSV of t_s and {wanted}: {error!r}') from error


def pooled(scores: Sequence[Score]) -> Score:
    """Return one score over the anchors of all."""

    def together(name: str) -> Distances:
        return Distances(np.vstack([getattr(one, name).rows for one in scores]))

    return Score(
        anchors=tuple(anchor for one in scores for anchor in one.anchors),
        captures=tuple(capture for one in scores for capture in one.captures),
        seconds=scores[0].seconds,
        plan=together('plan'),
        constant_velocity=together('constant_velocity'),
        constant_turn_rate=together('constant_turn_rate'),
    )


def evaluate(
    folder: Path, model_name: str, options: dict[str, str], dialect: Dialect, wheelbase: float
) -> Summary:
    """Return the scores over all scenes of a folder, and each one's; raise BagError if none is."""
    paths = sorted(folder.glob('*.csv'))
    if not paths:
        raise BagError(f'{folder} has no scenes: ego motion as .csv')
    model = create_model(model_name, **options)
    scenes: list[tuple[Summary, Score]] = []
    for path in tqdm(paths, desc=folder.name, unit=' scenes', disable=None):
        planner = Planner(dialect, Vehicle(wheelbase))
        result = replay(EgoScene(path, dialect.cameras), planner, model)
        scored = score(result.path, result.plans, dialect.horizon)
        scenes.append((summarize(path.stem, model_name, result, scored), scored))
    whole = pooled([scored for _, scored in scenes])
    planned = sum(whole.answered)
    counted: dict[str, Any] = {
        'frames': {
            name: sum(one['frames'][name] for one, _ in scenes) for name in ('seen', 'planned')
        },
        'anchors': {'all': len(whole.anchors), 'planned': planned, 'coverage': whole.coverage},
        'counts': {},
        'unasked': {},
    }
    return {
        **{'name': folder.name, 'mode': 'grey pictures', 'model': model_name},
        **{'dialect': dialect.name, 'fingerprint': dialect.fingerprint},
        **counted,
        **{protocol: means(whole, protocol) for protocol in PROTOCOLS},
        'scenes': [summary for summary, _ in scenes],
    }


def run(arguments: Namespace) -> int:
    """Evaluate as the command line says, and write `summary.json`; return 0."""
    folder, options = Path(arguments.bag), model_options(arguments)
    checkpoint, subfolder = (options.get(name, '') for name in ('checkpoint', 'subfolder'))
    dialect = load_dialect(arguments.dialect, checkpoint, subfolder, 1, arguments.model)
    summary = evaluate(folder, arguments.model, options, dialect, arguments.wheelbase)
    out = Path(arguments.out or Path('out') / 'replay' / folder.name)
    path = Path(arguments.json) if arguments.json else out / 'summary.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=2, allow_nan=False) + '\n', encoding='utf-8')
    print(f'{table(summary)}\nJSON: {path}')
    return 0
