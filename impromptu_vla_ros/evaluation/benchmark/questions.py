# SPDX-License-Identifier: Apache-2.0
"""What a planner would ask along a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.replay import replay


class Asked:
    """A model that keeps what it is asked, pictures decoded, and answers with the rollout."""

    def __init__(self) -> None:
        self.queries: list[Query] = []

    def answer(self, query: Query) -> Answer:
        """Return the rollout."""
        self.queries.append(query)
        return Answer(query.rollout)


def questions(recording: Path, dialect: Dialect, every: float = 0.0) -> Sequence[Query]:
    """Return the questions along a recording's folder, at most one in `every` s."""
    asked = Asked()
    with Bag(recording) as bag:
        replay(bag, Planner(dialect), asked, latency=every)
    return asked.queries


def spread(queries: Sequence[Query], count: int) -> Sequence[Query]:
    """Return `count` of the questions, evenly spread; all where there are no more."""
    if len(queries) <= count:
        return queries
    return [queries[k * len(queries) // count] for k in range(count)]
