# SPDX-License-Identifier: Apache-2.0
"""A plan lies where the camera sees it, whatever the picture's size."""

import math

import numpy as np
import pytest

from impromptu_vla_ros.core.camera import matrix_from_fov, mounted
from impromptu_vla_ros.drawing import LINE, draw_plan


@pytest.fixture
def camera():
    matrix = matrix_from_fov(800, 450, math.radians(70.0))
    return mounted(matrix, 800, 450, (1.5, 0.0, 1.5), (0.0, 0.0, 0.0))


def drawn(camera, points, width=800, height=450):
    """Return where something was drawn into a black picture."""
    black = np.zeros((height, width, 3), np.uint8)
    pixels = draw_plan(black, camera, points)
    assert not black.any()
    return pixels.any(axis=2)


def test_straight_ahead_is_down_the_middle(camera):
    rows, columns = np.nonzero(drawn(camera, [(5.0 * k, 0.0) for k in range(7)]))
    assert columns.mean() == pytest.approx(400.0, abs=2.0)
    assert rows.min() > 225 and rows.max() > 400


def test_left_is_left(camera):
    _, columns = np.nonzero(drawn(camera, [(0.0, 0.0), (10.0, 2.0), (20.0, 8.0)]))
    assert columns.min() < 250 and columns.max() < 420


def test_a_smaller_picture_shows_the_same(camera):
    points = [(4.0 * k, 0.3 * k) for k in range(7)]
    large = np.argwhere(drawn(camera, points)).mean(axis=0)
    small = np.argwhere(drawn(camera, points, 400, 225)).mean(axis=0)
    assert 2.0 * small == pytest.approx(large, abs=8.0)  # lines are 2 pixels at least


@pytest.mark.parametrize('points', [[], [(0.0, 0.0)], [(-5.0, 0.0), (-1.0, 0.0)]])
def test_nothing_in_sight_is_nothing_drawn(camera, points):
    assert not drawn(camera, np.reshape(points, (-1, 2))).any()


def test_the_colour_is_the_lines(camera):
    pixels = draw_plan(np.zeros((450, 800, 3), np.uint8), camera, [(5.0, 0.0), (30.0, 0.0)])
    assert (pixels == LINE).all(axis=2).any()
