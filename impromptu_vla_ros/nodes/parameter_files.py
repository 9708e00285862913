# SPDX-License-Identifier: Apache-2.0
"""
The files that repeat the parameters: config/<node>.param.yaml and the README's tables.

`python -m impromptu_vla_ros.nodes.parameter_files` in the source tree rewrites them all.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from impromptu_vla_ros.nodes.bridge_parameters import BridgeParameters
from impromptu_vla_ros.nodes.controller_parameters import ControllerParameters
from impromptu_vla_ros.nodes.parameters import CAMERAS, Entry, PlannerParameters, entries
from impromptu_vla_ros.nodes.shadow_parameters import ShadowParameters

README_FILE = Path('README.md')
# The parameters by node.
NODES: dict[str, Any] = {
    'planner': PlannerParameters(),
    'controller': ControllerParameters(),
    'shadow': ShadowParameters(),
    'carla_bridge': BridgeParameters(),
}

YAML_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
#
# Every parameter of the {node} with its default, its unit and why. Copy what you change.
# All are read-only: they are set when the node starts. Written by
# python -m impromptu_vla_ros.nodes.parameter_files
/**:
  ros__parameters:
"""


def yaml_file(node: str) -> Path:
    """Return where the parameter file of a node lies in the source tree."""
    return Path('config', f'{node}.param.yaml')


def yaml_text(node: str) -> str:
    """Return the parameter file of a node."""
    lines: list[str] = []
    above: list[str] = []
    for entry in entries(NODES[node]):
        *groups, leaf = entry.name.split('.')
        for depth, group in enumerate(groups):
            if groups[: depth + 1] != above[: depth + 1]:
                lines.append(f'{"  " * (depth + 2)}{group}:')
        above = groups
        indent = '  ' * (len(groups) + 2)
        if not _repeats(entry):
            lines += [f'{indent}# {line}' for line in _comment(entry, 97 - len(indent))]
        lines.append(f'{indent}{leaf}: {_yaml(entry.default)}')
    return YAML_HEAD.format(node=node) + '\n'.join(lines) + '\n'


def table(node: str) -> str:
    """Return the README's table of a node's parameters, in markdown."""
    rows = ['| parameter | default | unit | range | meaning |', '|---|---|---|---|---|']
    for entry in entries(NODES[node]):
        if not _repeats(entry):
            name = entry.name.replace(f'camera.{CAMERAS[0]}.', 'camera.*name*.')
            cells = (f'`{name}`', f'`{_yaml(entry.default)}`', entry.unit, entry.allowed)
            meaning = f'{entry.description} {entry.reason}'.strip()
            rows.append(f'| {" | ".join((*cells, meaning))} |')
    return '\n'.join(rows) + '\n'


def marks(node: str) -> tuple[str, str]:
    """Return what stands before and behind a node's table in the README."""
    return f'<!-- {node} parameters -->', f'<!-- /{node} parameters -->'


def in_readme(text: str) -> str:
    """Return a README's text with the tables between their marks; ValueError without marks."""
    for node in NODES:
        start, end = (text.index(mark) for mark in marks(node))
        text = f'{text[:start]}{marks(node)[0]}\n{table(node)}{text[end:]}'
    return text


def _repeats(entry: Entry) -> bool:
    """Return whether a parameter differs from another one in the camera's name only."""
    return any(entry.name.startswith(f'camera.{camera}.') for camera in CAMERAS[1:])


def _comment(entry: Entry, width: int) -> Iterator[str]:
    allowed = f'[{", ".join(filter(None, (entry.unit, entry.allowed)))}]'
    text = ' '.join(
        filter(None, (entry.description, entry.reason, allowed.strip('[]') and allowed))
    )
    return iter(textwrap.wrap(text, width))


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f'[{", ".join(map(_yaml, value))}]'
    return f"'{value}'" if isinstance(value, str) else repr(value)


def main() -> None:
    """Rewrite the files in the current folder."""
    for node in NODES:
        yaml_file(node).write_text(yaml_text(node), encoding='utf-8')
    README_FILE.write_text(in_readme(README_FILE.read_text(encoding='utf-8')), encoding='utf-8')


if __name__ == '__main__':
    main()
