# SPDX-License-Identifier: Apache-2.0
"""What a network is told of its answers: how unlikely it thought their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from impromptu_vla_ros.training.tuning.turns import Words, padded


def answer_loss(network: Any, words: Sequence[Words], vision: bool = False) -> Any:
    """Return the summed loss of the tokens of some answers, in nats; `vision` learns too."""
    import torch

    device, batch = network.device, padded(words)
    ids, positions = (torch.from_numpy(each).to(device) for each in (batch.ids, batch.positions))
    embedded = network.get_input_embeddings()(ids)
    pictures = [picture for each in words for picture in each.pictures]
    if pictures:
        tower = network.model.visual
        values = torch.from_numpy(np.concatenate([each.values for each in pictures]))
        grids = torch.tensor([each.grid for each in pictures], device=device)
        with torch.set_grad_enabled(vision and torch.is_grad_enabled()):
            seen = tower(values.to(device, tower.dtype), grid_thw=grids)
        # transformers 4 returns the features, 5 an output that holds them.
        seen = getattr(seen, 'pooler_output', seen)
        pictured = (ids == network.config.image_token_id)[..., None]
        embedded = embedded.masked_scatter(pictured, seen.to(embedded.dtype))
    # Causal attention needs no mask of what was filled up behind.
    states = network.model.language_model(
        inputs_embeds=embedded, position_ids=positions, use_cache=False
    ).last_hidden_state
    said = torch.from_numpy(batch.said).to(device)[:, 1:]
    logits = network.lm_head(states[:, :-1][said]).float()
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:][said], reduction='sum')
