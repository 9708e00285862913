# SPDX-License-Identifier: Apache-2.0
"""The network and its heads, cut into the parts that learn in one phase or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.training.lessons.cells import TOKENS
from impromptu_vla_ros.training.nano.halves import halve
from impromptu_vla_ros.training.nano.losses import make_heads
from impromptu_vla_ros.training.nano.network import make_network, reader_and_writer
from impromptu_vla_ros.training.nano.plan import (
    LOOKING,
    PRACTISING,
    READING,
    WRITING,
    Plan,
    kind,
)
from impromptu_vla_ros.training.nano.state import read_parts

READS = 'tower', 'reader', 'looks', 'says'
# What learns in each kind of phase.
LEARNS = {
    LOOKING: ('tower', 'looks'),
    READING: READS,
    PRACTISING: READS,
    WRITING: ('reader', 'writer', 'says'),
}


@dataclass(frozen=True, eq=False)
class Parts:
    """A network, its heads `looks` and `says`, and all of both `by_name`."""

    network: Any
    heads: tuple[Any, Any]
    by_name: Mapping[str, Any]

    def learning(self, phase: str) -> dict[str, Any]:
        """Return what learns in a phase."""
        return {part: self.by_name[part] for part in LEARNS[kind(phase)]}


def make_parts(plan: Plan, dialect: Dialect, tokenizer: Any) -> Parts:
    """Return all parts, with random weights."""
    network = make_network(tokenizer, plan.size, plan.seed).train()
    looks, says = make_heads(TOKENS, plan.size.hidden, dialect.waypoints)
    reader, writer = reader_and_writer(network.model.language_model)
    tower = network.model.visual
    parts = {'tower': tower, 'reader': reader, 'writer': writer, 'looks': looks, 'says': says}
    halve(parts.values())
    return Parts(network, (looks, says), parts)


def read_before(parts: Parts, plan: Plan, phase: str, folder: Path) -> None:
    """
    Read into its parts what was learned before a phase begins.

    Raise ValueError for what is not learned to its end, or by another plan.
    """
    for before in plan.before(phase):
        path, learning = state_file(folder, before.name), parts.learning(before.name)
        read_parts(path, learning, plan.named(before.name), before.steps)


def state_file(folder: Path, phase: str) -> Path:
    """Return the file of a phase's state."""
    return folder / f'{phase}.safetensors'
