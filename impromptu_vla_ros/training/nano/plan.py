# SPDX-License-Identifier: Apache-2.0
"""What is learned, in which phases, and how fast: the plan of a training, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

import numpy as np

from impromptu_vla_ros.training.nano.examples import Dropout
from impromptu_vla_ros.training.nano.network import Size

KINDS = LOOKING, READING, PRACTISING, WRITING = 'looking', 'reading', 'practising', 'writing'
# It practises in rounds, each with drives of who has practised in those before.
ROUNDS = f'{PRACTISING}_1', f'{PRACTISING}_2'
PHASES = LOOKING, READING, *ROUNDS, WRITING
# What only later phases depend on.
LATER = {
    LOOKING: ('counted', 'kept', 'metres'),
    READING: ('kept', 'metres'),
    PRACTISING: ('kept', 'metres'),
    WRITING: (),
}


def kind(name: str) -> str:
    """Return of which kind a phase is."""
    return name.partition('_')[0]


@dataclass(frozen=True)
class Phase:
    """
    So many `steps`, each of a `batch` of lessons.

    The learning rate is `rate` of the highest one, and goes to 0 in the part `end`. The share
    `whole`, from the first step to the last, has `whole_batch` whole prompts instead of cut ones.
    """

    steps: int
    batch: int
    end: float = 0.75
    rate: float = 1.0
    whole: tuple[float, float] = (0.0, 0.0)
    whole_batch: int = 12

    def share(self, step: int, warm: int = 40) -> float:
        """Return the learning rate's share of the highest one at a step."""
        begin = min(1.0, (step + 1) / warm)
        end = min(1.0, (self.steps - step) / max(1.0, self.end * self.steps))
        return self.rate * begin * end

    def form(self, step: int, lot: float) -> tuple[bool, int]:
        """Return whether prompts are whole at a step, by a lot of 0 to 1, and how many."""
        share = np.interp(step / self.steps, (0.0, 1.0), self.whole)
        return (True, self.whole_batch) if lot < share else (False, self.batch)


@dataclass(frozen=True)
class Plan:
    """
    What is learned.

    `looking` is of the tower alone, in metres; `reading` of the tower and of the half of the
    language model that reads, in metres too, and so is each round of `practising`, with lessons of
    its own drives beside those of the expert's; `writing` is of both of its halves, in words, the
    one that reads at the rate `kept` of the other. Beside the words the metres count `metres`. Of
    the language model's lessons the share `counted` is of numbers alone.
    """

    looking: Phase = Phase(2600, 24, end=0.9)
    reading: Phase = Phase(2500, 24, end=0.9, whole=(0.1, 0.7))
    practising: Phase = Phase(1500, 24, end=1.0, rate=0.5, whole=(0.6, 1.0))
    writing: Phase = Phase(2200, 16, whole=(-0.3, 1.0), whole_batch=8)
    counted: float = 0.35
    kept: float = 0.2
    metres: float = 1.0
    seed: int = 1
    size: Size = field(default_factory=Size)
    dropout: Dropout = field(default_factory=Dropout)

    def phase(self, name: str) -> Phase:
        """Return the phase of that name, or kind."""
        phase: Phase = getattr(self, kind(name))
        return phase

    def named(self, name: str) -> str:
        """Return all that a phase depends on, as text: what comes later does not matter."""
        told = asdict(self)
        for later in (*KINDS[KINDS.index(kind(name)) + 1 :], *LATER[kind(name)]):
            del told[later]
        return json.dumps(told, sort_keys=True)
