# SPDX-License-Identifier: Apache-2.0
"""The places of an answer at the ego's own pace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.pace import BRAKING, JERK, SPEEDING, at_own_pace
from impromptu_vla_ros.core.paths import timed_path

STEADY = timed_path([[5.0 * k, 0.0] for k in range(1, 11)], 0.5, 10.0)
# 1 m/s² from a stand: 0.125·k² m after k half seconds.
DEPARTING = timed_path([[0.125 * k**2, 0.0] for k in range(1, 11)], 0.5, 0.0)
# From 10 m/s with 2.5 m/s² to a stop after 20 m.
STOPPING = timed_path(
    [[5.0 * k - 0.3125 * k**2, 0.0] for k in range(1, 9)] + [[20, 0]] * 2, 0.5, 10
)


def test_a_car_that_stood_departs_as_the_answer_says():
    path = at_own_pace(DEPARTING, 0.0, 0.0, 0.0)
    own = DEPARTING.distance([2.0, 4.0])
    assert path.distance([2.0, 4.0]) == pytest.approx(own, abs=0.7)
    assert path.distance([path.horizon])[0] == pytest.approx(12.5, abs=0.4)


def test_a_car_that_was_stopped_speeds_up_to_the_speed_of_the_place():
    path = at_own_pace(STEADY, 20.0, 0.0, -2.5)
    t = np.arange(0.0, path.horizon, 0.05)
    assert path.speed([0.0]) == 0.0
    # 2 m/s² for five seconds.
    assert path.speed([4.0])[0] == pytest.approx(8.0, abs=0.5)
    assert np.gradient(path.speed(t), 0.05).max() < SPEEDING + 0.1
    assert path.poses([0.0])[0, 0] == pytest.approx(20.0)


def test_a_car_ahead_of_a_stop_brakes_for_its_place():
    # 10 m along at 10 m/s, where the answer says 7.1: it stands at 20 m all the same.
    path = at_own_pace(STOPPING, 10.0, 10.0, 0.0)
    assert path.speed([100.0]) == 0.0
    assert path.distance([100.0])[0] == pytest.approx(10.0 + 10.0**2 / 8.0 - 10.0, abs=3.5)


@given(st.floats(0.0, 20.0), st.floats(0.0, 15.0), st.floats(-8.0, 3.0))
def test_any_ego_begins_with_its_own_motion_within_limits(start, speed, acceleration):
    for path in (STEADY, DEPARTING, STOPPING):
        own = at_own_pace(path, start, speed, acceleration)
        assert own.rates[0] == speed
        assert (np.diff(own.distances) >= 0.0).all()
        changes = np.diff(own.rates) / 0.05
        assert changes.min() > -BRAKING - JERK * 0.05 - 1.01
        assert changes.max() < SPEEDING + 0.01
