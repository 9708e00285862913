# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla replay`: a recording in, its scores and its page out."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation import live
from impromptu_vla_ros.evaluation.anchors import FILE, anchors_of, write_anchors
from impromptu_vla_ros.evaluation.bag import SAMPLES, Bag
from impromptu_vla_ros.evaluation.page import Section, page
from impromptu_vla_ros.evaluation.pictures import pictures
from impromptu_vla_ros.evaluation.replay import Progress, ReplayResult, replay
from impromptu_vla_ros.evaluation.score import score
from impromptu_vla_ros.evaluation.summary import Summary, compare, headline, summarize, table
from impromptu_vla_ros.evaluation.topics import CAMERAS, BagError
from impromptu_vla_ros.models import ModelError, create_model
from impromptu_vla_ros.models.recorded import record

# Why a frame that could be asked about shows no plan live.
UNPUBLISHED = 'refused by the guard, overtaken by a newer frame, or lost'


@dataclass(frozen=True)
class Options:
    """
    How to replay: the command line's options by the same names.

    `model_options` are the arguments of the model's class. `latency` (s of recorded time) is
    for offline, `rate` for live; `camera_height` (m) where no static transform tells it.
    """

    dialect: str = 'auto'
    model: str = 'kinematic'
    model_options: Mapping[str, Any] = field(default_factory=dict)
    live: bool = False
    rate: float = 1.0
    latency: float = 0.0
    wheelbase: float = Vehicle().wheelbase
    camera_height: float = 1.5
    most_pictures: int = 9


class SaidLive:
    """Answer with what a model said live, so that the same is not asked twice."""

    def __init__(self, answers: Mapping[int, str]) -> None:
        self._answers = answers

    def answer(self, query: Query) -> Answer:
        """Return the answer to the query's stamp; raise ModelError where there was none."""
        if query.stamp not in self._answers:
            raise ModelError('not answered live')
        return Answer(self._answers[query.stamp])


def run(arguments: Namespace) -> int:
    """Replay as the command line says; return 0, or 1 if there was not a single plan."""
    options = _options(arguments)
    on_answer = _recorder(arguments.record, options.model_options.get('path'))
    with Bag(arguments.bag, dict(arguments.topic), arguments.base_frame) as bag:
        section = evaluate(bag, options, on_answer)
    name = section.summary['name']
    out = Path(arguments.out or Path('out') / 'replay' / name)
    title = f'{name}, replayed'
    lead = 'Each picture of a real recording asked for a plan; each plan against what was driven.'
    write(out, page(title, lead, [section]), section.summary)
    write_anchors(out / FILE, anchors_of(name, arguments.model, section.result, section.score))
    if arguments.json:
        _write_json(Path(arguments.json), section.summary)
    print(table(section.summary))
    print(f'page: {out / "index.html"}\nJSON: {arguments.json or out / "summary.json"}')
    return 0 if section.result.plans else _nothing_planned(section.summary)


def evaluate(bag: Bag, options: Options, on_answer: Any = None) -> Section:
    """
    Return the evaluation of an open recording, ready for a page.

    `on_answer` is called with each capture stamp and answer. With `options.live` the planner
    node makes the plans, and the offline replay is what they are compared with.
    """
    name = recording_name(bag)
    dialect = chosen_dialect(bag, options)
    if options.live:
        result, comparison = _live(bag, name, dialect, options, on_answer)
    else:
        result, comparison = _offline(bag, name, dialect, options, on_answer), None
    scored = score(result.path, result.plans, result.dialect.horizon)
    summary = summarize(name, options.model, result, scored)
    if comparison is not None:
        summary = {**summary, 'rate': options.rate, 'comparison': comparison}
    camera = bag.camera(options.camera_height)
    note = 'Without a camera_info topic nothing can be drawn into the pictures.'
    return Section(
        title=bag.about.get('title', name),
        summary=summary,
        result=result,
        score=scored,
        pictures=pictures(bag, result, scored, camera and camera[0], options.most_pictures),
        camera_note=bag.about.get('camera', f'Camera: {camera[1]}.' if camera else note),
        motion=bag.about.get('motion', 'driving'),
        notes=[bag.about['note']] if 'note' in bag.about else [],
        attribution=bag.about.get('attribution', ''),
    )


def recording_name(bag: Bag) -> str:
    """Return what a recording is called."""
    return bag.path.stem if bag.path.is_file() else bag.path.resolve().name


