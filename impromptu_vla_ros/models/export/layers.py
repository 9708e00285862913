# SPDX-License-Identifier: Apache-2.0
"""
What both graphs are made of, in plain operations on torch tensors.

Written so that ONNX Runtime finds its fused kernels again: norms, SiLU, transposed products.
Weights of products are (inputs, outputs), so that they can be quantized by blocks of inputs.
"""

from __future__ import annotations

from typing import Any

Weights = dict[str, Any]


def linear(weights: Weights, name: str, x: Any) -> Any:
    """Return x (…, inputs) through the weight called `name`, and its bias where it has one."""
    result = x @ weights[name]
    bias = weights.get(f'{name}_bias')
    return result if bias is None else result + bias


def normed(x: Any, weight: Any, epsilon: float) -> Any:
    """Return x (…, width) with a root mean square of 1, in single precision, times `weight`."""
    import torch

    wide = x.float()
    wide = wide / torch.sqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return wide.to(x.dtype) * weight


def gated(weights: Weights, name: str, x: Any) -> Any:
    """Return x through the gated perceptron (SwiGLU) called `name`."""
    gate = linear(weights, f'{name}_gate', x)
    return linear(
        weights, f'{name}_down', gate * gate.sigmoid() * linear(weights, f'{name}_up', x)
    )


def turns(positions: Any, frequencies: Any) -> tuple[Any, Any]:
    """
    Return cosines and signed sines (n, 1, width) of rotary angles.

    `positions` and `frequencies` (n, width / 2) belong together; the second half of the width
    repeats the first.
    """
    import torch

    angles = positions.float() * frequencies
    cosines, sines = angles.cos(), angles.sin()
    cosines = torch.cat([cosines, cosines], -1)[:, None]
    return cosines, torch.cat([-sines, sines], -1)[:, None]


def rotated(x: Any, rotary: tuple[Any, Any]) -> Any:
    """Return x (n, heads, width) turned by the angles of `turns`, in single precision."""
    import torch

    wide, half = x.float(), x.shape[-1] // 2
    swapped = torch.cat([wide[..., half:], wide[..., :half]], -1)
    return (wide * rotary[0] + swapped * rotary[1]).to(x.dtype)


def taken(module: Any, *names: str) -> Any:
    """
    Return the weights of a torch module's layers side by side, (inputs, outputs), and free them.

    A network in single precision is as large as the memory of many machines: there shall not be
    two of it.
    """
    import torch

    layers = [getattr(module, name) for name in names]
    weight = torch.cat([layer.weight.data for layer in layers]).t().contiguous()
    biases = [layer.bias.data for layer in layers if layer.bias is not None]
    for name in names:
        setattr(module, name, None)
    return weight, torch.cat(biases) if biases else None
