# SPDX-License-Identifier: Apache-2.0
"""CARLA servers for tests of its clients: our own, or, with `-m carla`, a real one."""

import pytest
from served import serving


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
