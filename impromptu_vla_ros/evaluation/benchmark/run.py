# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla benchmark`: the ways to an answer side by side, on each engine."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from impromptu_vla_ros.core.structs import Query
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.benchmark.machine import machine
from impromptu_vla_ros.evaluation.benchmark.measuring import (
    Measured,
    drafted,
    measure,
    summarize,
    table,
    unequal,
)
from impromptu_vla_ros.evaluation.benchmark.page import page
from impromptu_vla_ros.evaluation.benchmark.questions import questions, spread
from impromptu_vla_ros.evaluation.benchmark.replaying import replay_ways
from impromptu_vla_ros.evaluation.benchmark.schedule import Schedule, read_schedule
from impromptu_vla_ros.evaluation.benchmark.ways import Way, ways
from impromptu_vla_ros.evaluation.replay_demo import recordings_folder
from impromptu_vla_ros.evaluation.run import write
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models import ModelError, create_model
from impromptu_vla_ros.models.forms import TemplateForm
from impromptu_vla_ros.models.local import LocalModel
from impromptu_vla_ros.models.manifest import read_manifest

QUICK, USUAL = 2, 20
# A replay on a shape of half a billion takes a minute an answer on two cores.
QUICK_REPLAYS, USUAL_REPLAYS = 1, 3


def run(arguments: Namespace) -> int:
    """Measure, print the table, write the numbers; return 1 where a promise was not kept."""
    if not (arguments.shape or arguments.checkpoint or arguments.onnx):
        raise ModelError('nothing to measure: name a CHECKPOINT, --onnx FOLDER or --shape')
    _use_threads(arguments.threads)
    about, measured = (_shape if arguments.shape else _checkpoint)(arguments)
    summary = {
        'about': about,
        'machine': machine(arguments.device),
        'threads': _threads(),
        'ways': summarize(measured),
    }
    out, wrong = Path(arguments.out), unequal(summary['ways'])
    write(out, page(summary), summary)
    hardware = ', '.join(f'{name} {value}' for name, value in summary['machine'].items())
    print(f'{about}\n{hardware}, threads {summary["threads"]}\n\n{table(summary["ways"])}\n')
    print(f'page: {out / "index.html"}\nJSON: {out / "summary.json"}')
    for line in wrong:
        print(f'impromptu-vla: NOT IDENTICAL: {line}', file=sys.stderr)
    return 1 if wrong else 0


def _checkpoint(arguments: Namespace) -> tuple[str, list[Measured]]:
    """Return what was measured, in words, and a checkpoint's ways along recordings."""
    queries = _queries(arguments)
    models = _models(arguments)
    compared = [way for name, model, exact in models for way in ways(name, model, exact)]
    measured = _measure(compared, queries, arguments)
    names = ', '.join(path.resolve().name for path in _recordings(arguments))
    source = f'{arguments.checkpoint or arguments.onnx[0]} along {names}'
    if arguments.save_schedule:
        template = queries[0].template
        header = len(TemplateForm(template, models[0][1].tokenizer).header) if template else 0
        accepted = tuple(run.accepted for run in drafted(measured).runs)
        schedule = Schedule(source, arguments.window, header, accepted)
        schedule.write(Path(arguments.save_schedule))
        print(f'schedule: {arguments.save_schedule}')
    return f'{source}: {len(queries)} questions, window {arguments.window}', measured


def _shape(arguments: Namespace) -> tuple[str, list[Measured]]:
    """Return the same of a schedule's replay on random weights."""
    if not arguments.schedule:
        raise ModelError(
            f'--shape {arguments.shape} needs --schedule FILE: random weights accept no guess; '
            'write one with --save-schedule along recordings'
        )
    schedule = read_schedule(Path(arguments.schedule))
    count = QUICK_REPLAYS if arguments.quick else arguments.questions or USUAL_REPLAYS
    compared = replay_ways(arguments.shape, schedule, arguments.dtype, arguments.device)
    about = (
        f'REPLAY on random weights of the shape {arguments.shape}, 1 camera of 336 picture '
        f'tokens: the passes of {schedule.source} (window {schedule.window}), {count} of '
        f'{len(schedule.answers)} answers'
    )
    return about, _measure(compared, schedule.some(count), arguments)


def _measure(
    compared: Sequence[Way], queries: Sequence[Any], arguments: Namespace
) -> list[Measured]:
    total = len(compared) * (len(queries) + 2)
    with tqdm(total=total, desc='answers', disable=None) as bar:
        return measure(compared, queries, arguments.device.startswith('cuda'), bar.update)


def _models(arguments: Namespace) -> list[tuple[str, LocalModel, bool]]:
    """Return each engine's name, model, and whether it keeps single precision."""
    decoding = {
        'window': arguments.window,
        'most_tokens': arguments.most_tokens,
        'device': arguments.device,
    }
    models = []
    if arguments.checkpoint:
        given = {'checkpoint': arguments.checkpoint, 'dtype': arguments.dtype, **decoding}
        for name in ('subfolder', 'revision'):
            given |= {name: getattr(arguments, name)} if getattr(arguments, name) else {}
        model: Any = create_model('transformers', **given)
        kind = str(model.engine.network.dtype).removeprefix('torch.')
        models.append((f'torch {kind}', model, kind == 'float32'))
    for folder in arguments.onnx:
        options = {'checkpoint': folder, 'threads': arguments.threads, **decoding}
        model = create_model('onnx', **options)
        weights = read_manifest(Path(folder)).weights
        models.append((f'onnx {weights}', model, weights != 'fp16'))
    return models


def _queries(arguments: Namespace) -> Sequence[Query]:
    count = QUICK if arguments.quick else arguments.questions or USUAL
    found = [
        query
        for path in _recordings(arguments)
        for name in arguments.dialect
        for query in questions(
            path, load_dialect(name, arguments.checkpoint or '', arguments.subfolder or '', 1)
        )
    ]
    if not found:
        raise BagError('nothing is asked along these recordings: see impromptu-vla doctor BAG')
    # As a planner whose window is not chosen by a deadline.
    return [replace(query, window=0) for query in spread(found, count)]


def _recordings(arguments: Namespace) -> list[Path]:
    return [Path(path) for path in arguments.recordings] or [recordings_folder() / 'driving']


def _use_threads(count: int) -> None:
    if count:
        import torch

        torch.set_num_threads(count)


def _threads() -> int | None:
    torch = sys.modules.get('torch')
    return int(torch.get_num_threads()) if torch else None
