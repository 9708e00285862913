# SPDX-License-Identifier: Apache-2.0
"""What the soak demands: each published plan judged as it comes, nothing kept but numbers."""

from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.autoware_rules import broken_rules
from impromptu_vla_ros.core.structs import NANOSECONDS

TIERS = ('fresh', 'held', 'stopping', 'standing')
# The planner's follow.fresh and follow.held, s.
OLDEST = {'fresh': 1.5, 'held': 3.0}
# An answer younger than this, s, is to be followed.
YOUNG = 2.0
# A plan's header is half a step of 0.1 s before it was decided on.
HALF_STEP = 50_000_000
# Findings that are told in full.
MOST_TOLD = 20


@dataclass(frozen=True)
class Criterion:
    """One demand: what was measured, and whether that is enough."""

    name: str
    measured: str
    met: bool


class Judge:
    """
    Judge plans one by one.

    `rows` are (time, tier, age of the plan's answer, age of the newest answer), one a cycle.
    """

    def __init__(self, most):
        self.rows = np.full((most, 4), np.nan)
        self.cycles = self.affected = 0
        self.broken, self.old, self.misread = [], [], []
        self.late = 0
        self._accepted = None
        self._before = 0

    def see(self, plan, time, ego, newest, said, form=(), affected=False):
        """
        Judge a plan that was published at `time`, s.

        `ego` is the true (pose, speed) then, `newest` the age in s of the newest answer that
        there was, `said` what the picture of its capture time says, `form` what is wrong with
        the message; `affected` tells whether the machine stalled just before: no excuse.
        """
        now = plan.stamp + HALF_STEP
        age = (now - plan.capture_stamp) / NANOSECONDS if plan.capture_stamp else np.nan
        if self.cycles < len(self.rows):
            self.rows[self.cycles] = time, TIERS.index(plan.tier), age, newest
        self.cycles += 1
        self.affected += affected
        self.late += 0 < self._before < plan.stamp - 250_000_000
        self._before = plan.stamp
        if plan.tier in OLDEST and not age <= OLDEST[plan.tier]:
            self.old.append(f'{time:.2f} s: {plan.tier}, {age:.3f} s old')
        if plan.capture_stamp and plan.answer != said:
            self.misread.append(f'{time:.2f} s: {plan.answer!r} is not {said!r}')
        rules = broken_rules(plan, *ego, now, self._accepted)
        self._accepted = self._accepted if rules else plan
        at = f'{time:.2f} s, {plan.tier}, {ego[1]:.2f} m/s' + ', after a stall' * affected
        self.broken += [f'{at}: {found}' for found in (*rules, *form)]

    def criteria(self, seconds):
        """Return what is demanded of the plans of so many seconds."""
        young, moving = self.followed()
        share = moving / max(young, 1)
        return [
            Criterion('plans that break a rule: 0', _some(self.broken), not self.broken),
            Criterion('plans older than their tier allows: 0', _some(self.old), not self.old),
            Criterion(
                'fresh or held while an answer is younger than 2 s: >= 99 %',
                f'{100 * share:.2f} % of {young} cycles',
                share >= 0.99 and young > 0,
            ),
            Criterion('plans not of their own picture: 0', _some(self.misread), not self.misread),
            Criterion(
                'plans published, of 10 a second: >= 95 %',
                f'{self.cycles} of {10 * seconds:.0f}',
                self.cycles >= 9.5 * seconds,
            ),
        ]

    def followed(self):
        """Return how many cycles had a young answer, and in how many of them one was followed."""
        _, tiers, _, newest = self.rows[: self.cycles].T
        young = newest < YOUNG
        return int(young.sum()), int((young & (tiers < 2)).sum())

    def told(self):
        """Return all findings, the first ones of each kind."""
        kinds = {'broken': self.broken, 'old': self.old, 'misread': self.misread}
        return {
            name: {'count': len(found), 'first': found[:MOST_TOLD]}
            for name, found in kinds.items()
        }


def flat(name, times, memory, most, warm):
    """Return whether memory (MiB) grows by no more than `most` from `warm` s on: a line's rise."""
    after = times >= warm
    if after.sum() < 3:
        return Criterion(f'{name}: grows <= {most:g} MiB', 'too short to say', False)
    slope, _ = np.polyfit(times[after], memory[after], 1)
    grown = slope * np.ptp(times[after])
    ends = f'{memory[after][0]:.1f} to {memory[after][-1]:.1f} MiB'
    text = f'{grown:+.2f} MiB ({3600 * slope:+.1f} MiB/h), {ends}'
    return Criterion(
        f'{name} after {warm:.0f} s: grows <= {most:g} MiB', text, bool(grown <= most)
    )


def _some(found):
    return f'{len(found)}: {found[0]}' if found else '0'
