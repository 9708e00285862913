# SPDX-License-Identifier: Apache-2.0
"""Plans that disagree with something, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass

from impromptu_vla_ros.core.structs import NANOSECONDS


@dataclass(frozen=True)
class Disagreement:
    """
    One plan, of `stamp`, beyond one limit: `value` is the most, `limit` what is allowed.

    `measure` is lateral, longitudinal, speed or stop; `against` is driven or reference.
    """

    stamp: int
    against: str
    measure: str
    value: float
    limit: float
    text: str


@dataclass(frozen=True)
class Event:
    """Disagreements that belong together; `worst` has one of each source and measure."""

    stamp: int
    worst: tuple[Disagreement, ...]
    count: int = 1

    def having(self, new: Disagreement) -> Event:
        """Return the event with one more disagreement."""
        by_kind = {(each.against, each.measure): each for each in self.worst}
        before = by_kind.get((new.against, new.measure))
        if before is None or new.value > before.value:
            by_kind[(new.against, new.measure)] = new
        return Event(self.stamp, tuple(by_kind.values()), self.count + 1)


class Events:
    """
    Join disagreements that lie less than 2 · `around` s from the first of their event.

    An event is due `settled` s or more after its stamp, when all of it can be known, and not
    before its `around` s have passed.
    """

    def __init__(self, around: float, settled: float) -> None:
        self.count = 0
        self._length = round(2.0 * around * NANOSECONDS)
        self._wait = round(max(around, settled) * NANOSECONDS)
        self._open: list[Event] = []
        self._done: int | None = None

    def add(self, new: Disagreement) -> None:
        """Take one disagreement; one near an event that was handed out already is part of it."""
        for index, event in enumerate(self._open):
            if abs(new.stamp - event.stamp) < self._length:
                self._open[index] = event.having(new)
                return
        if self._done is None or abs(new.stamp - self._done) >= self._length:
            self.count += 1
            self._open.append(Event(new.stamp, (new,)))

    def next_due(self, now: int) -> Event | None:
        """Hand out the first event that is due at `now` (ns, the clock of the stamps)."""
        if not self._open or now < self._open[0].stamp + self._wait:
            return None
        event = self._open.pop(0)
        self._done = event.stamp
        return event

    def rest(self) -> list[Event]:
        """Hand out what is not due yet."""
        rest, self._open = self._open, []
        return rest

    def clear(self) -> None:
        """Forget what is not handed out, as after a jump of the clock."""
        self._open.clear()
        self._done = None
