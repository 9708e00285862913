# SPDX-License-Identifier: Apache-2.0
"""The bytes on the stream port: little-endian and packed, as the client's C++ structs."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

HEADER = np.dtype([('sensor', '<u8'), ('frame', '<u8'), ('time', '<f8'), ('transform', '<f4', 6)])
WORLD = np.dtype(
    [
        ('episode', '<u8'),
        ('platform_time', '<f8'),
        ('delta', '<f4'),
        ('map_origin', '<i4', 3),
        ('state', '<u4'),
    ]
)
CONTROL = np.dtype(
    [
        ('throttle', '<f4'),
        ('steer', '<f4'),
        ('brake', '<f4'),
        ('hand_brake', '?'),
        ('reverse', '?'),
        ('manual_gear_shift', '?'),
        ('gear', '<i4'),
    ]
)
# What an actor is besides its motion: 54 bytes, of which a vehicle uses the first 30.
VEHICLE = np.dtype(
    [
        ('control', CONTROL),
        ('speed_limit', '<f4'),
        ('traffic_light', 'u1'),
        ('has_traffic_light', '?'),
        ('traffic_light_number', '<u4'),
        ('failure', 'u1'),
        ('unused', 'V24'),
    ]
)
ACTOR = np.dtype(
    [
        ('number', '<u4'),
        ('state', 'u1'),
        ('transform', '<f4', 6),
        ('velocity', '<f4', 3),
        ('angular_velocity', '<f4', 3),
        ('acceleration', '<f4', 3),
        ('vehicle', VEHICLE),
    ]
)
IMAGE = np.dtype([('width', '<u4'), ('height', '<u4'), ('fov', '<f4')])

ACTIVE = 1  # of an actor's state
GREEN = 2  # what CARLA reports to a vehicle at no traffic light

_TOKEN = struct.Struct('<IHBB4s12x')
_LENGTH = struct.Struct('<I')


def token(stream: int, port: int) -> bytes:
    """Return what a client needs to subscribe: TCP over IPv4, on the host that it knows."""
    return _TOKEN.pack(stream, port, 1, 1, bytes(4))


def read_token(data: bytes) -> tuple[int, int]:
    """Return the stream and the port of a token."""
    stream, port = _TOKEN.unpack(data)[:2]
    return stream, port


def read_subscription(data: bytes) -> int:
    """Return the stream that a subscriber names first; raise ValueError for another length."""
    if len(data) != _LENGTH.size:
        raise ValueError(f'a subscription is {_LENGTH.size} bytes, not {len(data)}')
    number: int = _LENGTH.unpack(data)[0]
    return number


def framed(payload: bytes) -> bytes:
    """Return a payload as it goes over the stream port, its length first."""
    return _LENGTH.pack(len(payload)) + payload


def header(sensor: int, frame: int, time: float, transform: Sequence[Sequence[float]]) -> bytes:
    """Return what every payload begins with; `transform` is the sensor's in CARLA's axes."""
    return np.array((sensor, frame, time, flat(transform)), HEADER).tobytes()


def flat(transform: Sequence[Sequence[float]]) -> list[float]:
    """Return a transform's six numbers: x, y, z, pitch, yaw, roll."""
    return [*transform[0], *transform[1]]
