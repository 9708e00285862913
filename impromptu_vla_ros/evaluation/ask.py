# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla ask`: questions about pictures or a recording, and their answers, typed."""

from __future__ import annotations

import json
import math
import sys
from argparse import Namespace
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from impromptu_vla_ros.core import asking, codec
from impromptu_vla_ros.core.asking import FREE, Situation
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.question_answers import MetaPlan, Result, as_record, parse_answer
from impromptu_vla_ros.core.questions import TASKS, QuestionError, SeenObject, SpeedPath
from impromptu_vla_ros.core.structs import InputError, Query
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.ask_files import Lines, write
from impromptu_vla_ros.evaluation.ask_sources import (
    DATASETS,
    PICTURES,
    Moment,
    Recorded,
    moments,
    pictured,
    read_picture,
    recorded,
)
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.run import model_options
from impromptu_vla_ros.evaluation.topics import CAMERAS, BagError
from impromptu_vla_ros.models import IN_WORDS, Model, ModelError, create_model, respond


@dataclass(frozen=True)
class Reply:
    """
    One question and its answer in text and typed, or why there is none (`problem`).

    That may be since the model `failed`. `seconds` are since the first picture, taken at `stamp`
    ns; `name` is unique.
    """

    name: str
    task: str
    seconds: float = 0.0
    stamp: int = 0
    prompt: str = ''
    text: str = ''
    result: Result | None = None
    took: float = math.nan
    problem: str = ''
    failed: bool = False

    def record(self) -> dict[str, Any]:
        """Return the reply as JSON's kinds of values; `predict` is what `evaluate qa` reads."""
        asked: dict[str, Any] = {
            'id': self.name,
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


def ask(
    model: Model, dialect: Dialect, tasks: Sequence[str], moment: Moment, source: str
) -> Iterator[Reply]:
    """
    Yield the replies to some tasks about one moment of a `source`, in the order of the tasks.

    Where no decision is given, q3 explains that of q6, which is asked before it.
    """
    situation, ordered = moment.situation, list(tasks)
    if 'q3' in tasks and situation.decision is None:
        ordered = ['q6', *(task for task in tasks if task != 'q6')]
    for task in ordered:
        name = f'{source}-{moment.stamp}-{task}'
        reply = Reply(name, task, moment.seconds, moment.stamp)
        try:
            reply = answered(reply, model, _query(dialect, task, moment, situation), dialect)
        except QuestionError as error:
            reply = replace(reply, problem=str(error))
        if isinstance(reply.result, MetaPlan) and situation.decision is None:
            situation = replace(situation, decision=reply.result.plan)
        yield reply


def ask_recorded(model: Model, dialect: Dialect, question: Recorded) -> Reply:
    """Return the reply to a question of a data set, asked word by word as it stands there."""
    reply = Reply(question.name, question.task or FREE)
    try:
        images = tuple(read_picture('recorded', file) for file in question.pictures)
    except InputError as error:
        return replace(reply, problem=str(error))
    planning = codec.answer_template(dialect) if question.task == 'q7' else None
    query = Query(
        stamp=0,
        images=images,
        prompt=question.prompt,
        rollout='',
        filter_name=dialect.image_filter,
        template=planning,
        most_pixels=dialect.most_pixels,
    )
    return answered(reply, model, query, dialect)


def answered(reply: Reply, model: Model, query: Query, dialect: Dialect) -> Reply:
    """Return a reply with the model's answer, typed, or with why there is none."""
    try:
        answer = respond(model, query)
    except (InputError, ModelError) as error:
        failed = isinstance(error, ModelError)
        return replace(reply, problem=str(error), failed=failed)
    result = parse_answer(reply.task, answer.text, dialect)
    took = answer.latencies['decode_images'] + answer.latencies['model']
    return replace(reply, prompt=query.prompt, text=answer.text, result=result, took=took)


def _query(dialect: Dialect, task: str, moment: Moment, situation: Situation) -> Query:
    if task != 'q7':
        return asking.query(asking.question(task, situation, dialect), moment.images, dialect)
    if moment.planning is None:
        raise QuestionError('q7 needs the ego history: give a recording')
    return moment.planning


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
    if arguments.model not in IN_WORDS:
        raise ModelError(
            f'model {arguments.model!r} answers no questions: one of {", ".join(IN_WORDS)}'
        )
    given = _situation(arguments)
    source = Path(arguments.source).expanduser()
    tasks = list(arguments.task or ([FREE] if given.text else TASKS))
    unknown = [task for task in tasks if task not in (*TASKS, FREE)]
    if unknown:
        raise QuestionError(f'no task {unknown[0]!r}: some of {", ".join(TASKS)}, {FREE}')
    out = Path(arguments.json).expanduser() if arguments.json else None
    lines = Lines(out, _who(arguments)) if out and out.suffix == '.jsonl' else None
    replies = []
    for reply in _replies(arguments, source, given, tasks, lines.names if lines else ()):
        print(told(reply), flush=True)
        replies.append(reply)
        # Where the model failed it is asked again by the next run.
        if lines and not reply.failed:
            lines.add(reply.record())
    if out and not lines:
        write(out, [reply.record() for reply in replies])
    if out:
        print(f'JSON: {out}' + (f' ({lines.count} were there before)' if lines else ''))
    if lines and lines.count and not replies:
        return 0
    if all(reply.result is None for reply in replies):
        print('impromptu-vla: nothing was asked', file=sys.stderr)
        return 1
    return 0


def _replies(
    arguments: Namespace,
    source: Path,
    given: Situation,
    tasks: Sequence[str],
    before: Collection[str],
) -> Iterator[Reply]:
    """Yield the replies to all there is to ask, of a data set but those asked `before`."""
    name = source.stem
    if source.suffix.lower() in PICTURES:
        files = {'front': source, **{view: Path(file) for view, file in arguments.view}}
        moment, dialect = pictured(files, given), _dialect(arguments, len(files))
        yield from ask(_model(arguments), dialect, tasks, moment, name)
        return
    if source.suffix.lower() in DATASETS:
        found = recorded(source, Path(arguments.pictures or source.parent))
        questions = [
            each
            for each in found
            if each.name not in before and (not arguments.task or each.task in tasks)
        ]
        if before and not questions:
            return
        dialect, model = _dialect(arguments, 1), _model(arguments)
        for question in tqdm(questions, desc=name, unit=' questions', disable=None):
            yield ask_recorded(model, dialect, question)
        return
    with Bag(source, dict(arguments.topic), arguments.base_frame) as bag:
        dialect = _dialect(arguments, sum(camera in bag.parts for camera in CAMERAS))
        planner = Planner(dialect, Vehicle(arguments.wheelbase))
        seen = moments(bag, planner, given, _times(arguments))
        # The recording is looked into before a model is loaded, which may take minutes.
        first = next(seen, None)
        if first is None:
            raise BagError(f'{source} has nothing to ask about at that time: no history, no end?')
        model = _model(arguments)
        for moment in chain([first], seen):
            yield from ask(model, dialect, tasks, moment, name)


def _who(arguments: Namespace) -> str:
    """Return who answers, in words: answers of another are not gone on with."""
    told = arguments.model, arguments.checkpoint, arguments.subfolder, arguments.dialect
    return ' '.join(filter(None, told))


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
