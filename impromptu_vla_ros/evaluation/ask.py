# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla ask`: questions about pictures or a recording, and their answers, typed."""

from __future__ import annotations

import json
import math
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core import asking
from impromptu_vla_ros.core.asking import FREE, Situation
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.question_answers import MetaPlan, Result, as_record, parse_answer
from impromptu_vla_ros.core.questions import TASKS, QuestionError, SeenObject, SpeedPath
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    InputError,
    NotReady,
    Query,
)
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.bag import SAMPLES, Bag
from impromptu_vla_ros.evaluation.run import model_options
from impromptu_vla_ros.evaluation.topics import CAMERAS, BagError
from impromptu_vla_ros.models import Model, ModelError, create_model, respond

# Who can answer in words; the others only know trajectories.
ANSWERERS = ('chat_server', 'onnx', 'transformers')
PICTURES = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png'}


@dataclass(frozen=True, eq=False)
class Moment:
    """
    What can be asked about at one time: pictures by camera and what is known beside them.

    `seconds` are since the first picture; `planning` is the question of q7, None without history.
    """

    seconds: float
    images: Mapping[str, CameraImage]
    situation: Situation
    planning: Query | None = None

    @property
    def stamp(self) -> int:
        """Return when the first picture was taken, ns; 0 where nobody knows."""
        return next(iter(self.images.values())).stamp


@dataclass(frozen=True)
class Reply:
    """One question and its answer in text and typed, or why there is none (`problem`)."""

    task: str
    seconds: float
    stamp: int
    prompt: str = ''
    text: str = ''
    result: Result | None = None
    took: float = math.nan
    problem: str = ''

    def record(self, source: str) -> dict[str, Any]:
        """Return the reply as JSON's kinds of values; `predict` is what `evaluate qa` reads."""
        asked: dict[str, Any] = {
            'id': f'{source}-{self.stamp}-{self.task}',
            'task': self.task,
            'seconds': round(self.seconds, 3),
            'stamp': self.stamp,
        }
        if self.result is None:
            return {**asked, 'problem': self.problem}
        return {
            **asked,
            'prompt': self.prompt,
            'predict': self.text,
            'answer': as_record(self.result),
            'latency_s': round(self.took, 4),
        }


def ask(model: Model, dialect: Dialect, tasks: Sequence[str], moment: Moment) -> Iterator[Reply]:
    """
    Yield the replies to some tasks about one moment, in the order of the tasks.

    Where no decision is given, q3 explains that of q6, which is asked before it.
    """
    situation = moment.situation
    ordered = list(tasks)
    if 'q3' in tasks and situation.decision is None:
        ordered = ['q6', *(task for task in tasks if task != 'q6')]
    for task in ordered:
        reply = _asked(model, dialect, task, replace(moment, situation=situation))
        if isinstance(reply.result, MetaPlan) and situation.decision is None:
            situation = replace(situation, decision=reply.result.plan)
        yield reply


def _asked(model: Model, dialect: Dialect, task: str, moment: Moment) -> Reply:
    reply = Reply(task, moment.seconds, moment.stamp)
    try:
        if task == 'q7':
            query = moment.planning
            if query is None:
                raise QuestionError('q7 needs the ego history: give a recording')
        else:
            asked = asking.question(task, moment.situation, dialect)
            query = asking.query(asked, moment.images, dialect)
        answer = respond(model, query)
    except (InputError, ModelError, QuestionError) as error:
        return replace(reply, problem=str(error))
    result = parse_answer(task, answer.text, dialect)
    took = answer.latencies['decode_images'] + answer.latencies['model']
    return replace(reply, prompt=query.prompt, text=answer.text, result=result, took=took)


def moments(
    bag: Bag, planner: Planner, given: Situation, times: Iterator[float]
) -> Iterator[Moment]:
    """
    Yield what can be asked about first at or after each of `times`, s since the first picture.

    What the recording tells of speed and navigation command is taken where `given` says nothing.
    """
    cameras = planner.dialect.cameras
    bag.require([*cameras, 'odometry'])
    parts = [part for part in SAMPLES if part not in CAMERAS or part in cameras]
    first, due, offset = None, next(times, None), bag.clock_offset()
    for recorded in bag.messages(parts):
        with suppress(InputError):
            sample = bag.sample(recorded)
            planner.observe(sample)
            if first is None and isinstance(sample, CameraImage):
                first = sample.stamp
        seen = planner.buffer.take(recorded.time - offset)
        if due is None or first is None or isinstance(seen, NotReady):
            continue
        seconds = (seen.stamp - first) / NANOSECONDS
        if seconds < due:
            continue
        speed = given.speed if math.isfinite(given.speed) else seen.states[-1].vx
        situation = replace(
            given, cameras=cameras, speed=speed, command=given.command or seen.command
        )
        images = dict(zip(cameras, seen.images, strict=True))
        yield Moment(seconds, images, situation, planner.ask_about(seen))
        due = next((time for time in times if time > seconds), None)


