# SPDX-License-Identifier: Apache-2.0
"""
Autoware's messages as test/interfaces/ says them: read by rosbags, or built for rclpy.

The type hashes beside them were computed from Autoware's own definitions (autoware_msgs and
autoware_internal_msgs, August 2026): where they agree, both sides understand each other's bytes.
"""

import ctypes
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = Path(__file__).parent
SOURCE = TEST / 'interfaces'
HASHES = json.loads((TEST / 'data' / 'autoware_type_hashes.json').read_text())
# In the order of their dependencies.
PACKAGES = ('autoware_planning_msgs', 'autoware_internal_planning_msgs', 'autoware_vehicle_msgs')


def typestore():
    """Return rosbags' messages of ROS 2 Jazzy with Autoware's among them."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for file in SOURCE.glob('*/msg/*.msg'):
        name = f'{file.parts[-3]}/msg/{file.stem}'
        types |= get_types_from_msg(file.read_text(), name)
    store.register(types)
    return store


def importable():
    """Tell whether this Python has the packages already, Autoware's own or built ones."""
    return all(importlib.util.find_spec(name) for name in PACKAGES)


def build():
    """
    Return the folder that the packages are installed in; build them (half a minute) if need be.

    It lies in the virtual environment, and is as old as the sources.
    """
    digest = hashlib.sha256()
    for file in sorted(file for file in SOURCE.rglob('*') if file.is_file()):
        digest.update(f'{file.relative_to(SOURCE)}\n{file.read_text()}'.encode())
    root = Path(sys.prefix if sys.prefix != sys.base_prefix else tempfile.gettempdir())
    installed = root / 'autoware_interfaces' / digest.hexdigest()[:16]
    if installed.exists():
        return installed
    installed.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=installed.parent) as folder:
        prefix = Path(folder) / 'install'
        for name in PACKAGES:
            _build(SOURCE / name, Path(folder) / name, prefix)
        # Last, and at once: what is there is whole, also when two build at a time.
        if not installed.exists():
            prefix.rename(installed)
    return installed


def _build(source, folder, prefix):
    paths = os.pathsep.join([str(prefix), os.environ.get('CMAKE_PREFIX_PATH', '')])
    environment = {**os.environ, 'CMAKE_PREFIX_PATH': paths}
    options = [f'-DCMAKE_INSTALL_PREFIX={prefix}', f'-DPython3_EXECUTABLE={sys.executable}']
    for command in (
        ['cmake', '-S', source, '-B', folder, '-DBUILD_TESTING=OFF', *options],
        ['cmake', '--build', folder, '--parallel', '2', '--target', 'install'],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def use(prefix):
    """Make the installed packages importable, for this process only."""
    # No LD_LIBRARY_PATH names them, and a process cannot set its own: what is loaded is found.
    waiting = sorted(prefix.glob('lib/*.so'))
    while waiting:
        missed = [library for library in waiting if not _loads(library)]
        assert len(missed) < len(waiting), f'cannot load {missed}'
        waiting = missed
    sys.path.append(str(next(prefix.glob('lib/python3*/site-packages'))))
    importlib.invalidate_caches()


def _loads(library):
    try:
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    except OSError:  # what it needs is not loaded yet
        return False
    return True
