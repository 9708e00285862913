# SPDX-License-Identifier: Apache-2.0
"""
Weights of products to 8 or 4 bits, by blocks of inputs (MatMulNBits), in a written graph.

Only the weights: quantizing activations per tensor, as onnxruntime's quantize_dynamic does, makes
a row depend on the rows behind it, and with that a verified token on wrong guesses.
"""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models.export.tracing import LEAST_EXTERNAL

BITS = {'int8': 8, 'int4': 4}
BLOCK = 32
# Activations are rounded to 8 bits by blocks, each row on its own: the fast kernels on CPUs.
ACCURACY_LEVEL = 4


def quantize(path: Path, target: Path, bits: int, finer: str = '') -> None:
    """
    Write the graph at `path` to `target` with quantized weights.

    The product with the weight called `finer` takes 8 bits, whatever `bits` says.
    """
    onnx: Any = import_module('onnx')
    model = onnx.load(path)
    products = [node for node in model.graph.node if node.op_type == 'MatMul']
    if bits < 8:
        left = [node.name for node in products if node.input[1] == finer]
        model = _quantized(model, bits, left)
    model = _quantized(model, 8, [])
    onnx.save(
        model,
        target,
        save_as_external_data=True,
        location=f'{target.name}.data',
        size_threshold=LEAST_EXTERNAL,
    )


def _quantized(model: Any, bits: int, left: list[str]) -> Any:
    """Return the graph with all weights of products quantized, but those of some nodes."""
    quantizer = _library().MatMulNBitsQuantizer(
        model,
        bits=bits,
        block_size=BLOCK,
        is_symmetric=False,
        accuracy_level=ACCURACY_LEVEL,
        nodes_to_exclude=left,
    )
    quantizer.process()
    return quantizer.model.model


def _library() -> Any:
    """Return the quantizer, without the logging that its import sets up for all libraries."""
    root = logging.getLogger()
    level, known = root.level, list(root.handlers)
    library = import_module('onnxruntime.quantization.matmul_nbits_quantizer')
    root.setLevel(level)
    root.handlers[:] = known
    return library
