# SPDX-License-Identifier: Apache-2.0
"""Ask a model a known question before it drives: the answer must be a trajectory."""

from __future__ import annotations

from impromptu_vla_ros.core.codec import AnswerError, decode_trajectory
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    NotReady,
    Odometry,
    Pose,
    Query,
)
from impromptu_vla_ros.models import Model, ModelError, respond

# Width and height of a grey picture: as large as the pictures the model is trained on.
SIDE = 512


def self_test(model: Model, dialect: Dialect, required: bool) -> str:
    """
    Ask the model a known question, and return what is wrong with its answer, '' if nothing.

    The answer must be a trajectory in the dialect; what it says is not judged: there is nothing
    to see. Raises ModelError where that is `required`, and where the model cannot answer at all.
    It warms the model up, too: the first real answer is not the slow one.
    """
    answer = respond(model, grey_query(dialect))
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


def grey_query(dialect: Dialect) -> Query:
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
