# SPDX-License-Identifier: Apache-2.0
"""
What is wrong with a motion: every limit with its source; nothing is repaired here.

The guard sees numbers only, and does not trust what made them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.retiming import Motion
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import EgoNow, FloatArray

# Below this speed (m/s) a curvature or a lateral acceleration of points is noise.
SLOW = 0.5
# Rates of change are taken over this many seconds, as waypoints are apart: what lies between
# them is the curve's own.
WINDOW = 0.5


@dataclass(frozen=True)
class Limits:
    """What a plan may not exceed, or its answer is not followed."""

    speed: float = setting(30.0, 'Highest speed.', '108 km/h.', unit='m/s', limits=(0.1, 100.0))
    acceleration: float = setting(
        5.0,
        'Strongest speeding up, over 0.5 s.',
        "Autoware's trajectory concatenator rejects more.",
        unit='m/s^2',
        limits=(0.1, 20.0),
    )
    deceleration: float = setting(
        8.0,
        'Strongest braking, over 0.5 s.',
        'About what a dry road gives (UN R13-H asks for 6.43).',
        unit='m/s^2',
        limits=(0.1, 20.0),
    )
    lateral_acceleration: float = setting(
        6.0,
        'Strongest turning.',
        "Autoware's planning_validator reports 9.8.",
        unit='m/s^2',
        limits=(0.1, 20.0),
    )
    jerk: float = setting(
        15.0,
        'Fastest change of the acceleration, over 0.5 s.',
        'Full braking within half a second.',
        unit='m/s^3',
        limits=(0.1, 200.0),
    )
    curvature: float = setting(
        0.25, 'Tightest turn.', 'A circle of 4 m radius.', unit='1/m', limits=(0.01, 1.0)
    )
    yaw_rate: float = setting(
        1.0, 'Fastest turning.', '57 deg/s.', unit='rad/s', limits=(0.01, 6.3)
    )
    reversing: float = setting(
        0.2,
        'Longest way backwards.',
        'Reversing was filtered out of the training data.',
        unit='m',
        limits=(0.0, 10.0),
    )
    jump: float = setting(
        0.3,
        'Farthest step from the plan before, where it is a step from the ego too.',
        'What a blend of half a second can hide.',
        unit='m',
        limits=(0.0, 10.0),
    )
    start: float = setting(
        1.0,
        'Farthest start from the ego.',
        "Autoware's planning_validator reports more (lon_distance_deviation).",
        unit='m',
        limits=(0.0, 10.0),
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


def _rates(planned: Motion) -> list[tuple[str, float]]:
    v, w = planned.speeds, planned.yaw_rates
    moving = v > SLOW
    step = float(planned.times[1] - planned.times[0])
    wide = max(1, round(WINDOW / step))
    change = (v[wide:] - v[:-wide]) / (wide * step)
    return [
        ('speed', _most(v)),
        ('acceleration', _most(change)),
        ('deceleration', _most(-change)),
        ('lateral_acceleration', _most(np.abs(v * w))),
        ('jerk', _most(np.abs(change[wide:] - change[:-wide]) / (wide * step))),
        ('curvature', _most(np.abs(w[moving] / v[moving]))),
        ('yaw_rate', _most(np.abs(w))),
    ]


def _place(planned: Motion, ego: EgoNow, step: float) -> list[tuple[str, float]]:
    # A step from the plan before is one the car feels only where it is off the new path too.
    return [
        ('start', planned.offset),
        ('reversing', _backwards(planned)),
        ('jump', min(step, planned.offset)),
    ]


def _backwards(planned: Motion) -> float:
    """Return the metres against the heading, all together."""
    steps = np.diff(planned.poses[:, :2], axis=0)
    yaw = planned.poses[:-1, 2]
    along = steps[:, 0] * np.cos(yaw) + steps[:, 1] * np.sin(yaw)
    return float(-along[along < 0.0].sum())


def _most(values: FloatArray) -> float:
    return float(values.max()) if len(values) else 0.0
