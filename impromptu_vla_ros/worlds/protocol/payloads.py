# SPDX-License-Identifier: Apache-2.0
"""What goes over the stream port: the world's state and what the sensors perceive."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import numpy as np

from impromptu_vla_ros.core.camera import rotation_from_rpy
from impromptu_vla_ros.worlds.protocol import axes, contacts, layouts, versions
from impromptu_vla_ros.worlds.protocol.actors import Actor, told
from impromptu_vla_ros.worlds.protocol.blueprints import is_camera
from impromptu_vla_ros.worlds.protocol.episode import Episode
from impromptu_vla_ros.worlds.simulation import Lens

GRAVITY = 9.81  # m/s²
RADIUS = 6378137.0  # m, of CARLA's earth, a sphere on which its maps are Mercator's
SPEED_LIMIT = 50.0  # km/h; our maps tell none
LARGEST_SIDE = 4096  # pixels of a picture


def world(episode: Episode, platform_time: float) -> bytes:
    """Return the state of the world and of all actors."""
    head = layouts.header(episode.version.world, episode.frame, episode.time, axes.NOWHERE)
    news = episode.version.map_changed if episode.frame <= episode.first_frame else 0
    state = (episode.number, platform_time, episode.delta, (0, 0, 0), news)
    rows = [_row(actor, episode) for actor in episode.actors]
    return b''.join(
        [head, np.array(state, layouts.WORLD).tobytes(), np.array(rows, layouts.ACTOR).tobytes()]
    )


def _row(actor: Actor, episode: Episode) -> tuple[Any, ...]:
    body = episode.body(actor)
    return (
        actor.number,
        layouts.ACTIVE,
        layouts.flat(axes.transform_of(body)),
        axes.flipped((body.vx, body.vy, body.vz)),
        axes.angular_velocity(body),
        axes.flipped((body.ax, body.ay, body.az)),
        (actor.control, SPEED_LIMIT, layouts.GREEN, False, 0, 0, b''),
    )


def _image(actor: Actor, episode: Episode) -> Iterator[bytes]:
    """Yield what a camera sees: width, height, field of view in degrees, BGRA."""
    given = actor.attributes
    width, height = int(given['image_size_x']), int(given['image_size_y'])
    fov = float(given['fov'])
    on = actor.parent if episode.has_body(actor.parent) else None
    mount = actor.mount if on else episode.body(actor)
    lens = Lens(width, height, math.radians(fov), mount, on)
    pixels = np.ascontiguousarray(episode.simulation.see(lens), np.uint8)
    if pixels.shape != (height, width, 4):
        raise ValueError(f'a picture of {pixels.shape} is not {(height, width, 4)}')
    size = np.array((width, height, fov), layouts.IMAGE).tobytes()
    yield b''.join([_head(versions.RGB, actor, episode), size, pixels.data])


def check_sensor(name: str, attributes: dict[str, str]) -> None:
    """Raise ValueError where a sensor of that name could not work so."""
    float(attributes['sensor_tick'])
    if not is_camera(name):
        return
    sides = int(attributes['image_size_x']), int(attributes['image_size_y'])
    if not all(1 <= side <= LARGEST_SIDE for side in sides):
        raise ValueError(f'a picture of {sides} pixels: each side is 1 to {LARGEST_SIDE}')
    if not 1.0 <= float(attributes['fov']) < 180.0:
        raise ValueError(f'a field of view of {attributes["fov"]}° is not in [1, 180)')


def _imu(actor: Actor, episode: Episode) -> Iterator[bytes]:
    """
    Yield specific force (m/s²), rates (rad/s) and compass (rad from the north, to the east).

    The force is that at the parent's origin; the north is CARLA's, along its -y.
    """
    body = episode.body(actor)
    into = rotation_from_rpy(body.roll, body.pitch, body.yaw).T
    force = into @ [body.ax, body.ay, body.az + GRAVITY]
    rates = into @ [0.0, 0.0, body.yaw_rate]
    # A rate's axis keeps x and turns y and z over, a force's turns y only.
    gyroscope = [float(rates[0]), -float(rates[1]), -float(rates[2])]
    compass = (math.pi / 2 - body.yaw) % math.tau
    yield _head(versions.IMU, actor, episode) + msgpack.packb(
        [axes.flipped(force), gyroscope, compass], use_single_float=True
    )


def _gnss(actor: Actor, episode: Episode) -> Iterator[bytes]:
    """
    Yield latitude, longitude (deg) and altitude (m).

    The north is along REP-103's y, as OpenDRIVE has it. CARLA 0.9.16 turns the latitude over on
    maps with a transverse Mercator reference (its pull request 9552); 0.9.15 does not.
    """
    body = episode.body(actor)
    latitude, longitude = episode.home
    scale = math.cos(math.radians(latitude)) * RADIUS
    north = math.asinh(math.tan(math.radians(latitude))) + body.y / scale
    place = [
        math.degrees(math.atan(math.sinh(north))),
        longitude + math.degrees(body.x / scale),
        body.z,
    ]
    yield _head(versions.GNSS, actor, episode) + msgpack.packb(place)


def _head(sensor: int, actor: Actor, episode: Episode) -> bytes:
    transform = axes.transform_of(episode.body(actor))
    return layouts.header(sensor, episode.frame, episode.time, transform)


def _collisions(actor: Actor, episode: Episode) -> Iterator[bytes]:
    """Yield what the parent touches, and the impulse."""
    if actor.parent is None:
        return
    parent, base = episode.actors[actor.parent], episode.version.attribute
    for other, impulse in contacts.of(parent, episode):
        event = [told(parent, base), told(other, base), impulse]
        yield _head(versions.COLLISION, actor, episode) + msgpack.packb(event)


# What is sent at each step that a sensor is due. The client sees lane invasions by itself.
SENSES: dict[str, Callable[[Actor, Episode], Iterator[bytes]]] = {
    'sensor.camera.rgb': _image,
    'sensor.other.imu': _imu,
    'sensor.other.gnss': _gnss,
    'sensor.other.collision': _collisions,
}
