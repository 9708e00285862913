# SPDX-License-Identifier: Apache-2.0
"""What configuring does: choose the dialect, load the model, ask it a known question."""

from __future__ import annotations

from impromptu_vla_ros.autoware_messages import MissingPackages
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.dialects import Dialect, DialectError
from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.models import Model, ModelError, create_model
from impromptu_vla_ros.nodes.parameters import ModelParameters, PlannerParameters
from impromptu_vla_ros.self_test import self_test

__all__ = ['checked_dialect', 'load_model', 'said', 'self_test']

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


def said(error: Exception | None) -> str:
    """Return an error in words; one that nobody expected is named too."""
    expected = isinstance(
        error, (AnswerError, DialectError, InputError, MissingPackages, ModelError)
    )
    return str(error) if expected else f'{type(error).__name__}: {error}'
