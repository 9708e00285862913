# SPDX-License-Identifier: Apache-2.0
"""A picture shows things where core.camera.project says that they are."""

import math
from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.core.camera import matrix_from_fov, mounted, project
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds.kinematic import KinematicWorld
from impromptu_vla_ros.worlds.linking import connected
from impromptu_vla_ros.worlds.maps import MAPS, laid
from impromptu_vla_ros.worlds.rendering import Car, Scene
from impromptu_vla_ros.worlds.roads import Piece, along_road
from impromptu_vla_ros.worlds.scenery import CLEAR
from impromptu_vla_ros.worlds.simulation import Body, Kind, Lens, Pedals

SEDAN = Kind('vehicle.tesla.model3', 4.7, 1.85, 1.5, 2.8, 0.6)
CRATE = Kind('static.prop.box', 2.0, 2.0, 2.0, 1.0, 0.0)
EYE = Body(z=1.6)
EGO = Body(x=50.0, y=-1.75)

# Cameras that look ahead, aside, back, down and askew.
MOUNTS = [
    EYE,
    Body(x=1.0, y=0.5, z=1.8, yaw=math.radians(55.0)),
    Body(x=-0.5, z=1.5, yaw=math.pi),
    Body(x=1.0, z=2.0, yaw=-0.9, pitch=0.2, roll=0.15),
]


@pytest.fixture(scope='module')
def scene():
    # Without trees and houses, which would stand before what is looked for.
    scene = Scene(MAPS['straight']())
    scene._standing, scene._places = [], np.zeros((0, 3))
    return scene


def lens(mount=EYE, width=320, height=180, parent=1):
    return Lens(width, height, math.radians(90.0), mount, parent)


def projected(points, mount, width=320, height=180):
    """Return where core.camera sees points (n, 3) of the ego's axes."""
    camera = mounted(
        matrix_from_fov(width, height, math.radians(90.0)),
        width,
        height,
        (mount.x, mount.y, mount.z),
        (mount.roll, mount.pitch, mount.yaw),
    )
    return project(camera, points)


def changed(scene, mount, cars, parent=EGO):
    """Return which pixels (height, width) the cars change."""
    empty = scene.picture(lens(mount), parent, [])
    full = scene.picture(lens(mount), parent, cars)
    return (empty != full).any(axis=2)


