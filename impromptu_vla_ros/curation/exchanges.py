# SPDX-License-Identifier: Apache-2.0
"""A clip's seven questions with their answers: of its motion, of detections, of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from impromptu_vla_ros.core import codec, questions
from impromptu_vla_ros.core.asking import query
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.question_answers import (
    MetaPlan,
    NotUnderstood,
    ObjectPlans,
    VulnerableUsers,
    parse_answer,
    render_answer,
    render_objects,
    render_plan,
    render_vulnerable,
)
from impromptu_vla_ros.core.questions import TASKS, Question
from impromptu_vla_ros.core.structs import CameraImage, Pose
from impromptu_vla_ros.curation import labels
from impromptu_vla_ros.curation.clips import NOW, Clip
from impromptu_vla_ros.curation.detections import Scene
from impromptu_vla_ros.models import Model

MOTION, DETECTIONS, MODEL = 'motion', 'detections', 'model'
NO_MODEL = 'needs a model that looks at pictures: --model'


class UnansweredError(ValueError):
    """Say why nobody knows the right answer to a question."""


@dataclass(frozen=True)
class Exchange:
    """One question and its right answer; `source` says of what: motion, detections or model."""

    question: Question
    answer: str
    source: str


@dataclass(frozen=True)
class Known:
    """
    What is known around a clip: the ego `here` in the odometry's frame, who was seen, a model.

    `pictures` are the clip's by camera, decoded.
    """

    here: Pose
    scene: Scene | None
    pictures: Mapping[str, CameraImage]
    model: Model | None


def exchanges(clip: Clip, dialect: Dialect, known: Known) -> tuple[list[Exchange], dict[str, str]]:
    """Return what can be asked about a clip and answered, and of the rest why not, by task."""
    answered: list[Exchange] = []
    missing: dict[str, str] = {}
    for task in TASKS:
        try:
            answered.append(_ASKED[task](clip, dialect, known))
        except UnansweredError as error:
            missing[task] = str(error)
    return answered, missing


def _said(question: Question, dialect: Dialect, known: Known) -> Exchange:
    """Return a model's answer; one that is not of the question's form is no answer."""
    if known.model is None:
        raise UnansweredError(NO_MODEL)
    text = known.model.answer(query(question, known.pictures, dialect)).text
    answer = parse_answer(question.task, text, dialect)
    if isinstance(answer, NotUnderstood):
        raise UnansweredError(f"the model's answer is none: {answer.reason}")
    wording = questions.wording_of(dialect.name)
    return Exchange(question, render_answer(answer, dialect, wording), MODEL)


def _looked(clip: Clip, known: Known) -> tuple[Scene, int]:
    if known.scene is None:
        raise UnansweredError('needs detections: vision_msgs/Detection3DArray')
    looked = known.scene.looked(clip.stamp)
    if looked is None:
        raise UnansweredError('nobody detected anything within 0.1 s')
    return known.scene, looked


def _q1(clip: Clip, dialect: Dialect, known: Known) -> Exchange:
    scene, looked = _looked(clip, known)
    wording = questions.wording_of(dialect.name)
    users = VulnerableUsers(tuple(scene.vulnerable(known.here, looked)))
    return Exchange(
        questions.ask_vulnerable(wording), render_vulnerable(users, wording), DETECTIONS
    )


def _q2(clip: Clip, dialect: Dialect, known: Known) -> Exchange:
    scene, looked = _looked(clip, known)
    objects = scene.objects(known.here, looked)
    if not objects:
        raise UnansweredError('no object ahead whose past and next 3 s are known')
    plans = ObjectPlans(tuple((k, does) for k, (_, does) in enumerate(objects, 1)))
    question = questions.ask_objects([seen for seen, _ in objects])
    return Exchange(question, render_objects(plans), DETECTIONS)


def _told(clip: Clip) -> tuple[float, str, questions.SpeedPath]:
    """Return the speed, the command and the decision that q3 and q6 are about."""
    decision = labels.speed_path(clip.poses[NOW:])
    command = clip.command or labels.command(clip.poses[NOW:])
    if decision is None or not math.isfinite(clip.speed):
        raise UnansweredError('speed or way is not known')
    if command is None:
        raise UnansweredError('needs a navigation command, or 6 s of the way')
    return clip.speed, command, decision


def _q3(clip: Clip, dialect: Dialect, known: Known) -> Exchange:
    question = questions.ask_reason(*_told(clip), dialect.cameras)
    return _said(question, dialect, known)


def _q4(_: Clip, dialect: Dialect, known: Known) -> Exchange:
    return _said(questions.ask_light(questions.wording_of(dialect.name)), dialect, known)


def _q5(_: Clip, dialect: Dialect, known: Known) -> Exchange:
    return _said(questions.ask_description(), dialect, known)


def _q6(clip: Clip, dialect: Dialect, _: Known) -> Exchange:
    speed, command, decision = _told(clip)
    question = questions.ask_plan(speed, command, dialect.cameras)
    return Exchange(question, render_plan(MetaPlan(decision)), MOTION)


def _q7(clip: Clip, dialect: Dialect, _: Known) -> Exchange:
    question = Question('q7', clip.query.prompt, dialect.cameras)
    return Exchange(question, codec.encode_trajectory(dialect, clip.way), MOTION)


_ASKED: Mapping[str, Callable[[Clip, Dialect, Known], Exchange]] = {
    **{'q1': _q1, 'q2': _q2, 'q3': _q3, 'q4': _q4, 'q5': _q5, 'q6': _q6, 'q7': _q7}
}
