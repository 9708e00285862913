# SPDX-License-Identifier: Apache-2.0
"""
What is wrong with a motion: every limit with its source; nothing is repaired here.

The guard sees numbers only, and does not trust what made them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.retiming import Motion
from impromptu_vla_ros.core.structs import EgoNow, FloatArray

# Below this speed (m/s) a curvature or a lateral acceleration of points is noise.
SLOW = 0.5
# Rates of change are taken over this many seconds: waypoints are rounded to a centimetre.
WINDOW = 0.5


def limit(default: float, unit: str, description: str) -> float:
    """Return a field of Limits that carries its unit, meaning and source."""
    metadata = {'unit': unit, 'description': description}
    made: float = field(default=default, metadata=metadata)
    return made


@dataclass(frozen=True)
class Limits:
    """What a motion may not exceed."""

    speed: float = limit(30.0, 'm/s', 'Highest speed; 108 km/h, beyond the training data.')
    acceleration: float = limit(
        5.0, 'm/s^2', "Strongest speeding up; Autoware's trajectory concatenator rejects more."
    )
    deceleration: float = limit(
        8.0, 'm/s^2', 'Strongest braking; a dry road gives about this (UN R13-H: 6.43 at least).'
    )
    lateral_acceleration: float = limit(
        6.0, 'm/s^2', "Strongest turning; Autoware's planning_validator errs at 9.8."
    )
    jerk: float = limit(15.0, 'm/s^3', 'Fastest change of acceleration, over 0.5 s.')
    curvature: float = limit(
        0.25, '1/m', 'Tightest turn: a circle of 4 m radius, tighter than any car turns.'
    )
    yaw_rate: float = limit(1.0, 'rad/s', 'Fastest turning; 57 deg/s at walking pace.')
    reversing: float = limit(
        0.2, 'm', 'Longest way backwards; reversing was filtered out of the training data.'
    )
    jump: float = limit(
        0.3, 'm', 'Farthest step from the plan before, and from the ego, at the same time.'
    )
    first_speed: float = limit(
        3.0, 'm/s', 'Largest gap between the ego and the speed to the first waypoint.'
    )
    start: float = limit(
        1.0, 'm', "Farthest first point from the ego (planning_validator's lon_distance_dev)."
    )


def violations(planned: Motion, ego: EgoNow, limits: Limits, step: float = 0.0) -> tuple[str, ...]:
    """
    Return what is wrong with a motion, `rule: finding` each; empty where nothing is.

    `ego` is the ego at the motion's first time, in the same frame; `step` is how far, in m,
    the path behind it lies there from the path followed before.
    """
    arrays = (planned.poses, planned.speeds, planned.accelerations, planned.yaw_rates)
    if not all(np.isfinite(array).all() for array in arrays):
        return ('finite: a number of the plan is not finite',)
    found = []
    for name, value in (*_rates(planned), *_place(planned, ego, step)):
        allowed = getattr(limits, name)
        if value > allowed:
            unit = Limits.__dataclass_fields__[name].metadata['unit']
            found.append(f'{name}: {value:.2f} {unit}, {allowed:g} allowed')
    return tuple(found)


def waypoint_violations(
    points: FloatArray, spacing: float, speed: float, limits: Limits
) -> tuple[str, ...]:
    """
    Return what is wrong with an answer's own waypoints (n, 2), before they are smoothed.

    `speed` in m/s is the ego's at capture time; points are in its frame then.
    """
    path = np.vstack([[0.0, 0.0], points])
    steps = np.diff(path, axis=0)
    lengths = np.hypot(*steps.T)
    backwards = max(0.0, -float(np.minimum.accumulate(points[:, 0]).min()))
    gap = abs(float(lengths[0]) / spacing - max(speed, 0.0))
    found = []
    if backwards > limits.reversing:
        found.append(f'reversing: {backwards:.2f} m, {limits.reversing:g} allowed')
    if gap > limits.first_speed:
        found.append(f'first_speed: {gap:.2f} m/s, {limits.first_speed:g} allowed')
    fastest = float(lengths.max()) / spacing
    if fastest > limits.speed:
        found.append(f'speed: {fastest:.2f} m/s, {limits.speed:g} allowed')
    return tuple(found)


def _rates(planned: Motion) -> list[tuple[str, float]]:
    v, a, w = planned.speeds, planned.accelerations, planned.yaw_rates
    moving = v > SLOW
    step = float(planned.times[1] - planned.times[0])
    wide = max(1, round(WINDOW / step))
    return [
        ('speed', _most(v)),
        ('acceleration', _most(a)),
        ('deceleration', _most(-a)),
        ('lateral_acceleration', _most(np.abs(v * w))),
        ('jerk', _most(np.abs(a[wide:] - a[:-wide]) / (wide * step))),
        ('curvature', _most(np.abs(w[moving] / v[moving]))),
        ('yaw_rate', _most(np.abs(w))),
    ]


def _place(planned: Motion, ego: EgoNow, step: float) -> list[tuple[str, float]]:
    ahead = motion.to_frame(ego.pose, planned.poses[:, :2])[:, 0]
    # A step from the plan before is one the car feels only where it is off the new path too.
    return [
        ('start', planned.offset),
        ('reversing', _most(np.maximum.accumulate(ahead) - ahead)),
        ('jump', min(step, planned.offset)),
    ]


def _most(values: FloatArray) -> float:
    return float(values.max()) if len(values) else 0.0
