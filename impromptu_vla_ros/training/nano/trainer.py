# SPDX-License-Identifier: Apache-2.0
"""How it learns: to see, to read what it sees, and to write it, one phase after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.training.lessons.cells import TOKENS
from impromptu_vla_ros.training.nano.batches import Batch, Form, Pool, make_batch, make_counted
from impromptu_vla_ros.training.nano.examples import Dropout
from impromptu_vla_ros.training.nano.halves import halve
from impromptu_vla_ros.training.nano.losses import Look, Reading, make_heads, shown
from impromptu_vla_ros.training.nano.network import Size, make_network, make_optimizers
from impromptu_vla_ros.training.nano.state import load_state, save_state

# Steps between two looks at the lessons held out, and two states on the disk.
LOOK, SAVE = 200, 100


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


@dataclass(frozen=True)
class Plan:
    """
    What is learned one after the other.

    `looking` is of the tower alone, in metres, `counting` of the language model without pictures,
    `writing` of both, in words, beside which the metres count `metres`. Of its steps the share
    `counted` goes on counting, or else it is forgotten, and of the others the share `whole`, from
    the first to the last, is of `whole_batch` whole prompts instead of cut ones.
    """

    looking: Phase = Phase(2600, 48)
    counting: Phase = Phase(400, 48)
    writing: Phase = Phase(900, 32, rate=0.4)
    counted: float = 0.2
    whole_batch: int = 12
    whole: tuple[float, float] = (0.1, 0.6)
    metres: float = 0.5
    seed: int = 1
    size: Size = field(default_factory=Size)
    dropout: Dropout = field(default_factory=Dropout)

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return self.looking.steps + self.counting.steps + self.writing.steps

    def phase(self, step: int) -> tuple[Phase, int]:
        """Return the phase of a step, and its number there."""
        for phase in (self.looking, self.counting):
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        return self.writing, step


def rate(step: int, steps: int, end: float, warm: int = 40) -> float:
    """Return the learning rate's share of the highest at a step of a phase."""
    begin = min(1.0, (step + 1) / warm)
    return begin * min(1.0, (steps - step) / max(1.0, end * steps))


def train(plan: Plan, dialect: Dialect, tokenizer: Any, train: Pool, held: Pool, out: Path) -> Any:
    """
    Return the trained network; its state lies in `out` meanwhile, and is gone on with.

    Raise ValueError for a state of another plan.
    """
    learner = Learner(plan, dialect, tokenizer, train)
    out.mkdir(parents=True, exist_ok=True)
    state = out / 'state.safetensors'
    begin = load_state(state, learner.parts, learner.optimizers_at, _named(plan))
    bar = tqdm(
        range(begin, plan.steps), initial=begin, total=plan.steps, unit='step', disable=None
    )
    log = out / 'training.jsonl'
    for step, batch in zip(bar, learner.batches(begin)):
        losses = learner.step(step, batch)
        bar.set_postfix({name: f'{value:.3f}' for name, value in losses.items()})
        done = step + 1
        if done % LOOK == 0 or done == plan.steps:
            losses |= learner.looked(held, step)
            with log.open('a', encoding='utf-8') as file:
                file.write(json.dumps({'step': done, **losses}) + '\n')
        if done % SAVE == 0:
            save_state(state, learner.parts, learner.optimizers, done, _named(plan))
    return learner.network


