# SPDX-License-Identifier: Apache-2.0
"""Which question a task means in a situation, and what a model gets to see with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from impromptu_vla_ros.core import questions
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.questions import (
    TASKS,
    VIEWS,
    Question,
    QuestionError,
    SeenObject,
    SpeedPath,
    wording_of,
)
from impromptu_vla_ros.core.structs import CameraImage, Query

FREE = 'free'
IMAGE_MARK = '<image>'


@dataclass(frozen=True)
class Situation:
    """
    What questions say beside their pictures.

    `cameras` are those there are, `speed` is in m/s, NaN where unknown, `command` '' where nobody
    said one. q3 explains a `decision`, q2 is about `objects`; `text` is the free question.
    """

    cameras: tuple[str, ...] = ('front',)
    speed: float = math.nan
    command: str = ''
    decision: SpeedPath | None = None
    objects: tuple[SeenObject, ...] = ()
    text: str = ''


def question(task: str, situation: Situation, dialect: Dialect) -> Question:
    """
    Return the question of a task, worded as by the source of the dialect.

    q7 is not among them: planning asks it, with the ego's history. Raise QuestionError where the
    situation lacks what the question says.
    """
    wording, seen = wording_of(dialect.name), situation
    cameras = tuple(camera for camera in VIEWS if camera in seen.cameras)
    ways: dict[str, Callable[[], Question]] = {
        'q1': lambda: questions.ask_vulnerable(wording),
        'q2': lambda: questions.ask_objects(seen.objects),
        'q3': lambda: questions.ask_reason(seen.speed, seen.command, _decided(seen), cameras),
        'q4': lambda: questions.ask_light(wording),
        'q5': lambda: questions.ask_description(),
        'q6': lambda: questions.ask_plan(seen.speed, seen.command, cameras),
        FREE: lambda: _free(seen),
    }
    if task not in ways:
        raise QuestionError(f'no question {task!r} to ask here: one of {", ".join(ways)}')
    asked = ways[task]()
    missing = sorted(set(asked.cameras) - set(seen.cameras))
    if missing:
        raise QuestionError(f'{task} looks through {", ".join(missing)}: there is no such picture')
    return asked


def query(asked: Question, images: Mapping[str, CameraImage], dialect: Dialect) -> Query:
    """Return what a model is asked, its pictures by camera; the answer may have any form."""
    shown = tuple(images[camera] for camera in asked.cameras)
    return Query(
        stamp=shown[0].stamp if shown else 0,
        images=shown,
        prompt=asked.prompt,
        rollout='',
        filter_name=dialect.image_filter,
        most_pixels=dialect.most_pixels,
    )


def task_of(prompt: str) -> str:
    """Return the task of a recorded question by its wording, '' where it is none of them."""
    return next((task for task, words in _TOLD_BY.items() if words in prompt), '')


# What each wording has, whatever the source, and no other has.
_TOLD_BY = {
    'q1': 'vulnerable road users within',
    'q2': 'predict their future driving behaviors',
    'q3': 'explain the most likely reason for this decision',
    'q4': 'identify if there is a traffic light',
    'q5': 'generate a description of the driving scene',
    'q6': 'what is your plan for the next three seconds',
    'q7': 'predict future waypoints',
}
assert _TOLD_BY.keys() == TASKS.keys()


def _decided(situation: Situation) -> SpeedPath:
    if situation.decision is None:
        raise QuestionError('q3 explains a decision: give one, or ask q6 before it')
    return situation.decision


def _free(situation: Situation) -> Question:
    """Return a question in one's own words; without marks it is about the first picture."""
    text, first = situation.text, situation.cameras[:1]
    if not text.strip():
        raise QuestionError('a free question needs its text')
    marks = text.count(IMAGE_MARK)
    if not marks:
        return Question(FREE, f'{VIEWS[first[0]]}{text}' if first else text, first)
    if marks > len(situation.cameras):
        raise QuestionError(
            f'{marks} {IMAGE_MARK} marks and {len(situation.cameras)} pictures: give as many'
        )
    return Question(FREE, text, situation.cameras[:marks])
