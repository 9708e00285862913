# SPDX-License-Identifier: Apache-2.0
"""What is learned, in which phases, and how fast: the plan of a training, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from impromptu_vla_ros.training.nano.examples import Dropout
from impromptu_vla_ros.training.nano.network import Size

LOOKING, COUNTING, WRITING = 'looking', 'counting', 'writing'


@dataclass(frozen=True)
class Phase:
    """
    So many `steps`, each of a `batch` of lessons.

    The learning rate is `rate` of the highest one, and goes to 0 in the part `end`.
    """

    steps: int
    batch: int
    end: float = 0.75
    rate: float = 1.0

    def share(self, step: int, warm: int = 40) -> float:
        """Return the learning rate's share of the highest one at a step."""
        begin = min(1.0, (step + 1) / warm)
        end = min(1.0, (self.steps - step) / max(1.0, self.end * self.steps))
        return self.rate * begin * end


@dataclass(frozen=True)
class Plan:
    """
    What is learned.

    `looking` is of the tower alone, in metres, and `counting` of the language model alone,
    without pictures: neither needs the other. Then comes `writing`, of the language model, in
    words: what the tower sees, beside which the metres count `metres`. Of its steps the share
    `counted` goes on counting, or else it is forgotten, and of the others the share `whole`, from
    the first to the last, is of `whole_batch` whole prompts instead of cut ones.
    """

    looking: Phase = Phase(5000, 24, end=0.9)
    counting: Phase = Phase(4000, 16)
    writing: Phase = Phase(3000, 16, rate=0.5)
    counted: float = 0.2
    whole_batch: int = 6
    whole: tuple[float, float] = (0.0, 0.5)
    metres: float = 0.5
    seed: int = 1
    size: Size = field(default_factory=Size)
    dropout: Dropout = field(default_factory=Dropout)

    def phase(self, name: str) -> Phase:
        """Return the phase of that name."""
        phases = {LOOKING: self.looking, COUNTING: self.counting, WRITING: self.writing}
        return phases[name]

    def named(self, name: str) -> str:
        """Return all that a phase depends on, as text."""
        told = asdict(self)
        others = {LOOKING: (COUNTING, WRITING), COUNTING: (LOOKING, WRITING), WRITING: ()}
        for other in others[name]:
            del told[other]
        if name != WRITING:
            for only in ('counted', 'whole_batch', 'whole'):
                del told[only]
        return json.dumps({'phase': name, **told}, sort_keys=True)
