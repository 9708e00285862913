# SPDX-License-Identifier: Apache-2.0
"""Two sides' results pair by pair: what differs, by how much, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.metrics import cumulative_mean
from impromptu_vla_ros.core.paired import (
    Interval,
    Resampling,
    mcnemar,
    mean_interval,
    share_interval,
)
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray
from impromptu_vla_ros.evaluation.anchors import Anchor, Anchors
from impromptu_vla_ros.evaluation.comparing.sides import CompareError, Results
from impromptu_vla_ros.evaluation.score import SPACING

# Measure: what it means, and its unit.
TITLES = {
    'l2_1s': ('L2 at 1 s', 'm'),
    'l2_2s': ('L2 at 2 s', 'm'),
    'l2_3s': ('L2 at 3 s', 'm'),
    'l2_5s': ('L2 at 5 s', 'm'),
    'l2_mean_3s': ('mean L2 up to 3 s', 'm'),
    'unanswered': ('frames asked about without a plan', 'share'),
    'failed': ('drives failed', 'share'),
    'collision': ('drives with a collision', 'share'),
    'ncap': ('NeuroNCAP score, 0 to 5', ''),
    'completion': ('way to the goal driven', 'share'),
    'freshness': ('control cycles on a young answer', 'share'),
}
SCORES = ('ncap', 'completion', 'freshness')
LAST = 3.0


@dataclass(frozen=True)
class Measured:
    """
    A measure: the means of both sides over their pairs, and B's less A's with its interval.

    `interval` is None where there are too few `clusters` to tell; `p` is McNemar's, of shares of
    drives only.
    """

    a: float
    b: float
    pairs: int
    clusters: int
    interval: Interval | None
    p: float | None = None

    @property
    def difference(self) -> float:
        """Return B's mean less A's."""
        return self.b - self.a

    @property
    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        within = self.interval
        return {
            **{'a': _number(self.a), 'b': _number(self.b)},
            'difference': _number(self.difference),
            'low': within and _number(within.low),
            'high': within and _number(within.high),
            **{'pairs': self.pairs, 'clusters': self.clusters},
            **({} if self.p is None else {'p': _number(self.p)}),
        }


@dataclass(frozen=True, eq=False)
class Pair:
    """An anchor of a recording at which both sides have a plan."""

    recording: str
    seconds: float
    a: Anchor
    b: Anchor

    @property
    def worse(self) -> float:
        """Return how much farther B is off after 3 s, m; NaN where one of them says nothing."""
        last = round(LAST / SPACING) - 1
        if min(len(self.a.l2), len(self.b.l2)) <= last:
            return float('nan')
        return float(self.b.l2[last] - self.a.l2[last])


@dataclass(frozen=True, eq=False)
class Comparison:
    """All measures by name, all pairs, and the mean difference (n,) at each waypoint's time."""

    a: Results
    b: Results
    measures: dict[str, Measured]
    pairs: tuple[Pair, ...]
    curve: tuple[Measured, ...]
    drives: tuple[tuple[str, int], ...]


def compare(a: Results, b: Results, block: float, how: Resampling) -> Comparison:
    """
    Return how B differs from A on what both did.

    Anchors of one recording depend on each other: those within the same `block` s of it are drawn
    together, with 0 those of the whole recording. Raise CompareError where they share nothing, or
    where two recordings of one name are not the same.
    """
    names = [name for name in a.recordings if name in b.recordings]
    drives = tuple(drive for drive in a.drives if drive in b.drives)
    if not names and not drives:
        raise CompareError(
            f'A ({a.name}) and B ({b.name}) have nothing in common: {_did(a)} against {_did(b)}'
        )
    both = [(a.recordings[name], b.recordings[name]) for name in names]
    for one, other in both:
        _same(one, other)
    pairs = tuple(pair for one, other in both for pair in _pairs(one, other))
    if both and not pairs:
        why = '; '.join(
            f'{side} on {each.name}: {each.why or "too short a recording"}'
            for side, each in [*(('A', x) for x, _ in both), *(('B', y) for _, y in both)]
            if not each.found
        )
        raise CompareError(f'there is no anchor at which both A and B planned: {why}')
    measures: dict[str, Measured] = {}
    curve: tuple[Measured, ...] = ()
    if both:
        rows = _rows(pairs)
        clusters = [_cluster(pair.recording, pair.seconds, block) for pair in pairs]
        curve = tuple(_mean(x, y, clusters, how) for x, y in zip(*(side.T for side in rows)))
        measures = {**_distances(curve, rows, clusters, how), **_unanswered(both, block, how)}
    return Comparison(a, b, measures | _driven(a, b, drives, how), pairs, curve, drives)


