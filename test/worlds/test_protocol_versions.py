# SPDX-License-Identifier: Apache-2.0
"""What the client's versions hold in common, read from the client itself."""

import importlib.util
import mmap
import re
import subprocess
import sys
from pathlib import Path

import pytest
from served import LIMIT, OLD_CLIENT, PLAIN, environment, serving

from impromptu_vla_ros.worlds.protocol import versions

INSTALL = f'pip install --no-deps --target {OLD_CLIENT} -r requirements/carla-0.9.15.txt'


def old_client():
    if not (OLD_CLIENT / 'carla').is_dir():
        pytest.skip(f"CARLA's client 0.9.15 is not installed: {INSTALL}")
    return OLD_CLIENT


def new_client():
    found = importlib.util.find_spec('carla')
    if found is None:
        pytest.skip("CARLA's client is not installed")
    return Path(found.origin).parents[1]


CLIENTS = {'0.9.15': old_client, '0.9.16': new_client}


def sensors(folder):
    """Return the sensors of a client in their order, from the mangled name of their list."""
    (library,) = (folder / 'carla').glob('libcarla*.so')
    with library.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        listed = re.search(rb'CompositeSerializerIJ(St4pair\w+?)EEEE\d+Deserialize', data)
        mangled = listed[1].decode()
    # A pair is a pointer to the sensor, written as its name after its length.
    starts = [(found.end(), int(found[1])) for found in re.finditer(r'IP(\d+)', mangled)]
    return [mangled[start : start + length] for start, length in starts]


@pytest.mark.parametrize('name', CLIENTS)
def test_the_sensor_types_are_the_clients(name):
    listed = sensors(CLIENTS[name]())
    assert listed.index('ACollisionSensor') == versions.COLLISION
    assert listed.index('AGnssSensor') == versions.GNSS
    assert listed.index('AInertialMeasurementUnit') == versions.IMU
    assert listed.index('ASceneCaptureCamera') == versions.RGB
    assert listed.index('FWorldObserver') == versions.VERSIONS[name].world


def test_the_installed_client_is_one_that_is_served():
    new_client()
    from importlib.metadata import version

    assert version('carla') == versions.NEWEST.name


# A client of another version, or one that gets bytes it cannot read, ends its process.
DRIVE = """
import queue, sys
import carla

client = carla.Client('127.0.0.1', int(sys.argv[1]))
client.set_timeout(20.0)
world = client.get_world()
world = client.load_world('straight')
assert world.get_map().name.endswith('straight'), world.get_map().name
world = client.load_world('s_curve')
assert world.get_map().name.endswith('s_curve'), world.get_map().name
settings = world.get_settings()
settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
world.apply_settings(settings)
library = world.get_blueprint_library()
car = world.spawn_actor(
    library.find('vehicle.lincoln.mkz_2020'), world.get_map().get_spawn_points()[0]
)
blueprint = library.find('sensor.camera.rgb')
blueprint.set_attribute('image_size_x', '64')
camera = world.spawn_actor(blueprint, carla.Transform(), attach_to=car)
imu = world.spawn_actor(library.find('sensor.other.imu'), carla.Transform(), attach_to=car)
images, said = queue.Queue(), queue.Queue()
camera.listen(images.put)
imu.listen(said.put)
car.apply_control(carla.VehicleControl(throttle=0.5))
for _ in range(40):
    world.tick()
assert abs(car.get_velocity().length() - 4.0) < 0.1, car.get_velocity()
assert images.get(timeout=20.0).width == 64
assert abs(said.get(timeout=20.0).accelerometer.z - 9.81) < 1e-3
assert car.get_physics_control().wheels[0].max_steer_angle == 70.0
assert car.destroy()
print('driven', flush=True)
import os
os._exit(0)
"""


@pytest.mark.parametrize('name', CLIENTS)
def test_a_client_of_each_version_drives(name):
    folder = CLIENTS[name]()
    with serving(*PLAIN, '--client', name) as server:
        done = subprocess.run(
            [sys.executable, '-c', DRIVE, str(server.port)],
            capture_output=True,
            text=True,
            timeout=2 * LIMIT,
            env=environment(folder),
        )
        assert 'driven' in done.stdout, done.stderr
        assert 'Version mismatch' not in done.stderr
