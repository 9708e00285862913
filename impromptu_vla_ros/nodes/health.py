# SPDX-License-Identifier: Apache-2.0
"""What the node says of itself on /diagnostics: its inputs, its model, its plans."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from statistics import quantiles
from time import monotonic
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import NANOSECONDS, NotReady
from impromptu_vla_ros.core.timeline import Timeline

# Seconds between two log lines of one kind.
QUIET = 5.0

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

LOST_REMEDY = (
    'frames are lost between camera and planner: start both with the shared-memory profile '
    'config/fastdds.xml (FASTRTPS_DEFAULT_PROFILES_FILE)'
)
AHEAD_REMEDY = 'stamps lie ahead of the clock: synchronize the clocks, or set use_sim_time'


class Health:
    """
    Count what happens and turn it into diagnostics.

    `seen` and `refused` count messages by source, `reasons` keeps each source's last refusal,
    `latencies` the seconds of the last answers.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self.latencies: deque[float] = deque(maxlen=100)
        self._before: Counter[str] = Counter()
        self._reported = monotonic()
        self._elapsed = 1.0

    def refuse(self, source: str, reason: str) -> None:
        """Count one refusal and keep its reason."""
        self.refused[source] += 1
        self.reasons[source] = reason

    def frames(self, planner: Planner) -> dict[str, int]:
        """Return how many camera frames were seen, used and dropped, all cameras together."""
        cameras = planner.buffer.frames
        seen = sum(self.seen[name] for name in cameras)
        lost = sum(timeline.counts['lost'] for timeline in cameras.values())
        refused = sum(self.refused[name] for name in (*cameras, 'picture'))
        used = planner.counts['asked'] * len(cameras) - self.refused['picture']
        return {'seen': seen, 'used': used, 'dropped': lost + refused}

    def begin_report(self) -> None:
        """Start a report: rates and warnings are of the time since the last one."""
        now = monotonic()
        self._elapsed, self._reported = max(now - self._reported, 1e-3), now

    def input_status(
        self, timeline: Timeline[Any], now: int, max_age: float, needed: bool, topic: str
    ) -> DiagnosticStatus:
        """Return the status of one input; `now` in ns by the clock of the stamps."""
        name = timeline.name
        seen, refused, counts = self.seen[name], self.refused[name], timeline.counts
        values: dict[str, object] = {
            'topic': topic,
            'received': seen,
            'rate': f'{self._since(name, seen) / self._elapsed:.1f} Hz',
            'lost': counts['lost'],
            'late': counts['late'],
            'duplicates': counts['duplicate'],
            'refused': refused,
        }
        level, message = OK, 'well'
        if timeline.newest is None:
            level = ERROR if needed else OK
            message = 'no usable message yet' if needed else 'not there, not needed'
        else:
            age = (now - timeline.newest.stamp) / NANOSECONDS
            values['age'] = f'{age:.3f} s'
            if age > max_age:
                level, message = (ERROR if needed else WARN), f'stale: {age:.1f} s old'
            elif age < -max_age:
                level, message = ERROR, AHEAD_REMEDY
        if counts['lost']:
            values['remedy'] = LOST_REMEDY
        if self._since(f'{name} lost', counts['lost']) and level == OK:
            level, message = WARN, LOST_REMEDY
        if name in self.reasons:
            values['last refused'] = self.reasons[name]
        if self._since(f'{name} refused', refused) and level != ERROR:
            level, message = WARN, self.reasons[name]
        return status(name, level, message, values)

    def model_status(self, about: Mapping[str, object], hangs_for: float) -> DiagnosticStatus:
        """Return the model's status; `hangs_for` is seconds since it missed its time-out."""
        values = {**about, **self._percentiles()}
        level, message = OK, 'well'
        for source in ('picture', 'model', 'answer'):
            values[f'{source} refused'] = self.refused[source]
            if source in self.reasons:
                values[f'{source} last refused'] = self.reasons[source]
            if self._since(f'{source} refused', self.refused[source]):
                level, message = WARN, self.reasons[source]
        if hangs_for > 0.0:
            level = ERROR
            message = f'hangs for {hangs_for:.0f} s and cannot be stopped: restart the node'
        return status('model', level, message, values)

    def planner_status(self, planner: Planner, waiting: NotReady | None) -> DiagnosticStatus:
        """Return an active planner's status; `waiting` is why no question is asked."""
        values: dict[str, object] = {'state': 'active', **planner.counts}
        values['clock jumps'] = planner.buffer.resets
        level, message = OK, 'planning'
        answered = self._since('answered', planner.counts['answered'])
        if not answered and waiting is not None:
            level, message = WARN, f'no plan: {waiting}'
            values['not ready'] = waiting
        return status('planner', level, message, values)

    def _percentiles(self) -> dict[str, str]:
        if len(self.latencies) < 2:
            return {}
        cuts = quantiles(self.latencies, n=20, method='inclusive')
        return {'latency p50': f'{cuts[9]:.3f} s', 'latency p95': f'{cuts[18]:.3f} s'}

    def _since(self, name: str, total: int) -> int:
        """Return what came to a count since this was asked last."""
        more, self._before[name] = total - self._before[name], total
        return more


def status(
    name: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Return one status; the values are printed."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=message, values=pairs)


def diagnostics(node: str, stamp: Any, statuses: Iterable[DiagnosticStatus]) -> DiagnosticArray:
    """Return the statuses under the node's full name, stamped with a Time message."""
    array = DiagnosticArray()
    array.header.stamp = stamp
    for each in statuses:
        each.name = f'{node}: {each.name}'
        each.hardware_id = node
        array.status.append(each)
    return array
