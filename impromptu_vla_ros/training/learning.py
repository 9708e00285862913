# SPDX-License-Identifier: Apache-2.0
"""
What is learned from a batch: the answer's words, and in metres what they say.

Words teach little at first: a network that knows nothing yet has to find a car of few pixels
from digits. So heads, thrown away after training, are asked in metres beside the words: what is
where from the features of each token, and the waypoints from all features and from the hidden
state that the first point follows. From these a tower learns in a tenth of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.training.batches import Batch
from impromptu_vla_ros.training.examples import SPEED, TOLD
from impromptu_vla_ros.training.tower import features

# How far off a waypoint usually is if nothing changes, m per s ahead.
USUAL = 1.0
# How much the parts of the loss in metres count, beside the waypoints told by the words' state.
SEEN, NEAR = 0.5, 0.3
# Distances are told as logarithms, in units of this, m.
FAR = 20.0


def make_heads(tokens: int, hidden: int, waypoints: int, width: int = 192) -> Any:
    """Return the heads for features (b, tokens, hidden) and hidden states of the same width."""
    from torch import nn

    out = 2 * waypoints
    return nn.ModuleDict(
        {
            'near': nn.Linear(hidden, 2),
            'seen': nn.Sequential(
                nn.Flatten(1), nn.LayerNorm(tokens * hidden), nn.Linear(tokens * hidden, width)
            ),
            'told': nn.Linear(TOLD, width),
            'mixed': nn.Sequential(
                nn.GELU(), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, out)
            ),
            'said': nn.Sequential(nn.Linear(hidden, width), nn.GELU(), nn.Linear(width, out)),
        }
    )


class Lesson:
    """A batch that has gone through the network: what it saw and thought of it."""

    def __init__(self, network: Any, heads: Any, batch: Batch, spacing: float) -> None:
        import torch

        self._network, self._heads, self._batch, self._spacing = network, heads, batch, spacing
        self._ids = torch.from_numpy(batch.ids)
        self.seen = features(network.model.visual, torch.from_numpy(batch.values), batch.grid)
        model = network.model.language_model
        embedded = model.embed_tokens(self._ids)
        pictured = (self._ids == network.config.image_token_id)[..., None]
        self._hidden = model(
            inputs_embeds=embedded.masked_scatter(pictured, self.seen.to(embedded.dtype)),
            position_ids=torch.from_numpy(batch.positions),
            use_cache=False,
        ).last_hidden_state

    def words(self) -> Any:
        """Return the mean loss of the answers' tokens, as they weigh."""
        import torch

        weights = torch.from_numpy(self._batch.weights)[:, 1:]
        counted = weights > 0.0
        logits = self._network.lm_head(self._hidden[:, :-1][counted])
        each = torch.nn.functional.cross_entropy(
            logits, self._ids[:, 1:][counted], reduction='none'
        )
        return (weights[counted] * each).sum() / weights[counted].sum()

    def metres(self) -> Any:
        """Return the loss of what the heads tell."""
        seen = self._off(self._by_features())
        return self._off(self._by_state()) + SEEN * seen + NEAR * self._near()

    def metres_off(self) -> FloatArray:
        """Return how far off the waypoints told by the words' state are, (b, waypoints) m."""
        found = self._by_state().detach().numpy()
        return np.asarray(np.linalg.norm(found - self._batch.points, axis=-1), float)

    def _by_features(self) -> Any:
        import torch

        told = torch.from_numpy(self._batch.told).float()
        mixed = torch.cat([self._heads['seen'](self.seen), self._heads['told'](told)], 1)
        return self._waypoints(self._heads['mixed'](mixed))

    def _by_state(self) -> Any:
        asked = self._hidden[np.arange(len(self._batch.asked)), self._batch.asked]
        return self._waypoints(self._heads['said'](asked))

    def _waypoints(self, off: Any) -> Any:
        """Return waypoints (b, waypoints, 2) m, told by how they differ from straight on."""
        import torch

        off = off.unflatten(1, (-1, 2))
        times = self._spacing * torch.arange(1.0, off.shape[1] + 1.0)
        speed = torch.from_numpy(self._batch.told).float()[:, SPEED, None]
        ahead = 10.0 * speed * times
        return torch.stack([ahead, 0.0 * ahead], -1) + USUAL * times[:, None] * off

    def _off(self, found: Any) -> Any:
        import torch

        points = torch.from_numpy(self._batch.points).float()
        times = self._spacing * torch.arange(1.0, points.shape[1] + 1.0)
        off = (found - points) / (USUAL * times[:, None])
        return torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off), beta=0.1)

    def _near(self) -> Any:
        """Return the loss of where somebody is, and how far."""
        import torch

        near = torch.from_numpy(self._batch.near)
        somebody, distance = self._heads['near'](self.seen).unbind(-1)
        there = near > 0.0
        known = torch.nn.functional.binary_cross_entropy_with_logits(somebody, there.float())
        off = distance[there] - torch.log(near[there] / FAR)
        return known + (off.abs().mean() if len(off) else 0.0)


def shown(off: NDArray[np.float64], spacing: float) -> dict[str, float]:
    """Return how far off waypoints (b, waypoints) are after 1, 2 and 3 s, m, by name."""
    return {f'off_{s}s': float(off[:, round(s / spacing) - 1].mean()) for s in (1, 2, 3)}
