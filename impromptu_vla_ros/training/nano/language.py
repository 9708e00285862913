# SPDX-License-Identifier: Apache-2.0
"""
The language model layer by layer, of a batch at once, as far as somebody wants to know.

The same function of the same weights as transformers', without its caches and masks, and with
attention in bfloat16 where the processor has it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from impromptu_vla_ros.training.nano.halves import attention, gated, together
from impromptu_vla_ros.training.nano.network import middle


class Language:
    """
    Hidden states of tokens (b, n, hidden) at M-RoPE positions (3, b, n), each seeing those before.

    `halfway` goes through the half that reads only, `end` through all of it. Of the last layer of
    either only the tokens from `first` on are asked for: the others cost nothing there.
    """

    def __init__(self, model: Any, embedded: Any, positions: Any, first: int) -> None:
        import torch

        self._model, self._first = model, first
        self._rotary = _rotary(model.config, positions)
        count = embedded.shape[1]
        self._before = torch.ones(count, count, dtype=torch.bool).tril()
        *reads, self._last = model.layers[: middle(model)]
        self._writes = model.layers[middle(model) :]
        self._read = embedded
        for layer in reads:
            self._read = self._through(layer, self._read)

    @cached_property
    def halfway(self) -> Any:
        """Return the hidden states (b, n - first, hidden) of the tokens from the first on."""
        if '_all' in vars(self):
            return self._all[:, self._first :]
        return self._through(self._last, self._read, self._first)

    @cached_property
    def _all(self) -> Any:
        return self._through(self._last, self._read)

    def end(self) -> tuple[Any, Any]:
        """Return the states from the first on: before the last layer, and behind the norm."""
        before = self._all
        *writes, last = self._writes
        for layer in writes:
            before = self._through(layer, before)
        behind = self._through(last, before, self._first)
        return before[:, self._first :], self._model.norm(behind)

    def _through(self, layer: Any, x: Any, first: int = 0) -> Any:
        x = x[:, first:] + self._attended(layer.self_attn, layer.input_layernorm(x), first)
        return x + gated(layer.mlp, layer.post_attention_layernorm(x))

    def _attended(self, part: Any, x: Any, first: int) -> Any:
        """Return what the tokens from the first on find in all."""
        queries, keys, values = (
            each.unflatten(-1, (-1, part.head_dim)).transpose(1, 2)
            for each in together([part.q_proj, part.k_proj, part.v_proj], x)
        )
        shared = queries.shape[1] // keys.shape[1]
        keys, values = _turned(keys, self._rotary), values.repeat_interleave(shared, 1)
        found = attention(
            _turned(queries, self._rotary)[:, :, first:],
            keys.repeat_interleave(shared, 1),
            values,
            self._before[first:],
        )
        return part.o_proj(found.transpose(1, 2).flatten(2))


def _rotary(config: Any, positions: Any) -> tuple[Any, Any]:
    """Return cosines and sines (b, 1, n, width): by angles of time, of row and of column."""
    import torch

    told = getattr(config, 'rope_parameters', None) or config.rope_scaling
    theta = told.get('rope_theta') or config.rope_theta
    half = config.hidden_size // config.num_attention_heads // 2
    frequencies = 1.0 / theta ** (torch.arange(half, dtype=torch.float) / half)
    of = torch.arange(3).repeat_interleave(torch.tensor(told['mrope_section']))
    # (b, n, half): each angle by the position it goes with.
    angles = positions.permute(1, 2, 0).float()[..., of] * frequencies
    angles = torch.cat([angles, angles], -1)[:, None]
    return angles.cos(), angles.sin()


def _turned(x: Any, rotary: tuple[Any, Any]) -> Any:
    import torch

    half = x.shape[-1] // 2
    return x * rotary[0] + torch.cat([-x[..., half:], x[..., :half]], -1) * rotary[1]
