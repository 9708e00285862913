# SPDX-License-Identifier: Apache-2.0
"""The NeuroNCAP server answers 1000 requests in the memory that it answered 100 with."""

import gc
import json

import numpy as np
import psutil
import pytest
from ncap_client import serving, with_pictures
from test_ncap import ego_request

STEPS_OF_A_RUN = 14


def growth(settled, answers, height, width):
    """Return the bytes held after so many answers beyond those after `settled`."""
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    process, before = psutil.Process(), 0
    pictures = json.dumps(with_pictures({}, pixels)['images'])
    with serving(patience=600.0) as client:
        for number in range(answers):
            step = number % STEPS_OF_A_RUN
            if not step:
                client.reset()
            request = {**ego_request(step), 'images': '…'}
            body = json.dumps(request, ensure_ascii=False).replace('"…"', pictures).encode()
            status, answer = client.ask('POST', '/infer', body)
            assert (status, answer['kind']) == (200, 'plan'), answer['reason']
            assert answer['states'] == min(step + 1, 7)
            del body
            if number + 1 == settled:
                gc.collect()
                before = process.memory_info().rss
        gc.collect()
        return process.memory_info().rss - before


def test_nothing_of_a_request_is_kept():
    # Thirty kept would be 16 MB.
    assert growth(10, 40, 112, 200) < 8 << 20


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_requests_leave_nothing():
    # Half as wide as the simulator's: more answers in an hour.
    grown = growth(100, 1000, 450, 800)
    print(f'grown by {grown / 2**20:.1f} MiB from request 100 to 1000')
    assert grown < 20 << 20
