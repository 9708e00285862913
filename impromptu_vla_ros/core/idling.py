# SPDX-License-Identifier: Apache-2.0
"""How long who is free now will stay so, by how long it was before: room for other work."""

from __future__ import annotations

import math
from collections import deque

# So many pauses are looked at.
PAUSES = 10
# Who is free for so long, and longer than ever, s, is not about to work.
STILL = 2.0


class Idling:
    """Foresee the pauses of one who works again and again; times are of one clock, in s."""

    def __init__(self, now: float) -> None:
        self._free_since: float | None = now
        self._pauses: deque[float] = deque(maxlen=PAUSES)

    def works(self, now: float) -> None:
        """Note that work began."""
        if self._free_since is not None:
            self._pauses.append(now - self._free_since)
        self._free_since = None

    def rests(self, now: float) -> None:
        """Note that work ended."""
        self._free_since = now

    def left(self, now: float) -> float:
        """Return the seconds for which it will be free yet: what the shortest pause promises."""
        if self._free_since is None:
            return 0.0
        rested = now - self._free_since
        if rested > max(STILL, *self._pauses, 0.0):
            return math.inf
        return max(0.0, min(self._pauses, default=0.0) - rested)