def _did(side: Results) -> str:
    what = [*side.recordings, *(f'{name}, seed {seed}' for name, seed in side.drives)]
    return '; '.join(what[:5]) + (f' and {len(what) - 5} more' if len(what) > 5 else '')


def _same(one: Anchors, other: Anchors) -> None:
    if one.drive != other.drive:
        raise CompareError(
            f'the recordings called {one.name!r} of A and B are not of the same drive: compare '
            'replays of one recording'
        )


def _pairs(one: Anchors, other: Anchors) -> list[Pair]:
    return [
        Pair(one.name, (stamp - one.start) / NANOSECONDS, anchor, other.found[stamp])
        for stamp, anchor in one.found.items()
        if stamp in other.found
    ]


def _rows(pairs: Sequence[Pair]) -> tuple[FloatArray, FloatArray]:
    """Return the distances of A and of B (pairs, waypoints), as far as both reach."""
    count = min(len(anchor.l2) for pair in pairs for anchor in (pair.a, pair.b))
    return np.array([p.a.l2[:count] for p in pairs]), np.array([p.b.l2[:count] for p in pairs])


def _cluster(recording: str, seconds: float, block: float) -> str:
    return f'{recording} {int(seconds / block) if block > 0.0 else 0}'


def _mean(
    a: Iterable[float], b: Iterable[float], clusters: Sequence[str], how: Resampling
) -> Measured:
    """Return a measure over the pairs in which both are known."""
    one, other = np.asarray(list(a), float), np.asarray(list(b), float)
    known: NDArray[np.bool_] = np.isfinite(one) & np.isfinite(other)
    if not known.any():
        return Measured(float('nan'), float('nan'), 0, 0, None)
    one, other, kept = one[known], other[known], np.asarray(clusters)[known]
    return Measured(
        a=float(one.mean()),
        b=float(other.mean()),
        pairs=len(one),
        clusters=len(np.unique(kept)),
        interval=mean_interval(other - one, kept, how),
    )


def _distances(
    curve: Sequence[Measured],
    rows: tuple[FloatArray, FloatArray],
    clusters: Sequence[str],
    how: Resampling,
) -> dict[str, Measured]:
    ends = {f'l2_{second}s': round(second / SPACING) - 1 for second in (1, 2, 3, 5)}
    found = {name: curve[end] for name, end in ends.items() if end < len(curve)}
    means = ([cumulative_mean(row, SPACING, [LAST])[0] for row in side] for side in rows)
    return {**found, 'l2_mean_3s': _mean(*means, clusters, how)}


def _unanswered(
    both: Sequence[tuple[Anchors, Anchors]], block: float, how: Resampling
) -> dict[str, Measured]:
    frames = [
        (not planned, not other.frames[stamp], (stamp - one.start) / NANOSECONDS, one.name)
        for one, other in both
        for stamp, planned in one.frames.items()
        if stamp in other.frames
    ]
    clusters = [_cluster(name, seconds, block) for _, _, seconds, name in frames]
    return {'unanswered': _mean((f[0] for f in frames), (f[1] for f in frames), clusters, how)}


def _driven(
    a: Results, b: Results, drives: Sequence[tuple[str, int]], how: Resampling
) -> dict[str, Measured]:
    if not drives:
        return {}
    scores = [[side.drives[drive]['score'] for drive in drives] for side in (a, b)]
    failed = [[not score['passed'] for score in side] for side in scores]
    hit = [[bool(score['collision']) for score in side] for side in scores]
    names = [f'{name} {seed}' for name, seed in drives]
    return {
        'failed': _share(*failed, how.confidence),
        'collision': _share(*hit, how.confidence),
        **{name: _mean(*_columns(scores, name), names, how) for name in SCORES},
    }


def _share(a: Sequence[bool], b: Sequence[bool], confidence: float) -> Measured:
    only_a = sum(x and not y for x, y in zip(a, b))
    only_b = sum(y and not x for x, y in zip(a, b))
    count = len(a)
    within = share_interval(only_a, only_b, count, confidence)
    return Measured(sum(a) / count, sum(b) / count, count, count, within, mcnemar(only_a, only_b))


def _columns(scores: Sequence[Sequence[dict[str, Any]]], name: str) -> Iterator[list[float]]:
    """Yield each side's values, NaN where it has none."""
    for side in scores:
        values = (score.get(name) for score in side)
        yield [float('nan') if value is None else float(value) for value in values]


def _number(value: float) -> float | None:
    # Sums in another order differ in the last digits only.
    return round(value, 9) if np.isfinite(value) else None
