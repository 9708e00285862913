# SPDX-License-Identifier: Apache-2.0
"""What the node says of itself on /diagnostics: its inputs, its model, its plans."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from statistics import mean, quantiles
from time import monotonic
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from impromptu_vla_ros.core.confidence import Confidence
from impromptu_vla_ros.core.deadline import Deadline
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import NANOSECONDS, NotReady, Plan
from impromptu_vla_ros.core.timeline import Timeline
from impromptu_vla_ros.nodes.inputs import Input

# Seconds between two log lines of one kind.
QUIET = 5.0

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
# REP-107: what is told is of before, since nothing new came.
STALE = DiagnosticStatus.STALE

# What was found: levels and texts.
Found = list[tuple[bytes, str]]

# What can go wrong with a question, in the order of its life.
STAGES = ('picture', 'model', 'answer', 'plan')

LOST_REMEDY = (
    'messages are lost on their way: start publisher and planner with the shared-memory profile '
    'config/fastdds.xml (it says how)'
)
AHEAD_REMEDY = 'stamps lie ahead of the clock: synchronize the clocks, or set use_sim_time'
JUMP_REMEDY = 'publish a continuous frame such as odom, from one source'
STALE_REMEDY = 'stale: is it still published, and is use_sim_time set for a bag with --clock?'


class Health:
    """
    Count what happens between activation and deactivation, and tell it.

    `seen`, `lost` (by the middleware) and `refused` count messages by source, `reasons` keeps
    each source's last refusal, `latencies` the seconds of the last answers and `passes` how many
    of the model each took; `unparsed` counts the answers that are none in the dialect.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self.latencies: deque[float] = deque(maxlen=100)
        self.passes: deque[int] = deque(maxlen=100)
        self.unparsed = 0
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
        return {
            'seen': sum(self.seen[name] for name in cameras),
            'used': (planner.counts['asked'] - self.refused['picture']) * len(cameras),
            'dropped': sum(self.lost[name] + self.refused[name] for name in cameras)
            + self.refused['picture'],
        }

    def begin_report(self) -> None:
        """Start a report: rates and levels are of the time since the last one."""
        now = monotonic()
        self._elapsed, self._reported = max(now - self._reported, 1e-3), now

    def input_status(
        self,
        source: Input,
        timeline: Timeline[Any],
        now: int,
        max_age: float,
        needed: bool,
        view: tuple[Found, Mapping[str, object]] = ([], {}),
    ) -> DiagnosticStatus:
        """Return the status of one input; `now` in ns by the stamps' clock, `view` a camera's."""
        name, counts = source.source, timeline.counts
        values: dict[str, object] = {
            'topic': source.topic,
            'publishers': source.publishers,
            'received': self.seen[name],
            'rate': f'{self._since("seen", name, self.seen[name]) / self._elapsed:.1f} Hz',
            'lost in transport': self.lost[name],
            'missing by stamps': counts['lost'],
            'late': counts['late'],
            'duplicates': counts['duplicate'],
            'refused': self.refused[name],
            **view[1],
        }
        found = [*view[0]]
        if timeline.newest is not None:
            age = (now - timeline.newest.stamp) / NANOSECONDS
            values['age'] = f'{age:.3f} s'
            if abs(age) > max_age:
                remedy = STALE_REMEDY if age > 0.0 else AHEAD_REMEDY
                found.append((ERROR if needed else WARN, f'{remedy} (age {age:.1f} s)'))
        elif needed:
            publishers = 'nothing usable arrived' if source.publishers else 'nobody publishes it'
            found.append((ERROR, f'{publishers} on {source.topic}'))
        else:
            found.append((OK, 'not there, and not needed'))
        if source.crowded:
            found.append((WARN, f'{source.publishers} publish {source.crowded}: keep one'))
        if counts['pose jumped']:
            values['pose jumps'] = counts['pose jumped']
            if more := self._since('pose jumped', name, counts['pose jumped']):
                found.append((WARN, f'the pose jumped ({more} times): {JUMP_REMEDY}'))
        if self.lost[name]:
            values['remedy'] = LOST_REMEDY
        if self._since('lost', name, self.lost[name]):
            found.append((WARN, LOST_REMEDY))
        found += self._refusals(name, values)
        return status(name, found, values)

    def answer_status(self, planner: Planner, hangs_for: float) -> DiagnosticStatus:
        """Return what became of the questions; `hangs_for` is seconds beyond the time-out."""
        values: dict[str, object] = {
            'dialect': planner.dialect.name,
            'parse failures': self.unparsed,
        }
        if len(self.latencies) > 1:
            cuts = quantiles(self.latencies, n=20, method='inclusive')
            values |= {'latency p50': f'{cuts[9]:.3f} s', 'latency p95': f'{cuts[18]:.3f} s'}
        if self.passes:
            values['passes per answer'] = f'{mean(self.passes):.1f}'
        found = _given_up(planner.deadline, values)
        for stage in STAGES:
            values[f'{stage} refused'] = self.refused[stage]
            found += self._refusals(stage, values)
        if hangs_for > 0.0:
            hangs = (
                f'the model hangs for {hangs_for:.0f} s and cannot be stopped: restart the node'
            )
            found.append((ERROR, hangs))
        return status('answers', found, values)

    def planner_status(
        self, planner: Planner, waiting: NotReady | None, plan: Plan | None
    ) -> DiagnosticStatus:
        """Return an active planner's status; `waiting` is why no question is asked."""
        values: dict[str, object] = {**planner.counts, 'clock jumps': planner.buffer.resets}
        answered = self._since('answered', '', planner.counts['answered'])
        found = []
        if waiting is not None:
            values['not ready'] = waiting
            if not answered:
                found.append((WARN, f'no answer: {waiting}'))
        if plan is None:
            found.append((WARN, 'nothing is published: the ego is unknown'))
        else:
            values |= {'tier': plan.tier, 'violations': '; '.join(plan.violations)}
            if 'answer' in plan.ages:
                values['answer age'] = f'{plan.ages["answer"]:.2f} s'
            found += _doubt(planner.confidence, plan, values)
            if plan.tier in ('stopping', 'standing'):
                found.append((WARN, f'{plan.tier}: no answer holds, the plan is a stop'))
            found += [(ERROR, violation) for violation in plan.violations]
        return status('plans', found, values)

    def _refusals(self, source: str, values: dict[str, object]) -> Found:
        """Write a source's last refusal into `values`; return it if it is new."""
        if source not in self.reasons:
            return []
        values[f'last refused {source}'] = self.reasons[source]
        new = self._since('refused', source, self.refused[source])
        return [(WARN, self.reasons[source])] if new else []

    def _since(self, what: str, source: str, total: int) -> int:
        """Return what came to a count since the last report."""
        name = f'{what} {source}'
        more, self._before[name] = total - self._before[name], total
        return more


