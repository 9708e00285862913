# SPDX-License-Identifier: Apache-2.0
"""The recipe: the vision tower learns from metres first, then all of it from words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.training.batches import Pool, make_batch
from impromptu_vla_ros.training.examples import Dropout
from impromptu_vla_ros.training.learning import make_head, metres_off, seen_loss, words_loss
from impromptu_vla_ros.training.network import Size, make_network, make_optimizers
from impromptu_vla_ros.training.state import load_state, save_state

# Steps between two looks at the lessons held out, and two states on the disk.
LOOK, SAVE = 200, 100


@dataclass(frozen=True)
class Plan:
    """
    How long what is learned: `seeing` steps of the tower with its head, then `saying` of all.

    Batches of so many lessons; a step is of whole prompts by the share `whole`, from the first
    step of saying to the last. `end` is the last part of each, in which the rates go to 0.
    """

    seeing: int = 500
    saying: int = 1300
    seeing_batch: int = 48
    cut_batch: int = 32
    whole_batch: int = 12
    whole: tuple[float, float] = (0.1, 0.6)
    end: float = 0.5
    metres: float = 0.5
    seed: int = 1
    size: Size = field(default_factory=Size)
    dropout: Dropout = field(default_factory=Dropout)

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return self.seeing + self.saying


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
    for step in bar:
        losses = learner.step(step)
        bar.set_postfix({name: f'{value:.3f}' for name, value in losses.items()})
        done = step + 1
        if done % LOOK == 0 or done == plan.steps:
            losses |= learner.looked(held)
            with log.open('a', encoding='utf-8') as file:
                file.write(json.dumps({'step': done, **losses}) + '\n')
        if done % SAVE == 0:
            save_state(state, learner.parts, learner.optimizers, done, _named(plan))
    return learner.network


class Learner:
    """The network, its head and what trains them, step by step."""

    def __init__(self, plan: Plan, dialect: Dialect, tokenizer: Any, pool: Pool) -> None:
        self._plan, self._dialect, self._tokenizer, self._pool = plan, dialect, tokenizer, pool
        self.network = make_network(tokenizer, plan.size, plan.seed).train()
        example = make_batch(np.random.default_rng(0), pool, dialect, [0])
        tokens = example.values.shape[1] // 4
        self.head = make_head(tokens, plan.size.hidden, dialect.waypoints)
        self.parts = {'network': self.network, 'head': self.head}
        self.optimizers = self.optimizers_at(0)

    def optimizers_at(self, step: int) -> tuple[Any, Any]:
        """Make the optimizers of a step's phase, which begin anew with it, and return them."""
        tower = {'network': self.network.model.visual, 'head': self.head}
        self.optimizers = make_optimizers(tower if step < self._plan.seeing else self.parts)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['highest'] = group['lr']
        return self.optimizers

    def step(self, step: int) -> dict[str, float]:
        """Learn from one batch; return the losses."""
        import torch

        plan = self._plan
        random = np.random.default_rng([plan.seed, step])
        if step == plan.seeing:
            self.optimizers_at(step)
        seeing = step < plan.seeing
        share = rate(step, plan.seeing, 0.3) if seeing else self._late_rate(step)
        seen, losses = self._losses(random, step)
        loss = sum(losses.values())
        loss.backward()
        weights = [w for part in self.parts.values() for w in part.parameters()]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group['lr'] = share * group['highest']
            optimizer.step()
        for part in self.parts.values():
            part.zero_grad()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _late_rate(self, step: int) -> float:
        return rate(step - self._plan.seeing, self._plan.saying, self._plan.end)

    def _losses(self, random: np.random.Generator, step: int) -> tuple[Any, dict[str, Any]]:
        plan, spacing = self._plan, self._dialect.spacing
        if step < plan.seeing:
            batch = self._batch(random, plan.seeing_batch)
            seen, metres = seen_loss(self.network, self.head, batch, spacing)
            return seen, {'metres': metres}
        done = (step - plan.seeing) / plan.saying
        whole = bool(random.random() < np.interp(done, (0.0, 1.0), plan.whole))
        count = plan.whole_batch if whole else plan.cut_batch
        batch = self._batch(random, count, self._tokenizer, whole)
        seen, metres = seen_loss(self.network, self.head, batch, spacing)
        words = words_loss(self.network, seen, batch)
        return seen, {'words': words, 'metres': plan.metres * metres}

    def _batch(self, random: np.random.Generator, count: int, *words: Any) -> Any:
        numbers = random.integers(len(self._pool), size=count)
        dropout = self._plan.dropout
        return make_batch(random, self._pool, self._dialect, numbers, *words, dropout=dropout)

    def looked(self, held: Pool, count: int = 96) -> Mapping[str, float]:
        """Return how it does on lessons held out: loss of words, and metres off after 1 to 3 s."""
        import torch

        if not len(held):
            return {}
        random = np.random.default_rng(0)
        numbers = random.choice(len(held), min(count, len(held)), replace=False)
        batch = make_batch(random, held, self._dialect, numbers, self._tokenizer)
        spacing = self._dialect.spacing
        with torch.no_grad():
            seen, _ = seen_loss(self.network, self.head, batch, spacing)
            words = words_loss(self.network, seen, batch)
        off = metres_off(self.network, self.head, batch, spacing)
        at = {f'off_{s}s': float(off[:, round(s / spacing) - 1].mean()) for s in (1, 2, 3)}
        return {'held_words': float(words), **at}


def _named(plan: Plan) -> str:
    return json.dumps(asdict(plan), sort_keys=True)