class Learner:
    """The network, its heads and what trains them, step by step."""

    def __init__(self, plan: Plan, dialect: Dialect, tokenizer: Any, pool: Pool) -> None:
        self._plan, self._dialect, self._tokenizer, self._pool = plan, dialect, tokenizer, pool
        self.network = make_network(tokenizer, plan.size, plan.seed).train()
        self._heads = make_heads(TOKENS, plan.size.hidden, dialect.waypoints)
        self.parts = {'network': self.network, 'heads': self._heads}
        halve(self.parts.values())
        self.optimizers = self.optimizers_at(0)

    def optimizers_at(self, step: int) -> tuple[Any, Any]:
        """Make the optimizers, which begin anew with each phase, and return them."""
        self.optimizers = make_optimizers(self.parts)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['highest'] = group['lr']
        return self.optimizers

    def batches(self, begin: int) -> Iterator[Batch]:
        """Make the batches of the steps from `begin`, each while the last is learned from."""
        with ThreadPoolExecutor(1) as beside:
            coming = None
            for step in range(begin, self._plan.steps):
                batch = self._batch(step) if coming is None else coming.result()
                # Of what one phase has learned the next one's first answers are made.
                further = step + 1 < self._plan.steps and self._plan.phase(step + 1)[1] > 0
                coming = beside.submit(self._batch, step + 1) if further else None
                yield batch

    def step(self, step: int, batch: Batch) -> dict[str, float]:
        """Learn from one batch; return the losses."""
        import torch

        plan = self._plan
        phase, number = plan.phase(step)
        if number == 0:
            self.optimizers_at(step)
        losses = self._losses(batch, phase)
        sum(losses.values()).backward()
        weights = [w for part in self.parts.values() for w in part.parameters()]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        share = phase.rate * rate(number, phase.steps, phase.end)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['lr'] = share * group['highest']
            optimizer.step()
        for part in self.parts.values():
            part.zero_grad()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, batch: Batch, phase: Phase) -> dict[str, Any]:
        told = self.network, self._heads, batch, self._dialect.spacing
        if phase is self._plan.looking:
            return {'metres': Look(*told).loss()}
        reading = Reading(*told)
        return {'words': reading.words(), 'metres': self._plan.metres * reading.loss()}

    def _batch(self, step: int) -> Batch:
        plan, random = self._plan, np.random.default_rng([self._plan.seed, step])
        phase, number = plan.phase(step)
        if phase is plan.counting or phase is plan.writing and random.random() < plan.counted:
            return make_counted(random, self._dialect, phase.batch, self._tokenizer)
        form, count = Form.SEEN, phase.batch
        if phase is plan.writing:
            done = number / phase.steps
            whole = bool(random.random() < np.interp(done, (0.0, 1.0), plan.whole))
            form, count = (Form.WHOLE, plan.whole_batch) if whole else (Form.CUT, count)
        numbers = self._pool.drawn(random, count, pictured=form is Form.SEEN)
        teacher = self._said if phase is plan.writing else None
        told = numbers, plan.dropout, self._tokenizer, form, teacher
        return make_batch(random, self._pool, self._dialect, *told)

    def _said(self, batch: Batch) -> FloatArray:
        """Return the waypoints that a head tells of what the tower sees."""
        import torch

        with torch.no_grad():
            look = Look(self.network, self._heads, batch, self._dialect.spacing)
            return np.asarray(look.waypoints('mean').numpy(), float)

    def looked(self, held: Pool, step: int, count: int = 128) -> dict[str, float]:
        """Return how it does on lessons held out: metres off after 1 to 3 s, loss of words."""
        import torch

        if not len(held):
            return {}
        random, spacing = np.random.default_rng(0), self._dialect.spacing
        phase = self._plan.phase(step)[0]
        if phase is self._plan.counting:
            batch = make_counted(random, self._dialect, count, self._tokenizer)
        else:
            numbers = random.choice(len(held), min(count, len(held)), replace=False)
            told = self._dialect, numbers, None, self._tokenizer
            batch = make_batch(random, held, *told, Form.CUT)
        with torch.no_grad():
            reading = Reading(self.network, self._heads, batch, spacing)
            if phase is self._plan.looking:
                return shown(reading.metres_off('mean'), spacing)
            off = shown(reading.metres_off('state'), spacing)
            if phase is self._plan.writing:
                # The metres are held against the truth, the words against what they shall say.
                said = make_batch(random, held, *told, Form.CUT, self._said)
                reading = Reading(self.network, self._heads, said, spacing)
            return {**off, 'held_words': float(reading.words())}


def _named(plan: Plan) -> str:
    return json.dumps(asdict(plan), sort_keys=True)
