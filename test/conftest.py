# SPDX-License-Identifier: Apache-2.0
"""What tests of every ring share."""

import os
import shutil
from pathlib import Path

import pytest

# Threads of torch that wait for each other spin, which takes seconds where cores are shared.
os.environ.setdefault('OMP_NUM_THREADS', '1')

BESIDE = Path(__file__).parents[2] / 'shared' / 'data'


def pytest_addoption(parser):
    """Say where the server of `-m carla` listens."""
    group = parser.getgroup('carla')
    group.addoption('--carla-host', default='127.0.0.1', help='host of a CARLA server')
    group.addoption('--carla-port', type=int, default=2000, help='its port')


@pytest.fixture(scope='session')
def data():
    """Return the folder of recorded driving data; skip where it is not."""
    folder = Path(os.environ.get('IMPROMPTU_VLA_DATA') or BESIDE)
    if not (folder / 'bags').is_dir():
        pytest.skip(f'no recorded driving data in {folder}: set IMPROMPTU_VLA_DATA')
    return folder


@pytest.fixture(scope='session')
def artefacts():
    """Return what makes an empty folder, out/test/NAME, whose files are kept to be looked at."""

    def make(name):
        folder = Path(__file__).parents[1] / 'out' / 'test' / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    return make
