# SPDX-License-Identifier: Apache-2.0
"""The frames of a CARLA world that another client ticks, as they come."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from threading import Condition
from typing import Any

from impromptu_vla_ros.worlds.camera_feed import stamp_of

KEPT = 400  # frames: 20 s of 20 Hz


class Frames:
    """Collect a world's snapshots, from the client's own thread."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._came = Condition()
        self._kept: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._new: list[tuple[int, Any]] = []
        self._number = world.on_tick(self._on_tick)

    def close(self) -> None:
        """Listen no more."""
        with suppress(RuntimeError):
            self._world.remove_on_tick(self._number)

    def take(self, timeout: float) -> list[tuple[int, Any]]:
        """Return stamps (ns) and snapshots that came since the last call, waiting for one."""
        with self._came:
            self._came.wait_for(lambda: bool(self._new), timeout)
            taken, self._new = self._new, []
            return taken

    def at(self, stamp: int, timeout: float) -> Any:
        """Return the snapshot of a stamp (ns), or the first after it; None if none comes."""
        with self._came:
            self._came.wait_for(lambda: self._kept and self._kept[-1][0] >= stamp, timeout)
            return next((one for at, one in self._kept if at >= stamp), None)

    def _on_tick(self, snapshot: Any) -> None:
        with self._came:
            one = stamp_of(snapshot.timestamp.elapsed_seconds), snapshot
            self._kept.append(one)
            self._new = [*self._new[-KEPT:], one]
            self._came.notify_all()
