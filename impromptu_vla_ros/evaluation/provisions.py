# SPDX-License-Identifier: Apache-2.0
"""What a model needs beside its inputs: a dialect that fits, whole weights, its libraries."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from impromptu_vla_ros.core.dialects import NANO, DialectError
from impromptu_vla_ros.core.findings import Finding
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.checkpoint import Checkpoint
from impromptu_vla_ros.models.manifest import check_files, read_manifest
from impromptu_vla_ros.models.nano import graphs_folder
from impromptu_vla_ros.models.onnx_sessions import onnxruntime
from impromptu_vla_ros.models.weights import check_weights

LIBRARIES = ('torch', 'transformers', 'tokenizers', 'safetensors')
MODEL_REMEDY = "pip install 'impromptu_vla_ros[torch]'"


@dataclass(frozen=True)
class Wanted:
    """
    Who shall drive, as the node's parameters of these names say; no `cameras`: all there.

    `model` is model.name where that needs no checkpoint.
    """

    dialect: str = 'auto'
    checkpoint: str = ''
    subfolder: str = ''
    revision: str = ''
    cameras: tuple[str, ...] = ()
    model: str = ''


def check_provisions(wanted: Wanted, there: Collection[str]) -> Iterator[Finding]:
    """Yield what does not fit among dialect, checkpoint and the cameras that are there."""
    yield from _check_dialect(wanted, there)
    if wanted.model == NANO:
        yield from _check_nano()
    elif wanted.checkpoint:
        yield from _check_checkpoint(wanted)
        yield from _check_libraries()


def _check_dialect(wanted: Wanted, there: Collection[str]) -> Iterator[Finding]:
    count = len(wanted.cameras or there) or 1
    try:
        # A checkpoint for three cameras does with one of two.
        checkpoint = wanted.checkpoint.rstrip('/')
        cameras = 1 if count == 2 else count
        dialect = load_dialect(wanted.dialect, checkpoint, wanted.subfolder, cameras, wanted.model)
    except DialectError as error:
        problem, _, remedy = str(error).rpartition(': ')
        yield Finding('error', 'dialect: does not fit', problem, remedy)
        return
    # Without a front camera nothing works, and that is said already.
    for camera in dialect.cameras[1:]:
        if camera not in there or (wanted.cameras and camera not in wanted.cameras):
            yield Finding(
                'error',
                f'dialect: no camera {camera}',
                f'{dialect.name} looks through {", ".join(dialect.cameras)}',
                f'publish it (--topic {camera}=NAME), or choose a dialect for fewer cameras',
            )


def _check_nano() -> Iterator[Finding]:
    try:
        folder = graphs_folder()
        check_files(folder, read_manifest(folder))
        onnxruntime()
    except ModelError as error:
        problem, _, remedy = str(error).rpartition(': ')
        yield Finding('error', 'model: nano cannot answer', problem, remedy)


def _check_checkpoint(wanted: Wanted) -> Iterator[Finding]:
    try:
        # Of a folder nothing is asked of transformers but the network itself.
        checkpoint = Checkpoint(None, wanted.checkpoint, wanted.subfolder, wanted.revision)
        folder = Path(wanted.checkpoint).expanduser()
        if not folder.is_dir():
            detail = f'{checkpoint.name} is a hub name: what is there was not looked at'
            yield Finding('info', 'weights: on the hub', detail, 'give a folder to check it')
            return
        checkpoint.config()
        if not (folder / wanted.subfolder / 'tokenizer.json').is_file():
            raise ModelError(
                'there is no tokenizer.json: copy it from the Qwen2.5-VL-Instruct model it was '
                'tuned from'
            )
        check_weights(folder / wanted.subfolder)
    except ModelError as error:
        problem, _, remedy = str(error).rpartition(': ')
        yield Finding('error', 'weights: unreadable', problem or str(error), remedy)


def _check_libraries() -> Iterator[Finding]:
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        what = f'{", ".join(missing)} cannot be imported'
        yield Finding('error', 'model: libraries missing', what, MODEL_REMEDY)
        return
    try:
        cuda = import_module('torch').cuda.is_available()
    except Exception as error:  # a torch of another CUDA raises what its loader raises
        detail = f'torch cannot be imported ({error})'
        yield Finding('error', 'model: libraries broken', detail, MODEL_REMEDY)
        return
    if not cuda:
        detail = 'torch sees no CUDA device: an answer takes tens of seconds on a CPU'
        yield Finding('info', 'model: no GPU', detail, 'a torch with CUDA, and a GPU')