def chosen_dialect(bag: Bag, options: Options) -> Dialect:
    """Return the dialect the options ask for; raise DialectError for a misfit."""
    given = options.model_options
    cameras = 3 if all(camera in bag.parts for camera in CAMERAS) else 1
    checkpoint, subfolder = (given.get(name, '') for name in ('checkpoint', 'subfolder'))
    return load_dialect(options.dialect, checkpoint, subfolder, cameras, options.model)


def write(folder: Path, html: str, data: Any) -> None:
    """Write a page and its numbers into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'index.html').write_text(html, encoding='utf-8')
    _write_json(folder / 'summary.json', data)


def _offline(
    bag: Bag, name: str, dialect: Dialect, options: Options, on_answer: Any
) -> ReplayResult:
    model = create_model(options.model, **options.model_options)
    planner = Planner(dialect, Vehicle(options.wheelbase))
    with _progress(f'{name} offline', bag, dialect) as progress:
        return replay(bag, planner, model, options.latency, progress, on_answer)


def _live(
    bag: Bag, name: str, dialect: Dialect, options: Options, on_answer: Any
) -> tuple[ReplayResult, Summary]:
    bag.require([*dialect.cameras, 'odometry'])
    with _progress(f'{name} live', bag, dialect) as progress:
        played = live.play(bag, dialect, _live_options(options), progress)
    answers = {stamp: plan.answer for stamp, plan in played.plans.items()}
    for stamp in sorted(answers) if on_answer is not None else ():
        on_answer(stamp, answers[stamp])
    heavy = options.model == 'transformers'
    model = SaidLive(answers) if heavy else create_model(options.model, **options.model_options)
    with _progress(f'{name} offline', bag, dialect) as progress:
        planner = Planner(dialect, Vehicle(options.wheelbase))
        offline = replay(bag, planner, model, progress=progress)
    result = replace(
        offline,
        mode='live',
        plans=played.plans,
        answers={**offline.answers, **answers},
        counts=played.counts,
        reasons=played.reasons,
        unasked={
            stamp: offline.unasked.get(stamp, UNPUBLISHED)
            for stamp in offline.frames
            if stamp not in played.plans
        },
    )
    return result, compare(result, offline)


def _live_options(options: Options) -> live.LiveOptions:
    names = {'path': 'answers'}
    parameters = {f'model.{names.get(k, k)}': v for k, v in options.model_options.items()}
    return live.LiveOptions(
        rate=options.rate,
        parameters={
            'model.name': options.model,
            'dialect': options.dialect,
            'vehicle.wheelbase': float(options.wheelbase),
            **parameters,
        },
        # Loading billions of weights takes its time.
        start_timeout=900.0 if options.model in ('onnx', 'transformers') else 60.0,
    )


def model_options(arguments: Namespace) -> dict[str, Any]:
    """Return the arguments of the model's class that the command line gives."""
    names = ('checkpoint', 'subfolder', 'revision', 'dtype', 'device', 'threads')
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name)}
    return {**given, **({'path': arguments.answers} if arguments.answers else {})}


def _options(arguments: Namespace) -> Options:
    return Options(
        dialect=arguments.dialect,
        model=arguments.model,
        model_options=model_options(arguments),
        live=arguments.live,
        rate=arguments.rate,
        latency=arguments.latency,
        wheelbase=arguments.wheelbase,
        camera_height=arguments.camera_height,
    )


def _recorder(path: str | None, source: str | None) -> Any:
    """Return what writes answers into a fresh file, None without one."""
    if not path:
        return None
    file = Path(path).expanduser()
    if source and file.resolve() == Path(source).expanduser().resolve():
        raise ModelError(f'--record {path} is the file the answers are read from: name another')
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b'')
    except OSError as error:
        raise ModelError(f'--record {path} cannot be written ({error.strerror})') from error
    return lambda stamp, answer: record(file, stamp, answer)


@contextmanager
def _progress(name: str, bag: Bag, dialect: Dialect) -> Iterator[Progress]:
    parts = [part for part in SAMPLES if part not in CAMERAS or part in dialect.cameras]
    # Silent where nobody watches: in a pipe and in continuous integration.
    with tqdm(total=bag.count(parts), desc=name, unit=' messages', disable=None) as bar:
        yield bar.update


def _write_json(path: Path, data: Any) -> None:
    try:
        path.write_text(json.dumps(data, indent=2, allow_nan=False) + '\n', encoding='utf-8')
    except OSError as error:
        raise BagError(f'{path} cannot be written ({error.strerror})') from error


def _nothing_planned(summary: Summary) -> int:
    why = {**summary['unasked'], **summary['reasons']}
    most = max(why, key=lambda reason: why[reason], default='no reason known')
    print(f'impromptu-vla: nothing was planned: {most}; {headline(summary)}', file=sys.stderr)
    return 1
