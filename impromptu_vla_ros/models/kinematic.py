# SPDX-License-Identifier: Apache-2.0
"""The baseline: answers with the kinematic prediction that comes with every query."""

from __future__ import annotations

from impromptu_vla_ros.core.structs import Answer, Query


class KinematicModel:
    """Answer with the query's rollout, in the wire format; pictures are not looked at."""

    def answer(self, query: Query) -> Answer:
        """Return the rollout as the answer."""
        return Answer(query.rollout)
