# SPDX-License-Identifier: Apache-2.0
"""Recordings (rosbag2: mcap, sqlite3) as samples in the order they were received; no ROS."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from impromptu_vla_ros import messages
from impromptu_vla_ros.core import camera
from impromptu_vla_ros.core.buffer import Sample
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    CameraModel,
    FloatArray,
    InputError,
)
from impromptu_vla_ros.evaluation import topics
from impromptu_vla_ros.evaluation.topics import BagError, Topic

SUFFIXES = ('.mcap', '.db3')
SAMPLES = (*topics.CAMERAS, 'odometry', 'acceleration', 'steering', 'navigation_command')

# Stamps and receive times farther apart than this are of two clocks.
SAME_CLOCK = 0.5


@dataclass(frozen=True)
class Recorded:
    """One message as it lies in the recording: when it was received (ns), its part, its CDR."""

    time: int
    part: str
    msgtype: str
    raw: bytes


class Bag:
    """
    An open recording whose topics play parts: cameras, odometry and what else a plan needs.

    `path` is a rosbag2 folder, with or without its metadata.yaml, or one .mcap or .db3 file.
    `wanted` names topics by part; the others are found by type and name. Every problem is a
    BagError of one line. Use it in a `with` statement.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        wanted: Mapping[str, str] | None = None,
        base_frame: str = 'base_link',
    ) -> None:
        self.path = Path(path).expanduser()
        self.base_frame = base_frame
        self._offset: int | None = None
        files = _storage(self.path)
        with self._reading():
            store = get_typestore(Stores.ROS2_JAZZY)
            self._reader = AnyReader(files, default_typestore=store)
            self._reader.open()
        try:
            self.topics = _topics(self._reader)
            if not self.topics:
                raise BagError(f'{self.path} holds no messages')
            self.parts: Mapping[str, Topic] = topics.choose(self.topics, wanted or {})
        except BagError:
            self.close()
            raise

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        with suppress(Exception):
            self._reader.close()

    @property
    def about(self) -> Mapping[str, str]:
        """Return what the recording's metadata says of it in words: `custom_data`."""
        storage = getattr(self._reader.readers[0], 'storage', None)
        custom = getattr(getattr(storage, 'metadata', None), 'custom', None) or {}
        return {str(key): str(text) for key, text in custom.items()}

    def require(self, parts: Collection[str]) -> None:
        """Raise BagError, with the topics there are, if the recording lacks one of the parts."""
        for part in parts:
            if part not in self.parts:
                types = ' or '.join(topics.TYPES[part])
                raise BagError(
                    f'{self.path} has no {part} topic ({types}); it has: '
                    f'{topics.listing(self.topics)}; choose one with --topic {part}=NAME'
                )

    def count(self, parts: Collection[str]) -> int:
        """Return how many messages these parts have together."""
        return sum(self.parts[part].count for part in parts if part in self.parts)

    @property
    def span(self) -> tuple[int, int]:
        """Return when the first message was received, and a moment after the last one, ns."""
        return self._reader.start_time, self._reader.end_time

    def messages(
        self,
        parts: Collection[str] = SAMPLES,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[Recorded]:
        """Yield the messages of these parts as they were received, from `start` to `stop` ns."""
        part_of = {self.parts[part].name: part for part in parts if part in self.parts}
        connections = [c for c in self._reader.connections if c.topic in part_of]
        if not connections:
            return
        with self._reading():
            for connection, time, raw in self._reader.messages(connections, start, stop):
                yield Recorded(time, part_of[connection.topic], connection.msgtype, bytes(raw))

    def sample(self, recorded: Recorded) -> Sample:
        """Return the sample of a message; raise InputError for one that cannot be used."""
        message = self.message(recorded)
        if recorded.part in topics.CAMERAS:
            return messages.image_from_message(message, recorded.part)
        if recorded.part == 'odometry':
            return messages.odometry_from_message(message, self.base_frame)
        if recorded.part == 'acceleration':
            return messages.acceleration_from_message(message)
        if recorded.part == 'navigation_command':
            arrival = recorded.time - self.clock_offset()
            return messages.navigation_command_from_message(message, arrival)
        return messages.steering_from_message(message)

    def clock_offset(self) -> int:
        """
        Return the ns that the receive times are ahead of the stamps' clock, 0 where they share it.

        A recording made from another (a data set converted, a bag played again without
        /clock) has receive times of another day; ages would mean nothing.
        """
        if self._offset is None:
            self._offset = self._found_offset()
        return self._offset

    def _found_offset(self) -> int:
        for recorded in self.messages(['odometry']):
            with suppress(InputError):
                offset = recorded.time - self.sample(recorded).stamp
                return offset if abs(offset) > SAME_CLOCK * NANOSECONDS else 0
        return 0

    def pictures(self, part: str, stamps: Collection[int]) -> Iterator[CameraImage]:
        """Yield the pictures of a camera that were taken at these stamps, each once."""
        wanted = set(stamps)
        for recorded in self.messages([part]):
            with suppress(InputError):
                image = self.sample(recorded)
                if isinstance(image, CameraImage) and image.stamp in wanted:
                    wanted.remove(image.stamp)
                    yield image

    def camera(self, assumed_height: float) -> tuple[CameraModel, str] | None:
        """
        Return the front camera and where its pose is from; None without a calibration.

        Without a static transform it is taken to sit `assumed_height` m over base_link.
        """
        info, picture = (next(self.messages([part]), None) for part in ('camera_info', 'front'))
        if info is None or picture is None:
            return None
        try:
            matrix, width, height = messages.camera_matrix_from_message(self.message(info))
        except InputError:
            return None
        frame = self.message(picture).header.frame_id
        found = self.static_transform(frame)
        if found is not None:
            return CameraModel(matrix, *found, width, height), 'pose from /tf_static'
        position = [0.0, 0.0, assumed_height]
        model = camera.mounted(matrix, width, height, position, [0.0, 0.0, 0.0])
        return model, f'assumed {assumed_height:g} m above base_link, looking straight ahead'

    def static_transform(self, frame: str) -> tuple[FloatArray, FloatArray] | None:
        """Return rotation and translation that take `frame` to the base frame, None if unknown."""
        return camera.static_transform(self._edges(), self.base_frame, frame)

    def _edges(self) -> dict[str, Any]:
        edges: dict[str, Any] = {}
        for recorded in self.messages(['tf_static']):
            edges.update(messages.transforms_from_message(self.message(recorded)))
        return edges

    def message(self, recorded: Recorded) -> Any:
        """Return the message itself; raise InputError for one that cannot be read."""
        try:
            return self._reader.deserialize(recorded.raw, recorded.msgtype)
        except Exception as error:  # rosbags lets struct's, numpy's and unicode's errors through
            raise InputError(f'{recorded.part} message cannot be read ({error})') from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn whatever a broken file makes the reader raise into one BagError."""
        try:
            yield
        except BagError:
            raise
        except Exception as error:
            what = ' '.join(str(error).split()) or type(error).__name__
            raise BagError(
                f'{self.path} cannot be read ({what}): truncated, corrupt or no rosbag2'
            ) from error


def _storage(path: Path) -> list[Path]:
    """Return what to open: the folder where it has metadata, else the storage files in it."""
    if path.name == 'metadata.yaml':
        path = path.parent
    if not path.exists():
        raise BagError(f'{path} does not exist')
    if path.is_file() and path.suffix not in SUFFIXES:
        raise BagError(
            f'{path} is no rosbag2 storage: give a bag folder, a .mcap or a .db3 file '
            '(a ROS 1 .bag: convert it with rosbags-convert)'
        )
    if path.is_file() or (path / 'metadata.yaml').exists():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise BagError(f'{path} is no rosbag2: neither metadata.yaml nor .mcap nor .db3 in it')
    return files


def _topics(reader: AnyReader) -> Sequence[Topic]:
    counts: dict[tuple[str, str], int] = {}
    for connection in reader.connections:
        key = (connection.topic, connection.msgtype)
        counts[key] = counts.get(key, 0) + connection.msgcount
    return [Topic(name, msgtype, count) for (name, msgtype), count in counts.items() if count]
