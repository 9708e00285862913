# SPDX-License-Identifier: Apache-2.0
"""Projection by hand, and static transforms."""

import math

import numpy as np
import pytest

from impromptu_vla_ros.core import camera

MATRIX = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 180.0], [0.0, 0.0, 1.0]])


def forward(pitch=0.0, yaw=0.0):
    return camera.mounted(MATRIX, 640, 360, [1.0, 0.0, 1.5], [0.0, pitch, yaw])


def test_projection_by_hand():
    # 10 m before the camera, 1 m left and 1.5 m below it: u = 320 - 50, v = 180 + 75.
    pixels, inside = camera.project(forward(), [[11.0, 1.0, 0.0]])
    np.testing.assert_allclose(pixels, [[270.0, 255.0]])
    assert inside.all()


def test_what_lies_behind_or_outside_is_not_in_the_picture():
    pixels, inside = camera.project(forward(), [[-5.0, 0.0, 0.0], [11.0, 20.0, 0.0]])
    assert not inside.any()
    assert np.isnan(pixels[0]).all()


def test_pitch_down_raises_the_road_in_the_picture():
    level = camera.project(forward(), [[11.0, 0.0, 0.0]])[0][0, 1]
    assert camera.project(forward(pitch=0.1), [[11.0, 0.0, 0.0]])[0][0, 1] < level


def test_a_camera_that_looks_left_sees_the_left():
    pixels, inside = camera.project(forward(yaw=math.pi / 2), [[1.0, 10.0, 1.5]])
    np.testing.assert_allclose(pixels, [[320.0, 180.0]])
    assert inside.all()


def test_field_of_view_by_hand():
    # tan(35°) = 0.70021: 800 / 0.70021 = 1142.5 px for 1600 px and 70°.
    matrix = camera.matrix_from_fov(1600, 900, math.radians(70.0))
    assert matrix[0, 0] == pytest.approx(1142.52, abs=0.01)


def test_quaternion_and_angles_agree():
    half = math.radians(45.0)
    from_quaternion = camera.rotation_from_quaternion(
        0.0, 0.0, 2 * math.sin(half), 2 * math.cos(half)
    )
    np.testing.assert_allclose(
        from_quaternion, camera.rotation_from_rpy(0.0, 0.0, math.pi / 2), atol=1e-12
    )


def test_ground_points_are_evenly_spread():
    points = camera.ground_points([[0.0, 0.0], [1.0, 0.0]], every=0.25)
    np.testing.assert_allclose(points[:, 0], [0.0, 0.25, 0.5, 0.75, 1.0])
    assert len(camera.ground_points([[0.0, 0.0], [0.0, 0.0]])) == 2


def test_static_transforms_are_chained_both_ways():
    quarter = camera.rotation_from_rpy(0.0, 0.0, math.pi / 2)
    edges = {
        'camera': ('mast', np.eye(3), np.array([0.0, 0.0, 1.0])),
        'mast': ('chassis', quarter, np.array([2.0, 0.0, 0.0])),
        'base_link': ('chassis', np.eye(3), np.array([0.5, 0.0, 0.0])),
    }
    rotation, translation = camera.static_transform(edges, 'base_link', 'camera')
    np.testing.assert_allclose(rotation, quarter)
    np.testing.assert_allclose(translation, [1.5, 0.0, 1.0])
    assert camera.static_transform(edges, 'base_link', 'lidar') is None


def test_a_loop_of_transforms_ends():
    edges = {
        'a': ('b', np.eye(3), np.zeros(3)),
        'b': ('a', np.eye(3), np.zeros(3)),
    }
    assert camera.static_transform(edges, 'base_link', 'a') is None
