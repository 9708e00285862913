# SPDX-License-Identifier: Apache-2.0
"""The whole loop without ROS: slow models, recorded speeds, and a car that follows."""

import csv
from itertools import pairwise

import numpy as np
import pytest
from closed_loop import Road, drive

STOPS = ('stopping', 'standing')


def tiers(cycles):
    return [cycle.plan.tier for cycle in cycles]


@pytest.mark.parametrize('latency', [0.3, 1.5, 2.5])
def test_a_car_departs_however_slowly_the_model_thinks(latency):
    cycles = drive(20.0, lambda t: 0.0 if t < 5.0 else 6.0, lambda: latency)
    moved = next(c.time for c in cycles if c.time > 5.0 and c.speed > 0.1)
    # The picture of the green light is taken up to a latency after it, and answered a latency on.
    assert moved < 5.0 + 2.0 * latency + 0.5
    # Of answers 2.5 s late half a second each is followed: it crawls, but it does not stay.
    assert max(c.speed for c in cycles) > (0.8 if latency > 2.0 else 5.0)
    assert [c.broken for c in cycles if c.broken] == []


def test_a_slow_model_that_fails_often_keeps_the_car_on_the_road():
    rng = np.random.default_rng(1)
    cycles = drive(
        120.0,
        lambda t: 4.0 + 4.0 * np.sin(t / 7.0),
        lambda: rng.uniform(0.2, 3.0),
        refused=lambda: rng.random() < 0.05,
        dropped=lambda: rng.random() < 0.1,
    )
    assert [c.broken for c in cycles if c.broken] == []
    assert max(abs(c.aside) for c in cycles) < 0.3
    for cycle in cycles:
        age = cycle.plan.ages.get('answer', 0.0)
        assert cycle.plan.tier != 'fresh' or age < 1.5
        assert cycle.plan.tier != 'held' or age <= 3.0
    young = [c.plan.tier not in STOPS for c in cycles if c.answer < 2.0]
    assert len(young) > 200 and np.mean(young) >= 0.99


def recorded(data, first, last):
    """Return the speeds of a real drive by time: Boreas, every 0.1 s."""
    (path,) = (data / 'boreas_ego').glob('*/ego.csv')
    with path.open() as file:
        rows = np.array([(row['t_s'], row['speed_mps']) for row in csv.DictReader(file)], float)
    times, speeds = rows.T
    still = np.where(speeds < 0.3, 0.0, speeds)
    return (lambda t: float(np.interp(first + t, times, still))), last - first


@pytest.mark.parametrize(
    ('first', 'last'),
    [(0.0, 35.0), (105.0, 145.0), (165.0, 195.0)],
    ids=['standing start', 'stop and go', 'full stop'],
)
@pytest.mark.parametrize('latency', [0.5, 1.0])
def test_recorded_starts_and_stops_neither_creep_nor_waver(data, first, last, latency):
    wanted, seconds = recorded(data, first, last)
    cycles = drive(seconds, wanted, lambda: latency, road=Road(radius=400.0))
    assert [c.broken for c in cycles if c.broken] == []
    begun = next(k for k, c in enumerate(cycles) if c.plan.tier == 'fresh')
    assert set(tiers(cycles[begun:])) <= {'fresh', 'held'}
    # It stands while the driver did, but for the time it takes to hear of it.
    slow = 2.0 * latency + 2.0
    stood = [
        c for c in cycles if all(wanted(c.time - lag) == 0.0 for lag in np.arange(0, slow, 0.1))
    ]
    assert all(c.speed == 0.0 for c in stood)
    changes = [(a.speed == 0.0) != (b.speed == 0.0) for a, b in pairwise(cycles)]
    really = np.array([wanted(c.time) == 0.0 for c in cycles])
    assert sum(changes) <= np.abs(np.diff(really.astype(int))).sum()
    assert max(c.speed for c in cycles) > 5.0
