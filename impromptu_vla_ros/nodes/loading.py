# SPDX-License-Identifier: Apache-2.0
"""What configuring does: choose the dialect, load the model, ask it a known question."""

from __future__ import annotations

from impromptu_vla_ros.autoware_messages import MissingPackages
from impromptu_vla_ros.core.codec import AnswerError, decode_trajectory
from impromptu_vla_ros.core.dialects import Dialect, DialectError
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    InputError,
    NotReady,
    Odometry,
    Pose,
    Query,
)
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.models import Model, ModelError, create_model, respond
from impromptu_vla_ros.nodes.parameters import ModelParameters, PlannerParameters

# Width and height of a grey picture: as large as the pictures the model is trained on.
SIDE = 512


def checked_dialect(parameters: PlannerParameters) -> Dialect:
    """Return the dialect to drive in; raise DialectError where checkpoint or cameras misfit."""
    model = parameters.model
    dialect = load_dialect(
        parameters.dialect, model.checkpoint, model.subfolder, len(parameters.cameras)
    )
    missing = [camera for camera in dialect.cameras if camera not in parameters.cameras]
    if missing:
        raise DialectError(
            f'dialect {dialect.name!r} looks through {", ".join(dialect.cameras)}, and '
            f'parameter cameras lacks {", ".join(missing)}: add them or choose another dialect'
        )
    return dialect


def load_model(parameters: ModelParameters) -> Model:
    """Return the model, ready to answer; raise ModelError with what is missing."""
    if parameters.name == 'recorded':
        _need(parameters.answers, 'model.answers', 'recorded')
        return create_model('recorded', path=parameters.answers)
    if parameters.name == 'transformers':
        _need(parameters.checkpoint, 'model.checkpoint', 'transformers')
        return create_model(
            'transformers',
            checkpoint=parameters.checkpoint,
            subfolder=parameters.subfolder,
            revision=parameters.revision,
            dtype=parameters.dtype,
            device=parameters.device,
            constrained=parameters.constrained,
            samples=parameters.samples,
        )
    if parameters.name == 'onnx':
        _need(parameters.checkpoint, 'model.checkpoint', 'onnx')
        return create_model(
            'onnx',
            checkpoint=parameters.checkpoint,
            device=parameters.device,
            threads=parameters.threads,
            drift_limit=parameters.drift_limit,
            constrained=parameters.constrained,
            samples=parameters.samples,
        )
    if parameters.name == 'chat_server':
        return create_model(
            'chat_server',
            url=parameters.url,
            checkpoint=parameters.checkpoint,
            flavour=parameters.flavour,
            timeout=parameters.timeout,
        )
    return create_model(parameters.name)


def _need(value: str, name: str, model: str) -> None:
    if not value:
        raise ModelError(f'model.name:={model} needs {name}, which is empty')


def self_test(model: Model, dialect: Dialect, required: bool) -> str:
    """
    Ask the model a known question, and return what is wrong with its answer, '' if nothing.

    The answer must be a trajectory in the dialect; what it says is not judged: there is nothing
    to see. Raises ModelError where that is `required`, and where the model cannot answer at all.
    It warms the model up, too: the first real answer is not the slow one.
    """
    answer = respond(model, _grey_query(dialect))
    try:
        decode_trajectory(dialect, answer.text)
    except AnswerError as error:
        problem = (
            f'self-test: the answer to a known question is no trajectory in dialect '
            f'{dialect.name!r}: {error}: is it the right checkpoint, whole, and its dialect?'
        )
        if required:
            raise ModelError(f'{problem} (model.self_test:=warn goes on all the same)') from error
        return problem
    return ''


def _grey_query(dialect: Dialect) -> Query:
    """Return what a car at a steady 5 m/s on a grey day would ask, full history."""
    planner, now = Planner(dialect), 100 * NANOSECONDS
    tenths = range(-round(10 * dialect.history) - 10, 11)
    for tenth in tenths:
        pose = Pose(0.5 * tenth, 0.0, 0.0)
        planner.observe(Odometry(now + tenth * NANOSECONDS // 10, pose, 5.0, 0.0, 0.0))
    grey = bytes([128]) * (3 * SIDE * SIDE)
    for camera in dialect.cameras:
        planner.observe(CameraImage(camera, now, 'rgb8', grey, SIDE, SIDE, 3 * SIDE))
    query = planner.ask(now)
    if isinstance(query, NotReady):
        raise ModelError(f'dialect {dialect.name!r} can ask nothing: {query}')
    return query


def said(error: Exception | None) -> str:
    """Return an error in words; one that nobody expected is named too."""
    expected = isinstance(
        error, (AnswerError, DialectError, InputError, MissingPackages, ModelError)
    )
    return str(error) if expected else f'{type(error).__name__}: {error}'
