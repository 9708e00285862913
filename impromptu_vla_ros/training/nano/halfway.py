# SPDX-License-Identifier: Apache-2.0
"""Who drives before it can write: the language model, by what it knows halfway."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.dialects import DIALECTS, Dialect
from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.training.nano.batches import make_asked
from impromptu_vla_ros.training.nano.losses import Reading
from impromptu_vla_ros.training.nano.parts import Parts, make_parts, read_before
from impromptu_vla_ros.training.nano.plan import Plan


@dataclass(frozen=True, eq=False)
class Halfway:
    """A Model that says the waypoints that the first half of a language model knows."""

    parts: Parts
    dialect: Dialect
    tokenizer: Any

    def answer(self, query: Query) -> Answer:
        """Return the answer to a question with one picture."""
        import torch

        batch = make_asked(self.dialect, self.tokenizer, query)
        with torch.no_grad():
            reading = Reading(self.parts.network, self.parts.heads, batch, self.dialect.spacing)
            (points,) = reading.waypoints('state').double().numpy()
        return Answer(codec.encode_trajectory(self.dialect, points))


@dataclass(frozen=True)
class HalfwayDriver:
    """Makes who drives as was learned in a `folder` before a phase, on one core."""

    plan: Plan
    dialect: str
    tokenizer: Path
    folder: Path
    phase: str

    def __call__(self) -> Halfway:
        """Return who drives; raise ValueError where that was not learned."""
        import torch
        from tokenizers import Tokenizer

        torch.set_num_threads(1)
        tokenizer, dialect = Tokenizer.from_file(str(self.tokenizer)), DIALECTS[self.dialect]
        parts = make_parts(self.plan, dialect, tokenizer)
        read_before(parts, self.plan, self.phase, self.folder)
        return Halfway(parts, dialect, tokenizer)