def pictured(files: Mapping[str, Path], given: Situation) -> Moment:
    """Return the moment that picture files show; raise InputError for one that is not there."""
    images = {}
    for camera, file in files.items():
        if file.suffix.lower() not in PICTURES:
            raise InputError(f'{file} is no picture: give {", ".join(PICTURES)}')
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InputError(f'{file} cannot be read ({error.strerror})') from error
        images[camera] = CameraImage(camera, 0, PICTURES[file.suffix.lower()], data)
    return Moment(0.0, images, replace(given, cameras=tuple(images)))


def told(reply: Reply) -> str:
    """Return a reply in lines of text."""
    head = f'{reply.seconds:7.2f} s  {reply.task} {TASKS.get(reply.task, "own question")}'
    if reply.result is None:
        return f'{head}\n  not asked: {reply.problem}'
    record = dict(as_record(reply.result))
    text = reply.text.strip().replace('\n', '\n  ')
    if not record.pop('understood'):
        return f'{head} ({reply.took:.2f} s)\n  {text}\n  NOT UNDERSTOOD: {record["reason"]}'
    typed = '' if 'text' in record else f'\n  {json.dumps(record)}'
    return f'{head} ({reply.took:.2f} s)\n  {text}{typed}'


def run(arguments: Namespace) -> int:
    """Ask as the command line says; return 0, or 1 if nothing could be asked."""
    if arguments.model not in ANSWERERS:
        raise ModelError(
            f'model {arguments.model!r} answers no questions: one of {", ".join(ANSWERERS)}'
        )
    given = _situation(arguments)
    source = Path(arguments.source).expanduser()
    tasks = list(arguments.task or ([FREE] if given.text else TASKS))
    unknown = [task for task in tasks if task not in (*TASKS, FREE)]
    if unknown:
        raise QuestionError(f'no task {unknown[0]!r}: some of {", ".join(TASKS)}, {FREE}')
    replies = []
    for reply in _replies(arguments, source, given, tasks):
        print(told(reply), flush=True)
        replies.append(reply)
    records = [reply.record(source.stem) for reply in replies]
    if arguments.json:
        _write(Path(arguments.json), records)
        print(f'JSON: {arguments.json}')
    if all(reply.result is None for reply in replies):
        print('impromptu-vla: nothing was asked', file=sys.stderr)
        return 1
    return 0


def _replies(
    arguments: Namespace, source: Path, given: Situation, tasks: Sequence[str]
) -> Iterator[Reply]:
    if source.suffix.lower() in PICTURES:
        files = {'front': source, **{name: Path(file) for name, file in arguments.picture}}
        moment, dialect = pictured(files, given), _dialect(arguments, len(files))
        yield from ask(_model(arguments), dialect, tasks, moment)
        return
    with Bag(source, dict(arguments.topic), arguments.base_frame) as bag:
        dialect = _dialect(arguments, sum(camera in bag.parts for camera in CAMERAS))
        planner = Planner(dialect, Vehicle(arguments.wheelbase))
        found = moments(bag, planner, given, _times(arguments))
        # The recording is looked into before a model is loaded, which may take minutes.
        first = next(found, None)
        if first is None:
            raise BagError(f'{source} has nothing to ask about at that time: no history, no end?')
        model = _model(arguments)
        for moment in chain([first], found):
            yield from ask(model, dialect, tasks, moment)


def _times(arguments: Namespace) -> Iterator[float]:
    if not arguments.every:
        yield from sorted(arguments.time or [0.0])
        return
    step = 0
    while True:
        yield step * arguments.every
        step += 1


def _dialect(arguments: Namespace, cameras: int) -> Dialect:
    return load_dialect(
        arguments.dialect,
        arguments.checkpoint or '',
        arguments.subfolder or '',
        3 if cameras >= 3 else 1,
        arguments.model,
    )


def _model(arguments: Namespace) -> Model:
    names = ('url', 'flavour', 'timeout', 'most_tokens')
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name)}
    return create_model(arguments.model, **model_options(arguments), **given)


def _situation(arguments: Namespace) -> Situation:
    decision = None
    if arguments.decision:
        speed, _, path = arguments.decision.partition(',')
        decision = SpeedPath(speed.strip(), path.strip())
    return Situation(
        speed=math.nan if arguments.speed is None else arguments.speed,
        command=arguments.command,
        decision=decision,
        objects=tuple(map(_object, arguments.object)),
        text=arguments.question,
    )


def _object(text: str) -> SeenObject:
    kind, *numbers = text.split(',')
    try:
        ahead, left, speed = map(float, numbers)
    except ValueError as error:
        raise QuestionError(f'--object {text!r} is not KIND,AHEAD,LEFT,SPEED') from error
    return SeenObject(kind.strip(), ahead, left, speed)


def _write(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    try:
        path.write_text(json.dumps(records, indent=2, allow_nan=False) + '\n', encoding='utf-8')
    except OSError as error:
        raise InputError(f'{path} cannot be written ({error.strerror})') from error
