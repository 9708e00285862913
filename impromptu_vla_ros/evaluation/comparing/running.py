# SPDX-License-Identifier: Apache-2.0
"""Let one side replay recordings and drive scenarios, from where an earlier run ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.evaluation.anchors import (
    FILE,
    Anchors,
    anchors_of,
    read_anchors,
    write_anchors,
)
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.comparing.kept import Kept
from impromptu_vla_ros.evaluation.comparing.sides import (
    EXPERT,
    CompareError,
    Results,
    Spec,
    drives_of,
    state,
)
from impromptu_vla_ros.evaluation.drive import driven, summarize
from impromptu_vla_ros.evaluation.driving.case import Case, Result
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS
from impromptu_vla_ros.evaluation.replay import replay
from impromptu_vla_ros.evaluation.run import Options, chosen_dialect, recording_name
from impromptu_vla_ros.evaluation.score import score
from impromptu_vla_ros.models import Model, create_model


@dataclass(frozen=True)
class Work:
    """What is to be replayed and driven by both sides, and how."""

    bags: Sequence[Path] = ()
    scenarios: Sequence[str] = ()
    seeds: Sequence[int] = (0,)
    topics: Mapping[str, str] = field(default_factory=dict)
    base_frame: str = 'base_link'
    wheelbase: float = Vehicle().wheelbase
    latency: float = 0.0
    world: str = 'kinematic'
    jobs: int = 1

    def __post_init__(self) -> None:
        for name in self.scenarios:
            if name not in SCENARIOS:
                raise CompareError(f'no scenario {name!r}: one of {", ".join(SCENARIOS)}')


def results_of(spec: Spec, work: Work, out: Path) -> Results:
    """
    Return what a side makes of all the work; answers and drives are kept below `out`.

    Raise CompareError, BagError, ModelError or DialectError where it cannot be done.
    """
    key = spec.key(work.wheelbase, dict(work.topics), work.base_frame)
    folder = out / f'{spec.model}-{key}'
    recordings: dict[str, Anchors] = {}
    if work.bags:
        if spec.model == EXPERT:
            raise CompareError('expert sees no recordings: it drives scenarios only')
        model = create_model(spec.model, **spec.options)
        for bag in work.bags:
            anchors = _replayed(bag, spec, model, work, folder)
            if anchors.name in recordings:
                raise CompareError(f'two recordings are called {anchors.name!r}: rename one')
            recordings[anchors.name] = anchors
    drives = _driven(spec, work, folder / 'drives') if work.scenarios else {}
    return Results(spec.text, recordings, drives, folder / 'drives')


def check(spec: Spec, work: Work) -> None:
    """Raise BagError or DialectError where a recording lacks what a side needs."""
    for path in work.bags:
        with Bag(path, work.topics, work.base_frame) as bag:
            dialect = chosen_dialect(bag, Options(spec.dialect, spec.model, spec.options))
            bag.require([*dialect.cameras, 'odometry'])


def _replayed(path: Path, spec: Spec, model: Model, work: Work, folder: Path) -> Anchors:
    options = Options(spec.dialect, spec.model, spec.options)
    with Bag(path, work.topics, work.base_frame) as bag:
        name, dialect = recording_name(bag), chosen_dialect(bag, options)
        parts = json.dumps([dialect.fingerprint, state(path)])
        salt = hashlib.sha256(parts.encode()).hexdigest()
        kept = Kept(folder / name / 'answers.jsonl', salt, model)
        with tqdm(desc=f'{spec.text}: {name}', unit=' messages', disable=None) as bar:
            planner = Planner(dialect, Vehicle(work.wheelbase))
            result = replay(bag, planner, kept, progress=bar.update)
    anchors = anchors_of(
        name, spec.model, result, score(result.path, result.plans, dialect.horizon)
    )
    write_anchors(folder / name / FILE, anchors)
    # As who takes up the folder later will read them: to the same digits.
    return read_anchors(folder / name / FILE)


def _driven(spec: Spec, work: Work, out: Path) -> dict[tuple[str, int], Result]:
    cases = [
        Case(
            scenario=name,
            seed=seed,
            model=spec.model,
            model_options=spec.options,
            dialect=spec.dialect,
            latency=work.latency,
            world=work.world,
        )
        for name in work.scenarios
        for seed in work.seeds
    ]
    ordered = driven(cases, out, work.jobs, spec.text)
    text = json.dumps(summarize(ordered), indent=2, allow_nan=False) + '\n'
    (out / 'summary.json').write_text(text, encoding='utf-8')
    return drives_of(ordered, spec.text)
