# SPDX-License-Identifier: Apache-2.0
"""A record, instant by instant, as its film shows it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.driving import Box, overlap
from impromptu_vla_ros.core.structs import NANOSECONDS, Plan, Pose
from impromptu_vla_ros.evaluation.driving.film import Moment
from impromptu_vla_ros.evaluation.driving.record import Record

RATE = 10.0  # pictures of the film per second


def moments(record: Record, pictures: Mapping[int, bytes]) -> Iterator[Moment]:
    """
    Yield an instant every 0.1 s of the drive, and its last one.

    `pictures` are JPEGs by tick; where one is missing the last one before it is shown, and before
    the first one that.
    """
    pictured = sorted(pictures)
    for tick in film_ticks(record):
        k = max(0, bisect_right(pictured, tick) - 1)
        shown = pictures[pictured[k]] if pictured else None
        yield replace(_moment(record, tick), picture=shown)


def film_ticks(record: Record) -> list[int]:
    """Return the ticks that the film shows."""
    times = record.times
    grid = np.arange(0.0, times[-1] + 1e-6, 1.0 / RATE)
    ticks = {int(np.searchsorted(times, time - 1e-6)) for time in grid}
    return sorted(ticks | {len(times) - 1})


def outline(record: Record, tick: int) -> Box:
    """Return the ego's outline at a tick."""
    length, width, ahead = map(float, record.ego_size[:3])
    middle = motion.moved(Pose(*map(float, record.ego[tick, :3])), Pose(ahead, 0.0, 0.0))
    return Box(middle.x, middle.y, middle.yaw, length, width)


def others(record: Record, tick: int) -> list[Box]:
    """Return the outlines of everybody else at a tick."""
    rows = zip(record.actors[tick, :, :3], record.sizes)
    return [Box(*map(float, pose), *map(float, size)) for pose, size in rows]


def followed(record: Record, tick: int) -> Plan | None:
    """Return the plan that the controller followed at a tick, None where there was none."""
    stamp = int(record.commands[tick, 3])
    # The commands' table holds floats, which round stamps.
    found = np.flatnonzero(np.abs(record.plans[:, 0] - stamp) < 0.01 * NANOSECONDS)
    if not stamp or not len(found):
        return None
    number = int(found[-1])
    start, capture, first, end = map(int, record.plans[number])
    points = record.plan_points[first:end]
    age = (int(record.stamps[tick]) - capture) / NANOSECONDS if capture else math.nan
    return Plan(
        stamp=start,
        frame_id='',
        times=points[:, 0],
        poses=points[:, 1:4],
        speeds=points[:, 4],
        accelerations=np.zeros(len(points)),
        yaw_rates=np.zeros(len(points)),
        deviations=np.full(len(points), math.nan),
        extended_from=_own(record, start, capture, points[:, 0]),
        tier=str(record.tiers[number]),
        violations=(),
        capture_stamp=capture,
        anchor=Pose(0.0, 0.0, 0.0),
        anchor_frame_id='',
        answer='',
        dialect='',
        ages={'answer': age},
    )


def _own(record: Record, start: int, capture: int, times: np.ndarray) -> int:
    """Return how many of a plan's points lie within what its answer spoke of; all of a stop's."""
    told = np.flatnonzero(record.told[:, 1] == capture)
    if not capture or not len(told):
        return len(times)
    last = record.told_points[int(record.told[told[-1], 4]) - 1, 0]
    return int(np.searchsorted(times, last - (start - capture) / NANOSECONDS + 1e-6))


def _moment(record: Record, tick: int) -> Moment:
    row, box, around = record.ego[tick], outline(record, tick), others(record, tick)
    hit = [str(name) for name, other in zip(record.names, around) if overlap(box, other)]
    return Moment(
        time=float(record.times[tick]),
        ego=Pose(*map(float, row[:3])),
        outline=box,
        others=around,
        driven=record.ego[: tick + 1, :2],
        speed=float(row[3]),
        acceleration=float(row[5]),
        steering=float(row[6]),
        plan=followed(record, tick),
        alarm=f'collision: {", ".join(hit)}' if hit else '',
    )
