# SPDX-License-Identifier: Apache-2.0
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = Path(__file__).resolve().parent.parent
ROOT = TEST.parent
if str(TEST) not in sys.path:
    sys.path.insert(0, str(TEST))

# Apart from whatever else runs on this machine; children inherit it.
os.environ['ROS_DOMAIN_ID'] = str(os.getpid() % 101 + 1)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


@pytest.fixture(scope='session', autouse=True)
def nothing_old_to_collect():
    """Leave alone what the models' tests brought: looking through it holds up a graph."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def rig():
    """Return a graph of one test: its own context, planners on request, and who watches them."""
    pytest.importorskip('rclpy')
    from rig import Rig

    rig = Rig()
    yield rig
    rig.close()
    rig.check()


@pytest.fixture
def start():
    """Return a function that starts a process; whatever still runs at the end is killed."""
    children = []

    def start(command, environment=None):
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        if child.returncode is None:
            child.kill()
            child.communicate()