def _given_up(deadline: Deadline | None, values: dict[str, object]) -> Found:
    """Write into `values` what is given up for the deadline; return what misses all the same."""
    if deadline is None:
        return []
    values |= {
        'deadline': f'{deadline.period:.3f} s',
        'deadline p95': f'{deadline.p95:.3f} s',
        'deadline level': deadline.place,
        'deadline why': deadline.why,
    }
    if not deadline.missing:
        return []
    return [(WARN, f'answers miss deadline.period: {deadline.why}')]


def _doubt(confidence: Confidence, plan: Plan, values: dict[str, object]) -> Found:
    """Write into `values` how sure the model is; return that the car is slowed, if it is."""
    known = plan.deviations[np.isfinite(plan.deviations)]
    if len(known):
        values['deviation at the end'] = f'{known[-1]:.2f} m'
    elif confidence.deviation_limit and plan.answer:
        return [(WARN, 'confidence.deviation_limit limits nothing: the model tells no digits')]
    since = plan.ages.get('unsure')
    if since is not None:
        values['braking for doubt since'] = f'{since:.2f} s'
    slowed = since is not None and since >= 0.0
    why = 'slowed: the model is unsure of the way (confidence.deviation_limit)'
    return [(WARN, why)] if slowed else []


def status(
    name: str, found: Iterable[tuple[bytes, str]], values: Mapping[str, object]
) -> DiagnosticStatus:
    """Return one status: the worst level and all the texts of what was `found`."""
    levels, texts = zip(*found) if (found := list(found)) else ((OK,), ('well',))
    return DiagnosticStatus(
        level=max(levels),
        name=name,
        message='; '.join(texts),
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def diagnostics(node: str, stamp: Any, statuses: Iterable[DiagnosticStatus]) -> DiagnosticArray:
    """Return the statuses under the node's full name, stamped with a Time message."""
    array = DiagnosticArray()
    array.header.stamp = stamp
    for each in statuses:
        each.name = f'{node}: {each.name}'
        each.hardware_id = node
        array.status.append(each)
    return array
