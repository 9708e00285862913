# SPDX-License-Identifier: Apache-2.0
"""Which navigation command holds now, from the route: in the words of the training questions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.motion import to_frame
from impromptu_vla_ros.core.structs import Pose

STRAIGHT = 'go straight'
COMMANDS = (
    STRAIGHT,
    'turn left',
    'turn right',
    'go straight and turn left',
    'go straight and turn right',
)

# As Impromptu VLA's labels were made: where the car is after 6 s; a turn if that lies 10 m or
# more to a side, after going straight if it lies 20 m or more ahead.
HORIZON = 6.0
SIDE, AHEAD = 10.0, 20.0
# Who waits at a junction has still to be told: the speed that is counted with at least, m/s.
LEAST_SPEED = 5.0


def navigation_command(route: ArrayLike, pose: Pose, speed: float) -> str:
    """
    Return the command that holds at `pose` and `speed` (m/s) on a route (n, 2), m.

    Route and pose are in one frame; the route is followed from its point nearest to the pose.
    Raise ValueError for a route of fewer than two points.
    """
    points = np.asarray(route, float)
    if len(points) < 2:
        raise ValueError(f'a route of {len(points)} points leads nowhere: give at least 2')
    local = to_frame(pose, points)
    steps = np.diff(local, axis=0)
    lengths = np.hypot(*steps.T)
    # How far along each segment the ego's nearest point lies, as a share.
    share = np.clip(-(local[:-1] * steps).sum(axis=1) / np.maximum(lengths**2, 1e-9), 0.0, 1.0)
    nearest = local[:-1] + share[:, None] * steps
    here = int(np.argmin(np.hypot(*nearest.T)))
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    goal = along[here] + share[here] * lengths[here] + HORIZON * max(speed, LEAST_SPEED)
    ahead, left = (float(np.interp(goal, along, local[:, axis])) for axis in (0, 1))
    return command_to(ahead, left)


def command_to(ahead: float, left: float) -> str:
    """Return the command that leads to a place, m, where the car is 6 s later."""
    if abs(left) < SIDE:
        return STRAIGHT
    turn = 'turn left' if left > 0.0 else 'turn right'
    return f'{STRAIGHT} and {turn}' if ahead >= AHEAD else turn
