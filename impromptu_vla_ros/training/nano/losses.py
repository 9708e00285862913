# SPDX-License-Identifier: Apache-2.0
"""
What is learned from a batch: the answer's words, and in metres what they say.

Words teach little at first: a network that knows nothing yet has to find a car of few pixels
from digits. So heads, thrown away after training, are asked in metres: what is where from the
features of each token, and the waypoints from all features side by side, and from their mean. The
mean shall make the features easy to read for a language model, which looks at all of them alike
until it knows better.

The language model is asked for the waypoints where its answer begins, halfway through its layers,
and for one waypoint at each token of it. Asked behind its last layer only, it knew them, and wrote
something else: no later token can read what is there.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.training.nano.batches import Batch
from impromptu_vla_ros.training.nano.examples import SPEED, TOLD
from impromptu_vla_ros.training.nano.language import Language
from impromptu_vla_ros.training.nano.tower import features

# How far off a waypoint usually is if nothing changes, m per s ahead.
USUAL = 1.0
# Of about what size waypoints are, m.
SIZE = 20.0, 5.0
# Sideways it is a part of that: where a road goes is seen better than how fast somebody will be.
ASIDE = 0.3
# Which head of the tower's reads what the language model shall know too.
TEACHER = 'side_by_side'
# What numbers are told in angles of, m: of each a digit can be read at once.
PERIODS = 100.0, 10.0, 1.0
# How much it counts where somebody is, and how far, beside the waypoints.
NEAR = 0.3
# Distances are told as logarithms, in units of this, m.
FAR = 20.0


def make_heads(tokens: int, hidden: int, waypoints: int, width: int = 192) -> tuple[Any, Any]:
    """Return the heads of features (b, tokens, hidden), and those of hidden states as wide."""
    from torch import nn

    def told_too(read: Any) -> Any:
        mixed = nn.Sequential(
            nn.GELU(), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 2 * waypoints)
        )
        return nn.ModuleDict({'read': read, 'told': nn.Linear(TOLD, width), 'mixed': mixed})

    def told_of(count: int) -> Any:
        return nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, count))

    side_by_side = nn.Sequential(
        nn.Flatten(1), nn.LayerNorm(tokens * hidden), nn.Linear(tokens * hidden, width)
    )
    looks = {
        'near': nn.Linear(hidden, 2),
        'side_by_side': told_too(side_by_side),
        'mean': told_too(told_of(width)),
    }
    says = {
        'state': told_of(2 * waypoints),
        'seen': told_of(width),
        'written': told_of(2),
        'digits': told_of(2 * len(PERIODS)),
    }
    return nn.ModuleDict(looks), nn.ModuleDict(says)


class Look:
    """A batch whose pictures have gone through the tower, which `learns` or stays as it is."""

    def __init__(
        self,
        network: Any,
        heads: tuple[Any, Any],
        batch: Batch,
        spacing: float,
        learns: bool = False,
    ) -> None:
        import torch

        self._network, self._batch, self._spacing = network, batch, spacing
        self._looks, self._says = heads
        self._learns = learns
        self._told = torch.from_numpy(batch.told).float()
        self._points = torch.from_numpy(batch.points).float()
        self._near = torch.from_numpy(batch.near)

    @cached_property
    def seen(self) -> Any:
        """Return the features (b, tokens, hidden) of the pictures."""
        import torch

        values = torch.from_numpy(self._batch.values)
        with torch.set_grad_enabled(self._learns and torch.is_grad_enabled()):
            return features(self._network.model.visual, values, self._batch.grid)

    def looks(self) -> Any:
        """Return the loss in metres of what the features tell."""
        off = sum(self._off(self.waypoints(head)) for head in ('side_by_side', 'mean'))
        return off + NEAR * self._somebody()

    def waypoints(self, head: str) -> Any:
        """Return the waypoints (b, waypoints, 2) m that a head tells."""
        import torch

        parts = self._looks[head]
        read = parts['read'](self.seen.mean(1) if head == 'mean' else self.seen)
        return self._laid(parts['mixed'](torch.cat([read, parts['told'](self._told)], 1)))

    def metres_off(self, head: str) -> FloatArray:
        """Return how far off the waypoints are that a head tells, (b, waypoints) m."""
        found = self.waypoints(head).detach().numpy()
        return np.asarray(np.linalg.norm(found - self._batch.points, axis=-1), float)

    def _laid(self, off: Any) -> Any:
        """Return waypoints (b, waypoints, 2) m, told by how they differ from straight on."""
        import torch

        off = off.unflatten(1, (-1, 2))
        times = self._times(off)
        ahead = 10.0 * self._told[:, SPEED, None] * times
        return torch.stack([ahead, 0.0 * ahead], -1) + USUAL * times[:, None] * off

    def _off(self, found: Any) -> Any:
        return _unusual(found - self._points, self._times(found)[:, None])

    def _times(self, points: Any) -> Any:
        import torch

        return self._spacing * torch.arange(1.0, points.shape[1] + 1.0)

    def _somebody(self) -> Any:
        """Return the loss of where somebody is, and how far."""
        import torch

        somebody, distance = self._looks['near'](self.seen).unbind(-1)
        there = self._near > 0.0
        known = torch.nn.functional.binary_cross_entropy_with_logits(somebody, there.float())
        off = distance[there] - torch.log(self._near[there] / FAR)
        return known + (off.abs().mean() if len(off) else 0.0)


class Reading(Look):
    """A batch that has gone through the language model too."""

    @cached_property
    def _language(self) -> Language:
        import torch

        batch, model = self._batch, self._network.model.language_model
        embedded = model.embed_tokens(torch.from_numpy(batch.ids))
        if self.pictured:
            places = torch.from_numpy(batch.ids == self._network.config.image_token_id)
            embedded = embedded.masked_scatter(places[..., None], self.seen.to(embedded.dtype))
        return Language(model, embedded, torch.from_numpy(batch.positions), self._first)

    @property
    def _first(self) -> int:
        """Return the first token, of all rows, of which something is asked."""
        learned = np.flatnonzero(self._batch.weights.any(0))[:1] - 1
        return int(min([self._batch.asked.min(), *learned]))

    @cached_property
    def _end(self) -> tuple[Any, Any]:
        return self._language.end()

    def waypoints(self, head: str) -> Any:
        """Return the waypoints (b, waypoints, 2) m that a head tells."""
        if head != 'state':
            return super().waypoints(head)
        return self._metres(self._says['state'](self._asked).unflatten(1, (-1, 2)))

    @property
    def _asked(self) -> Any:
        """Return the hidden states (b, hidden) halfway, where the answer begins."""
        asked = self._batch.asked
        return self._language.halfway[np.arange(len(asked)), asked - self._first]

    @property
    def pictured(self) -> bool:
        """Return whether the batch has pictures."""
        return bool((self._batch.ids == self._network.config.image_token_id).any())

    def state(self) -> Any:
        """Return the loss of what the state tells, in metres, and has seen."""
        return self._off(self.waypoints('state')) + self._read()

    def _read(self) -> Any:
        """Return the loss of what the state holds of the picture, which a head has read there."""
        import torch

        if not self.pictured:
            return torch.zeros(())
        with torch.no_grad():
            right = self._looks[TEACHER]['read'](self.seen)
            right = torch.nn.functional.layer_norm(right, right.shape[-1:])
        return torch.nn.functional.mse_loss(self._says['seen'](self._asked), right)

    def written(self) -> Any:
        """Return the loss in metres of the point, and number, that each token is of."""
        import torch

        written = torch.from_numpy(self._batch.written)[:, self._first :]
        which = written >= 0
        if not which.any():
            return torch.zeros(())
        of, axis = written[which] // 2, written[which] % 2
        right, known = self._points[which.nonzero()[:, 0], of], self._end[0][which]
        off = self._metres(self._says['written'](known)) - right
        metres = _unusual(off, self._spacing * (of + 1.0)[:, None])
        return metres + self._digits(known, right.gather(1, axis[:, None]))

    def _digits(self, known: Any, number: Any) -> Any:
        """Return the loss of where in a ten, a one and so on the number (m, 1) is, as angles."""
        import torch

        angles = 2.0 * np.pi * number.abs() / number.new_tensor(PERIODS)
        right = torch.cat([angles.cos(), angles.sin()], 1)
        return torch.nn.functional.mse_loss(self._says['digits'](known), right)

    def _metres(self, found: Any) -> Any:
        """Return waypoints (…, 2) m: what is written says nothing of the speed told."""
        return found * found.new_tensor(SIZE)

    def words(self) -> Any:
        """Return the mean loss of the answers' tokens, as they weigh."""
        import torch

        ids = torch.from_numpy(self._batch.ids)[:, self._first + 1 :]
        weights = torch.from_numpy(self._batch.weights)[:, self._first + 1 :]
        counted = weights > 0.0
        logits = self._network.lm_head(self._end[1][:, :-1][counted])
        each = torch.nn.functional.cross_entropy(logits, ids[counted], reduction='none')
        return (weights[counted] * each).sum() / weights[counted].sum()


def _unusual(off: Any, times: Any) -> Any:
    """Return the loss of points (…, 2) that are off, m, so many seconds ahead."""
    import torch

    off = off / (off.new_tensor([USUAL, USUAL * ASIDE]) * times)
    return torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off), beta=0.1)


def shown(name: str, off: NDArray[np.float64], spacing: float) -> dict[str, float]:
    """Return how far off waypoints (b, waypoints) are after 1, 2 and 3 s, m, by name."""
    return {f'{name}_{s}s': float(off[:, round(s / spacing) - 1].mean()) for s in (1, 2, 3)}
