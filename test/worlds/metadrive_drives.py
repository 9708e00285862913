# SPDX-License-Identifier: Apache-2.0
"""Drive in MetaDrive and print what came of it as JSON; runs in the environment of MetaDrive."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys

import numpy as np

from impromptu_vla_ros.worlds.kinematic import KinematicWorld
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.metadrive.simulation import MetaDriveWorld
from impromptu_vla_ros.worlds.simulation import Body, Kind, Lens, Pedals

CAR = Kind('vehicle.lincoln.mkz_2020', 4.89, 1.84, 1.49, 2.85, math.radians(40.0))
WALKER = Kind('walker.pedestrian.0001', 0.38, 0.38, 1.86, 0.38, 0.0)
BOX = Kind('static.prop.box01', 0.64, 0.64, 0.64, 0.64, 0.0)
STEP = 0.05
FRONT = Lens(320, 180, math.radians(70.0), Body(x=1.0, z=1.6), 1)


def run(world, seconds):
    for _ in range(round(seconds / STEP)):
        world.step(STEP)
    return told(world)


def told(world):
    return dataclasses.asdict(world.body(1)) | {'steering': world.steering(1)}


def begun(world, body, map_name='straight'):
    world.begin(MAPS[map_name]())
    world.add(1, CAR, body)
    return world


def maneuvers(world):
    """Return the bodies after each of some pedals, from the middle of a road."""
    begun(world, Body(20.0, -1.75))
    bodies = [run(world, 1.0)]
    for pedals in (
        Pedals(throttle=0.8),
        Pedals(throttle=0.3, steer=0.1),
        Pedals(brake=0.5),
        Pedals(brake=1.0),
        Pedals(throttle=0.5, reverse=True),
    ):
        world.drive(1, pedals)
        bodies.append(run(world, 2.0))
    return bodies


def ice(world):
    begun(world, Body(20.0, -1.75, vx=10.0)).drive(1, Pedals(brake=1.0))
    world.grip(1, 0.3)
    return run(world, 1.0)


def dropped(world):
    """Return how a car lies that clients spawned 0.6 m above the road."""
    return run(begun(world, Body(20.0, -1.75, 0.6, yaw=0.3)), 3.0)


def crash(world, kind, physics):
    begun(world, Body(20.0, -1.75, vx=10.0)).add(2, kind, Body(32.0, -1.75))
    world.free(2, physics)
    return run(world, 3.0), dataclasses.asdict(world.body(2))


def refused(world):
    begun(world, Body(20.0, -1.75))
    try:
        world.add(2, CAR, Body(22.0, -1.0, yaw=1.0))
    except ValueError as error:
        world.add(2, CAR, Body(28.0, -1.75))  # the number is still free
        return str(error)


def still(world):
    """Return a car without physics: as placed, after a while, and driving again."""
    begun(world, Body(20.0, -1.75)).free(1, False)
    world.place(1, Body(30.0, 1.75, yaw=2.0, vx=3.0))
    world.drive(1, Pedals(throttle=1.0))
    placed, later = told(world), run(world, 1.0)
    world.free(1, True)
    return placed, later, run(world, 2.0)


def where_seen(world, lens, kind, body):
    """Return the box in pixels (left, top, right, bottom) in which a thing put there appears."""
    before = world.see(lens).astype(int)
    world.add(9, kind, body)
    changed = np.abs(world.see(lens) - before).sum(axis=2) > 30
    world.remove(9)
    gone = np.abs(world.see(lens) - before).sum()
    rows, columns = np.nonzero(changed)
    return [int(v) for v in (columns.min(), rows.min(), columns.max(), rows.max(), gone)]


def looks(world):
    begun(world, Body(20.0, -1.75))
    run(world, 1.0)
    picture = world.see(FRONT)
    wide = dataclasses.replace(FRONT, width=200, height=160, fov=math.radians(100.0))
    turned = dataclasses.replace(
        wide, parent=None, mount=Body(50.0, 10.0, 2.0, roll=0.2, pitch=0.1, yaw=-2.0)
    )
    return {
        'shape': picture.shape,
        'kind': str(picture.dtype),
        'sky': picture[:60].mean(axis=(0, 1)).tolist(),
        'road': picture[-20:, 150:200].mean(axis=(0, 1)).tolist(),
        'grass': picture[100:120, -30:].mean(axis=(0, 1)).tolist(),
        'walker': where_seen(world, FRONT, WALKER, Body(30.0, 0.25)),
        'box': where_seen(world, turned, BOX, Body(45.0, 0.0, 1.0)),
        'car to the right': where_seen(world, wide, CAR, Body(35.0, -6.0)),
        'again': bool((world.see(FRONT) == picture).all()),
    }


def maps(world):
    """Return what is seen from above (BGR) of each map's first lane and 25 m to its left."""
    colours = {}
    for name in MAPS:
        roads = MAPS[name]()
        world.begin(roads)
        start = roads.roads[0].start
        above = Body(start.x, start.y, 40.0, pitch=math.pi / 2, yaw=start.yaw)
        picture = world.see(Lens(160, 160, math.pi / 2, above))  # 2 pixels are a metre
        patches = picture[50:70, 82:86], picture[50:70, 28:32]
        colours[name] = [patch[..., :3].mean(axis=(0, 1)).tolist() for patch in patches]
    return colours


def repeated(world):
    """Return a digest of every body of a drive that ends in a crash."""
    begun(world, Body(20.0, -1.75), 's_curve').add(2, CAR, Body(60.0, -1.75, 0.3))
    digest = hashlib.sha256()
    for step in range(200):
        if step % 20 == 0:
            world.drive(1, Pedals(throttle=0.9, steer=0.02 * math.sin(step)))
        if step == 60:
            world.see(FRONT)
        world.step(STEP)
        for number in (1, 2):
            digest.update(repr(world.body(number)).encode())
    return digest.hexdigest(), dataclasses.asdict(world.body(2))


def main():
    world = MetaDriveWorld()
    results = {'repeated': [repeated(world)]}
    if 'all' in sys.argv:
        results |= {
            'maneuvers': [maneuvers(world), maneuvers(KinematicWorld())],
            'ice': [ice(world), ice(KinematicWorld())],
            'dropped': dropped(world),
            'crashes': [
                crash(world, kind, free)
                for kind, free in ((CAR, True), (CAR, False), (WALKER, False), (BOX, True))
            ],
            'refused': refused(world),
            'still': still(world),
            'looks': looks(world),
            'maps': maps(world),
        }
        results['repeated'].append(repeated(world))
    world.close()
    print(json.dumps(results))


if __name__ == '__main__':
    main()
