# SPDX-License-Identifier: Apache-2.0
"""The version stands in package.xml, and everything else agrees with it."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
VERSION = ElementTree.parse(ROOT / 'package.xml').findtext('version')


def test_setup_py_reads_the_version():
    command = [sys.executable, 'setup.py', '--version']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == VERSION


def test_pyproject_states_no_version_of_its_own():
    text = (ROOT / 'pyproject.toml').read_text()
    assert "dynamic = ['version']" in text
    assert not re.search(r'^version', text, re.MULTILINE)


def test_the_changelog_begins_with_the_version():
    text = (ROOT / 'CHANGELOG.rst').read_text()
    assert re.search(r'^(\d+\.\d+\.\d+) ', text, re.MULTILINE).group(1) == VERSION
