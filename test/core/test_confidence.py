# SPDX-License-Identifier: Apache-2.0
"""From how sure a model was of its digits to metres, by distributions that are known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.confidence import (
    accumulated,
    number_deviation,
    spread,
    waypoint_deviations,
)
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import Digits

CENTIMETRES = np.arange(100_000)


def written(chances, fixed=True):
    """Return the number that is written greedily of a distribution over 0.00 … 999.99, and how."""
    texts = [f'{k / 100:.2f}' if fixed else repr(k / 100) for k in range(len(chances))]
    alive, text, rows = np.flatnonzero(chances > 0.0), '', []
    while True:
        nexts = [texts[k][len(text) : len(text) + 1] for k in alive]
        weights = dict.fromkeys('0123456789.', 0.0) | {'': 0.0}
        for following, k in zip(nexts, alive, strict=True):
            weights[following] += chances[k]
        best = max(weights, key=weights.get)
        if best == '':
            return text, np.array(rows)
        if best != '.':
            total = sum(weights.values())
            row = [weights[str(digit)] / total for digit in range(10)]
            rows.append(np.log(np.maximum(row, 1e-12)))
        alive = [k for k, following in zip(alive, nexts, strict=True) if following == best]
        text += best


def bell(mean, deviation):
    chances = np.exp(-0.5 * ((CENTIMETRES / 100 - mean) / deviation) ** 2)
    return np.where(chances > 1e-9, chances, 0.0)


def row(**chances):
    """Return the log-probabilities of a digit: by name, the rest nothing."""
    values = np.full(10, 1e-9)
    for digit, chance in chances.items():
        values[int(digit[1:])] = chance
    return np.log(values)


@pytest.mark.parametrize('fixed', [True, False])
@pytest.mark.parametrize('deviation', [0.03, 0.2, 1.0, 4.0])
@pytest.mark.parametrize('mean', [3.14, 9.99, 10.01, 19.995, 52.5, 99.98, 100.0, 123.4])
def test_a_known_bell_is_found_again_across_every_carry(mean, deviation, fixed):
    number, rows = written(bell(mean, deviation), fixed)
    off = float(number) - mean
    true = math.hypot(deviation, off)
    assert number_deviation(number, rows) == pytest.approx(true, rel=0.15)


def test_a_tie_at_a_carry_is_no_metre():
    # 9.98 or 10.02, evenly: the first digit is a toss-up, and the tenth of a metre is not.
    rows = [row(d9=0.5, d1=0.5), row(d9=1.0), row(d8=1.0)]
    # Half within a centimetre, half beyond 2 cm: of the order of that, not of 10 m.
    assert 0.01 < number_deviation('9.98', rows) < 0.06


def test_a_fork_is_as_wide_as_it_is():
    # 5.00 or 15.00, evenly, and sure of the rest: half of it lies 5 to 15 m away.
    rows = [row(d5=0.5, d1=0.5), row(d0=1.0), row(d0=1.0)]
    narrow = [row(d5=0.9, d1=0.1), row(d0=1.0), row(d0=1.0)]
    certain = number_deviation('5.00', [row(d5=1.0), row(d0=1.0), row(d0=1.0)])
    assert number_deviation('5.00', narrow) > 3.0 * certain
    assert number_deviation('5.00', rows) > number_deviation('5.00', narrow)


def test_a_sure_number_is_as_good_as_its_rounding():
    rows = [row(d1=1.0), row(d2=1.0), row(d3=1.0), row(d4=1.0)]
    assert number_deviation('12.34', rows) < 0.005


def test_the_last_decimal_alone_by_hand():
    # Evenly any of ten hundredths: the bell around 12.34 with a tenth of a metre in 12.295…12.395.
    rows = [row(d1=1.0), row(d2=1.0), row(d3=1.0), np.log(np.full(10, 0.1))]
    # The second moment about 12.345 of 12.295…12.395 is 0.1²/12: 0.029.
    assert number_deviation('12.34', rows) == pytest.approx(0.029, rel=0.35)


def test_what_is_not_told_is_unknown():
    assert math.isnan(number_deviation('1.0', [np.full(10, -math.inf), row(d0=1.0)]))
    text = codec.encode_trajectory(DIALECTS['kitti'], np.zeros((10, 2)))
    nothing = Digits(np.zeros(0, np.int64), np.zeros((0, 10)))
    assert np.isnan(waypoint_deviations(text, nothing)).all()


def test_waypoints_add_up_as_a_random_walk_of_steps():
    # What is new in the first counts once, twice, three times: 1, 4, 9; in the second 1, 4.
    np.testing.assert_allclose(accumulated([1.0, 0.0, 0.0]), [1.0, 4.0, 9.0])
    np.testing.assert_allclose(accumulated([1.0, 2.0, 0.0]), [1.0, 6.0, 17.0])
    # An unknown one makes those behind it unknown, and none before.
    np.testing.assert_array_equal(np.isnan(accumulated([1.0, math.nan, 0.0])), [0, 1, 1])


@pytest.mark.parametrize('name', ['kitti', 'nuscenes'])
def test_an_answers_digits_are_found_where_they_stand(name):
    dialect = DIALECTS[name]
    points = np.column_stack(
        [2.5 * np.arange(1, dialect.waypoints + 1), np.full(dialect.waypoints, -0.04)]
    )
    text = codec.encode_trajectory(dialect, points)
    begins = text.index('y]:') + 3
    places = [place for place in range(begins, len(text)) if text[place].isdigit()]
    # The header's digits are the model's too: they are no waypoint's.
    header = [place for place in range(begins) if text[place].isdigit()]
    logs = np.full((len(header) + len(places), 10), math.log(1e-9))
    for k, place in enumerate([*header, *places]):
        logs[k, int(text[place])] = 0.0
    unsure = len(header) + [text[p] for p in places].index('2')
    logs[unsure] = math.log(0.1)
    digits = Digits(np.array([*header, *places]), logs)
    found = waypoint_deviations(text, digits)
    assert found.shape == (dialect.waypoints,)
    # The first waypoint's leading digit is anything: 2.50 to 900; then it counts on, step by step.
    assert found[0] > 1.0
    np.testing.assert_allclose(found / found[0], np.arange(1, dialect.waypoints + 1), rtol=0.02)


def test_samples_spread_by_their_own_deviation():
    # x is -1, 0, 1 (variance 1), y is the same: the mean of both variances is 1.
    points = np.array([[[k, 0.0], [2.0 * k, 5.0]] for k in (-1.0, 0.0, 1.0)])
    np.testing.assert_allclose(spread(points), [math.sqrt(0.5), math.sqrt(2.0)])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 99_999),
    st.lists(st.lists(st.floats(-20.0, 0.0), min_size=10, max_size=10), min_size=5, max_size=5),
    st.booleans(),
)
def test_every_distribution_has_a_deviation(centimetres, logs, fixed):
    number = f'{centimetres / 100:.2f}' if fixed else repr(centimetres / 100)
    digits = sum(letter.isdigit() for letter in number)
    found = number_deviation(number, np.array(logs[:digits]))
    assert 0.0 < found < 1000.0
