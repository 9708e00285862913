# SPDX-License-Identifier: Apache-2.0
"""A record of a drive that nobody drove: straight along x, with plans of every kind."""

import io

import numpy as np
from PIL import Image

from impromptu_vla_ros.evaluation.driving.record import Record

START, STEP = 1_000_000_000_000, 50_000_000
SPEED = 6.0
EGO_SIZE = (4.8, 1.8, 1.4, 2.8)


def record(seconds=2.0, plans=True, parked_at=None):
    """Return a drive along lane -1 of `straight` from x = 20 m; a car may be parked there."""
    count = round(seconds / 0.05) + 1
    ticks = np.arange(count)
    times = 0.05 * ticks
    stamps = START + STEP * ticks
    still = np.zeros(count)
    ego = np.column_stack(
        [20.0 + SPEED * times, still - 1.75, still, still + SPEED, still, still + 0.5, still + 0.1]
    )
    parked = np.zeros((count, 0 if parked_at is None else 1, 4))
    if parked_at is not None:
        parked[:, 0, :2] = parked_at, -1.75
    heads, rows, tiers = _plans(stamps[::2], ego[::2], seconds) if plans else ([], [], [])
    commands = np.column_stack([still + 0.1, still, still + SPEED, still, still])
    if plans:
        commands[:, 3:5] = np.array(heads)[np.minimum(ticks // 2, len(heads) - 1), :2]
    told = [(START, START, START, 0, 6)] if plans else []
    spoken = 0.5 * np.arange(1, 7)
    return Record(
        stamps=stamps,
        ego=ego,
        actors=parked,
        commands=commands,
        modes=np.where(commands[:, 3] > 0, 'following', 'braking'),
        names=np.array(['parked'] * parked.shape[1], np.str_),
        sizes=np.array([[4.8, 2.0]] * parked.shape[1]).reshape(-1, 2),
        ego_size=np.array(EGO_SIZE),
        plans=np.array(heads, np.int64).reshape(-1, 4),
        plan_points=np.array(rows).reshape(-1, 5),
        tiers=np.array(tiers, np.str_),
        told=np.array(told, np.int64).reshape(-1, 5),
        told_points=np.column_stack(
            [spoken, 20.0 + SPEED * spoken, 0 * spoken - 1.75, 0 * spoken, 0 * spoken + SPEED]
        ),
        answers=np.array([''] * len(told), np.str_),
        references=np.array([''] * len(told), np.str_),
        pictures=ticks % 2 == 0,
    )


def _plans(stamps, ego, seconds):
    """Return heads, points and tiers: fresh for the first half, then stopping."""
    heads, rows, tiers = [], [], []
    ahead = 0.1 * np.arange(53)
    for stamp, (x, y, *_) in zip(stamps, ego):
        fresh = stamp - START < 0.5 * seconds * 1e9
        slowed = np.minimum(ahead, 3.0)
        way = SPEED * ahead if fresh else SPEED * slowed - slowed**2
        speeds = np.full(53, SPEED) if fresh else np.maximum(SPEED - 2.0 * ahead, 0.0)
        heads.append((stamp, START if fresh else 0, len(rows), len(rows) + 53))
        rows += list(np.column_stack([ahead, x + way, y + 0 * way, 0 * way, speeds]))
        tiers.append('fresh' if fresh else 'stopping')
    return heads, rows, tiers


def jpeg(size=(64, 36), colour=(10, 10, 10)):
    """Return a JPEG of one colour."""
    file = io.BytesIO()
    Image.new('RGB', size, colour).save(file, 'JPEG', quality=95)
    return file.getvalue()


def score(passed=True, **changes):
    """Return a score as the drives' scorer makes it."""
    return {
        'passed': passed,
        'failures': [] if passed else ['hit parked at 6.0 m/s'],
        'collision': not passed,
        'ncap': 5.0 if passed else 1.0,
        'completion': 1.0 if passed else 0.5,
        'freshness': 0.9,
        'model_error': 0.25,
        'retiming_error': 0.05,
        'controller_left': 0.03,
        'controller_ahead': None,
        **changes,
    }
