# SPDX-License-Identifier: Apache-2.0
"""
The way an answer describes, driven so that the car can stop where the model is still sure of it.

As by sight, where one drives no faster than one can stop within what one sees: the answer is
followed until the stop has to begin that ends where its deviation passes the limit. Each answer
puts that place anew, and a car that is slow enough never comes to brake for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.paths import Stop, TimedPath, braking, nearest, sharpest_bend
from impromptu_vla_ros.core.policy import Followed
from impromptu_vla_ros.core.structs import EgoNow, Plan

# It brakes for doubt no harder than this, m/s²: more than Autoware's comfortable stop (1.0), since
# that costs speed, and well below a stop plan's own. Harder, slow answers make it jolt.
COMFORTABLE = 1.5
# Beginnings of the stop are tried this many seconds apart.
STEP = 0.1


def sure_until(told: Plan, limit: float) -> float | None:
    """Return the seconds after which an answer's deviation passes a limit in m, None if never."""
    beyond = np.flatnonzero(told.deviations > limit)
    if not len(beyond):
        return None
    k = int(beyond[0])
    around = slice(max(k - 1, 0), k + 1)
    return float(np.interp(limit, told.deviations[around], told.times[around]))


def cautious(
    offered: Followed, limit: float, stop: Stop, now: int, ego: EgoNow | None
) -> Followed:
    """
    Return the same way with a stop where the deviation passes `limit` in m, if it is driven on.

    Where it is too late for that the stop begins `now` (ns), with the ego's own motion, and ends
    behind that place. What the model does not tell, NaN, limits nothing.
    """
    until = sure_until(offered.told, limit) if offered.told is not None else None
    if until is None:
        return offered
    stop = replace(stop, deceleration=min(stop.deceleration, COMFORTABLE))
    path, elapsed = offered.path, max(offered.elapsed(now), 0.0)
    sure = float(path.distance([until])[0])
    if float(path.rates[-1]) == 0.0 and float(path.distances[-1]) <= sure:
        return offered
    for begin in np.arange(until, elapsed, -STEP):
        stopped = _stopping(path, float(begin), stop)
        if stopped.distances[-1] <= sure:
            return _gone(offered, stopped, offered.stamp, float(begin))
    if ego is None:
        return offered
    point = motion.to_frame(offered.anchor, [[ego.pose.x, ego.pose.y]])[0]
    stopped = braking(path, nearest(path, point), ego.speed, ego.acceleration, stop)
    return _gone(offered, stopped, now, 0.0)


def _gone(offered: Followed, path: TimedPath, stamp: int, slowed: float) -> Followed:
    return replace(
        offered,
        path=path,
        stamp=stamp,
        horizon=path.horizon,
        marks=offered.answered_marks(),
        slowed=slowed,
    )


def _stopping(path: TimedPath, begin: float, stop: Stop) -> TimedPath:
    """Return a path that is left as it is for `begin` s, and then braked on to a stand."""
    (along,), (speed, later) = path.distance([begin]), path.speed([begin, begin + STEP])
    bend = sharpest_bend(path, float(along), float(speed))
    times, distances, speeds = stop.profile(float(speed), float(later - speed) / STEP, bend)
    kept = path.times < begin - 1e-6
    return replace(
        path,
        times=np.concatenate([path.times[kept], begin + times]),
        distances=np.concatenate([path.distances[kept], along + distances]),
        rates=np.concatenate([path.rates[kept], speeds]),
    )
