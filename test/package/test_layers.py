# SPDX-License-Identifier: Apache-2.0
"""Calls point one way: core knows numpy and the standard library, and nobody imports nodes."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / 'impromptu_vla_ros' / 'core'

# Runs in a fresh interpreter: a finder before all others lets only numpy, the standard library
# and core itself through. numpy comes first, as it looks around for optional helpers.
GUARD = """
import sys
import numpy

class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        if top in sys.stdlib_module_names or top == 'numpy':
            return None
        if name == 'impromptu_vla_ros' or (name + '.').startswith('impromptu_vla_ros.core.'):
            return None
        raise ImportError(f'core may not import {name}')

for name in set(sys.modules) - {'numpy', '__main__'}:
    top = name.partition('.')[0]
    if top not in sys.stdlib_module_names and top != 'numpy':
        del sys.modules[name]
sys.meta_path.insert(0, Guard())
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def run_guarded(*modules, path=ROOT):
    """Import modules under the guard; return the finished process."""
    return subprocess.run(
        [sys.executable, '-c', GUARD, *modules],
        cwd=path,
        env={**os.environ, 'PYTHONPATH': str(path)},
        capture_output=True,
        text=True,
    )


def test_core_imports_numpy_and_the_standard_library_only():
    modules = [
        '.'.join(path.relative_to(ROOT).with_suffix('').parts) for path in CORE.rglob('*.py')
    ]
    assert len(modules) > 5
    done = run_guarded(*modules)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('name', ['PIL', 'rclpy', 'impromptu_vla_ros.models'])
def test_the_guard_refuses_the_rest(name, tmp_path):
    (tmp_path / 'planted.py').write_text(f'import {name}\n')
    done = run_guarded(name)
    assert done.returncode != 0
    assert f'core may not import {name}' in done.stderr


def test_core_opens_no_file_and_prints_nothing():
    calls = [
        f'{path.name}:{node.lineno}'
        for path in CORE.rglob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id in ('open', 'print', 'input', 'exec', 'eval')
    ]
    assert not calls


def ruff(path, text):
    """Return what ruff's layer rules say about a text as if it stood in the file `path`."""
    ruff_name = Path(sys.executable).with_name('ruff')
    done = subprocess.run(
        [ruff_name, 'check', '--output-format=concise', '--stdin-filename', ROOT / path, '-'],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return {line.split()[1] for line in done.stdout.splitlines() if ' TID' in line}


needs_ruff = pytest.mark.skipif(
    not Path(sys.executable).with_name('ruff').exists(), reason='ruff is not installed'
)


@needs_ruff
@pytest.mark.parametrize(
    ('path', 'text'),
    [
        ('impromptu_vla_ros/core/planted.py', 'import time\n'),
        ('impromptu_vla_ros/core/planted.py', 'from pathlib import Path\n'),
        ('impromptu_vla_ros/core/planted.py', 'def f():\n    import PIL.Image\n'),
        ('impromptu_vla_ros/core/planted.py', 'from impromptu_vla_ros.models import Model\n'),
        ('impromptu_vla_ros/core/planted.py', 'from ..models import Model\n'),
        ('impromptu_vla_ros/models/planted.py', 'import rclpy\n'),
        (
            'impromptu_vla_ros/models/planted.py',
            'from impromptu_vla_ros.core.codec import decode_trajectory\n',
        ),
        ('impromptu_vla_ros/models/planted.py', 'import torch\n'),
        ('impromptu_vla_ros/worlds/planted.py', 'import rclpy\n'),
        ('impromptu_vla_ros/worlds/planted.py', 'from impromptu_vla_ros.images import decode\n'),
        ('impromptu_vla_ros/worlds/planted.py', 'import carla\n'),
        ('impromptu_vla_ros/messages.py', 'import rclpy\n'),
        ('impromptu_vla_ros/images.py', 'import rclpy\n'),
        ('impromptu_vla_ros/cli.py', 'from impromptu_vla_ros.nodes import planner_node\n'),
        ('impromptu_vla_ros/evaluation/planted.py', 'def f():\n    from rclpy.node import Node\n'),
        ('impromptu_vla_ros/evaluation/planted.py', 'import impromptu_vla_ros.nodes.health\n'),
    ],
)
def test_ruff_refuses_a_planted_violation(path, text):
    assert ruff(path, text)


@needs_ruff
@pytest.mark.parametrize(
    ('path', 'text'),
    [
        ('impromptu_vla_ros/core/planted.py', 'import math\nimport numpy\n'),
        ('impromptu_vla_ros/models/planted.py', 'def f():\n    import torch\n'),
        ('impromptu_vla_ros/worlds/planted.py', 'from PIL import Image\n'),
        ('impromptu_vla_ros/worlds/planted.py', 'def f():\n    import carla\n'),
        ('impromptu_vla_ros/worlds/protocol/planted.py', 'import msgpack\n'),
        ('impromptu_vla_ros/nodes/planted.py', 'import rclpy\nimport impromptu_vla_ros.nodes\n'),
        ('impromptu_vla_ros/evaluation/live.py', 'import rclpy\n'),
        ('test/nodes/planted.py', 'import rclpy\nimport impromptu_vla_ros.nodes\n'),
    ],
)
def test_ruff_allows_what_the_layers_allow(path, text):
    assert not ruff(path, text)
