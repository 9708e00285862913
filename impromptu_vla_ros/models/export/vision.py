# SPDX-License-Identifier: Apache-2.0
"""The vision tower as one function of tensors: the patches of one picture → its features."""

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

EPSILON = 1e-6  # of all norms, as in transformers' Qwen2.5-VL
THETA = 10000.0


def vision_weights(tower: Any) -> Weights:
    """Return the weights of transformers' vision tower, taken out of it."""
    import torch

    weights: Weights = {}

    def take(name: str, module: Any, *layers: str) -> None:
        weights[name], bias = taken(module, *layers)
        if bias is not None:
            weights[f'{name}_bias'] = bias

    # A convolution whose stride is its size is a product.
    weights['patches'] = tower.patch_embed.proj.weight.data.flatten(1).t().contiguous()
    for index, block in enumerate(tower.blocks):
        take(f'{index}_qkv', block.attn, 'qkv')
        take(f'{index}_out', block.attn, 'proj')
        take(f'{index}_mlp_gate', block.mlp, 'gate_proj')
        take(f'{index}_mlp_up', block.mlp, 'up_proj')
        take(f'{index}_mlp_down', block.mlp, 'down_proj')
        weights[f'{index}_norm'] = block.norm1.weight.data
        weights[f'{index}_mlp_norm'] = block.norm2.weight.data
    weights['norm'] = tower.merger.ln_q.weight.data
    take('merger_in', tower.merger.mlp, '0')
    take('merger_out', tower.merger.mlp, '2')
    # Half of the angles turn with the row, half with the column.
    width = tower.config.hidden_size // tower.config.num_heads // 2
    exponents = torch.arange(0, width, 2, dtype=torch.float) / width
    weights['frequencies'] = (1.0 / THETA**exponents).repeat(2)
    weights['axes'] = torch.arange(2).repeat_interleave(len(exponents))
    return weights


def see(
    weights: Weights, config: Any, values: Any, positions: Any, slots: Any, places: Any
) -> Any:
    """
    Return the features (n / 4, hidden) of a picture's patches `values` (n, 1176).

    `positions` (2, n) are row and column of each patch. `slots` (windows, 64) are the patches
    of each window, -1 where it has fewer; `places` (n,) say where each patch is in these.
    """
    import torch

    rotary = turns(positions.index_select(0, weights['axes']).t(), weights['frequencies'])
    # (windows, 1, 1, 64): nothing looks at a slot without a patch.
    mask = torch.zeros(1).masked_fill(slots < 0, float('-inf'))[:, None, None]
    x = linear(weights, 'patches', values)
    for index in range(config.depth):
        mixed = normed(x, weights[f'{index}_norm'], EPSILON)
        mixed = linear(weights, f'{index}_qkv', mixed)
        mixed = mixed.reshape(-1, 3, config.num_heads, x.shape[-1] // config.num_heads)
        turned = rotated(mixed[:, :2].flatten(1, 2), rotary).unflatten(1, (2, -1))
        mixed = torch.cat([turned, mixed[:, 2:]], 1)
        if index in config.fullatt_block_indexes:
            mixed = _attended(mixed[None])[0]
        else:
            windows = mixed.index_select(0, slots.clamp(0).flatten())
            windows = windows.unflatten(0, (-1, slots.shape[1]))
            mixed = _attended(windows, mask).flatten(0, 1).index_select(0, places)
        x = x + linear(weights, f'{index}_out', mixed)
        mixed = normed(x, weights[f'{index}_mlp_norm'], EPSILON)
        x = x + gated(weights, f'{index}_mlp', mixed)
    x = normed(x, weights['norm'], EPSILON).reshape(-1, weights['merger_in'].shape[0])
    x = torch.nn.functional.gelu(linear(weights, 'merger_in', x))
    return linear(weights, 'merger_out', x)


def _attended(mixed: Any, mask: Any = None) -> Any:
    """Return (windows, n, hidden) of queries, keys, values (windows, n, 3, heads, width)."""
    queries, keys, values = (mixed[:, :, part].transpose(1, 2) for part in range(3))
    scores = (queries @ keys.transpose(2, 3) * queries.shape[-1] ** -0.5).float()
    shares = (scores if mask is None else scores + mask).softmax(-1).to(values.dtype)
    return (shares @ values).transpose(1, 2).flatten(2)
