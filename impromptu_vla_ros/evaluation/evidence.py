# SPDX-License-Identifier: Apache-2.0
"""What the doctor saw of each input, alike from a recording and from a running graph."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.structs import Acceleration, InputError, Odometry, Steering
from impromptu_vla_ros.evaluation.topics import CAMERAS, TYPES, Topic

RAW = 'sensor_msgs/msg/Image'
INFO = '/camera_info'
# What is looked at; each camera's calibration is the part `front/camera_info` and so on.
PARTS = (*CAMERAS, 'odometry', 'acceleration', 'steering', *(name + INFO for name in CAMERAS))


@dataclass
class Stream:
    """
    One input: stamps and receive times (ns) message by message, and what its headers say.

    `size` (width, height) and `bytes` (the largest message) are of pictures; of calibrations,
    `size` is the one they are for. `refused` counts the reasons why messages cannot be used.
    """

    topic: Topic
    stamps: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    frames: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    size: tuple[int, int] = (0, 0)
    bytes: int = 0

    @property
    def seconds(self) -> float:
        """Return the time from the first to the last message received."""
        return (max(self.received) - min(self.received)) / 1e9 if self.received else 0.0

    @property
    def rate(self) -> float:
        """
        Return messages per second of the stamps' clock, 0 for fewer than two.

        Where the stamps are not in order the receive times tell; those of a slow simulator
        would not.
        """
        in_order = all(one < two for one, two in pairwise(self.stamps))
        seconds = (self.stamps[-1] - self.stamps[0]) / 1e9 if in_order and self.stamps else 0.0
        seconds = seconds or self.seconds
        return (len(self.received) - 1) / seconds if seconds > 0.0 else 0.0


@dataclass
class Evidence:
    """
    All that was seen: the inputs by part, the usable ego samples, and how long was looked.

    `live` tells a running graph (receive times are now) from a recording. `clock_step` (s) is
    how coarse its clock is.
    """

    streams: dict[str, Stream]
    live: bool
    base_frame: str = 'base_link'
    clock_step: float = 0.0
    odometry: list[Odometry] = field(default_factory=list)
    acceleration: list[Acceleration] = field(default_factory=list)
    steering: list[Steering] = field(default_factory=list)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Return the cameras that sent pictures."""
        return tuple(name for name in CAMERAS if name in self.streams)

    def add(self, part: str, received: int, message: Any, size: int) -> None:
        """Take one message of a part, `size` bytes long, received at that time in ns."""
        stream = self.streams[part]
        stream.stamps.append(messages.nanoseconds(message.header.stamp))
        stream.received.append(received)
        stream.frames[message.header.frame_id] += 1
        stream.bytes = max(stream.bytes, size)
        try:
            self._read(part, stream, message)
        except InputError as error:
            stream.refused[str(error)] += 1

    def _read(self, part: str, stream: Stream, message: Any) -> None:
        if part == 'odometry':
            self.odometry.append(messages.odometry_from_message(message, self.base_frame))
        elif part == 'acceleration':
            self.acceleration.append(messages.acceleration_from_message(message))
        elif part == 'steering':
            self.steering.append(messages.steering_from_message(message))
        elif part.endswith(INFO):
            _, width, height = messages.camera_matrix_from_message(message)
            stream.size = (width, height)
        elif stream.topic.msgtype == RAW:
            stream.size = (int(message.width), int(message.height))
        elif stream.size == (0, 0):
            stream.size = _decoded_size(messages.image_from_message(message, part).data)


def _decoded_size(data: Any) -> tuple[int, int]:
    """Return width and height that the picture's first bytes tell; nothing is decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except Exception as error:  # Pillow raises what its decoders raise
        raise InputError(f'the picture cannot be read ({error}): is it cut off?') from error


def with_camera_infos(
    parts: Mapping[str, Topic], topics: Sequence[Topic], wanted: Mapping[str, str]
) -> dict[str, Topic]:
    """Return the parts to look at: those chosen, and the calibration beside each camera."""
    chosen = {part: topic for part, topic in parts.items() if part in PARTS}
    infos = {t.name: t for t in topics if t.msgtype in TYPES['camera_info']}
    for camera in CAMERAS:
        if camera not in chosen:
            continue
        folder = chosen[camera].name.removesuffix('/compressed').rpartition('/')[0]
        beside = infos.get(f'{folder}/camera_info')
        if camera == 'front' and 'camera_info' in wanted:
            beside = infos.get(wanted['camera_info'], beside)
        if beside is not None:
            chosen[camera + INFO] = beside
    # A rig with one camera may keep its calibration elsewhere.
    if 'camera_info' in parts and not any(part.endswith(INFO) for part in chosen):
        with suppress(KeyError):
            chosen['front' + INFO] = infos[parts['camera_info'].name]
    return chosen
