# SPDX-License-Identifier: Apache-2.0
"""
What a simulator asked, as a file: one JSON object a line, the requests without their pictures.

`reset` stands for a new run. Instead of a picture its `[width, height]` is kept, in the order of
the cameras: what a prompt is compared by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import CameraImage, InputError
from impromptu_vla_ros.evaluation.ncap.http_server import LOG, Answering
from impromptu_vla_ros.evaluation.ncap.request import CAMERAS, Request, read_request
from impromptu_vla_ros.evaluation.ncap.run import Reply
from impromptu_vla_ros.evaluation.topics import BagError

RESET = 'reset'


@dataclass(frozen=True, eq=False)
class Sized(Request):
    """A request out of a file: its pictures have their sizes, and show nothing."""

    def picture(self, camera: str) -> CameraImage:
        """Return a black picture of the size that the camera's had."""
        name = CAMERAS[camera]
        size = self.pictures.get(name)
        if isinstance(size, list) and len(size) == 2 and all(s in range(1, 8193) for s in size):
            width, height = size
            black = np.zeros(3 * width * height, np.uint8)
            stamp = 1000 * self.timestamp
            return CameraImage(camera, stamp, 'rgb8', black, height, width, 3 * width, name)
        raise InputError(f'images has no size of {name}')


class Recorded:
    """Begin runs that write down what they are asked."""

    def __init__(self, begin: Callable[[], Answering], path: Path) -> None:
        self._begin, self._path = begin, path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('')
        except OSError as error:
            raise BagError(f'{path} cannot be written ({error.strerror})') from error

    def __call__(self) -> Answering:
        """Return a run."""
        try:
            append(self._path, RESET)
        except OSError as error:
            LOG.warning('%s lacks the end of a run (%s)', self._path, error.strerror)
        return _RecordedRun(self._begin(), self._path)


class _RecordedRun:
    """A run that writes down what it is asked."""

    def __init__(self, run: Answering, path: Path) -> None:
        self._run, self._path = run, path

    def infer(self, request: Request) -> Reply:
        """Write the request down, and return the answer to it."""
        try:
            append(self._path, without_pictures(request))
        except OSError as error:  # A full disk must not end the simulator's run.
            LOG.warning('%s lacks a request (%s)', self._path, error.strerror)
        return self._run.infer(request)


def without_pictures(request: Request) -> dict[str, Any]:
    """Return a request as JSON, with the sizes of the pictures that can be read."""
    sizes = {}
    for camera, name in CAMERAS.items():
        try:
            image = request.picture(camera)
        except InputError:
            continue
        sizes[name] = [image.width, image.height]
    return {
        'images': sizes,
        'ego2world': request.ego2world.tolist(),
        'canbus': request.canbus.tolist(),
        'timestamp': request.timestamp,
        'command': request.command,
        'calibration': {'lidar2ego': request.lidar2ego.tolist()},
    }


def append(path: Path, said: Any) -> None:
    """Write one line more."""
    with path.open('a', encoding='utf-8') as file:
        file.write(json.dumps(said) + '\n')


def read_exchange(path: Path) -> Iterator[Sequence[Request]]:
    """Yield the requests of each run; raise BagError for a file that cannot be."""
    requests: list[Request] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BagError(f'{path} cannot be read ({error.strerror})') from error
    for number, line in enumerate(lines, start=1):
        if line.strip() == json.dumps(RESET).encode():
            if requests:
                yield requests
            requests = []
        elif line.strip():
            try:
                requests.append(_sized(line))
            except InputError as error:
                raise BagError(f'{path}, line {number}: {error}') from error
    if requests:
        yield requests


def as_recorded(requests: Iterable[dict[str, Any]]) -> list[Request]:
    """Return requests given as JSON objects with sizes in the pictures' place."""
    return [_sized(json.dumps(each).encode()) for each in requests]


def _sized(line: bytes) -> Request:
    return Sized(**vars(read_request(line)))
