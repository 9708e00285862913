# SPDX-License-Identifier: Apache-2.0
"""How it learns: to see, to read what it sees, and to write that, one phase after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.training.lessons.cells import TOKENS
from impromptu_vla_ros.training.nano.batches import (
    Batch,
    Form,
    Teacher,
    asked,
    make_batch,
    make_counted,
)
from impromptu_vla_ros.training.nano.halves import halve
from impromptu_vla_ros.training.nano.losses import TEACHER, Look, Reading, make_heads, shown
from impromptu_vla_ros.training.nano.network import (
    make_network,
    make_optimizers,
    reader_and_writer,
)
from impromptu_vla_ros.training.nano.plan import LOOKING, PHASES, READING, WRITING, Plan
from impromptu_vla_ros.training.nano.pool import Pool
from impromptu_vla_ros.training.nano.state import load_state, read_parts, save_state

# Steps between two looks at the lessons held out, and two states on the disk.
LOOK, SAVE = 200, 100
# What learns in each phase.
LEARNS = {
    LOOKING: ('tower', 'looks'),
    READING: ('tower', 'reader', 'looks', 'says'),
    WRITING: ('reader', 'writer', 'says'),
}


def learn(
    name: str,
    plan: Plan,
    dialect: Dialect,
    tokenizer: Any,
    train: Pool,
    held: Pool,
    out: Path,
) -> Any:
    """
    Go through the phase of that name to its end; return the network.

    Its state lies in `out` meanwhile, and is gone on with; that of other phases is begun with.
    Raise ValueError for a state of another plan.
    """
    learner = Learner(name, plan, dialect, tokenizer, train)
    out.mkdir(parents=True, exist_ok=True)
    for before in PHASES[: PHASES.index(name)]:
        parts = {part: learner.parts[part] for part in LEARNS[before]}
        read_parts(_state(out, before), parts, plan.named(before), plan.phase(before).steps)
    begin = load_state(_state(out, name), learner.learning, learner.optimizers, plan.named(name))
    steps = plan.phase(name).steps
    bar = tqdm(range(begin, steps), name, initial=begin, total=steps, unit='step', disable=None)
    for step, batch in zip(bar, learner.batches(begin)):
        losses = learner.step(step, batch)
        bar.set_postfix({loss: f'{value:.3f}' for loss, value in losses.items()})
        done = step + 1
        if done % LOOK == 0 or done == steps:
            losses |= {f'held_{k}': value for k, value in learner.looked(held).items()}
            with (out / f'{name}.jsonl').open('a', encoding='utf-8') as file:
                file.write(json.dumps({'step': done, **losses}) + '\n')
        if done % SAVE == 0 or done == steps:
            state = _state(out, name)
            save_state(state, learner.learning, learner.optimizers, done, plan.named(name))
    return learner.network


def _state(out: Path, name: str) -> Path:
    return out / f'{name}.safetensors'


class Learner:
    """The network, its heads and what trains them in one phase, step by step."""

    def __init__(
        self, name: str, plan: Plan, dialect: Dialect, tokenizer: Any, pool: Pool
    ) -> None:
        self._name, self._phase, self._plan = name, plan.phase(name), plan
        self._dialect, self._tokenizer, self._pool = dialect, tokenizer, pool
        self.network = make_network(tokenizer, plan.size, plan.seed).train()
        self._heads = looks, says = make_heads(TOKENS, plan.size.hidden, dialect.waypoints)
        reader, writer = reader_and_writer(self.network.model.language_model)
        self.parts = {
            'tower': self.network.model.visual,
            'reader': reader,
            'writer': writer,
            'looks': looks,
            'says': says,
        }
        halve(self.parts.values())
        self.learning = {part: self.parts[part] for part in LEARNS[name]}
        kept = {'reader': plan.kept} if name == WRITING else {}
        self.optimizers = make_optimizers(self.learning, kept)

    def batches(self, begin: int) -> Iterator[Batch]:
        """Make the batches of the steps from `begin`, each while the last is learned from."""
        with ThreadPoolExecutor(1) as beside:
            coming = beside.submit(self._batch, begin)
            for step in range(begin, self._phase.steps):
                batch = coming.result()
                if step + 1 < self._phase.steps:
                    coming = beside.submit(self._batch, step + 1)
                yield batch

    def step(self, step: int, batch: Batch) -> dict[str, float]:
        """Learn from one batch; return the losses."""
        import torch

        losses = self._losses(batch)
        sum(losses.values()).backward()
        weights = [w for part in self.learning.values() for w in part.parameters()]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['lr'] = self._phase.share(step) * group['highest']
            optimizer.step()
        for part in self.learning.values():
            part.zero_grad()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, batch: Batch) -> dict[str, Any]:
        given = self.network, self._heads, batch, self._dialect.spacing
        if self._name == LOOKING:
            return {'looks': Look(*given, learns=True).looks()}
        if self._name == READING:
            reading = Reading(*given, learns=True)
            looks = {'looks': reading.looks()} if reading.pictured else {}
            return {'state': reading.state(), **looks}
        reading = Reading(*given)
        weight = self._plan.metres
        return {
            'words': reading.words(),
            'state': weight * reading.state(),
            'written': weight * reading.written(),
        }

    def _batch(self, step: int) -> Batch:
        plan, phase = self._plan, self._phase
        # No phase draws what another has drawn.
        drawn = step + sum(plan.phase(n).steps for n in PHASES[: PHASES.index(self._name)])
        random = np.random.default_rng([plan.seed, drawn])
        if self._name != LOOKING and random.random() < plan.counted:
            batch = make_counted(random, self._dialect, phase.batch, self._tokenizer)
            return asked(batch) if self._name == READING else batch
        if self._name != WRITING:
            numbers = self._pool.drawn(random, phase.batch, pictured=True)
            form = Form.SEEN if self._name == LOOKING else Form.CUT
            return asked(self._made(random, numbers, form, None))
        share = np.interp(step / phase.steps, (0.0, 1.0), plan.whole)
        whole = random.random() < share
        form, count = (Form.WHOLE, plan.whole_batch) if whole else (Form.CUT, phase.batch)
        numbers = self._pool.drawn(random, count, pictured=False)
        return self._made(random, numbers, form, self._said)

    def _made(
        self, random: np.random.Generator, numbers: IntArray, form: Form, teacher: Teacher | None
    ) -> Batch:
        told = numbers, self._plan.dropout, self._tokenizer, form, teacher
        return make_batch(random, self._pool, self._dialect, *told)

    def _said(self, batch: Batch) -> FloatArray:
        """Return the waypoints that a head tells of what the tower sees."""
        import torch

        with torch.no_grad():
            look = Look(self.network, self._heads, batch, self._dialect.spacing)
            return np.asarray(look.waypoints(TEACHER).numpy(), float)

    def looked(self, held: Pool, count: int = 128) -> dict[str, float]:
        """Return how it does on lessons held out: metres off after 1 to 3 s, loss of words."""
        import torch

        if not len(held):
            return {}
        random, spacing = np.random.default_rng(0), self._dialect.spacing
        numbers = random.choice(len(held), min(count, len(held)), replace=False)
        told = self._dialect, numbers, None, self._tokenizer, Form.CUT
        batch = make_batch(random, held, *told)
        given = self.network, self._heads
        with torch.no_grad():
            reading = Reading(*given, batch, spacing)
            seen = shown('seen', reading.metres_off(TEACHER), spacing)
            if self._name == LOOKING:
                return seen
            read = shown('read', reading.metres_off('state'), spacing)
            if self._name == READING:
                return {**seen, **read}
            # Words are held against what they shall say, not against the truth.
            said = Reading(*given, make_batch(random, held, *told, self._said), spacing)
            kept = shown('kept', said.metres_off('state'), spacing)
            return {**read, **kept, 'words': float(said.words())}
