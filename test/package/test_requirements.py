# SPDX-License-Identifier: Apache-2.0
"""The pinned requirements fit together, whichever of them `make` installs."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pins(file):
    """Return the pinned version of each package in one requirements file."""
    lines = [line for line in file.read_text().splitlines() if line and line[0] != '#']
    return dict(line.split('==') for line in lines)


def test_one_package_has_one_version():
    versions = defaultdict(set)
    for file in (ROOT / 'requirements').glob('*.txt'):
        if file.stem != 'kilted':
            for name, version in pins(file).items():
                versions[name.lower().replace('_', '-')].add(version)
    assert not {name: found for name, found in versions.items() if len(found) > 1}


def test_kilted_and_jazzy_differ_in_ros_only():
    jazzy, kilted = (pins(ROOT / f'requirements/{name}.txt') for name in ('jazzy', 'kilted'))
    shared = {name for name in jazzy.keys() & kilted.keys() if not name.startswith('ros-')}
    assert len(shared) > 20
    assert not {name for name in shared if jazzy[name] != kilted[name]}


def test_nothing_is_missing_in_the_environment_that_make_made():
    if not Path(sys.prefix, '.done').is_dir():
        pytest.skip('make did not make this environment')
    command = [sys.executable, '-m', 'pip', 'check']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
