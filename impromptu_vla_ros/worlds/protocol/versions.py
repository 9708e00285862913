# SPDX-License-Identifier: Apache-2.0
"""What differs between the versions of CARLA's client, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass

# A sensor's type is its place in the client's list of serializers (test_protocol_versions.py).
COLLISION, GNSS, IMU, LANE_INVASION, RGB = 0, 4, 5, 6, 13


@dataclass(frozen=True)
class ClientVersion:
    """
    One version: the sensor type of the `world` itself, and the first `attribute` type.

    `map_changed` is the state of a world with a new map. 0.9.15 asks for the map only then;
    0.9.16 asks by itself, and crashes now and then where it is told while it loads a map.
    """

    name: str
    world: int
    attribute: int
    map_changed: int


_ALL = ClientVersion('0.9.15', 16, 0, 1), ClientVersion('0.9.16', 17, 1, 0)
VERSIONS = {version.name: version for version in _ALL}
NEWEST = VERSIONS['0.9.16']
