# SPDX-License-Identifier: Apache-2.0
"""Which CARLA server and which of its worlds: connecting, versions, maps."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.worlds.carla_errors import MissingMap, NoServer, WrongVersion, asking

LOADING = 120.0  # s that a server may take to load a map
PROBE = 1.0  # s to find out that nobody is there


@dataclass(frozen=True)
class WorldChoice:
    """
    Which server, and how its world goes on.

    `map` is a name, empty for the one that is loaded; `opendrive` is the text of a map to make
    instead. `step` is simulated s per tick; None rides along with a world that goes by itself or
    that another client ticks. `timeout` is for any answer, `picture_timeout` for the pictures of
    a tick, s.
    """

    host: str = '127.0.0.1'
    port: int = 2000
    timeout: float = 10.0
    picture_timeout: float = 2.0
    map: str = ''
    opendrive: str = ''
    step: float | None = 0.05


def connected(library: Any, choice: WorldChoice) -> Any:
    """Return a carla.Client; raise NoServer, ServerSilent or WrongVersion."""
    host, port = choice.host, choice.port
    try:
        socket.create_connection((host, port), min(PROBE, choice.timeout)).close()
    except OSError as error:
        raise NoServer(
            f'nobody listens at {host}:{port} ({error}): start CARLA, or `impromptu-vla '
            f'world --port {port}`'
        ) from error
    client = library.Client(host, port)
    client.set_timeout(choice.timeout)
    with asking(f'connecting to {host}:{port}'):
        server = client.get_server_version()
    ours = client.get_client_version()
    if _release(ours) != _release(server):
        raise WrongVersion(
            f'the server at {host}:{port} is CARLA {server}, the client {ours}: they must be '
            f'the same; pip install carla=={_release(server)}'
        )
    return client


def chosen_world(client: Any, choice: WorldChoice) -> Any:
    """Return the carla.World with the map that is wanted; raise MissingMap."""
    client.set_timeout(max(LOADING, choice.timeout))
    try:
        if choice.opendrive:
            return client.generate_opendrive_world(choice.opendrive)
        if choice.map:
            names = [name.rpartition('/')[2] for name in client.get_available_maps()]
            if choice.map.rpartition('/')[2] not in names:
                raise MissingMap(
                    f'the server has no map {choice.map!r}; it has: {", ".join(names)}'
                )
            client.load_world_if_different(choice.map)
        return client.get_world()
    finally:
        client.set_timeout(choice.timeout)


def _release(version: str) -> str:
    """Return the release of a version such as 0.9.16-dirty."""
    found = re.match(r'\d+(\.\d+)*', version)
    return found[0] if found else version
