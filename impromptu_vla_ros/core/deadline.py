# SPDX-License-Identifier: Apache-2.0
"""
What is given up so that answers come in time: verified rows first, then pixels, then cameras.

Levels are ordered from the best to the cheapest. The second miss of the last twenty answers, which
is what makes their 95th percentile a miss, goes one down; a level is taken up again only when, by
what it took there before and takes here now, it would have held with a margin all the time. Under
a constant load that is never: it settles.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from impromptu_vla_ros.core.dialects import DIALECTS, TRAINED_PIXELS, Dialect
from impromptu_vla_ros.core.settings import setting

# So many answers are looked at, and so many of them that miss are a miss of the 95th percentile.
ANSWERS, MISSES = 20, 2
# The first answers of a level do not count: engines compile or look for kernels.
WARM = 2
# A better level must be estimated to take this part of the period only.
MARGIN = 0.8
# Parts of the trained pixels that a picture may be asked with.
SHARES = (1.0, 0.75, 0.5)
# Rows of a verifying pass, where the decoder's own choice is too slow: 16 take 21 passes for an
# answer where 32 take 16, and cost half where rows are what a pass costs.
FEW_ROWS = 16
# What wins less than this part of the time is not given up.
WORTH = 0.05
PICTURE_STAGES = ('preprocess', 'encode', 'prefill')


@dataclass(frozen=True)
class Allowance:
    """When answers are due, and what may be given up for it."""

    period: float = setting(
        0.0,
        'Answers shall take no longer, 95 of 100; else pictures get smaller, then fewer. 0: off.',
        '/diagnostics says what is given up (status answers).',
        unit='s',
        limits=(0.0, 60.0),
    )
    least_pixels: int = setting(
        TRAINED_PIXELS // 2,
        'Fewest pixels that a picture may be asked with.',
        'The models were trained with 262144; of half of that they see 0.7 of the detail.',
        limits=(TRAINED_PIXELS // 4, TRAINED_PIXELS),
    )


@dataclass(frozen=True)
class Level:
    """How questions are asked: in a dialect, with `most_pixels` a picture and `window` rows."""

    dialect: Dialect
    most_pixels: int = TRAINED_PIXELS
    window: int = 0

    @property
    def pixels(self) -> int:
        """Return the pixels of all pictures of a question at most."""
        return len(self.dialect.cameras) * self.most_pixels

    def __str__(self) -> str:
        cameras = f'{len(self.dialect.cameras)} camera' + 's' * (len(self.dialect.cameras) > 1)
        rows = f', {self.window} rows a pass' if self.window else ''
        share = min(1.0, self.most_pixels / self.dialect.most_pixels)
        return f'{cameras} of {share:.0%} of the pixels{rows}'


def with_one_camera(dialect: Dialect, checkpoint: str) -> Dialect | None:
    """Return the dialect that a checkpoint was trained in as well, with one camera, if any."""
    both = checkpoint.rstrip('/').endswith('_AD') and dialect == DIALECTS['navsim']
    return DIALECTS['kitti'] if both else None


def levels(dialect: Dialect, least_pixels: int, fewer: Dialect | None = None) -> tuple[Level, ...]:
    """Return what may be asked instead, the best first; `fewer` has fewer cameras."""
    pixels = [round(share * dialect.most_pixels) for share in SHARES]
    # Who was trained with fewer pixels than that sees no less than it was taught to.
    allowed = [most for most in pixels if most >= min(least_pixels, dialect.most_pixels)]
    return tuple(Level(each, most) for each in (dialect, fewer) if each for most in allowed)


def deadline_of(allowance: Allowance, dialect: Dialect, checkpoint: str) -> Deadline | None:
    """Return what keeps a checkpoint's answers to a period, None where there is none."""
    if not allowance.period:
        return None
    fewer = with_one_camera(dialect, checkpoint)
    return Deadline(allowance.period, levels(dialect, allowance.least_pixels, fewer))


@dataclass
class _Left:
    """A level that was left for missing: its 95th percentile, and that of the one below."""

    index: int
    took: float
    below: float = math.nan


