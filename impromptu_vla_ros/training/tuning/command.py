# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla train --checkpoint`: lessons from recordings and data sets, tuning, a report."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Vehicle
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.topics import CAMERAS
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.training.tuning import finetune, lora
from impromptu_vla_ros.training.tuning.finetune import Settings, Source
from impromptu_vla_ros.training.tuning.recordings import recorded_turns
from impromptu_vla_ros.training.tuning.sharegpt import dataset_turns
from impromptu_vla_ros.training.tuning.turns import Turns


def run(chosen: argparse.Namespace) -> int:
    """Fine-tune the chosen checkpoint; return the exit code."""
    if not chosen.recordings and not chosen.dataset:
        raise ModelError('there is nothing to learn from: give --recordings or --dataset')
    lora.library()
    # What was not said is as Settings has it.
    said = {each.name: getattr(chosen, each.name, None) for each in fields(Settings)}
    settings = Settings(**{name: value for name, value in said.items() if value is not None})
    source = Source(chosen.checkpoint, chosen.subfolder or '', chosen.revision or '')
    turns = Turns()
    if chosen.dataset:
        turns = dataset_turns(Path(chosen.dataset), chosen.pictures and Path(chosen.pictures))
    dialect = _dialect(chosen, source, turns)
    for path in chosen.recordings:
        with _opened(chosen, path) as bag:
            turns += recorded_turns(bag, dialect, Vehicle(chosen.wheelbase))
    steps = settings.steps_of(len(turns.learned))
    print(
        f'dialect {dialect.name}: {len(turns.learned)} lessons to learn, {len(turns.held)} held '
        f'out; {steps} steps of {settings.lessons}'
    )
    out = finetune.run(settings, source, turns, dialect, Path(chosen.out))
    print(
        f'written: --model transformers --checkpoint {out} --dialect {out}/{finetune.DIALECT}\n'
        f'as graphs: impromptu-vla export {out} GRAPHS; the log: {out}/{finetune.WORK}/'
        f'{finetune.LOG}'
    )
    return 0


def _dialect(chosen: argparse.Namespace, source: Source, turns: Turns) -> Dialect:
    """Return the dialect to learn, told by name, by the checkpoint's, and by what there is."""
    if chosen.recordings:
        with _opened(chosen, chosen.recordings[0]) as bag:
            cameras = sum(camera in bag.parts for camera in CAMERAS)
    else:
        cameras = len(turns.learned[0].pictures) if turns.learned else 1
    views = 3 if cameras >= 3 else 1
    dialect = load_dialect(chosen.dialect, source.checkpoint, source.subfolder, views)
    most = min(chosen.most_pixels or dialect.most_pixels, dialect.most_pixels)
    return replace(dialect, most_pixels=most)


def _opened(chosen: argparse.Namespace, path: str) -> Bag:
    return Bag(path, dict(chosen.topic), chosen.base_frame)
