# SPDX-License-Identifier: Apache-2.0
"""What `impromptu-vla ask` asks about: picture files, recordings, and data sets of questions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from impromptu_vla_ros.core.asking import Situation, task_of
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    InputError,
    NotReady,
    Query,
)
from impromptu_vla_ros.evaluation.bag import SAMPLES, Bag
from impromptu_vla_ros.evaluation.prompts import RecordError, rows_of
from impromptu_vla_ros.evaluation.topics import CAMERAS

PICTURES = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png'}
DATASETS = ('.json', '.jsonl')


@dataclass(frozen=True, eq=False)
class Moment:
    """
    What can be asked about at one time: pictures by camera and what is known beside them.

    `seconds` are since the first picture; `planning` is the question of q7, None without history.
    """

    seconds: float
    images: Mapping[str, CameraImage]
    situation: Situation
    planning: Query | None = None

    @property
    def stamp(self) -> int:
        """Return when the first picture was taken, ns; 0 where nobody knows."""
        return next(iter(self.images.values())).stamp


def moments(
    bag: Bag, planner: Planner, given: Situation, times: Iterator[float]
) -> Iterator[Moment]:
    """
    Yield what can be asked about first at or after each of `times`, s since the first picture.

    What the recording tells of speed and navigation command is taken where `given` says nothing.
    """
    cameras = planner.dialect.cameras
    bag.require([*cameras, 'odometry'])
    parts = [part for part in SAMPLES if part not in CAMERAS or part in cameras]
    first, due, offset = None, next(times, None), bag.clock_offset()
    for recorded in bag.messages(parts):
        with suppress(InputError):
            sample = bag.sample(recorded)
            planner.observe(sample)
            if first is None and isinstance(sample, CameraImage):
                first = sample.stamp
        seen = planner.buffer.take(recorded.time - offset)
        if due is None or first is None or isinstance(seen, NotReady):
            continue
        seconds = (seen.stamp - first) / NANOSECONDS
        if seconds < due:
            continue
        speed = given.speed if math.isfinite(given.speed) else seen.states[-1].vx
        situation = replace(
            given, cameras=cameras, speed=speed, command=given.command or seen.command
        )
        images = dict(zip(cameras, seen.images, strict=True))
        yield Moment(seconds, images, situation, planner.ask_about(seen))
        due = next((time for time in times if time > seconds), None)


def pictured(files: Mapping[str, Path], given: Situation) -> Moment:
    """Return the moment that picture files show; raise InputError for one that is not there."""
    images = {camera: read_picture(camera, file) for camera, file in files.items()}
    return Moment(0.0, images, replace(given, cameras=tuple(images)))


@dataclass(frozen=True)
class Recorded:
    """One question of a data set: its name, its task ('' if of another kind), text, pictures."""

    name: str
    task: str
    prompt: str
    pictures: tuple[Path, ...]


def recorded(path: Path, folder: Path) -> Iterator[Recorded]:
    """
    Yield the questions of a data set of LLaMA-Factory's, as `train` reads it.

    Its pictures' paths begin in `folder`. Raise RecordError for another file.
    """
    try:
        for number, row in enumerate(rows_of(path.read_text(encoding='utf-8'))):
            said = {turn['role']: turn['content'] for turn in row['messages']}
            pictures = tuple(folder / each for each in row.get('images', []))
            yield Recorded(
                str(row.get('id', number)), task_of(said['user']), said['user'], pictures
            )
    except OSError as error:
        raise RecordError(f'cannot read {path}: {error.strerror}') from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f'{path} holds no questions ({error!r}): give a JSON or JSONL file of images and '
            'messages with role and content'
        ) from error


def read_picture(camera: str, file: Path) -> CameraImage:
    """Return a picture of a file, encoded as it is; raise InputError for one that is not there."""
    encoding = PICTURES.get(file.suffix.lower())
    if encoding is None:
        raise InputError(f'{file} is no picture: give {", ".join(PICTURES)}')
    try:
        return CameraImage(camera, 0, encoding, file.read_bytes())
    except OSError as error:
        raise InputError(f'{file} cannot be read ({error.strerror})') from error
