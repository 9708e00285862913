# SPDX-License-Identifier: Apache-2.0
"""An answer that is given up for a more urgent one, between two passes of its engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from impromptu_vla_ros.models import InterruptedAnswer
from impromptu_vla_ros.models.decoding import Engine, Rows
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.models.preprocessing import Patches


class InterruptibleEngine:
    """
    Work as another engine does, unless `interrupted` says True before a pass.

    Raises InterruptedAnswer then. A pass that runs is not ended.
    """

    def __init__(self, engine: Engine, interrupted: Callable[[], bool]) -> None:
        self._engine = engine
        self._interrupted = interrupted

    @property
    def length(self) -> int:
        """Return the number of tokens in the cache."""
        return self._engine.length

    def encode(self, picture: Patches) -> Any:
        """Return a picture's features."""
        self._look()
        return self._engine.encode(picture)

    def prefill(
        self, ids: IntArray, features: Sequence[Any], positions: IntArray, rows: int = 1
    ) -> Rows:
        """Read a prompt."""
        self._look()
        return self._engine.prefill(ids, features, positions, rows)

    def extend(self, ids: Sequence[int], positions: IntArray) -> Rows:
        """Read more tokens."""
        self._look()
        return self._engine.extend(ids, positions)

    def truncate(self, length: int) -> None:
        """Forget all tokens but the first `length`."""
        self._engine.truncate(length)

    def _look(self) -> None:
        if self._interrupted():
            raise InterruptedAnswer('given up for a more urgent question')
