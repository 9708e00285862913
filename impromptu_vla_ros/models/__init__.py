# SPDX-License-Identifier: Apache-2.0
"""Who answers: the Model protocol and the models by name; no ROS, no trajectory decoding."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from inspect import signature
from time import perf_counter
from typing import Any, Protocol

from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.images import decode

# Name: module, and what makes one. A module is imported when its model is made, not before.
MODELS = {
    'chat_server': ('chat_server', 'ChatServerModel'),
    'kinematic': ('kinematic', 'KinematicModel'),
    'nano': ('nano', 'nano_model'),
    'onnx': ('onnx_engine', 'onnx_model'),
    'recorded': ('recorded', 'RecordedModel'),
    'transformers': ('transformers_engine', 'transformers_model'),
}
# Who answers questions in words; the others know trajectories only.
IN_WORDS = ('chat_server', 'onnx', 'transformers')


class ModelError(RuntimeError):
    """Say why a model cannot be made or cannot answer, and what would mend it."""


class InterruptedAnswer(ModelError):
    """Say that an answer was given up because its query said so."""


class Model(Protocol):
    """
    Answer queries with text, one at a time.

    A query's pictures are already decoded (`rgb8`). `answer` blocks; it raises ModelError.
    """

    def answer(self, query: Query) -> Answer:
        """Return the text the model writes for `query`."""
        ...


def create_model(name: str, **options: Any) -> Model:
    """
    Return the model called `name`, one of `MODELS`.

    `options` are its arguments. Raises ModelError for an unknown name
    or option, and where the model cannot be loaded.
    """
    if name not in MODELS:
        raise ModelError(f'no model {name!r}: one of {", ".join(MODELS)}')
    module, kind = MODELS[name]
    make = getattr(import_module(f'{__name__}.{module}'), kind)
    try:
        arguments = signature(make).bind(**options)
    except TypeError as error:
        raise ModelError(f'model {name!r}: {error}') from error
    model: Model = make(*arguments.args, **arguments.kwargs)
    return model


def respond(model: Model, query: Query) -> Answer:
    """
    Return the model's answer to a query whose pictures are still as they arrived.

    Adds the seconds of `decode_images` and of the whole `model` to the answer's latencies.
    Raises InputError for a picture that cannot be decoded, ModelError where the model fails.
    """
    started = perf_counter()
    query = replace(query, images=tuple(decode(image) for image in query.images))
    decoded = perf_counter()
    answer = model.answer(query)
    whole = {'decode_images': decoded - started, 'model': perf_counter() - decoded}
    return replace(answer, latencies={**answer.latencies, **whole})
