# SPDX-License-Identifier: Apache-2.0
"""Where in a picture somebody is, by hand and against what the renderer draws."""

import numpy as np

from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.training.lessons.cells import COLUMNS, ROWS, cells

CAR = np.array([[4.5, 2.0]])
HERE = Pose(0.0, 0.0, 0.0)


def grid(x, y, ego=HERE):
    return cells(ego, np.array([[x, y, 0.0, 0.0]]), CAR).reshape(ROWS, COLUMNS)


def test_a_car_straight_ahead_is_in_the_middle_column():
    found = grid(30.0, 0.0)
    # 640 pixels and 70 degrees: f = 457; 1 m aside at 26 m is 18 pixels, a column has 71.
    assert np.flatnonzero(found.any(axis=0)).tolist() == [4]
    # The camera is 1.51 m high: wheels are 27 pixels below the middle, row 2 spans ± 36.
    assert np.flatnonzero(found.any(axis=1)).tolist() == [2]
    np.testing.assert_allclose(found[2, 4], 30.0 - 1.7, atol=0.1)


def test_who_is_left_is_in_a_left_column_and_nearer_ones_hide_others():
    assert np.flatnonzero(grid(20.0, 6.0).any(axis=0)).max() < 4
    both = np.array([[30.0, 0.0, 0.0, 0.0], [15.0, 0.0, 0.0, 0.0]])
    found = cells(HERE, both, np.repeat(CAR, 2, axis=0)).reshape(ROWS, COLUMNS)
    np.testing.assert_allclose(found[2, 4], 15.0 - 1.7, atol=0.1)


def test_nobody_behind_beside_or_elsewhere():
    assert not grid(-10.0, 0.0).any()
    assert not grid(5.0, 30.0).any()
    assert not cells(HERE, np.zeros((0, 4)), np.zeros((0, 2))).any()


def test_it_is_seen_from_the_ego():
    turned = grid(0.0, 30.0, Pose(0.0, 0.0, 0.5 * np.pi))
    np.testing.assert_allclose(turned[2, 4], 30.0 - 1.7, atol=0.1)
