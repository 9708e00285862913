# SPDX-License-Identifier: Apache-2.0
"""CARLA servers for tests of its clients: our own, or, with `-m carla`, a real one."""

import time
from contextlib import contextmanager

import pytest
from served import LIMIT, Served, serving


class Server:
    """Where a server listens; its process if it is ours."""

    def __init__(self, host, port, process=None):
        self.host, self.port, self.process = host, port, process


@pytest.fixture(scope='module', params=['ours', pytest.param('carla', marks=pytest.mark.carla)])
def server(request):
    pytest.importorskip('carla', reason="CARLA's client is not installed")
    if request.param == 'carla':
        yield Server(
            request.config.getoption('--carla-host'), request.config.getoption('--carla-port')
        )
        return
    with serving('-m', 'impromptu_vla_ros.worlds.serve', '--map', 'circuit') as served:
        yield Server('127.0.0.1', served.port, served.process)


@contextmanager
def own_server(port=0):
    """Serve a world that a test may stop and kill."""
    served = Served('-m', 'impromptu_vla_ros.worlds.serve', '--map', 'circuit', port=port)
    served.host = '127.0.0.1'
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait(LIMIT)


@contextmanager
def second(server):
    """Another client's view of the world."""
    import carla

    other = carla.Client(server.host, server.port)
    other.set_timeout(LIMIT)
    yield other.get_world()


def actors(world, pattern, go_on=lambda: None):
    """
    Return what is in a client's world, once it knows.

    Before the first frame a client knows nobody; `go_on` ticks a world that stands.
    """
    end = time.monotonic() + LIMIT
    while not len(world.get_actors()):
        assert time.monotonic() < end, 'the world is not told'
        go_on()
        time.sleep(0.005)
    return list(world.get_actors().filter(pattern))
