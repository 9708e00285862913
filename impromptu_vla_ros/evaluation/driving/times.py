# SPDX-License-Identifier: Apache-2.0
"""What answers cost in a drive through real processes: time by stage, and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

# Of an answer's latencies, in their order, with what they are; the last is the whole of it.
STAGES = {
    'decode_images': 'JPEG to pixels',
    'preprocess': 'pixels to patches, text to tokens',
    'encode': 'patches to features: the vision tower',
    'prefill': 'the prompt read',
    'decode': 'the answer written',
    'planning': 'from the pictures as they arrived to the answer, all together',
}


@dataclass(frozen=True)
class Times:
    """
    How long answers took, and what the planner needed.

    `stages` are the median and the 95th percentile in s over `answers`, by STAGES; only those
    that the model tells. `real_time_factor` is simulated by real seconds, `peak_memory` the
    planner process's largest resident set, MB, None where the system does not tell.
    """

    stages: Mapping[str, tuple[float, float]]
    answers: int
    real_time_factor: float
    peak_memory: float | None

    def rows(self) -> list[tuple[str, str]]:
        """Return them in words: name and number."""
        rows = [
            (name, f'{1e3 * median:.1f} ms, 95 % within {1e3 * p95:.1f} ms')
            for name, (median, p95) in self.stages.items()
        ]
        memory = f'{self.peak_memory:.0f} MB' if self.peak_memory is not None else 'not known'
        factor = f'{self.real_time_factor:.2f} simulated s per s'
        return [*rows, ('real-time factor', factor), ('planner, at most', memory)]

    def to_json(self) -> dict[str, object]:
        """Return them as JSON takes them."""
        return asdict(self)


def times_of(
    latencies: Sequence[Mapping[str, float]], factor: float, memory: float | None
) -> Times:
    """Return the times of answers, each with its `latencies` (s) by stage."""
    whole = [
        {**one, 'planning': one.get('decode_images', 0.0) + one.get('model', 0.0)}
        for one in latencies
    ]
    told = {name: [one[name] for one in whole if name in one] for name in STAGES}
    stages = {
        name: (float(np.median(found)), float(np.percentile(found, 95)))
        for name, found in told.items()
        if found
    }
    return Times(stages, len(whole), factor, memory)
