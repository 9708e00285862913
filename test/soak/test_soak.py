# SPDX-License-Identifier: Apache-2.0
"""A minute with slow, failing answers, or as long as SOAK_SECONDS says: `make soak`."""

import os
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('impromptu_vla_ros.msg')

from soak import PATIENCE, soak

SECONDS = float(os.environ.get('SOAK_SECONDS') or 60.0)
OUT = Path(__file__).resolve().parents[2] / 'out'


@pytest.mark.slow
@pytest.mark.timeout(3.0 * SECONDS + 4 * PATIENCE)
def test_it_drives_on_whatever_comes():
    missed = [each for each in soak(SECONDS, OUT) if not each.met]
    assert not missed, missed
