# SPDX-License-Identifier: Apache-2.0
"""What is learned, in which phases, and how fast: the plan of a training, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from impromptu_vla_ros.training.nano.examples import Dropout
from impromptu_vla_ros.training.nano.network import Size

KINDS = LOOKING, READING, PRACTISING, WRITING = 'looking', 'reading', 'practising', 'writing'


def kind(name: str) -> str:
    """Return of which kind a phase is."""
    return name.partition('_')[0]


@dataclass(frozen=True)
class Phase:
    """
    So many `steps`, each of a `batch` of lessons; its `name` begins with its kind.

    The learning rate is `rate` of the highest one, and goes to 0 in the part `end`. The share
    `whole`, from the first step to the last, has `whole_batch` whole prompts instead of cut ones.

    Before it begins it drives itself through situations of the families `drives`; a round of
    practising that names none, of all of them.

    What is in `kept` has learned its own thing before, and learns at a share of the rate only.
    """

    name: str
    steps: int
    batch: int
    end: float = 0.75
    rate: float = 1.0
    whole: tuple[float, float] = (0.0, 0.0)
    whole_batch: int = 12
    drives: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def share(self, step: int, warm: int = 40) -> float:
        """Return the learning rate's share of the highest one at a step."""
        begin = min(1.0, (step + 1) / warm)
        end = min(1.0, (self.steps - step) / max(1.0, self.end * self.steps))
        return self.rate * begin * end

    def form(self, step: int, lot: float) -> tuple[bool, int]:
        """Return whether prompts are whole at a step, by a lot of 0 to 1, and how many."""
        share = np.interp(step / self.steps, (0.0, 1.0), self.whole)
        return (True, self.whole_batch) if lot < share else (False, self.batch)


READER = ('reader',)
# What is learned in the box, one after the other.
PHASES = (
    Phase(LOOKING, 6000, 24, end=1.0),
    Phase(READING, 3000, 24, end=1.0, whole=(0.1, 0.7)),
    Phase(f'{PRACTISING}_1', 1500, 24, end=1.0, rate=0.5, whole=(0.6, 1.0)),
    Phase(f'{PRACTISING}_2', 2000, 24, end=1.0, rate=0.4, whole=(0.7, 1.0)),
    Phase(f'{PRACTISING}_3', 2500, 24, end=1.0, rate=0.25, whole=(0.7, 1.0)),
    Phase(WRITING, 4200, 16, end=1.0, whole=(-0.3, 1.0), whole_batch=8, kept=READER),
)


@dataclass(frozen=True)
class Plan:
    """
    What is learned, in `phases`, one after the other.

    `looking` is of the tower alone, in metres; `reading` of the tower and of the half of the
    language model that reads, in metres too, and so is each round of `practising`, with lessons of
    its own drives beside those of the expert's; `writing` is of both of its halves, in words.
    What a phase keeps learns there at the rate `kept` of all else. Beside the words the metres
    count `metres`. Of the language model's lessons the share `counted` is of numbers alone.
    """

    phases: tuple[Phase, ...] = PHASES
    counted: float = 0.35
    kept: float = 0.2
    metres: float = 1.0
    seed: int = 1
    size: Size = field(default_factory=Size)
    dropout: Dropout = field(default_factory=Dropout)

    def phase(self, name: str) -> Phase:
        """Return the phase of that name."""
        (phase,) = (phase for phase in self.phases if phase.name == name)
        return phase

    def before(self, name: str) -> tuple[Phase, ...]:
        """Return the phases before that one."""
        return self.phases[: self.phases.index(self.phase(name))]

    @property
    def rounds(self) -> tuple[str, ...]:
        """Return the names of the phases that begin with drives of its own."""
        driven = (p for p in self.phases if kind(p.name) == PRACTISING or p.drives)
        return tuple(phase.name for phase in driven if phase.steps)

    def named(self, name: str) -> str:
        """Return all that a phase depends on, as text: what comes later does not matter."""
        phases = *self.before(name), self.phase(name)
        told = asdict(replace(self, phases=phases))
        kinds = {kind(phase.name) for phase in phases}
        if kinds == {LOOKING}:
            del told['counted']
        if not any(phase.kept for phase in phases):
            del told['kept']
        if WRITING not in kinds:
            del told['metres']
        return json.dumps(told, sort_keys=True)
