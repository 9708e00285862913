# SPDX-License-Identifier: Apache-2.0
"""The model in the box: our own small Qwen2.5-VL, as graphs in the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.local import LocalModel
from impromptu_vla_ros.models.manifest import MANIFEST
from impromptu_vla_ros.models.onnx_engine import onnx_model


def graphs_folder() -> Path:
    """Return the folder of the graphs; raise ModelError where they are not installed."""
    folder = Path(str(files('impromptu_vla_ros'))) / 'nano' / 'onnx'
    if not (folder / MANIFEST).is_file():
        raise ModelError(
            f'the model nano is not in this installation ({folder} holds no {MANIFEST}): make one '
            'by impromptu-vla train, and name its graphs to the model onnx'
        )
    return folder


def nano_model(
    device: str = 'auto', threads: int = 0, constrained: bool = False, samples: int = 0
) -> LocalModel:
    """
    Return the model in the box, in ONNX Runtime: it speaks the dialect nano.

    It is as small as to be at home on the CPU, which `auto` is here, on one core, which 0
    `threads` are: with two it answers no faster, and a world or a camera driver has none. The
    rest is as in onnx_model. Raises ModelError where it is not installed, and for what
    onnx_model does.
    """
    place = 'cpu' if device == 'auto' else device
    folder = str(graphs_folder())
    return onnx_model(folder, place, threads or 1, constrained=constrained, samples=samples)
