# SPDX-License-Identifier: Apache-2.0
"""
Serve a world over CARLA's protocol: `impromptu-vla world`, or this module by itself.

Imports numpy, msgpack and what the world needs, so that it runs where no ROS is.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import importlib
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence

from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.opendrive import from_text, to_text
from impromptu_vla_ros.worlds.protocol.server import Offer, Server
from impromptu_vla_ros.worlds.protocol.versions import NEWEST, VERSIONS
from impromptu_vla_ros.worlds.roads import RoadNetwork
from impromptu_vla_ros.worlds.simulation import Simulation

# Module and class of each; a class is called without arguments when its world is asked for.
WORLDS = {
    'kinematic': ('impromptu_vla_ros.worlds.kinematic', 'KinematicWorld'),
    'metadrive': ('impromptu_vla_ros.worlds.metadrive', 'MetaDriveWorld'),
}
PR_SET_PDEATHSIG = 1  # prctl(2)


class NamedMaps:
    """The maps of this package."""

    names = list(MAPS)

    def load(self, name: str) -> tuple[RoadNetwork, str]:
        """Return a map's roads and OpenDRIVE text; raise ValueError for an unknown name."""
        if name not in MAPS:
            raise ValueError(f'there is no map {name!r}; there are: {", ".join(MAPS)}')
        roads = MAPS[name]()
        return roads, to_text(roads)

    def read(self, text: str) -> tuple[RoadNetwork, str]:
        """Return the roads of an OpenDRIVE text, and the text."""
        return from_text(text), text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    add = parser.add_argument
    add('--port', type=int, default=2000, help='default 2000; 0: a free one')
    add('--world', choices=list(WORLDS), default='kinematic', help='default kinematic')
    add('--map', choices=list(MAPS), default='town', metavar='NAME', help='default town')
    add('--speed', type=_positive, default=1.0, help='of time, unless clients tick (default 1)')
    add('--client', choices=list(VERSIONS), default=NEWEST.name, help="carla's version")
    add('--end-with-parent', action='store_true', help='end when the starting process does')


def run(chosen: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; print one line of JSON with the port when ready."""
    if chosen.end_with_parent:
        end_with_parent()
    logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')
    offer = Offer(chosen.port, chosen.map, chosen.speed, VERSIONS[chosen.client])
    simulation = _simulation(chosen.world)
    try:
        server = Server(simulation, NamedMaps(), offer)
        asyncio.run(server.serve(_tell))
    finally:
        simulation.close()
    return 0


def end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl(PR_SET_PDEATHSIG) failed')
    if os.getppid() != parent:
        # It was gone before the kernel knew.
        os.kill(os.getpid(), signal.SIGTERM)


def _simulation(name: str) -> Simulation:
    module, made = WORLDS[name]
    simulation: Simulation = getattr(importlib.import_module(module), made)()
    return simulation


def _tell(port: int) -> None:
    print(json.dumps({'port': port}), flush=True)


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve as the command line says; return 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog='impromptu_vla_ros.worlds.serve', description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except (OSError, ValueError, ImportError) as error:
        print(f'world: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
