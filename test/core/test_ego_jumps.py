# SPDX-License-Identifier: Apache-2.0
"""A pose leapt if neither the twist nor the poses before put it there."""

import math

import pytest
from drives import at

from impromptu_vla_ros.core.ego_jumps import leap
from impromptu_vla_ros.core.structs import Odometry, Pose

UNKNOWN = (math.nan, math.nan)


def moved(metres, vx=10.0, shown=(10.0, 0.0)):
    """Return what `leap` says of a car that has moved so far in 0.1 s."""
    before = Odometry(at(0.0), Pose(100.0, 5.0, 0.0), vx, 0.0, 0.0)
    after = Odometry(at(0.1), Pose(100.0 + metres, 5.0, 0.0), vx, 0.0, 0.0)
    return leap(before, after, lambda: shown)


def test_a_correction_of_the_localization_moves_the_past_with_it():
    change = moved(51.0)
    assert (change.x, change.y, change.yaw) == pytest.approx((50.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ('vx', 'shown'),
    [
        (10.0, (0.0, 0.0)),  # the poses stood still, and the twist explains it
        (36.0, (10.0, 0.0)),  # a twist in km/h, and the poses go on as they did
        (36.0, UNKNOWN),  # the same on the second sample
        (math.nan, UNKNOWN),  # no twist at all
    ],
)
def test_what_one_of_them_explains_is_no_leap(vx, shown):
    assert moved(1.0, vx, shown) is None


@pytest.mark.parametrize(
    ('metres', 'leaps'), [(1.9, False), (2.1, True), (0.1, False), (-0.1, True)]
)
def test_it_is_a_leap_from_a_metre_beside_on(metres, leaps):
    assert (moved(metres) is not None) == leaps


def test_on_the_second_sample_a_car_may_have_moved_as_fast_as_a_car_can():
    assert moved(7.9, math.nan, UNKNOWN) is not None
    assert moved(6.9, math.nan, UNKNOWN) is None
