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

# Of each model what the parameters tell, by its own names for it.
OPTIONS = {
    'chat_server': ('url', 'checkpoint', 'flavour', 'timeout'),
    'kinematic': (),
    'nano': ('device', 'threads', 'constrained', 'samples'),
    'onnx': ('checkpoint', 'device', 'threads', 'drift_limit', 'constrained', 'samples'),
    'recorded': ('path',),
    'transformers': (
        *('checkpoint', 'subfolder', 'revision', 'dtype'),
        *('device', 'threads', 'constrained', 'samples'),
    ),
}
RENAMED = {'path': 'answers'}
NEEDED = {'onnx': 'checkpoint', 'recorded': 'answers', 'transformers': 'checkpoint'}

# Width and height of a grey picture: as large as the pictures the model is trained on.
SIDE = 512


def checked_dialect(parameters: PlannerParameters) -> Dialect:
    """Return the dialect to drive in; raise DialectError where checkpoint or cameras misfit."""
    model = parameters.model
    dialect = load_dialect(
        parameters.dialect,
        model.checkpoint,
        model.subfolder,
        len(parameters.cameras),
        model.name,
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
    name = parameters.name
    if name == 'nano' and parameters.checkpoint:
        raise ModelError(
            'model.name:=nano has weights of its own, and model.checkpoint is '
            f'{parameters.checkpoint!r}: set model.name to transformers or onnx, or no checkpoint'
        )
    needed = NEEDED.get(name)
    if needed is not None and not getattr(parameters, needed):
        raise ModelError(f'model.name:={name} needs model.{needed}, which is empty')
    return create_model(name, **{o: getattr(parameters, RENAMED.get(o, o)) for o in OPTIONS[name]})


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
