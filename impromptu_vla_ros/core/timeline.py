# SPDX-License-Identifier: Apache-2.0
"""Stamped samples in order: what every buffer needs of late, repeated and lost messages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator
from statistics import median
from typing import Generic, Protocol, TypeVar

from impromptu_vla_ros.core.structs import NANOSECONDS, InputError


class Stamped(Protocol):
    """Anything with a stamp in ns."""

    @property
    def stamp(self) -> int: ...


Sample = TypeVar('Sample', bound=Stamped)

# Samples this near a stamp (ns) are of that stamp: recorders round, and 10 µs at 50 m/s are
# half a millimetre.
SNAP = 10_000
# A message this far behind the newest is not out of order: it is lost, or the clock jumped.
CLOCK_JUMP = 1.0


class Timeline(Generic[Sample]):
    """
    Keep the newest samples of one input, ordered by stamp, bounded in time and number.

    `counts` says how many were received, duplicate, late, lost (gaps in a regular stream) and
    how often the clock jumped back.
    """

    def __init__(self, name: str, span: float, limit: int) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self._span = round(span * NANOSECONDS)
        self._limit = limit
        self._samples: list[Sample] = []
        self._periods: deque[int] = deque(maxlen=50)
        self._last_late: int | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)

    @property
    def newest(self) -> Sample | None:
        """Return the sample of the highest stamp."""
        return self._samples[-1] if self._samples else None

    @property
    def period(self) -> float:
        """Return the usual seconds between samples, NaN before the third."""
        return median(self._periods) / NANOSECONDS if len(self._periods) > 1 else float('nan')

    def rewrite(self, changed: Callable[[Sample], Sample]) -> None:
        """Replace every sample by what `changed` makes of it; stamps must stay."""
        self._samples = [changed(sample) for sample in self._samples]

    def clear(self) -> None:
        """Forget all samples; the counts stay."""
        self._samples.clear()
        self._periods.clear()
        self._last_late = None

    def add(self, sample: Sample) -> bool:
        """
        Insert one sample; return True if it shows that the clock jumped back.

        One message far behind the newest is dropped as late; two of them in their own order
        are a clock that jumped. Raise InputError for an unstamped message.
        """
        self.counts['received'] += 1
        if sample.stamp <= 0:
            self.counts['unstamped'] += 1
            raise InputError(
                f'{self.name}: stamp is {sample.stamp} ns: publish the capture time in the header'
            )
        newest = self.newest
        if newest is not None:
            if newest.stamp - sample.stamp > CLOCK_JUMP * NANOSECONDS:
                return self._late(sample)
            self._last_late = None
            if sample.stamp > newest.stamp:
                self._count_gap(sample.stamp - newest.stamp)
        at = bisect_left(self._samples, sample.stamp, key=_stamp)
        if at < len(self._samples) and self._samples[at].stamp == sample.stamp:
            self.counts['duplicate'] += 1
            return False
        self._samples.insert(at, sample)
        self._trim()
        return False

    def _late(self, sample: Sample) -> bool:
        before, self._last_late = self._last_late, sample.stamp
        jumped = before is not None and 0 < sample.stamp - before < CLOCK_JUMP * NANOSECONDS
        self.counts['jumped' if jumped else 'late'] += 1
        return jumped

    def _count_gap(self, gap: int) -> None:
        if len(self._periods) > 5:
            missed = max(0, round(gap / median(self._periods)) - 1)
            self.counts['lost'] += missed
            if missed:
                return
        self._periods.append(gap)

    def _trim(self) -> None:
        oldest = self._samples[-1].stamp - self._span
        keep_from = bisect_left(self._samples, oldest, key=_stamp)
        keep_from = max(keep_from, len(self._samples) - self._limit)
        del self._samples[:keep_from]

    def nearest(self, stamp: int) -> Sample | None:
        """Return the sample whose stamp is nearest."""
        if not self._samples:
            return None
        at = bisect_left(self._samples, stamp, key=_stamp)
        around = self._samples[max(0, at - 1) : at + 1]
        return min(around, key=lambda sample: abs(sample.stamp - stamp))

    def around(self, stamp: int) -> tuple[Sample | None, Sample | None]:
        """Return the last sample at or before a stamp and the first at or after it."""
        nearest = self.nearest(stamp)
        if nearest is not None and abs(nearest.stamp - stamp) <= SNAP:
            return nearest, nearest
        at = bisect_left(self._samples, stamp, key=_stamp)
        after = self._samples[at] if at < len(self._samples) else None
        return (self._samples[at - 1] if at else None), after

    def between(self, start: int, end: int) -> list[Sample]:
        """Return the samples from stamp `start` to stamp `end`, both included."""
        low = bisect_left(self._samples, start, key=_stamp)
        return self._samples[low : bisect_right(self._samples, end, key=_stamp)]


def _stamp(sample: Stamped) -> int:
    return sample.stamp
