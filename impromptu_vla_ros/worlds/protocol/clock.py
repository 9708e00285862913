# SPDX-License-Identifier: Apache-2.0
"""How a world goes on: by itself in real time, or a step at each tick."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Any

PERIOD = 0.05  # s between the steps of a world that goes by itself without a fixed step
LONGEST = 0.2  # s that such a world makes up for in one step when it is late

# CARLA's: no synchronous mode, rendering, no fixed step, and what only its engine knows.
DEFAULTS: tuple[Any, ...] = (
    *(False, False, [False]),
    *(True, 0.01, 10, 0.0, False, 3000.0, 2000.0, True),
)

_log = logging.getLogger(__name__)


class Clock:
    """Calls `step` with the seconds that go by; `speed` is that of the world's time."""

    def __init__(self, step: Callable[[float], None], speed: float) -> None:
        self._step = step
        self._speed = speed
        self._settings: tuple[Any, ...] = DEFAULTS
        self._changed = asyncio.Event()
        self._last = time.monotonic()

    @property
    def settings(self) -> tuple[Any, ...]:
        """Return the episode settings as the client sent them."""
        return self._settings

    @settings.setter
    def settings(self, settings: tuple[Any, ...]) -> None:
        synchronous, rendering, fixed = settings[:3]
        if fixed[0] and not (math.isfinite(fixed[1]) and 0.0 < fixed[1] <= 10.0):
            raise ValueError(f'fixed_delta_seconds {fixed[1]} is not in (0, 10]')
        self._settings = (bool(synchronous), bool(rendering), fixed, *settings[3:])
        self._changed.set()

    @property
    def synchronous(self) -> bool:
        """Return whether the world waits for ticks."""
        return bool(self._settings[0])

    @property
    def renders(self) -> bool:
        """Return whether cameras send pictures."""
        return not self._settings[1]

    @property
    def fixed(self) -> float | None:
        """Return the fixed step, s, or None where real time counts."""
        return float(self._settings[2][1]) if self._settings[2][0] else None

    def tick(self) -> None:
        """Let one step go by."""
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        self._step(self.fixed or min(max(elapsed * self._speed, 1e-3), LONGEST))

    async def run(self) -> None:
        """Go on for ever, as the settings say; a synchronous world stands until it is ticked."""
        due = time.monotonic()
        while True:
            if self.synchronous:
                self._changed.clear()
                await self._changed.wait()
                due = time.monotonic()
                continue
            due = max(due + (self.fixed or PERIOD) / self._speed, time.monotonic())
            # At least one turn for the connections, however late the world is.
            await asyncio.sleep(due - time.monotonic())
            if not self.synchronous:
                self._tick_safely()

    def _tick_safely(self) -> None:
        try:
            self.tick()
        except Exception:
            # The next step may do; a world that stands would hang every client.
            _log.exception('a step failed')
