# SPDX-License-Identifier: Apache-2.0
"""A function of tensors to an ONNX file with its weights beside it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models.export.layers import Weights
from impromptu_vla_ros.models.manifest import OPSET

# Smaller weights stay in the graph's own file.
LEAST_EXTERNAL = 1024
HEAD = 'w_head'


@dataclass(frozen=True, eq=False)
class Traceable:
    """
    A function `forward(weights, *inputs)`, with what tracing it needs.

    `inputs` are examples, possibly lists of tensors; `dynamic` names their dimensions that are
    free, in the same structure, and `names` and `outputs` are those of the tensors in turn.
    """

    forward: Callable[..., Any]
    weights: Weights
    inputs: tuple[Any, ...]
    dynamic: tuple[Any, ...]
    names: Sequence[str]
    outputs: Sequence[str]


def trace(graph: Traceable) -> Any:
    """Return the function as a model of onnxscript, its weights still those of torch."""
    import torch

    with _silent():
        program = torch.onnx.export(
            _module(graph),
            graph.inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(graph.names),
            output_names=list(graph.outputs),
            dynamic_shapes=(graph.dynamic,),
            verbose=False,
        )
    return program.model


def save(model: Any, path: Path, embedding: Path | None = None) -> None:
    """
    Write a traced model to `path`, and its larger weights to `path`.data.

    With an `embedding` file the head is not written: the graph refers to that, which has it.
    """
    from onnxscript import ir

    weights = model.graph.initializers
    if embedding is not None:
        held = weights[HEAD].const_value
        weights[HEAD].const_value = ir.ExternalTensor(
            embedding.name,
            _npy_header(embedding),
            held.nbytes,
            held.dtype,
            shape=held.shape,
            name=HEAD,
            base_dir=embedding.parent,
        )
    external = [
        weight
        for weight in weights.values()
        if not (weight.name == HEAD and embedding) and weight.const_value.nbytes >= LEAST_EXTERNAL
    ]
    written = ir.external_data.convert_tensors_to_external(
        [weight.const_value for weight in external], path.parent, f'{path.name}.data'
    )
    for weight, tensor in zip(external, written):
        weight.const_value = tensor
    ir.save(model, path)


def _module(graph: Traceable) -> Any:
    import torch

    class Module(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for name, weight in graph.weights.items():
                self.register_buffer(f'w_{name}', weight)

        def forward(self, *inputs: Any) -> Any:
            weights = {name: getattr(self, f'w_{name}') for name in graph.weights}
            return graph.forward(weights, *inputs)

    return Module().eval()


def _npy_header(path: Path) -> int:
    """Return the bytes before the numbers in a .npy file."""
    import numpy as np

    mapped: Any = np.load(path, mmap_mode='r')
    return int(mapped.offset)


@contextmanager
def _silent() -> Any:
    """Keep the exporter's remarks on itself away from the terminal."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
