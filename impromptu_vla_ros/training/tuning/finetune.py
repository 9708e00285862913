# SPDX-License-Identifier: Apache-2.0
"""Fine-tune a real Qwen2.5-VL checkpoint by LoRA: the next token of right answers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect, dialect_to_json
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.checkpoint import Checkpoint
from impromptu_vla_ros.models.transformers_engine import choose, explained, libraries
from impromptu_vla_ros.training.nano.state import load_state, save_state
from impromptu_vla_ros.training.tuning.answering import answer_loss
from impromptu_vla_ros.training.tuning.lora import adapted, library, write_checkpoint
from impromptu_vla_ros.training.tuning.turns import Turn, Turns, Words, worded

# Where in the checkpoint's folder the training keeps its state and its log, and the dialect.
WORK, STATE, LOG = 'training', 'state.safetensors', 'training.jsonl'
DIALECT = 'dialect.json'
# As many lessons held out are looked at.
MOST_HELD = 64

OnStep = Callable[[int, float], object]


@dataclass(frozen=True)
class Source:
    """The checkpoint that is tuned: a folder or a hub name, and what to select inside it."""

    checkpoint: str
    subfolder: str = ''
    revision: str = ''


@dataclass(frozen=True)
class Settings:
    """
    How a checkpoint is tuned.

    Adapters of `rank` count `alpha / rank`, in the `vision` tower too if asked. A step learns
    from `batch` lessons `accumulation` times; there are `epochs` over all of them, or `steps`
    where that is not 0. The highest learning `rate` is reached after the share `warm`, and
    falls to 0. `recompute` trades time for memory. `every` so many steps the state is saved and
    what is held out is looked at. `device` and `dtype` are as the transformers model takes them.
    """

    rank: int = 16
    alpha: int = 32
    vision: bool = False
    batch: int = 1
    accumulation: int = 8
    epochs: float = 2.0
    steps: int = 0
    rate: float = 1e-4
    warm: float = 0.03
    recompute: bool = False
    every: int = 50
    seed: int = 0
    device: str = 'auto'
    dtype: str = 'auto'

    def __post_init__(self) -> None:
        """Raise ModelError for a number that cannot be."""
        for name in ('rank', 'alpha', 'batch', 'accumulation', 'epochs', 'rate', 'every'):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ModelError(f'{name} is {getattr(self, name)}, and must be above 0')

    @property
    def lessons(self) -> int:
        """Return the number of lessons of a step."""
        return self.batch * self.accumulation

    def steps_of(self, turns: int) -> int:
        """Return the number of steps with so many lessons in all."""
        return self.steps or math.ceil(self.epochs * turns / self.lessons)


def run(
    settings: Settings,
    source: Source,
    turns: Turns,
    dialect: Dialect,
    out: Path,
    on_step: OnStep | None = None,
) -> Path:
    """
    Tune a checkpoint, write it whole into the folder `out`, and return that.

    A training that was cut off goes on from its last state. `on_step` is called with each step,
    from 1 on, and its loss. Pictures are shrunk as the dialect says. Raise ModelError where a
    library, the checkpoint or memory is missing, or the state in `out` is of another training.
    """
    if not turns.learned:
        raise ModelError('there is nothing to learn from: not one whole lesson')
    library()
    learner = Learner(settings, source, turns, dialect)
    work = out / WORK
    work.mkdir(parents=True, exist_ok=True)
    with explained(learner.torch, learner.device, 'not trained'):
        _train(settings, learner, work, on_step)
        write_checkpoint(learner.parts.merged(), learner.files, learner.tokenizer, out)
    (out / DIALECT).write_text(dialect_to_json(dialect) + '\n', encoding='utf-8')
    return out


def _train(settings: Settings, learner: Learner, work: Path, on_step: OnStep | None) -> None:
    parts, path = {'adapter': learner.parts.adapter}, work / STATE
    try:
        begin = load_state(path, parts, [learner.optimizer], learner.plan)
    except ValueError as error:
        raise ModelError(str(error)) from error
    log, steps = work / LOG, learner.steps
    _cut(log, begin)
    bar = tqdm(range(begin, steps), initial=begin, total=steps, unit='step', disable=None)
    for done in (step + 1 for step in bar):
        told = learner.step(done - 1)
        bar.set_postfix(loss=f'{told["loss"]:.3f}')
        if done % settings.every == 0 or done == steps:
            told |= learner.looked()
            save_state(path, parts, [learner.optimizer], done, learner.plan)
        with log.open('a', encoding='utf-8') as file:
            file.write(json.dumps({'step': done, **told}) + '\n')
        if on_step is not None:
            on_step(done, told['loss'])


class Learner:
    """A checkpoint with adapters, and what trains them, step by step."""

    def __init__(self, settings: Settings, source: Source, turns: Turns, dialect: Dialect) -> None:
        self.torch, transformers, tokenizers = libraries()
        self.device, kind = choose(self.torch, settings.device, settings.dtype)
        self.files = Checkpoint(transformers, source.checkpoint, source.subfolder, source.revision)
        self.files.config()
        self.tokenizer = self.files.tokenizer(tokenizers)
        with explained(self.torch, self.device, f'cannot load {self.files.name}'):
            network = self.files.network(kind).to(self.device)
        self.parts = adapted(
            network, settings.rank, settings.alpha, settings.vision, settings.seed
        )
        self.optimizer = self.torch.optim.AdamW(
            [weight for _, weight in self.parts.adapter.named_parameters()],
            lr=settings.rate,
            weight_decay=0.0,
        )
        self._settings, self._turns, self._dialect = settings, turns, dialect
        self.steps = settings.steps_of(len(turns.learned))
        if settings.recompute:
            spoken = network.model.language_model
            # transformers 5 has another word for it.
            name = 'activation_checkpointing_enable'
            getattr(spoken, name, spoken.gradient_checkpointing_enable)({'use_reentrant': False})
            # Only what is in training recomputes; nothing else differs, for nothing drops out.
            network.train()

    @property
    def plan(self) -> str:
        """Return what a state must agree in to be gone on with."""
        told = asdict(self._settings)
        told = {name: told[name] for name in told if name not in ('device', 'every')}
        named = {'checkpoint': self.files.name, 'lessons': self._turns.fingerprint}
        dialect = self._dialect.fingerprint
        return json.dumps({**told, **named, 'steps': self.steps, 'dialect': dialect})

    def step(self, step: int) -> dict[str, float]:
        """Learn from the lessons of a step; return their loss by token, and the rate."""
        settings, torch = self._settings, self.torch
        words = [self._worded(self._turns.learned[number]) for number in self._numbers(step)]
        said, total = sum(each.said for each in words), 0.0
        for some in _portions(words, settings.batch):
            # By token of the whole step: how it is cut into batches changes nothing.
            loss = answer_loss(self.parts.network, some, settings.vision) / said
            loss.backward()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise ModelError(f'the loss of step {step + 1} is {total}: choose a lower rate')
        weights = [weight for _, weight in self.parts.adapter.named_parameters()]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        warm = max(1, round(settings.warm * self.steps))
        now = settings.rate * min((step + 1) / warm, (self.steps - step) / self.steps)
        for group in self.optimizer.param_groups:
            group['lr'] = now
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {'loss': total, 'rate': now}

    def looked(self) -> dict[str, float]:
        """Return the loss by token of lessons held out."""
        held = self._turns.held
        if not held:
            return {}
        count = min(MOST_HELD, len(held))
        words = [self._worded(held[k * len(held) // count]) for k in range(count)]
        with self.torch.no_grad():
            losses = [
                float(answer_loss(self.parts.network, some))
                for some in _portions(words, self._settings.batch)
            ]
        return {'held': sum(losses) / sum(each.said for each in words)}

    def _numbers(self, step: int) -> Iterator[int]:
        """Yield the lessons of a step: every one once in an epoch, in an order of its own."""
        many = len(self._turns.learned)
        begin = step * self._settings.lessons
        for place in range(begin, begin + self._settings.lessons):
            epoch, number = divmod(place, many)
            random = np.random.default_rng([self._settings.seed, epoch])
            yield int(random.permutation(many)[number])

    def _worded(self, turn: Turn) -> Words:
        return worded(turn, self._dialect, self.tokenizer)


def _portions(words: Sequence[Words], size: int) -> Iterator[Sequence[Words]]:
    return (words[start : start + size] for start in range(0, len(words), size))


def _cut(log: Path, step: int) -> None:
    """Drop the lines of steps after `step` from the log: they are made again."""
    if not log.is_file():
        return
    lines = log.read_text(encoding='utf-8').splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)['step'] <= step]
    log.write_text(''.join(kept), encoding='utf-8')
