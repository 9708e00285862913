# SPDX-License-Identifier: Apache-2.0
"""A car driven by the controller along a road, with a real planner whose answers come late."""

import numpy as np
import pytest
from road_loop import LOOSE, S_CURVE, ClosedLoop, Road

from impromptu_vla_ros.core.laws import SpeedLaw


def cruise(*_):
    """Return the speed wanted of a car that nothing stops."""
    return 8.0


STRAIGHT = Road([(400.0, 0.0)])


@pytest.mark.parametrize('seed', [0, 1])
def test_an_s_curve_with_late_and_noisy_answers(seed):
    loop = ClosedLoop(Road(S_CURVE), cruise, seed=seed, limits=LOOSE)
    loop.drive(2.0)
    loop.controller.engage(True)
    off = np.abs(loop.drive(18.5)[:, 2])
    assert loop.rows[-1][1] > 160.0
    assert off.mean() <= 0.08
    assert off.max() <= 0.25


def light(green_at, line):
    """Return the speed wanted of a car that a red traffic light stops at `line` m."""

    def wanted(s, t, speed):
        if t >= green_at or s > line + 1.0:
            return 8.0
        # Braking at 1.5 m/s²; a car that stands just before the line stays there.
        slower = np.sqrt(3.0 * max(0.0, line - s))
        return min(8.0 if s < line - 2.0 else speed, slower)

    return wanted


@pytest.mark.parametrize('noise', [0.0, 0.05])
def test_stop_and_go(noise):
    loop = ClosedLoop(STRAIGHT, light(18.0, 60.0), noise=noise)
    loop.drive(2.0)
    loop.controller.engage(True)
    loop.drive(10.0)
    standing = loop.drive(4.0)
    # It does not creep, and the brake is held.
    assert np.ptp(standing[:, 1]) == 0.0 and standing[:, 3].max() == 0.0
    assert loop.commands[-1].velocity == 0.0
    assert loop.commands[-1].acceleration == -SpeedLaw().hold
    # The last plan made under way says where to stop.
    x = loop.car.pose.x
    under_way = [plan for plan in loop.plans if plan.speeds[0] > 1.0]
    assert x == pytest.approx(under_way[-1].poses[-1, 0], abs=0.3)
    going = loop.drive(9.0)
    assert going[-1, 3] > 5.0


def test_plans_stop_in_the_curve_and_the_car_stops_on_the_road():
    loop = ClosedLoop(Road(S_CURVE), cruise, noise=0.0, limits=LOOSE)
    loop.drive(2.0)
    loop.controller.engage(True)
    loop.drive(3.5)
    rows = loop.drive(6.0, plans=False)
    assert rows[-1, 3] == 0.0
    assert np.abs(rows[:, 2]).max() < 0.3
    assert loop.commands[-1].mode == 'braking'


def test_the_same_drive_gives_the_same_commands():
    def drive():
        loop = ClosedLoop(Road(S_CURVE), cruise, limits=LOOSE)
        loop.drive(2.0)
        loop.controller.engage(True)
        loop.drive(2.0)
        return loop.commands

    assert drive() == drive()
