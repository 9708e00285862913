# SPDX-License-Identifier: Apache-2.0
"""The NeuroNCAP server answers 1000 requests in the memory that it answered some with."""

import json
import subprocess
import sys

import numpy as np
import psutil
import pytest
from ncap_client import Client, ego_request, with_pictures

STEPS_OF_A_RUN = 14
COMMAND = [sys.executable, '-m', 'impromptu_vla_ros.cli', 'serve-ncap', '--model', 'kinematic']
# A thousand are asked with pictures of 400x225: a request has 2.1 MiB.
HEIGHT, WIDTH = 225, 400


def resident(answers, every, height, width):
    """Return the MiB of a server's process in memory, each time after `every` answers."""
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    pictures = json.dumps(with_pictures({}, pixels)['images'])
    told = []
    command = [*COMMAND, '--port', '0', '--timeout', '600']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            client = Client(json.loads(server.stdout.readline())['port'])
            for number in range(1, answers + 1):
                step = (number - 1) % STEPS_OF_A_RUN
                if not step:
                    client.reset()
                request = json.dumps({**ego_request(step), 'images': None})
                body = request.replace('null', pictures).encode()
                status, answer = client.ask('POST', '/infer', body)
                assert (status, answer['kind']) == (200, 'plan'), answer['reason']
                assert answer['states'] == min(step + 1, 7)
                if number % every == 0:
                    told.append(psutil.Process(server.pid).memory_info().rss / 2**20)
        finally:
            server.kill()
    return told


def test_nothing_of_a_request_is_kept():
    early, late = resident(40, 20, 112, 200)
    # Twenty kept would be 10 MiB.
    assert late - early < 5.0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_requests_leave_nothing():
    told = resident(1000, 100, HEIGHT, WIDTH)
    print('MiB after each 100 requests:', *(f'{each:.1f}' for each in told))
    # Two requests' worth is the allocator's; 900 kept would be 1.9 GiB.
    assert max(told) - told[0] < 5.0
