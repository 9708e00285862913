# SPDX-License-Identifier: Apache-2.0
"""Build as a user's ROS workspace does, with colcon, and look at what is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

needs_colcon = pytest.mark.skipif(not shutil.which('colcon'), reason='colcon is not installed')


# `make colcon` builds with copies too: that their files are all there is looked at in soaks.
BUILDS = [
    pytest.param([], id='copies', marks=pytest.mark.soak),
    pytest.param(['--symlink-install'], id='links', marks=pytest.mark.slow),
]


@needs_colcon
@pytest.mark.timeout(600)
@pytest.mark.parametrize('options', BUILDS)
def test_colcon_builds_a_workspace(options, tmp_path):
    workspace = tmp_path / 'workspace'
    (workspace / 'src').mkdir(parents=True)
    (workspace / 'src' / 'impromptu_vla_ros').symlink_to(ROOT)
    subprocess.run(['colcon', 'build', *options], cwd=workspace, check=True)

    package = workspace / 'install' / 'impromptu_vla_ros'
    for file in [*ROOT.glob('launch/*.py'), *ROOT.glob('config/*'), *ROOT.glob('demo/*/*')]:
        assert (package / 'share' / 'impromptu_vla_ros' / file.relative_to(ROOT)).is_file()
    for name in (
        'lib/impromptu_vla_ros/planner',
        'lib/impromptu_vla_ros/shadow',
        'bin/impromptu-vla',
    ):
        assert os.access(package / name, os.X_OK), name
    found = run(workspace, 'from impromptu_vla_ros import core, msg; print(core.__file__)')
    assert found.startswith(str(package))
    assert run(workspace, 'from impromptu_vla_ros.srv import Ask; print(Ask)').startswith('<class')


def run(workspace, code):
    """Run Python code in the workspace's environment, away from the source; return its output."""
    script = f". install/setup.sh && cd / && python -c '{code}'"
    done = subprocess.run(
        ['bash', '-c', script], cwd=workspace, capture_output=True, text=True, check=True
    )
    return done.stdout
