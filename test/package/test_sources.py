# SPDX-License-Identifier: Apache-2.0
"""Every source file: its licence line, its Python version, and what it imports is declared."""

import ast
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
MODULE = ROOT / 'impromptu_vla_ros'
SOURCE_SUFFIXES = {'.cmake', '.msg', '.py', '.rst', '.sh', '.srv', '.toml', '.xml', '.yaml'}
SOURCE_NAMES = {'CMakeLists.txt', 'Makefile', 'run', '.gitignore'}
NOT_OURS = {'build', 'install', 'log', 'out', 'data'}

# The package of ROS or Debian (its rosdep key) that brings an import. None: it comes from the
# Python package index, since rosdep knows no key, or the import is optional (see package.xml).
PACKAGE_OF = {
    'PIL': 'python3-pil',
    'ackermann_msgs': None,
    'autoware_internal_planning_msgs': None,
    'autoware_planning_msgs': None,
    'autoware_vehicle_msgs': None,
    'av': None,
    'carla': None,
    'carla_driver_interface': None,
    'carla_msgs': None,
    'cv_bridge': None,
    'msgpack': None,
    'numpy': 'python3-numpy',
    'onnxscript': None,
    'ray': None,
    'rosbags': None,
    'safetensors': None,
    'tokenizers': None,
    'torch': None,
    'tqdm': 'python3-tqdm',
    'transformers': None,
    'yaml': 'python3-yaml',
}
# Optional, and only with ROS.
# In MetaDrive's environment, which has requirements of its own.
METADRIVE = {'direct', 'gltf', 'metadrive', 'panda3d'}
NOT_ON_PIP = {
    'ackermann_msgs',
    'autoware_internal_planning_msgs',
    'autoware_planning_msgs',
    'autoware_vehicle_msgs',
    'carla_msgs',
    'cv_bridge',
}


def sources():
    """Yield every source file of the repository."""
    for path in sorted(ROOT.rglob('*')):
        folders = path.relative_to(ROOT).parts[:-1]
        ours = not any(part in NOT_OURS or part[0] == '.' for part in folders if part != '.ci')
        source = path.suffix in SOURCE_SUFFIXES or path.name in SOURCE_NAMES
        # A bag's metadata is written by the recorder.
        if ours and source and path.is_file() and path.name != 'metadata.yaml':
            yield path


def imported(path):
    """Return the top-level names that a Python file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split('.')[0])
    return names


def test_every_source_file_names_its_licence():
    lines = {path: path.read_text().splitlines()[:4] for path in sources()}
    assert len(lines) > 20
    bare = [
        str(path.relative_to(ROOT))
        for path, top in lines.items()
        if not any('SPDX-License-Identifier: Apache-2.0' in line for line in top)
    ]
    assert not bare


def test_the_source_is_valid_for_python_3_10():
    for path in sources():
        if path.suffix == '.py':
            ast.parse(path.read_text(), str(path), feature_version=(3, 10))


def test_no_module_is_named_like_a_standard_one():
    # ROS puts the executables' folder first on the path, where such a name would be found.
    names = {path.stem for path in MODULE.rglob('*.py')}
    assert not names & sys.stdlib_module_names


def test_package_xml_declares_what_the_code_imports():
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    declared = {entry.text for entry in package if entry.tag in ('depend', 'exec_depend')}
    names = set().union(*map(imported, [*MODULE.rglob('*.py'), *(ROOT / 'launch').rglob('*.py')]))
    used = names - sys.stdlib_module_names - METADRIVE - {'impromptu_vla_ros'}
    needed = {PACKAGE_OF.get(name, name) for name in used} - {None}
    assert needed <= declared


def test_pip_installs_what_the_code_imports():
    pip_names = {
        'PIL': 'Pillow',
        'carla_driver_interface': 'carla-driver-interface',
        'yaml': 'PyYAML',
    }
    text = (ROOT / 'pyproject.toml').read_text()
    listed = set(re.findall(r"'([A-Za-z][\w-]*)(?:\[\w+\])?[<>=]=?[\d.]+[',]", text))
    names = set().union(*map(imported, MODULE.rglob('*.py')))
    needed = {pip_names.get(name, name) for name in names & (PACKAGE_OF.keys() - NOT_ON_PIP)}
    assert needed <= listed


@pytest.mark.parametrize('rejected', ['/work/', '/home/', '/root/', 'trust_remote_code=True'])
def test_no_source_names_a_machine(rejected):
    this = Path(__file__)
    assert not [path for path in sources() if path != this and rejected in path.read_text()]
