# SPDX-License-Identifier: Apache-2.0
"""
The way an answer describes, at the ego's own pace: for a car that is not where it should be.

While a slow model thinks, a standing car stands, and one that stops for want of an answer has
stopped. The places of its answer are right all the same, and how fast to go at each of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from impromptu_vla_ros.core.paths import STOP_SPEED, TimedPath, gentle_change, sharpest_bend
from impromptu_vla_ros.core.structs import FloatArray

# How the ego comes to the speed of the place where it is: over this time, within these limits
# (m/s², m/s³): gently up, and down as firmly as who is late for a stop has to.
SETTLING, SPEEDING, BRAKING, JERK = 0.4, 2.0, 6.0, 10.0
# A car at rest looks this far ahead, m, for a speed to depart with.
DEPARTURE = 0.5
# A car slower than this, m/s, stands.
STILL = 0.05
STEP, LONGEST = 0.05, 30.0


def at_own_pace(path: TimedPath, start: float, speed: float, acceleration: float) -> TimedPath:
    """
    Return the same way from `start` m along it on, begun with the ego's own motion.

    `speed` in m/s and `acceleration` in m/s² are the ego's. Its horizon is where the path's
    own was.
    """
    marks, wanted, changes = _by_distance(path)
    bend = sharpest_bend(path, start, max(speed, float(wanted.max())))
    end, stops = float(marks[-1]), wanted[-1] == 0.0
    s, v, a = start, speed, min(max(acceleration, -BRAKING), SPEEDING)
    a = a if v > STILL else 0.0
    rows = [(0.0, v)]
    while (stops or s < end) and len(rows) * STEP < LONGEST:
        departs = v < STOP_SPEED and s + DEPARTURE < end
        at = s + DEPARTURE if departs else s
        demand = float(np.interp(at, marks, changes))
        demand += (float(np.interp(at, marks, wanted)) - v) / SETTLING
        demand = min(max(demand, -BRAKING), SPEEDING, gentle_change(v, bend(s - start)))
        a += min(max(demand - a, -JERK * STEP), JERK * STEP)
        after = max(0.0, v + a * STEP)
        if after < STILL and not departs:
            after = 0.0
        a = a if after > 0.0 else max(a, 0.0)  # who stands brakes no more
        s, v = s + 0.5 * (v + after) * STEP, after
        rows.append((s - start, v))
        if v == 0.0 and not departs:
            break
    if len(rows) == 1:  # it is past the end already
        rows.append((v * STEP, v))
    distances, rates = np.array(rows).T
    return replace(
        path,
        times=STEP * np.arange(float(len(rows))),
        distances=distances,
        rates=rates,
        marks=path.marks - start,
    )


def _by_distance(path: TimedPath) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return distances, m, increasing; and the path's speeds and accelerations there."""
    times = np.linspace(0.0, path.horizon, max(2, round(path.horizon / STEP) + 1))
    marks, speeds = path.distance(times), path.speed(times)
    changes = np.gradient(speeds, times)
    # Of a place where it stands for a while, what it leaves it with; at the last one it stays.
    last = np.append(np.diff(marks) > 1e-4, True)
    if speeds[-1] < STILL:
        speeds[-1] = changes[-1] = 0.0
    return marks[last], speeds[last], changes[last]