class Deadline:
    """
    Choose at which level to ask, by how long answers take.

    `why` says what the last change was made for, `changes` how many there were.
    """

    def __init__(self, period: float, levels: Sequence[Level]) -> None:
        self.period = period
        self.why = 'nothing is given up'
        self.changes = 0
        self._levels = tuple(levels)
        self._index = 0
        self._left: list[_Left] = []
        self._window = 0
        # What it took with the decoder's own window while another is on trial; then nothing.
        self._trial: float | None = math.nan
        self._start()

    @property
    def level(self) -> Level:
        """Return the level to ask at now."""
        return replace(self._levels[self._index], window=self._window)

    @property
    def place(self) -> str:
        """Return which of the levels it is, in words."""
        return f'{self._index + 1} of {len(self._levels)}: {self.level}'

    @property
    def p95(self) -> float:
        """Return the 95th percentile (nearest rank) of the answers at this level, NaN if none."""
        times = sorted(time for time, _ in self._answers)
        return times[math.ceil(0.95 * len(times)) - 1] if times else math.nan

    @property
    def missing(self) -> bool:
        """Tell whether the answers at this level miss the period."""
        return sum(time > self.period for time, _ in self._answers) >= MISSES

    def answered(self, asked: Level, latencies: Mapping[str, float]) -> None:
        """Take how long the stages of an answer took, s, that was asked at a level."""
        if asked != self.level:
            return
        self._warmed += 1
        if self._warmed <= WARM:
            return
        whole = latencies.get('decode_images', 0.0) + latencies.get('model', 0.0)
        self._answers.append((whole, latencies))
        if self.missing:
            self._down()
        elif len(self._answers) == ANSWERS:
            if self._trial is not None and self._window:
                self._trial = None  # it holds: the window stays
            self._up()

    def late(self, asked: Level, seconds: float) -> None:
        """Take that no answer came within so many seconds."""
        self.answered(asked, {'model': max(seconds, 1.001 * self.period)})

    def _start(self) -> None:
        self._answers: deque[tuple[float, Mapping[str, float]]] = deque(maxlen=ANSWERS)
        self._warmed = 0

    def _change(self, why: str) -> None:
        self.why, self.changes = why, self.changes + 1
        self._start()

    def _down(self) -> None:
        missed = f'p95 of {self.p95:.2f} s missed {self.period:.2f} s'
        if self._trial is not None and not self._window and self._share(('decode',)) >= WORTH:
            self._trial, self._window = self.p95, FEW_ROWS
            self._change(missed)
            return
        window = self._window
        if self._trial is not None and self.p95 >= self._trial:
            self._window = 0  # fewer rows take more passes, and were no faster
        self._trial = None
        worth = [k for k in range(self._index + 1, len(self._levels)) if self._won(k) >= WORTH]
        if worth:
            self._left.append(_Left(self._index, self.p95))
            self._index = worth[0]
        if worth or window != self._window:
            self._change(missed)
        else:
            self.why = f'{missed}, and nothing that may be given up would help'

    def _up(self) -> None:
        if not self._left:
            return
        before = self._left[-1]
        if math.isnan(before.below):
            before.below = self.p95
        # No stage grows faster than by the square of the pictures' tokens (attention does so).
        most = (self._levels[before.index].pixels / self._levels[self._index].pixels) ** 2
        estimate = self.p95 * min(before.took / before.below, most)
        if estimate <= MARGIN * self.period:
            self._index = self._left.pop().index
            self._change(f'{estimate:.2f} s estimated where {self.period:.2f} s are allowed')

    def _won(self, index: int) -> float:
        """Return the part of the time that another level is estimated to win."""
        share = self._share(PICTURE_STAGES)
        share = 1.0 if math.isnan(share) else share
        return share * (1.0 - self._levels[index].pixels / self._levels[self._index].pixels)

    def _share(self, names: Sequence[str]) -> float:
        """Return which part of the time some stages took, NaN where nobody tells."""
        told = [each for each in self._answers if any(name in each[1] for name in names)]
        whole = sum(time for time, _ in told)
        took = sum(stages.get(name, 0.0) for _, stages in told for name in names)
        return took / whole if whole > 0.0 else math.nan
