# SPDX-License-Identifier: Apache-2.0
"""Paired comparisons: how much of a difference is chance, where cases depend on each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impromptu_vla_ros.core.structs import FloatArray

# Of fewer clusters a bootstrap knows too little: of 5, with skewed values, 95 % were 88 %.
FEWEST = 5
# Random numbers drawn at a time: 8 MB.
_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Resampling:
    """How a bootstrap is made: its intervals' confidence, resamples, and where chance begins."""

    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1.0 or self.resamples < 1:
            raise ValueError(f'{self}: a confidence from 0.5 to below 1, and a resample at least')


def mean_interval(values: ArrayLike, clusters: ArrayLike, how: Resampling) -> Interval | None:
    """
    Return the interval of the mean of values (n,), by a bootstrap over their clusters (n,).

    Values of one cluster are drawn together or not at all, as they may depend on each other. None
    for less than `FEWEST` clusters. Percentiles are taken farther out for few clusters, as
    Student's t does for the mean of few values: the expanded percentile interval (Hesterberg, What
    Teachers Should Know about the Bootstrap, The American Statistician 69, 2015).
    """
    array = np.asarray(values, float)
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    counts = np.bincount(index)
    if len(counts) < FEWEST:
        return None
    sums = np.asarray(np.bincount(index, array), float)
    means = _resampled(sums, counts, how)
    tail = expanded_tail(0.5 * (1.0 - how.confidence), len(counts))
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(low), float(high))


def _resampled(sums: FloatArray, counts: NDArray[np.int64], how: Resampling) -> FloatArray:
    """Return the means (resamples,) over clusters drawn with replacement."""
    dice, found = np.random.default_rng(how.seed), []
    left, rows = how.resamples, max(1, _AT_ONCE // len(sums))
    while left > 0:
        drawn = dice.integers(len(sums), size=(min(rows, left), len(sums)))
        found.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
        left -= rows
    return np.concatenate(found)


def expanded_tail(tail: float, count: int) -> float:
    """Return the percentile to take for `tail`, of the means of `count` values."""
    t = t_quantile(tail, count - 1)
    return NormalDist().cdf(math.sqrt(count / (count - 1)) * t)


def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t with some degrees of freedom, to 1e-5 of its value."""
    # With t = sqrt(f)·tan(a) the density of a is proportional to cos(a)^(f - 1). The grid is finer
    # towards the ends, where quantiles of few degrees lie.
    angles = 0.5 * np.pi * np.sin(np.linspace(-0.5 * np.pi, 0.5 * np.pi, 20_001))
    density = np.cos(angles).clip(0.0) ** (freedom - 1)
    steps = 0.5 * (density[1:] + density[:-1]) * np.diff(angles)
    summed = np.concatenate([[0.0], np.cumsum(steps)])
    angle = np.interp(probability, summed / summed[-1], angles)
    return float(math.sqrt(freedom) * np.tan(angle))


def mcnemar(only_a: int, only_b: int) -> float:
    """
    Return McNemar's exact p, two-sided, of pairs that differ: so for A only, and for B only.

    It is the sign test, how likely chance alone would divide them so unevenly; 1 without any.
    """
    n, k = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, j) for j in range(k + 1)) / 2**n
    return min(1.0, 2.0 * float(tail))


def share_interval(only_a: int, only_b: int, pairs: int, confidence: float = 0.95) -> Interval:
    """
    Return the interval of B's share less A's, of pairs that differ in `only_a` and `only_b`.

    Tango's score interval (Statistics in Medicine 17, 1998, 891-908); it holds where no pair
    differs, too.
    """
    z = NormalDist().inv_cdf(0.5 + 0.5 * confidence)

    def score(difference: float) -> float:
        return _score(only_b, only_a, pairs, difference)

    middle = (only_b - only_a) / pairs
    return Interval(
        _where(lambda d: score(d) <= z, -1.0, middle), _where(lambda d: score(d) < -z, middle, 1.0)
    )


def _score(more: int, less: int, pairs: int, difference: float) -> float:
    """Return how many deviations `more` - `less` lies above what the difference makes expect."""
    a = 2.0 * pairs
    b = -more - less + (2.0 * pairs - more + less) * difference
    c = -less * difference * (1.0 - difference)
    rarer = (math.sqrt(max(0.0, b * b - 4.0 * a * c)) - b) / (2.0 * a)
    variance = pairs * (2.0 * rarer + difference * (1.0 - difference))
    off = more - less - pairs * difference
    if abs(off) < 1e-12:
        return 0.0
    return off / math.sqrt(variance) if variance > 0.0 else math.copysign(math.inf, off)


def _where(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return where, from low to high, a condition begins to hold; `high` if it never does."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
