# SPDX-License-Identifier: Apache-2.0
"""The language model as one function of tensors: embeddings and a cache → logits, new rows."""

from __future__ import annotations

from typing import Any

from impromptu_vla_ros.models.export.layers import (
    Weights,
    gated,
    linear,
    normed,
    rotated,
    taken,
    turns,
)
from impromptu_vla_ros.models.manifest import Shape


def decoder_weights(model: Any, head: Any, config: Any) -> Weights:
    """
    Return the weights of transformers' language model and of its head, taken out of them.

    `frequencies` (head_dim / 2,) are the rotary ones, `axes` says which of the three positions
    each belongs to (time, height, width).
    """
    weights: Weights = {}

    def take(name: str, module: Any, *layers: str) -> None:
        weights[name], bias = taken(module, *layers)
        if bias is not None:
            weights[f'{name}_bias'] = bias

    for index, layer in enumerate(model.layers):
        take(f'{index}_qkv', layer.self_attn, 'q_proj', 'k_proj', 'v_proj')
        take(f'{index}_out', layer.self_attn, 'o_proj')
        take(f'{index}_mlp_gate', layer.mlp, 'gate_proj')
        take(f'{index}_mlp_up', layer.mlp, 'up_proj')
        take(f'{index}_mlp_down', layer.mlp, 'down_proj')
        weights[f'{index}_norm'] = layer.input_layernorm.weight.data
        weights[f'{index}_mlp_norm'] = layer.post_attention_layernorm.weight.data
    weights['norm'] = model.norm.weight.data
    weights['head'] = head.weight.data
    weights.update(_rotary(config))
    return weights


def _rotary(config: Any) -> Weights:
    import torch

    sections = torch.tensor(config.sections)
    width = 2 * int(sections.sum())
    exponents = torch.arange(0, width, 2, dtype=torch.float) / width
    return {
        'frequencies': 1.0 / config.theta**exponents,
        'axes': torch.arange(3).repeat_interleave(sections),
    }


def decode(
    weights: Weights, shape: Shape, embeddings: Any, positions: Any, rows: Any, past: list[Any]
) -> tuple[Any, ...]:
    """
    Return the logits (r, vocabulary) behind the tokens `rows` (r,), and the cache's new rows.

    `embeddings` (k, hidden) and M-RoPE `positions` (3, k) are of new tokens; `past` holds keys
    and values of each layer in turn, (n, kv_heads, head_dim), and so do the results, (k, …).
    Only the new rows are returned: they go behind the old ones without those being copied.
    """
    import torch

    count, length = embeddings.shape[0], past[0].shape[0]
    rotary = turns(positions.index_select(0, weights['axes']).t(), weights['frequencies'])
    columns = torch.arange(length + count)
    behind = columns[None, :] > (columns[length:])[:, None]
    # (k, 1, n + k): no token sees those behind it.
    mask = torch.zeros(1).masked_fill(behind, float('-inf'))[:, None]
    x = embeddings
    present: list[Any] = []
    for index in range(shape.layers):
        old = past[2 * index], past[2 * index + 1]
        mixed = normed(x, weights[f'{index}_norm'], shape.epsilon)
        mixed, new = _attended(weights, shape, index, mixed, rotary, mask, old)
        x = x + mixed
        mixed = normed(x, weights[f'{index}_mlp_norm'], shape.epsilon)
        x = x + gated(weights, f'{index}_mlp', mixed)
        present += new
    x = normed(x.index_select(0, rows), weights['norm'], shape.epsilon)
    head = weights['head']
    transposed = head.shape[0] == shape.hidden
    logits = x @ head if transposed else torch.nn.functional.linear(x, head)
    return logits.float(), *present


def _attended(
    weights: Weights,
    shape: Shape,
    index: int,
    x: Any,
    rotary: tuple[Any, Any],
    mask: Any,
    past: tuple[Any, Any],
) -> tuple[Any, tuple[Any, Any]]:
    """Return what attention adds to x (k, hidden), and the new keys and values."""
    import torch

    heads, groups, width = shape.heads, shape.kv_heads, shape.head_dim
    mixed = linear(weights, f'{index}_qkv', x).reshape(-1, heads + 2 * groups, width)
    turned = rotated(mixed[:, : heads + groups], rotary)
    new = turned[:, heads:], mixed[:, heads + groups :]
    keys, values = (torch.cat(pair) for pair in zip(past, new))
    # The heads that share keys stand below each other: (kv_heads, k·shared, …).
    queries = turned[:, :heads].reshape(-1, groups, heads // groups, width).transpose(0, 1)
    scores = queries.reshape(groups, -1, width) @ keys.permute(1, 2, 0) * width**-0.5
    scores = scores.reshape(groups, -1, heads // groups, mask.shape[-1]).float() + mask
    shares = scores.softmax(-1).to(x.dtype).reshape(groups, -1, mask.shape[-1])
    summed = (shares @ values.transpose(0, 1)).reshape(groups, -1, heads // groups, width)
    return linear(weights, f'{index}_out', summed.transpose(0, 1).reshape(-1, heads * width)), new
