# SPDX-License-Identifier: Apache-2.0
"""Drive two seconds with CARLA's client at a port, and print what it saw as JSON."""

from __future__ import annotations

import json
import queue
import sys

import carla
import numpy as np


def main():
    client = carla.Client('127.0.0.1', int(sys.argv[1]))
    client.set_timeout(20.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    library = world.get_blueprint_library()
    there = carla.Transform(carla.Location(x=20.0, y=1.75, z=0.5))
    car = world.spawn_actor(library.find('vehicle.lincoln.mkz_2020'), there)
    blueprint = library.find('sensor.camera.rgb')
    for name, value in (('image_size_x', '320'), ('image_size_y', '180'), ('sensor_tick', '0.1')):
        blueprint.set_attribute(name, value)
    mount = carla.Transform(carla.Location(x=1.0, z=1.6))
    camera = world.spawn_actor(blueprint, mount, attach_to=car)
    images = queue.Queue()
    camera.listen(images.put)
    for _ in range(40):
        car.apply_control(carla.VehicleControl(throttle=0.7, steer=0.1))
        world.tick()
    picture = images.get(timeout=20.0)
    pixels = np.frombuffer(picture.raw_data, np.uint8).reshape(180, 320, 4)
    place = car.get_transform()
    print(
        json.dumps(
            {
                'place': [place.location.x, place.location.y, place.rotation.yaw],
                'sky': pixels[:60].mean(axis=(0, 1)).tolist(),
                'road': pixels[-20:, 150:170].mean(axis=(0, 1)).tolist(),
            }
        )
    )
    camera.stop()
    camera.destroy()
    car.destroy()


if __name__ == '__main__':
    main()
