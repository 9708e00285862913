# SPDX-License-Identifier: Apache-2.0
"""The plots of one drive: what was asked for, and what the car did."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.plots import line, plot

SIZE = (520, 240)
TIME = 'time [s]'


def speed(record: Record) -> str:
    """Return the speed, beside the one commanded."""
    lines = [
        line(record.times, record.ego[:, 3], 'driven', 'driven'),
        line(record.times, _asked(record, 2), 'plan', 'commanded'),
    ]
    return plot(lines, TIME, 'speed [m/s]', SIZE, from_zero=True)


def acceleration(record: Record) -> str:
    """Return the acceleration, beside the one commanded."""
    lines = [
        line(record.times, record.ego[:, 5], 'driven', 'driven'),
        line(record.times, _asked(record, 1), 'plan', 'commanded'),
    ]
    return plot(lines, TIME, 'acceleration [m/s²]', SIZE)


def steering(record: Record) -> str:
    """Return the angle of the road wheels, beside the one commanded."""
    lines = [
        line(record.times, np.degrees(record.ego[:, 6]), 'driven', 'driven'),
        line(record.times, np.degrees(_asked(record, 0)), 'plan', 'commanded'),
    ]
    return plot(lines, TIME, 'steering, + = left [deg]', SIZE)


def age(record: Record) -> str:
    """Return how old the answer behind the followed plan is."""
    captures = record.commands[:, 4]
    ages = np.where(captures > 0, (record.stamps - captures) / NANOSECONDS, np.nan)
    return plot([line(record.times, ages, 'plan', '')], TIME, 'age [s]', SIZE, from_zero=True)


def tiers(record: Record) -> list[str]:
    """Return the tier of the plan followed at each tick, '' where there was none."""
    if not len(record.plans):
        return [''] * len(record.stamps)
    stamps = record.commands[:, 3]
    nearest = np.abs(record.plans[None, :, 0] - stamps[:, None]).argmin(axis=1)
    return [str(record.tiers[k]) if stamp else '' for k, stamp in zip(nearest, stamps)]


def tier_spans(record: Record) -> list[tuple[str, int]]:
    """Return the tiers in their order, each with the number of its ticks."""
    return [(tier, len(list(run))) for tier, run in groupby(tiers(record))]


def _asked(record: Record, column: int) -> FloatArray:
    """Return a column of the commands, NaN where nothing was commanded."""
    return np.where(record.modes == 'disengaged', np.nan, record.commands[:, column])
