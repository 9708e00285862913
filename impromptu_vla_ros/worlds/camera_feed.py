# SPDX-License-Identifier: Apache-2.0
"""The pictures of one camera as CARLA's client delivers them, from a thread of its own."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Any

from impromptu_vla_ros.core.structs import NANOSECONDS, CameraImage
from impromptu_vla_ros.worlds.rigs import Mount

KEPT = 8  # pictures of one camera that nobody has taken yet


class Feed:
    """
    A listening camera of a rig.

    `arrived` is shared by all feeds of a rig and notified at each picture. `newest` is the time
    of its newest picture, s, None before the first; `silent` whether one did not come in time.
    """

    def __init__(self, mount: Mount, sensor: Any, arrived: Condition) -> None:
        self.mount = mount
        self.sensor = sensor
        self.silent = False
        self.newest: float | None = None
        self._arrived = arrived
        self._pictures: deque[Any] = deque(maxlen=KEPT)
        sensor.listen(self._on_picture)

    def _on_picture(self, picture: Any) -> None:
        with self._arrived:
            self._pictures.append(picture)
            self.newest = picture.timestamp
            self.silent = False
            self._arrived.notify_all()

    def has(self, frame: int) -> bool:
        """Return whether the picture of a frame is here, or a later one."""
        return any(picture.frame >= frame for picture in self._pictures)

    def due(self, time: float, period: float, step: float) -> bool:
        """Return whether a picture of that time (s) is to be expected."""
        return self.newest is None or time - self.newest > period - 0.5 * step

    def take(self, frame: int | None) -> list[CameraImage]:
        """Return the pictures up to a frame that nobody took; older ones than it are dropped."""
        with self._arrived:
            taken = list(self._pictures)
            self._pictures.clear()
            if frame is not None:
                self._pictures.extend(one for one in taken if one.frame > frame)
                taken = [one for one in taken if one.frame == frame]
        return [picture_of(self.mount, one) for one in taken]

    def stop(self) -> None:
        """Listen no more."""
        if self.sensor.is_listening:
            self.sensor.stop()


def picture_of(mount: Mount, picture: Any) -> CameraImage:
    """Return a carla.Image; its bytes are copied, for its memory ends with it."""
    return CameraImage(
        camera=mount.name,
        stamp=stamp_of(picture.timestamp),
        encoding='bgra8',
        data=bytes(picture.raw_data),
        height=picture.height,
        width=picture.width,
        step=4 * picture.width,
        frame_id=optical_frame(mount.name),
    )


def optical_frame(camera: str) -> str:
    """Return the name of a camera's optical frame."""
    return f'{camera}_optical_frame'


def stamp_of(seconds: float) -> int:
    """Return simulated seconds in ns; the server adds up steps, so that they are off by less."""
    return round(seconds * 1e6) * (NANOSECONDS // 1_000_000)
