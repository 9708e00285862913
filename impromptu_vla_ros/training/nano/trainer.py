# SPDX-License-Identifier: Apache-2.0
"""How it learns: to see, to read what it sees, and to write that, one phase after the other."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.training.nano.batches import (
    Batch,
    Form,
    Teacher,
    asked,
    make_batch,
    make_counted,
)
from impromptu_vla_ros.training.nano.losses import TEACHER, Look, Reading, shown
from impromptu_vla_ros.training.nano.network import make_optimizers
from impromptu_vla_ros.training.nano.parts import make_parts, read_before, state_file
from impromptu_vla_ros.training.nano.plan import LOOKING, WRITING, Plan, kind
from impromptu_vla_ros.training.nano.pool import Pool
from impromptu_vla_ros.training.nano.state import load_state, save_state

# The batches of one step by the kind of their lessons, each with how much it counts.
Batches = Mapping[str, tuple[float, Batch]]
# Steps between two looks at the lessons held out, and two states on the disk.
LOOK, SAVE = 200, 100


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
    read_before(learner.parts, plan, name, out)
    if kind(name) == WRITING:
        learner.be_taught()
    state = state_file(out, name)
    begin = load_state(state, learner.learning, learner.optimizers, plan.named(name))
    steps = plan.phase(name).steps
    bar = tqdm(range(begin, steps), name, initial=begin, total=steps, unit='step', disable=None)
    for step, batches in zip(bar, learner.batches(begin)):
        losses = learner.step(step, batches)
        bar.set_postfix({loss: f'{value:.3f}' for loss, value in losses.items()})
        done = step + 1
        if done % LOOK == 0 or done == steps:
            losses |= {f'held_{k}': value for k, value in learner.looked(held).items()}
            with (out / f'{name}.jsonl').open('a', encoding='utf-8') as file:
                file.write(json.dumps({'step': done, **losses}) + '\n')
        if done % SAVE == 0 or done == steps:
            save_state(state, learner.learning, learner.optimizers, done, plan.named(name))
    return learner.parts.network


class Learner:
    """The network, its heads and what trains them in one phase, step by step."""

    def __init__(
        self, name: str, plan: Plan, dialect: Dialect, tokenizer: Any, pool: Pool
    ) -> None:
        self._kind, self._phase, self._plan = kind(name), plan.phase(name), plan
        self._dialect, self._tokenizer, self._pool = dialect, tokenizer, pool
        self.parts = make_parts(plan, dialect, tokenizer)
        self.learning = self.parts.learning(name)
        self._taught = self.parts.network, self.parts.heads
        self._teacher = self._taught
        self.optimizers = make_optimizers(
            self.learning, dict.fromkeys(self._phase.kept, plan.kept)
        )

    def be_taught(self) -> None:
        """Let what it knows by now be what it is taught to write."""
        self._teacher = copy.deepcopy(self._taught)

    def batches(self, begin: int) -> Iterator[Batches]:
        """Make the batches of the steps from `begin`, while those before are learned from."""
        import torch

        # A teacher that took all cores would take them from who learns.
        with ThreadPoolExecutor(1, initializer=partial(torch.set_num_threads, 1)) as beside:
            coming = beside.submit(self._batch, begin)
            for step in range(begin, self._phase.steps):
                batches = coming.result()
                if step + 1 < self._phase.steps:
                    coming = beside.submit(self._batch, step + 1)
                yield batches

    def step(self, step: int, batches: Batches) -> dict[str, float]:
        """Learn from all batches of one step; return the losses."""
        import torch

        losses: dict[str, float] = {}
        for lessons, (share, batch) in batches.items():
            found = self._losses(batch)
            (share * sum(found.values())).backward()
            losses |= {f'{lessons}{name}': float(value.detach()) for name, value in found.items()}
        weights = [w for part in self.learning.values() for w in part.parameters()]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['lr'] = self._phase.share(step) * group['highest']
            optimizer.step()
        for part in self.learning.values():
            part.zero_grad()
        return losses

    def _losses(self, batch: Batch) -> dict[str, Any]:
        given = *self._taught, batch, self._dialect.spacing
        if self._kind == LOOKING:
            return {'looks': Look(*given, learns=True).looks()}
        reading = Reading(*given, learns=self._kind != WRITING)
        if self._kind != WRITING:
            looks = {'looks': reading.looks()} if reading.pictured else {}
            return {'state': reading.state(), **looks}
        weight = self._plan.metres
        return {
            'words': reading.words(),
            'state': weight * reading.state(),
            'written': weight * reading.written(),
        }

    def _batch(self, step: int) -> Batches:
        plan, phase = self._plan, self._phase
        # No phase draws what another has drawn.
        drawn = step + sum(before.steps for before in plan.before(phase.name))
        random = np.random.default_rng([plan.seed, drawn])
        looking, writing = self._kind == LOOKING, self._kind == WRITING
        counted = 0.0 if looking else plan.counted
        whole, count = phase.form(step, random.random())
        form = Form.WHOLE if whole else Form.CUT
        numbers = self._pool.drawn(random, round((1.0 - counted) * count), pictured=not writing)
        teacher = self._said if writing else None
        driven = self._made(random, numbers, Form.SEEN if looking else form, teacher)
        made = {'': (1.0 - counted, driven)}
        if counted:
            rows = round(counted * phase.batch)
            alone = make_counted(random, self._dialect, rows, self._tokenizer)
            made['counted_'] = counted, alone
        return made if writing else {k: (share, asked(b)) for k, (share, b) in made.items()}

    def _made(
        self, random: np.random.Generator, numbers: IntArray, form: Form, teacher: Teacher | None
    ) -> Batch:
        told = numbers, self._plan.dropout, self._tokenizer, form, teacher
        return make_batch(random, self._pool, self._dialect, *told)

    def _said(self, batch: Batch) -> FloatArray:
        """Return the waypoints (b, waypoints, 2) m that the teacher knows halfway."""
        import torch

        with torch.no_grad():
            reading = Reading(*self._teacher, asked(batch), self._dialect.spacing)
            return np.asarray(reading.waypoints('state').numpy(), float)

    def looked(self, held: Pool, count: int = 128) -> dict[str, float]:
        """Return how it does on lessons held out: metres off after 1 to 3 s, loss of words."""
        import torch

        if not len(held):
            return {}
        random, spacing = np.random.default_rng(0), self._dialect.spacing
        numbers = random.choice(len(held), min(count, len(held)), replace=False)
        told = self._dialect, numbers, None, self._tokenizer, Form.WHOLE
        batch = make_batch(random, held, *told)
        with torch.no_grad():
            reading = Reading(*self._taught, batch, spacing)
            seen = shown('seen', reading.metres_off(TEACHER), spacing)
            if self._kind == LOOKING:
                return seen
            read = shown('read', reading.metres_off('state'), spacing)
            if self._kind != WRITING:
                return {**seen, **read}
            # Words are held against what they shall say, not against the truth.
            said = Reading(*self._taught, make_batch(random, held, *told, self._said), spacing)
            kept = shown('kept', said.metres_off('state'), spacing)
            return {**read, **kept, 'words': float(said.words())}
