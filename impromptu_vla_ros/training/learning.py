# SPDX-License-Identifier: Apache-2.0
"""What is learned from a batch: the words of the answer, and from the features its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from impromptu_vla_ros.training.batches import Batch
from impromptu_vla_ros.training.examples import SPEED, TOLD
from impromptu_vla_ros.training.tower import features

# How far off a waypoint usually is if nothing changes, m per s ahead.
USUAL = 1.0


def make_head(tokens: int, hidden: int, waypoints: int, width: int = 192) -> Any:
    """
    Return what tells waypoints from features (b, tokens, hidden) and a prompt's numbers.

    It is thrown away after training: words teach a vision tower little at first, and from metres
    it learns what is to be seen in a tenth of the time.
    """
    from torch import nn

    return nn.ModuleDict(
        {
            'seen': nn.Sequential(
                nn.Flatten(1), nn.LayerNorm(tokens * hidden), nn.Linear(tokens * hidden, width)
            ),
            'told': nn.Linear(TOLD, width),
            'mixed': nn.Sequential(
                nn.GELU(), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 2 * waypoints)
            ),
        }
    )


def guessed(head: Any, seen: Any, told: Any, spacing: float) -> Any:
    """Return the head's waypoints (b, waypoints, 2), m."""
    import torch

    mixed = torch.cat([head['seen'](seen), head['told'](told)], 1)
    off = head['mixed'](mixed).unflatten(1, (-1, 2))
    times = spacing * torch.arange(1.0, off.shape[1] + 1.0)
    # What is told is how the car differs from one that goes straight on as it does.
    ahead = 10.0 * told[:, SPEED, None] * times
    straight = torch.stack([ahead, torch.zeros_like(ahead)], -1)
    return straight + USUAL * times[:, None] * off


def seen_loss(network: Any, head: Any, batch: Batch, spacing: float) -> tuple[Any, Any]:
    """Return the features of a batch's pictures, and the loss of the waypoints guessed of them."""
    import torch

    seen = features(network.model.visual, torch.from_numpy(batch.values), batch.grid)
    told, points = (torch.from_numpy(each).float() for each in (batch.told, batch.points))
    times = spacing * torch.arange(1.0, points.shape[1] + 1.0)
    off = (guessed(head, seen, told, spacing) - points) / (USUAL * times[:, None])
    return seen, torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off), beta=0.1)


def words_loss(network: Any, seen: Any, batch: Batch) -> Any:
    """Return the mean loss of the answers' tokens, as they weigh."""
    import torch

    assert batch.ids is not None and batch.positions is not None and batch.weights is not None
    ids, positions = torch.from_numpy(batch.ids), torch.from_numpy(batch.positions)
    model = network.model.language_model
    embedded = model.embed_tokens(ids)
    pictured = (ids == network.config.image_token_id)[..., None]
    embedded = embedded.masked_scatter(pictured, seen.to(embedded.dtype))
    hidden = model(
        inputs_embeds=embedded, position_ids=positions, use_cache=False
    ).last_hidden_state
    weights = torch.from_numpy(batch.weights)[:, 1:]
    counted = weights > 0.0
    logits = network.lm_head(hidden[:, :-1][counted])
    each = torch.nn.functional.cross_entropy(logits, ids[:, 1:][counted], reduction='none')
    weighed = weights[counted]
    return (weighed * each).sum() / weighed.sum()


def metres_off(network: Any, head: Any, batch: Batch, spacing: float) -> np.ndarray:
    """Return how far off the head's waypoints are, (b, waypoints) m."""
    import torch

    with torch.no_grad():
        seen = features(network.model.visual, torch.from_numpy(batch.values), batch.grid)
        found = guessed(head, seen, torch.from_numpy(batch.told).float(), spacing)
    off: np.ndarray = np.linalg.norm(found.numpy() - batch.points, axis=-1)
    return off
