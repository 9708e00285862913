# SPDX-License-Identifier: Apache-2.0
"""What the planner node says of itself, read from its diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.messages import nanoseconds

STATES = ('asked', 'answered', 'refused', 'failed')
REFUSED = 'last refused '


@dataclass(frozen=True)
class NodeReport:
    """One report: when (ns of the node's clock), and the values by status and name."""

    stamp: int
    values: Mapping[str, Mapping[str, str]]
    failure: str = ''

    @classmethod
    def of(cls, message: Any) -> NodeReport:
        """Return the report of a DiagnosticArray."""
        values, failure = {}, ''
        for status in message.status:
            name = status.name.rpartition(': ')[2]
            values[name] = {each.key: each.value for each in status.values}
            if values[name].get('state') == 'unconfigured' and status.level == status.ERROR:
                failure = status.message
        return cls(nanoseconds(message.header.stamp), values, failure)

    @property
    def counts(self) -> dict[str, int]:
        """Return what became of the questions, and how many messages were skipped."""
        # An input's own status has a count called `refused` too.
        of_plans = next((of for of in self.values.values() if 'asked' in of), {})
        counts = {name: int(of_plans.get(name, 0)) for name in STATES}
        skipped = sum(int(of.get('refused', 0)) for of in self.values.values() if 'topic' in of)
        return {**counts, 'skipped': skipped}

    @property
    def open_questions(self) -> int:
        """Return how many questions still wait for their answer."""
        counts = self.counts
        return counts['asked'] - sum(counts[name] for name in STATES[1:])

    @property
    def reasons(self) -> dict[str, int]:
        """Return the last refusal of each source, with how many there were of that source."""
        found = {}
        for of in self.values.values():
            for key, text in of.items():
                if key.startswith(REFUSED):
                    source = key[len(REFUSED) :]
                    count = of.get(f'{source} refused', of.get('refused', '1'))
                    found[f'{source}, the last one: {text}'] = int(count)
        return found