@pytest.mark.parametrize('mount', MOUNTS)
@pytest.mark.parametrize('yaw', [0.0, 2.4])
def test_a_box_is_where_the_projection_says(scene, mount, yaw):
    # Some 12 m before the camera, in the ego's axes; a crate's axes are the ego's.
    x, y = mount.x + 12.0 * math.cos(mount.yaw), mount.y + 12.0 * math.sin(mount.yaw)
    corners = np.array(
        [(x + a, y + b, c) for a in (-1.0, 1.0) for b in (-1.0, 1.0) for c in (0.0, 2.0)]
    )
    pixels, inside = projected(corners, mount)
    assert inside.all()
    ego = replace(EGO, yaw=yaw)
    c, s = math.cos(yaw), math.sin(yaw)
    crate = replace(ego, x=ego.x + c * x - s * y, y=ego.y + s * x + c * y)
    rows, columns = np.nonzero(changed(scene, mount, [Car(2, CRATE, crate)], ego))
    (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
    assert columns.min() == pytest.approx(left, abs=1.5)
    assert columns.max() + 1 == pytest.approx(right, abs=1.5)
    assert rows.min() == pytest.approx(top, abs=1.5)
    assert rows.max() + 1 == pytest.approx(bottom, abs=1.5)


@pytest.mark.parametrize('mount', MOUNTS)
def test_the_ground_is_where_the_projection_says(scene, mount):
    picture = scene.picture(lens(mount), EGO, [])
    # Edge lines, and grass, of the road's whole length, in the ego's axes.
    x = np.arange(-12.0, 13.0, 0.5)
    for y, white in ((5.1, True), (-1.6, True), (8.0, False), (-5.0, False)):
        # The ego stands 1.75 m to the right of the centre line: lines at 3.35 and -3.35 + 1.75.
        points = np.column_stack([x, np.full_like(x, y), np.zeros_like(x)])
        pixels, inside = projected(points, mount)
        near = inside & (np.hypot(x - mount.x, y - mount.y) < 6.0)
        for u, v in pixels[near].astype(int):
            assert (int(picture[v, u, :3].min()) > 150) == white, (u, v, picture[v, u])


def test_the_horizon_is_level_with_the_camera(scene):
    picture = scene.picture(lens(), EGO, []).astype(int)
    # Far ridges end in the middle row, and below there is hazy ground.
    assert (np.abs(picture[88, :, :3] - picture[93, :, :3]).sum(axis=1) > 10).mean() > 0.9


def test_pictures_are_bgra_and_the_same_each_time(scene):
    cars = [Car(2, SEDAN, replace(EGO, x=62.0))]
    first = scene.picture(lens(), EGO, cars)
    assert first.shape == (180, 320, 4) and first.dtype == np.uint8
    assert (first[..., 3] == 255).all()
    again = Scene(MAPS['straight']())
    again._standing, again._places = [], np.zeros((0, 3))
    assert (again.picture(lens(), EGO, cars) == first).all()
    sky = first[2].mean(axis=0)
    assert sky[0] > sky[2]  # blue comes first


def test_another_world_looks_another_way():
    roads = [laid(Pose(0.0, 0.0, 0.0), Piece(100.0))]
    here, there = (
        Scene(connected(name, roads)).picture(lens(), EGO, []) for name in ('here', 'there')
    )
    assert (here != there).any(axis=2).mean() > 0.5


def test_the_nearer_car_hides_the_farther_one(scene):
    near, far = (Car(n, SEDAN, replace(EGO, x=EGO.x + x)) for n, x in ((2, 10.0), (3, 18.0)))
    both = scene.picture(lens(), EGO, [near, far])
    assert (both == scene.picture(lens(), EGO, [far, near])).all()
    of_near = changed(scene, EYE, [near])
    assert (both[of_near] == scene.picture(lens(), EGO, [near])[of_near]).mean() > 0.99


def test_brake_lights_are_lit(scene):
    ahead = replace(EGO, x=EGO.x + 9.0)
    dark, lit = (scene.picture(lens(), EGO, [Car(2, SEDAN, ahead, on)]) for on in (False, True))
    redder = lit[..., 2].astype(int) - dark[..., 2] > 60
    rows, columns = np.nonzero(redder)
    # The rear, 2.35 m nearer than the middle, shows two lamps, left and right.
    (left, _), (right, _) = projected([[6.65, 0.93, 0.7], [6.65, -0.93, 0.7]], EYE)[0]
    assert left - 1.0 <= columns.min() < 160 < columns.max() <= right + 1.0
    assert len(rows) > 20
    assert (dark != lit).any(axis=2).sum() == redder.sum()


def test_a_camera_on_a_car_does_not_see_that_car_but_one_behind_does(scene):
    ego = Car(1, SEDAN, EGO)
    assert not changed(scene, Body(x=0.8, z=1.6), [ego]).any()
    assert changed(scene, Body(x=-7.0, z=3.0, pitch=0.2), [ego]).sum() > 500


@pytest.mark.parametrize('distance', [2.2, 2.8, 3.2])
def test_a_car_beside_the_camera_fills_its_part_of_the_picture(scene, distance):
    beside = Car(2, SEDAN, replace(EGO, y=EGO.y + distance))
    mask = changed(scene, EYE, [beside])
    assert not mask[:, 165:].any()  # it is to the left
    aside = changed(scene, replace(EYE, yaw=math.pi / 2), [beside])
    assert aside[-1].mean() > 0.5


def test_what_is_behind_is_not_seen(scene):
    assert not changed(scene, EYE, [Car(2, SEDAN, replace(EGO, x=EGO.x - 12.0))]).any()


def test_a_free_camera_sees_from_where_it_is(scene):
    free = lens(Body(x=EGO.x, y=EGO.y, z=1.6), parent=None)
    assert (scene.picture(free, None, []) == scene.picture(lens(), EGO, [])).all()


@pytest.mark.parametrize('z', [-1.0, 0.0, 1e-3, 300.0])
def test_a_camera_at_any_height_has_a_picture(scene, z):
    for pitch in (-math.pi / 2, 0.0, math.pi / 2):
        picture = scene.picture(lens(Body(z=z, pitch=pitch)), EGO, [])
        assert picture.shape == (180, 320, 4)


@pytest.mark.parametrize('name', MAPS)
def test_nothing_stands_on_a_road(name):
    scene = Scene(MAPS[name]())
    assert len(scene._standing) > 10
    for road in scene.network.roads:
        _, left = along_road(road, scene._places[:, :2])
        beside = left[~np.isnan(left)]
        high, low = road.left * road.lane_width, -road.right * road.lane_width
        assert ((beside > high + CLEAR) | (beside < low - CLEAR)).all()


def test_the_world_shows_who_brakes():
    world = KinematicWorld()
    with pytest.raises(RuntimeError, match='before begin'):
        world.see(lens(parent=None))
    world.begin(MAPS['straight']())
    world.add(1, SEDAN, EGO)
    world.add(2, SEDAN, replace(EGO, x=EGO.x + 9.0))
    dark = world.see(lens())
    world.drive(2, Pedals(brake=1.0))
    assert (world.see(lens()) != dark).any()
    world.close()


def test_an_episode_looks_the_same_whatever_was_before():
    world, pictures = KinematicWorld(), []
    for first in (4, 7):
        world.begin(MAPS['straight']())
        world.add(first, SEDAN, EGO)
        world.add(first + 2, SEDAN, replace(EGO, x=EGO.x + 9.0))
        pictures.append(world.see(lens(parent=first)))
    assert np.array_equal(*pictures)
