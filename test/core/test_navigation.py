# SPDX-License-Identifier: Apache-2.0
"""The command that a route means: where it lies after six seconds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.motion import from_frame
from impromptu_vla_ros.core.navigation import COMMANDS, navigation_command
from impromptu_vla_ros.core.structs import Pose

HERE = Pose(0.0, 0.0, 0.0)


def corner(ahead, side):
    """Return a route straight on, then at a right angle to a side (+ left)."""
    return [(-20.0, 0.0), (ahead, 0.0), (ahead, side)]


@pytest.mark.parametrize(
    ('route', 'speed', 'command'),
    [
        # 10 m/s for 6 s are 60 m: after 15 m ahead 45 m to the left.
        (corner(15.0, 100.0), 10.0, 'turn left'),
        (corner(15.0, -100.0), 10.0, 'turn right'),
        # 30 m ahead, then 30 m to the side.
        (corner(30.0, 100.0), 10.0, 'go straight and turn left'),
        (corner(30.0, -100.0), 10.0, 'go straight and turn right'),
        # The corner is farther off than 60 m, or by less than 10 m.
        (corner(60.0, 100.0), 10.0, 'go straight'),
        (corner(51.0, 100.0), 10.0, 'go straight'),
        (corner(50.0, 100.0), 10.0, 'go straight and turn left'),
        # A car that stands looks 30 m ahead, as one at 5 m/s.
        (corner(15.0, 100.0), 0.0, 'turn left'),
        (corner(25.0, 100.0), 0.0, 'go straight'),
        # The route ends before.
        ([(0.0, 0.0), (5.0, 0.0)], 10.0, 'go straight'),
    ],
)
def test_the_rule_of_the_labels(route, speed, command):
    assert navigation_command(route, HERE, speed) == command


def test_only_what_lies_ahead_counts():
    passed = [(-40.0, 30.0), (-40.0, 0.0), (200.0, 0.0)]
    assert navigation_command(passed, HERE, 10.0) == 'go straight'


@given(
    st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-math.pi, math.pi),
    st.floats(1.0, 100.0), st.floats(-100.0, 100.0), st.floats(0.0, 30.0),
)  # fmt: skip
def test_it_is_the_same_anywhere_and_mirrored(x, y, yaw, ahead, side, speed):
    route = np.array(corner(ahead, side))
    origin = Pose(x, y, yaw)
    end = 6.0 * max(speed, 5.0)
    if any(abs(value - edge) < 1e-6 for value in (end - ahead, abs(side)) for edge in (10.0,)):
        return  # on the very edge, where rounding decides
    if abs(min(ahead, end) - 20.0) < 1e-6:
        return
    here = navigation_command(route, HERE, speed)
    assert here in COMMANDS
    assert navigation_command(from_frame(origin, route), origin, speed) == here
    mirrored = navigation_command(route * [1.0, -1.0], HERE, speed)
    swapped = here.replace('left', '?').replace('right', 'left').replace('?', 'right')
    assert mirrored == swapped


def test_a_route_leads_somewhere():
    with pytest.raises(ValueError, match='at least 2'):
        navigation_command([(0.0, 0.0)], HERE, 1.0)
