# SPDX-License-Identifier: Apache-2.0
"""Collisions of paths with outlines, by hand."""

import math

import numpy as np
import pytest

from impromptu_vla_ros.core.collisions import (
    LENGTH,
    collisions,
    counted_collisions,
    ego_boxes,
    path_headings,
)

STRAIGHT = np.column_stack([4.0 * np.arange(1, 7), np.zeros(6)])
NOBODY = np.zeros((0, 5))


def around(*rows):
    return np.array(rows, float).reshape(-1, 5)


def test_headings_are_central_differences_and_a_standing_car_looks_ahead():
    assert path_headings(STRAIGHT).tolist() == [0.0] * 6
    assert path_headings(0.05 * STRAIGHT[::-1] * [0.0, 1.0]).tolist() == [0.0] * 6
    bent = np.array([[2.0, 0.0], [4.0, 0.0], [4.0, 2.0]])
    assert path_headings(bent) == pytest.approx([0.0, math.pi / 4, math.pi / 2])


def test_the_box_is_half_a_metre_ahead_of_the_waypoint_along_its_heading():
    box = ego_boxes(STRAIGHT)[0]
    assert (box.x, box.y, box.length, box.width) == (4.5, 0.0, 4.084, 1.85)
    left = ego_boxes(STRAIGHT[:, ::-1])[5]
    assert (left.x, left.y) == pytest.approx((0.0, 24.5))


def test_a_parked_car_is_hit_exactly_where_the_boxes_meet():
    # It ends 2 m before and behind its middle, the ego 2.042 m: 4.042 m apart they touch.
    for gap, hit in ((0.01, False), (-0.01, True)):
        parked = around((4.5 + 0.5 * LENGTH + 2.0 + gap, 0.0, 0.0, 4.0, 2.0))
        assert collisions(STRAIGHT[:1] * 1.0, [parked]).tolist() == [hit]
    beside = around((4.5, 0.925 + 1.0 + 0.01, 0.0, 4.0, 2.0))
    assert not collisions(STRAIGHT[:1], [beside]).any()
    # The same car across the road reaches into the ego.
    across = around((4.5, 0.925 + 1.0 + 0.01, math.pi / 2, 4.0, 2.0))
    assert collisions(STRAIGHT[:1], [across]).all()


def test_where_the_driven_path_collides_nothing_is_counted():
    wall = [NOBODY, *[around((4.0 * k + 0.5, 0.0, 0.0, 2.0, 2.0)) for k in range(2, 7)]]
    driven = STRAIGHT.copy()
    driven[3:, 1] = 10.0
    assert collisions(STRAIGHT, wall).tolist() == [False] + [True] * 5
    counted = counted_collisions(STRAIGHT, driven, wall)
    assert counted.tolist()[1:3] == [False, False]
    assert counted.tolist()[4:] == [True, True]
