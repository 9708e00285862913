# SPDX-License-Identifier: Apache-2.0
"""Scores of a drive, each worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core import codec, driving
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.driving import Box, overlap
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, Plan, Pose

START = 5 * NANOSECONDS


def plan(stamp, times, poses):
    zeros = np.zeros(len(times))
    return Plan(
        stamp=stamp,
        frame_id='map',
        times=np.array(times, float),
        poses=np.array(poses, float),
        speeds=zeros,
        accelerations=zeros,
        yaw_rates=zeros,
        deviations=zeros,
        extended_from=len(times),
        tier='fresh',
        violations=(),
        capture_stamp=stamp,
        anchor=Pose(0.0, 0.0, 0.0),
        anchor_frame_id='map',
        answer='',
        dialect='nuscenes',
    )


@pytest.mark.parametrize(
    ('other', 'meets'),
    [
        (Box(3.99, 0.0, 0.0, 4.0, 2.0), True),
        (Box(4.01, 0.0, 0.0, 4.0, 2.0), False),
        (Box(0.0, 2.01, 0.0, 4.0, 2.0), False),
        # Turned by 90 degrees it reaches 2 m to its sides, and 1 m along x.
        (Box(2.99, 0.0, math.pi / 2, 4.0, 2.0), True),
        (Box(3.01, 0.0, math.pi / 2, 4.0, 2.0), False),
        # A square on its corner: half a diagonal, √2, from the middle; the corner is at 3.41.
        (Box(3.40, 0.0, math.pi / 4, 2.0, 2.0), True),
        (Box(3.42, 0.0, math.pi / 4, 2.0, 2.0), False),
        # Both upright boxes around them overlap, and they do not.
        (Box(3.2, 2.2, math.pi / 4, 2.0, 2.0), False),
    ],
)
def test_outlines_overlap_as_drawn(other, meets):
    car = Box(0.0, 0.0, 0.0, 4.0, 2.0)
    assert overlap(car, other) is meets
    assert overlap(other, car) is meets


numbers = st.floats(-10.0, 10.0)
boxes = st.builds(Box, numbers, numbers, numbers, st.floats(0.5, 8.0), st.floats(0.5, 3.0))


@given(boxes, boxes, numbers, numbers)
def test_an_overlap_is_the_same_from_everywhere(a, b, dx, dy):
    shifted = [box._replace(x=box.x + dx, y=box.y + dy) for box in (a, b)]
    apart = math.hypot(a.x - b.x, a.y - b.y)
    reach = 0.5 * (math.hypot(*a[3:]) + math.hypot(*b[3:]))
    assert overlap(a, b) == overlap(b, a)
    if apart > reach:
        assert not overlap(*shifted)
    if apart < 0.5 * (min(a[3:]) + min(b[3:])) - 1e-6:
        assert overlap(*shifted)


@pytest.mark.parametrize(
    ('impact', 'score'), [(None, 5.0), (0.0, 4.0), (5.0, 2.0), (10.0, 0.0), (12.0, 0.0)]
)
def test_neuroncap_counts_the_speed_of_the_impact(impact, score):
    assert driving.ncap_score(impact, 10.0) == pytest.approx(score)


def test_comfort_of_a_braking_turn():
    # From 10 m/s with 2 m/s² for 1 s, then on at 8 m/s; a yaw rate of 0.25 rad/s all along.
    times = np.arange(0.0, 2.01, 0.05)
    speeds = np.maximum(10.0 - 2.0 * times, 8.0)
    felt = driving.comfort(times, speeds, np.full(len(times), 0.25))
    assert felt.acceleration == 0.0
    assert felt.deceleration == pytest.approx(2.0)
    assert felt.lateral == pytest.approx(2.5)
    # The braking ends within the 0.2 s over which it is felt: 2 m/s² less in 0.2 s.
    assert felt.jerk == pytest.approx(10.0)
    assert felt.lateral_jerk == pytest.approx(0.5)


def test_comfort_of_a_moment_is_none():
    assert driving.comfort([0.0], [3.0], [0.0]) == driving.Comfort(0.0, 0.0, 0.0, 0.0, 0.0)


def test_freshness_is_a_share_of_cycles():
    assert driving.freshness([0.1, 1.4, 1.5, math.inf], 1.5) == 0.5
    assert driving.freshness([], 1.5) == 0.0


def test_a_models_error_is_that_of_its_waypoints():
    dialect = DIALECTS['nuscenes']
    points = np.array([[4.0 * k, 0.0] for k in range(1, 7)])
    said = [codec.encode_trajectory(dialect, each) for each in (points, points + [0.3, -0.4])]
    assert driving.model_error(dialect, *said) == pytest.approx(0.5)
    assert driving.model_error(dialect, said[0], said[0]) == 0.0


def test_a_retimings_error_is_at_the_answers_own_instants():
    # Told: at 10 m/s along x. Published 0.4 s later, 0.2 m to the left of it.
    told = plan(START, [0.0, 0.5, 1.0], [[0, 0, 0], [5, 0, 0], [10, 0, 0]])
    times = np.arange(0.0, 1.01, 0.1)
    poses = np.column_stack([4.0 + 10.0 * times, np.full(11, 0.2), np.zeros(11)])
    published = plan(START + round(0.4e9), times, poses)
    assert driving.retiming_error(told, published) == pytest.approx(0.2)
    assert driving.retiming_error(told, plan(START, times, poses - [4.0, 0.2, 0.0])) < 1e-9


def test_an_answer_that_is_over_has_no_error_of_retiming():
    told = plan(START, [0.0, 0.5], [[0, 0, 0], [5, 0, 0]])
    late = plan(START + NANOSECONDS, [0.0, 0.5], [[10, 0, 0], [15, 0, 0]])
    assert math.isnan(driving.retiming_error(told, late))


def test_a_controllers_error_is_where_the_car_is_half_a_second_later():
    # Planned along y at 10 m/s; driven at 9 m/s, 0.1 m to the right, which is + x.
    up = math.pi / 2
    published = plan(START, [0.0, 0.5, 1.0], [[0, 0, up], [0, 5, up], [0, 10, up]])
    stamps = START + np.arange(0, 11) * round(0.1e9)
    rows = np.array([[0.1, 0.9 * k, up] for k in range(11)])
    left, ahead = driving.controller_error(published, DrivenPath(stamps, rows))
    assert left == pytest.approx(-0.1)
    assert ahead == pytest.approx(-0.5)


def test_a_plan_at_the_end_of_a_drive_tells_nothing_of_the_controller():
    published = plan(START, [0.0, 0.5], [[0, 0, 0], [5, 0, 0]])
    driven = DrivenPath(np.array([START - NANOSECONDS, START]), np.zeros((2, 3)))
    assert all(map(math.isnan, driving.controller_error(published, driven)))
