# SPDX-License-Identifier: Apache-2.0
"""A recording through the same Planner that drives live, without ROS and as fast as it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Answer,
    CameraImage,
    InputError,
    NotReady,
    Odometry,
    Plan,
    Query,
)
from impromptu_vla_ros.core.timeline import Timeline
from impromptu_vla_ros.evaluation.bag import SAMPLES, Sample
from impromptu_vla_ros.evaluation.topics import CAMERAS, BagError
from impromptu_vla_ros.models import Model, ModelError, respond

# Why a frame is not asked about that was ready: the newest frame wins.
OVERTAKEN = 'overtaken by a newer frame, or lost'

Progress = Callable[[int], object]
OnAnswer = Callable[[int, str], None]


class Recording(Protocol):
    """What can be replayed: an open Bag, or what gives samples as one does."""

    def require(self, parts: Collection[str]) -> None:
        """Raise BagError where one of the parts is missing."""

    def clock_offset(self) -> int:
        """Return the ns that the receive times are ahead of the stamps' clock."""
        ...

    def messages(self, parts: Collection[str]) -> Iterable[Any]:
        """Yield what has a receive `time` in ns, in its order."""
        ...

    def sample(self, recorded: Any) -> Sample:
        """Return the sample of what `messages` yields; raise InputError for an unusable one."""
        ...


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """
    What one replay made of a recording.

    `plans`, `prompts` and `answers` are by capture stamp in ns; `answers` holds refused ones
    too. `frames` are the first camera's capture stamps, in the order they came, each once.
    `counts` says what became of the questions (asked, answered, refused, failed) and how many
    messages were skipped; `reasons` says why. `unasked` says of each frame without a question
    why there was none, and `inputs` what each input was like (received, duplicate, late, …).
    """

    mode: str
    dialect: Dialect
    path: DrivenPath
    odometry: tuple[Odometry, ...]
    frames: tuple[int, ...]
    plans: Mapping[int, Plan]
    prompts: Mapping[int, str] = field(default_factory=dict)
    answers: Mapping[int, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    unasked: Mapping[int, str] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def answered_share(self) -> float:
        """Return the share of the first camera's frames that got a plan, NaN without frames."""
        return len(self.plans) / len(self.frames) if self.frames else float('nan')


class _Tally:
    """Gather what a replay yields, message by message."""

    def __init__(self) -> None:
        self.odometry: list[Odometry] = []
        self.frames: dict[int, None] = {}
        self.plans: dict[int, Plan] = {}
        self.prompts: dict[int, str] = {}
        self.answers: dict[int, str] = {}
        self.skipped = 0
        self.reasons: Counter[str] = Counter()
        self.waiting: dict[int, str] = {}


def replay(
    bag: Recording,
    planner: Planner,
    model: Model,
    latency: float = 0.0,
    progress: Progress | None = None,
    on_answer: OnAnswer | None = None,
) -> ReplayResult:
    """
    Return what the planner and the model make of a recording.

    `latency` is the seconds of recorded time that the model counts as busy after a question.
    `progress` is called with 1 after each message, `on_answer` with each capture stamp and
    answer as it comes. Raise BagError where the recording lacks what the dialect needs.
    """
    bag.require([*planner.dialect.cameras, 'odometry'])
    parts = [part for part in SAMPLES if part not in CAMERAS or part in planner.dialect.cameras]
    tally, offset, free = _Tally(), bag.clock_offset(), 0
    for recorded in bag.messages(parts):
        now = recorded.time - offset
        try:
            sample = bag.sample(recorded)
            planner.observe(sample)
        except InputError as error:
            tally.skipped += 1
            tally.reasons[f'skipped: {error}'] += 1
        else:
            _note(tally, sample, planner.dialect.cameras[0])
            if now >= free and _step(tally, planner, model, now, on_answer):
                free = now + round(latency * NANOSECONDS)
        if progress is not None:
            progress(1)
    return _result(tally, planner)


def driven_path(odometry: list[Odometry]) -> DrivenPath:
    """Return the path of odometry samples; raise BagError where they are too few."""
    try:
        return DrivenPath.of(odometry)
    except ValueError as error:
        raise BagError(f'the recording cannot be scored: {error}') from error


def _note(tally: _Tally, sample: object, first_camera: str) -> None:
    if isinstance(sample, Odometry):
        tally.odometry.append(sample)
    elif isinstance(sample, CameraImage) and sample.camera == first_camera:
        tally.frames.setdefault(sample.stamp)


def _step(
    tally: _Tally, planner: Planner, model: Model, now: int, on_answer: OnAnswer | None
) -> bool:
    """Ask, answer and plan once; return whether the model was asked."""
    query = planner.ask(now)
    if isinstance(query, NotReady):
        if query.reason != 'used' and tally.frames:
            tally.waiting[next(reversed(tally.frames))] = f'{query.source} {query.reason}'
        return False
    tally.prompts[query.stamp] = query.prompt
    answer = _answer(tally, planner, model, query)
    if answer is None:
        return True
    tally.answers[query.stamp] = answer.text
    if on_answer is not None:
        on_answer(query.stamp, answer.text)
    try:
        tally.plans[query.stamp] = planner.tell(query, answer, now)
    except AnswerError as error:
        tally.reasons[f'refused: {error}'] += 1
    return True


def _answer(tally: _Tally, planner: Planner, model: Model, query: Query) -> Answer | None:
    try:
        return respond(model, query)
    except (InputError, ModelError) as error:
        planner.refuse()
        tally.reasons[f'failed: {error}'] += 1
        return None


def _result(tally: _Tally, planner: Planner) -> ReplayResult:
    counts = {name: planner.counts[name] for name in ('asked', 'answered', 'refused', 'failed')}
    frames, ego = planner.buffer.frames, planner.buffer.ego
    timelines: list[Timeline[Any]]
    timelines = [*frames.values(), ego.odometry, ego.acceleration, ego.steering]
    return ReplayResult(
        mode='offline',
        dialect=planner.dialect,
        path=driven_path(tally.odometry),
        odometry=tuple(tally.odometry),
        frames=tuple(tally.frames),
        plans=tally.plans,
        prompts=tally.prompts,
        answers=tally.answers,
        counts={**counts, 'skipped': tally.skipped},
        reasons=dict(tally.reasons),
        unasked={
            stamp: tally.waiting.get(stamp, OVERTAKEN)
            for stamp in tally.frames
            if stamp not in tally.prompts
        },
        inputs={t.name: dict(t.counts) for t in timelines if t.counts},
    )
