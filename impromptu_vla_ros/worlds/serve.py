# SPDX-License-Identifier: Apache-2.0
"""
Serve a world over CARLA's protocol: `impromptu-vla world`, or this module by itself.

Needs numpy, msgpack and what the world needs, so that it runs where no ROS is.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import sys
from collections.abc import Mapping
from typing import TypeVar

from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.opendrive import from_text, to_text
from impromptu_vla_ros.worlds.parent import end_with_parent
from impromptu_vla_ros.worlds.roads import RoadNetwork
from impromptu_vla_ros.worlds.simulation import Simulation

# Module and class of each; the class is called without arguments when its world is asked for.
WORLDS = {
    'kinematic': ('impromptu_vla_ros.worlds.kinematic', 'KinematicWorld'),
    'metadrive': ('impromptu_vla_ros.worlds.metadrive.simulation', 'MetaDriveWorld'),
}

Thing = TypeVar('Thing')


class WorldError(ValueError):
    """Something was asked for that is not served; the text says what is."""


class NamedMaps:
    """The maps of this package."""

    names = tuple(MAPS)

    def load(self, name: str) -> tuple[RoadNetwork, str]:
        """Return a map's roads and OpenDRIVE text; raise WorldError for an unknown name."""
        roads = _chosen('map', name, MAPS)()
        return roads, to_text(roads)

    def read(self, text: str) -> tuple[RoadNetwork, str]:
        """Return the roads of an OpenDRIVE text, and the text."""
        return from_text(text), text


def run(chosen: argparse.Namespace) -> int:
    """
    Serve until SIGTERM or Ctrl-C; print one line of JSON with the port when ready.

    Return 2, after a line that says why, where that cannot be.
    """
    logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')
    try:
        if chosen.end_with_parent:
            end_with_parent()
        _serve(chosen)
    except (ImportError, OSError, WorldError) as error:
        print(f'impromptu-vla world: {error}', file=sys.stderr)
        return 2
    return 0


def _serve(chosen: argparse.Namespace) -> None:
    from impromptu_vla_ros.worlds.protocol.server import Offer, Server
    from impromptu_vla_ros.worlds.protocol.versions import VERSIONS

    version = _chosen('client version', chosen.client, VERSIONS)
    offer = Offer(chosen.port, chosen.map, chosen.speed, version)
    module, made = _chosen('world', chosen.world, WORLDS)
    simulation: Simulation = getattr(importlib.import_module(module), made)()
    try:
        server = Server(simulation, NamedMaps(), offer)
        asyncio.run(server.serve(_tell))
    finally:
        simulation.close()


def _chosen(what: str, name: str, known: Mapping[str, Thing]) -> Thing:
    if name not in known:
        raise WorldError(f'there is no {what} {name!r}; there are: {", ".join(known)}')
    return known[name]


def _tell(port: int) -> None:
    print(json.dumps({'port': port}), flush=True)


if __name__ == '__main__':
    from impromptu_vla_ros import cli

    sys.exit(cli.main(['world', *sys.argv[1:]]))
