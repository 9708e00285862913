# SPDX-License-Identifier: Apache-2.0
"""The parts of a plan that whoever looks at one wants to tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.motion import moved
from impromptu_vla_ros.core.structs import FloatArray, Plan, Pose

# A plan that is slower than this, m/s, has come to a stop.
STILL = 0.05
# Between the waypoints of the models, s.
SPACING = 0.5


@dataclass(frozen=True, eq=False)
class Parts:
    """
    Poses (n, 3) in the plan's frame, part by part; neighbours share the pose where they meet.

    `blend` runs from the ego into the path, `own` is what the model spoke of, `extension` lies
    beyond that; each may be empty. `stop` is where the plan comes to a stop, None if nowhere.
    """

    blend: FloatArray
    own: FloatArray
    extension: FloatArray
    stop: Pose | None


def parts(plan: Plan) -> Parts:
    """Return a plan's parts."""
    count = len(plan.times)
    end = min(max(plan.extended_from, 0), count)
    begin = min(int(np.searchsorted(plan.times, plan.blend)), max(end - 1, 0))
    still = np.flatnonzero(np.abs(plan.speeds) < STILL)
    return Parts(
        blend=_line(plan.poses[: begin + 1]),
        own=_line(plan.poses[begin:end]),
        extension=_line(plan.poses[max(end - 1, 0) :]),
        stop=Pose(*map(float, plan.poses[still[0]])) if len(still) else None,
    )


def waypoints(plan: Plan) -> FloatArray:
    """Return the poses (n, 3) at 0.5, 1.0, … s of what the model itself spoke of."""
    times = np.asarray(plan.times[: plan.extended_from])
    grid = times / SPACING
    return plan.poses[: len(times)][(times > 0.0) & (np.abs(grid - np.rint(grid)) < 1e-6)]


def wall(stop: Pose, ahead: float, width: float) -> FloatArray:
    """Return the ends (2, 2) of a line across the way, `ahead` m before a stop's pose."""
    ends = [moved(stop, Pose(ahead, side, 0.0)) for side in (0.5 * width, -0.5 * width)]
    return np.array([[end.x, end.y] for end in ends])


def _line(poses: FloatArray) -> FloatArray:
    return poses if len(poses) > 1 else np.zeros((0, 3))
