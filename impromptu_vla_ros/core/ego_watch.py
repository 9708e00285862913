# SPDX-License-Identifier: Apache-2.0
"""Which of the ego's measured signals contradict its poses, judged once a second while driving."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from impromptu_vla_ros.core.ego_check import judge_ego
from impromptu_vla_ros.core.findings import Finding
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Acceleration,
    Odometry,
    Steering,
    Velocity,
)
from impromptu_vla_ros.core.timeline import Sample, Timeline

# Seconds that are looked back on: a corner, and room to have driven 15 m.
SPAN = 20
# A verdict counts from this many seconds after the last sample it saw: inputs of other delays
# have arrived by then, and the same drive is judged alike, live and from a recording.
LAG = 1
# Samples of an input that are looked at: 50 Hz show all, and no rate makes a look slow.
MOST = 1000
# Verdicts kept, for questions about pictures of some seconds ago.
KEPT = 8


class EgoWatch:
    """
    Keep the last seconds of samples as they came, and judge them as their stamps go on.

    A signal is distrusted from an error on, until motion that could show one shows none:
    `findings` are of the newest verdict, `judged` whether there was one.
    """

    def __init__(self, wheelbase: float = 2.79) -> None:
        keep = SPAN + 2.0 * LAG
        self.findings: tuple[Finding, ...] = ()
        self.judged = False
        self.velocity: Timeline[Velocity] = Timeline('velocity_status', keep, 5000)
        self._wheelbase = wheelbase
        self._odometry: Timeline[Odometry] = Timeline('odometry', keep, 5000)
        self._acceleration: Timeline[Acceleration] = Timeline('acceleration', keep, 5000)
        self._steering: Timeline[Steering] = Timeline('steering', keep, 5000)
        # (second, distrusted from then on), oldest first.
        self._verdicts: deque[tuple[int, frozenset[str]]] = deque([(0, frozenset())], KEPT)

    def clear(self) -> None:
        """Forget the samples; the sources stay who they are, and what is distrusted of them."""
        for timeline in (self._odometry, self._acceleration, self._steering, self.velocity):
            timeline.clear()
        self.findings, self.judged = (), False
        self._verdicts = deque([(0, self._verdicts[-1][1])], KEPT)

    def add(self, sample: Odometry | Acceleration | Steering | Velocity) -> bool:
        """Insert one sample, and judge if its stamp begins a second; return True if it jumped."""
        if isinstance(sample, Acceleration):
            return self._acceleration.add(sample)
        if isinstance(sample, Steering):
            return self._steering.add(sample)
        if isinstance(sample, Velocity):
            return self.velocity.add(sample)
        jumped = self._odometry.add(sample)
        second = sample.stamp // NANOSECONDS
        if not jumped and second > self._verdicts[-1][0]:
            self._judge(second)
        return jumped

    def distrusted(self, stamp: int) -> frozenset[str]:
        """Return the signals to derive from the poses instead, for a question about a stamp."""
        second = stamp // NANOSECONDS
        known = (wrong for since, wrong in reversed(self._verdicts) if since <= second)
        return next(known, frozenset())

    def _judge(self, second: int) -> None:
        end = (second - LAG) * NANOSECONDS
        start = end - SPAN * NANOSECONDS
        newest = self._odometry.newest
        odometry = _thinned(self._odometry, start, end)
        verdict = judge_ego(
            [s for s in odometry if newest is not None and s.frame_id == newest.frame_id],
            _thinned(self._acceleration, start, end),
            _thinned(self._steering, start, end),
            self._wheelbase,
            _thinned(self.velocity, start, end),
        )
        before = self._verdicts[-1][1]
        self._verdicts.append((second, before - verdict.right | verdict.wrong))
        self.findings, self.judged = verdict.findings, True


def _thinned(timeline: Timeline[Sample], start: int, end: int) -> Sequence[Sample]:
    samples = timeline.between(start, end)
    return samples[:: -(-len(samples) // MOST) or 1]
