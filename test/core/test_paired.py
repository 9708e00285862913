# SPDX-License-Identifier: Apache-2.0
"""Intervals and tests of paired differences, against hand calculations and definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros.core.paired import (
    Interval,
    Resampling,
    expanded_tail,
    mcnemar,
    mean_interval,
    share_interval,
    t_quantile,
)

HOW = Resampling()
Z = 1.959964


def test_a_difference_that_is_always_the_same_is_certain():
    assert mean_interval([0.5] * 10, range(10), HOW) == Interval(0.5, 0.5)


def test_few_clusters_tell_nothing_however_many_values_they_have():
    values = np.arange(400.0)
    assert mean_interval(values, np.arange(400) // 100, HOW) is None
    assert mean_interval(values, np.arange(400) // 80, HOW) is not None


def test_two_values_by_hand():
    # Clusters are 0 or 1, five of each: the mean of a resample is binomial, of 10 with 1/2.
    found = mean_interval([0.0, 1.0] * 5, range(10), Resampling(0.8, 40_000))
    # t of 9 degrees at 0.1 is -1.383; times sqrt(10/9) it is -1.458, the normal tail 0.0724.
    assert expanded_tail(0.1, 10) == pytest.approx(0.0724, abs=1e-4)
    # P(at most 2) is 0.0547, P(at most 3) 0.1719.
    assert found == Interval(0.3, 0.7)


def test_values_of_a_cluster_are_drawn_together():
    dice = np.random.default_rng(3)
    effects = np.repeat(dice.normal(size=20), 30)
    together = mean_interval(effects, np.arange(600) // 30, HOW)
    alone = mean_interval(effects, np.arange(600), HOW)
    # The same numbers, were they independent, would say sqrt(30) times as much.
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(30.0), rel=0.25)


def test_large_clusters_weigh_as_much_as_they_hold():
    values = [1.0] * 90 + [0.0] * 6
    found = mean_interval(values, [0] * 90 + [1, 2, 3, 4, 5, 6], HOW)
    assert found.low == 0.0 and found.high > 0.97


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(1).normal(size=50)
    first, again = (mean_interval(values, range(50), HOW) for _ in range(2))
    other = mean_interval(values, range(50), Resampling(seed=1))
    assert first == again != other
    assert other.low == pytest.approx(first.low, abs=0.03)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    dice = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        effects = np.repeat(dice.normal(size=12), 5) + 0.3 * dice.normal(size=60)
        found = mean_interval(effects, np.arange(60) // 5, Resampling(0.9, 500, seed))
        held += found.low <= 0.0 <= found.high
    assert 0.84 <= held / 200 <= 0.96


def test_students_t_is_as_tabulated():
    table = {(0.025, 1): -12.706, (0.025, 4): -2.776, (0.05, 9): -1.833, (0.005, 30): -2.750}
    for (probability, freedom), value in table.items():
        assert t_quantile(probability, freedom) == pytest.approx(value, abs=6e-4)


def test_mcnemar_by_hand():
    # Six of six: 2 / 2^6. One of six: 2·(1 + 6) / 2^6.
    assert mcnemar(0, 6) == mcnemar(6, 0) == 2 / 64
    assert mcnemar(1, 5) == 14 / 64
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1.0


def test_where_no_pair_differs_the_share_may_still():
    # Tango's interval is then ± z² / (n + z²).
    within = share_interval(0, 0, 10)
    assert within.high == pytest.approx(Z * Z / (10 + Z * Z), abs=1e-6) == -within.low


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_tangos_limits_are_where_the_likelihood_calls_for_them(only_a, only_b, alike):
    pairs = only_a + only_b + alike
    if pairs == 0:
        return
    found = share_interval(only_a, only_b, pairs)
    middle = (only_b - only_a) / pairs
    mirrored = share_interval(only_b, only_a, pairs)
    assert -1.0 <= found.low <= middle <= found.high <= 1.0
    assert mirrored.low == pytest.approx(-found.high, abs=1e-9)
    for limit in (found.low, found.high):
        if abs(limit) > 1.0 - 1e-6:
            continue
        # The likeliest share of pairs so for A only, given the difference, by trying them all.
        lowest, highest = max(0.0, -limit), (1.0 - limit) / 2.0
        rare = np.linspace(lowest, highest, 20_001)[1:-1]
        likely = (
            only_a * np.log(rare)
            + only_b * np.log(rare + limit)
            + alike * np.log(1.0 - 2.0 * rare - limit)
        )
        best = rare[np.argmax(likely)]
        deviation = math.sqrt(pairs * (2.0 * best + limit - limit * limit))
        off = only_b - only_a - pairs * limit
        assert abs(off) / deviation == pytest.approx(Z, rel=0.02)


def test_a_nonsense_confidence_is_refused():
    with pytest.raises(ValueError, match='confidence'):
        Resampling(confidence=95.0)
