# SPDX-License-Identifier: Apache-2.0
"""MetaDrive, in its own environment and process, drives and shows what the others do."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from impromptu_vla_ros.core.camera import matrix_from_fov, mounted, project

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / os.environ.get('METADRIVE_VENV', '.venv-metadrive') / 'bin' / 'python'
SERVE = [PYTHON, '-m', 'impromptu_vla_ros.worlds.serve', '--world', 'metadrive', '--port', '0']
needs_metadrive = pytest.mark.skipif(
    not PYTHON.exists(), reason=f'{PYTHON} is missing; make metadrive'
)
BLUE, GREEN, RED = range(3)


def driven(*arguments):
    command = [PYTHON, ROOT / 'test/worlds/metadrive_drives.py', *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    # Neither MetaDrive nor Panda3D may say a word of their own; some versions of Mesa do.
    said = [one for one in done.stderr.splitlines() if not one.startswith(('MESA', 'libEGL'))]
    assert (done.returncode, said) == (0, [])
    return json.loads(done.stdout)


@pytest.fixture(scope='module')
def drives():
    if not PYTHON.exists():
        pytest.skip(f'{PYTHON} is missing; make metadrive')
    return driven('all')


def apart(a, b):
    return math.hypot(a['x'] - b['x'], a['y'] - b['y'])


def speed(body):
    return math.hypot(body['vx'], body['vy'])


def test_a_car_stands_where_it_was_put(drives):
    body = drives['maneuvers'][0][0]
    assert apart(body, {'x': 20.0, 'y': -1.75}) < 1e-3
    assert abs(body['z']) < 1e-3 and speed(body) < 1e-3


def test_pedals_and_steering_do_what_they_do_in_the_kinematic_world(drives):
    for ours, theirs in zip(*drives['maneuvers']):
        # The tires slip a little; nothing else differs.
        assert apart(ours, theirs) < 1.5
        assert speed(ours) == pytest.approx(speed(theirs), abs=0.2)
        assert ours['yaw'] == pytest.approx(theirs['yaw'], abs=0.05)
        assert ours['steering'] == pytest.approx(theirs['steering'], abs=1e-3)
    turned, stopped, held, reversing = drives['maneuvers'][0][2:]
    assert turned['yaw'] > 0.2 and turned['yaw_rate'] > 0.1
    assert speed(stopped) < 0.01 and apart(stopped, held) < 0.01
    assert reversing['vx'] < -1.0


def test_a_car_slips_on_ice(drives):
    ours, theirs = drives['ice']
    assert ours['ax'] == pytest.approx(-0.3 * 8.0, abs=0.3)
    assert apart(ours, theirs) < 0.3


def test_a_car_put_above_the_road_comes_to_rest_on_it(drives):
    body = drives['dropped']
    assert abs(body['z']) < 1e-3 and abs(body['roll']) < 1e-3 and abs(body['pitch']) < 1e-3
    assert body['yaw'] == pytest.approx(0.3, abs=1e-3)


def test_cars_run_against_what_is_there(drives):
    pushed, *stopped = drives['crashes']
    ego, other = pushed
    assert other['x'] > 33.0 and ego['x'] < other['x'] - 4.8
    for ego, other in stopped:
        assert other['x'] == 32.0 and ego['x'] < 32.0 - 0.5 * 4.89 + 0.1


def test_nothing_is_put_where_another_one_stands(drives):
    assert '(22.00, -1.00): number 1 stands there' in drives['refused']


def test_without_physics_a_car_obeys_only_its_place(drives):
    placed, later, driving = drives['still']
    assert placed == later
    assert (placed['x'], placed['y'], placed['yaw'], placed['vx']) == (30.0, 1.75, 2.0, 3.0)
    # Its pedals were held all the while.
    assert apart(driving, placed) > 2.0 and driving['yaw'] == pytest.approx(2.0, abs=0.01)


def test_pictures_are_bgra_of_a_road_on_grass_under_the_sky(drives):
    looks = drives['looks']
    assert (looks['shape'], looks['kind']) == ([180, 320, 4], 'uint8')
    sky, road, grass = looks['sky'], looks['road'], looks['grass']
    assert sky[3] == road[3] == 255.0
    assert sky[BLUE] > sky[RED] + 10 and sky[BLUE] > 120
    assert np.ptp(road[:3]) < 10 and road[BLUE] < 130
    assert grass[GREEN] > grass[BLUE] + 30


def pixels(position, rpy, width, height, fov, points):
    camera = mounted(matrix_from_fov(width, height, fov), width, height, position, rpy)
    return project(camera, points)[0]


def test_things_appear_at_once_where_a_pinhole_camera_sees_them(drives):
    left, top, right, bottom, gone = drives['looks']['walker']
    feet, head = pixels(
        (21.0, -1.75, 1.6), (0, 0, 0), 320, 180, math.radians(70.0),
        [[30.0, 0.25, 0.0], [30.0, 0.25, 1.86]],
    )  # fmt: skip
    assert (left + right) / 2 == pytest.approx(feet[0], abs=3)
    assert (top, bottom) == pytest.approx((head[1], feet[1]), abs=2)
    assert gone == 0


def test_a_camera_in_the_world_may_be_turned_about_all_axes(drives):
    left, top, right, bottom, gone = drives['looks']['box']
    ((u, v),) = pixels(
        (50.0, 10.0, 2.0), (0.2, 0.1, -2.0), 200, 160, math.radians(100.0), [[45.0, 0.0, 1.32]]
    )
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((u, v), abs=1.5)
    assert gone == 0 and drives['looks']['again']


def test_what_is_to_the_right_appears_to_the_right(drives):
    left, top, right, bottom, _ = drives['looks']['car to the right']
    corners = [
        [35 + x, -6 + y, z] for x in (-2.45, 2.45) for y in (-0.92, 0.92) for z in (0, 1.49)
    ]
    seen = pixels((21.0, -1.75, 1.6), (0, 0, 0), 200, 160, math.radians(100.0), corners)
    outline = *seen.min(axis=0), *seen.max(axis=0)
    assert (left, top, right, bottom) == pytest.approx(outline, abs=3)


def test_all_maps_have_their_roads(drives):
    assert len(drives['maps']) >= 9
    for name, (road, grass) in drives['maps'].items():
        assert np.ptp(road) < 12, name
        assert grass[GREEN] > grass[BLUE] + 30, name


@needs_metadrive
def test_the_same_calls_give_the_same_bodies_bit_for_bit(drives):
    once, again = drives['repeated']
    assert once == again == driven()['repeated'][0]
    assert once[1]['x'] > 61.0  # there was a crash


@needs_metadrive
def test_without_egl_one_line_says_what_is_missing():
    hidden = os.environ | {'__EGL_VENDOR_LIBRARY_FILENAMES': '/nonexistent'}
    done = subprocess.run(SERVE, capture_output=True, text=True, timeout=60, env=hidden)
    assert done.returncode != 0 and done.stdout == ''
    assert 'libegl1 libgl1 libgl1-mesa-dri' in done.stderr
    assert 'Traceback' not in done.stderr and done.stderr.count('\n') == 1


def test_without_metadrive_one_line_says_how_to_make_it():
    start = 'from impromptu_vla_ros.worlds.metadrive.simulation import MetaDriveWorld as W; W()'
    done = subprocess.run(
        [sys.executable, '-c', start], capture_output=True, text=True, timeout=60, check=False
    )
    assert 'make it: make metadrive' in done.stderr.splitlines()[-1]


@needs_metadrive
def test_carlas_client_drives_it():
    pytest.importorskip('carla')
    server = subprocess.Popen(
        [*SERVE, '--map', 'straight', '--end-with-parent'], stdout=subprocess.PIPE, text=True
    )
    try:
        port = json.loads(server.stdout.readline())['port']
        command = [sys.executable, ROOT / 'test/worlds/carla_drive.py', str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
    finally:
        server.terminate()
        assert server.wait(timeout=20) is not None
        server.stdout.close()
    x, y, yaw = seen['place']
    assert 22.0 < x < 30.0 and y > 1.76 and yaw > 1.0  # CARLA's y and yaw are to the right
    assert seen['sky'][BLUE] > seen['sky'][RED] + 5 and np.ptp(seen['road'][:3]) < 10
