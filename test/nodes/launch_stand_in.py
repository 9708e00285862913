# SPDX-License-Identifier: Apache-2.0
"""
Just enough of launch and launch_ros to read a launch file without them.

No package index has the real ones. This resolves a file of arguments, opaque functions and
nodes to the commands it would start; it starts nothing.
"""

import json
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType
from unittest import mock


class LaunchDescription(list):
    """The entities of a launch file."""


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value, description=''):
        assert description, f'argument {name} is not described'
        self.name, self.default = name, default_value


class LaunchConfiguration:
    def __init__(self, name):
        self._name = name

    def perform(self, context):
        return context[self._name]


class OpaqueFunction:
    def __init__(self, *, function):
        self.function = function


class ExecuteProcess:
    """One process of any kind."""

    def __init__(self, *, cmd, output):
        self.command, self.environment = cmd, {}


class Node:
    """One process of a node; `command` and `environment` are what it is started with."""

    def __init__(
        self,
        *,
        package,
        executable,
        name,
        namespace,
        parameters,
        remappings,
        additional_env,
        output,
    ):
        prefixes = os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)
        paths = [Path(prefix) / 'lib' / package / executable for prefix in prefixes]
        self.command = [str(next(path for path in paths if path.exists())), '--ros-args']
        self.command += ['-r', f'__node:={name}']
        if namespace:
            self.command += ['-r', f'__ns:=/{namespace.lstrip("/")}']
        for given in parameters:
            if isinstance(given, str):
                self.command += ['--params-file', given]
                continue
            for key, value in given.items():
                self.command += ['-p', f'{key}:={json.dumps(value)}']
        for source, target in remappings:
            self.command += ['-r', f'{source}:={target}']
        self.environment = additional_env


def _module(name, *members):
    module = ModuleType(name)
    for member in members:
        setattr(module, member.__name__, member)
    return module


MODULES = {
    module.__name__: module
    for module in (
        _module('launch', LaunchDescription),
        _module('launch.actions', DeclareLaunchArgument, ExecuteProcess, OpaqueFunction),
        _module('launch.substitutions', LaunchConfiguration),
        _module('launch_ros'),
        _module('launch_ros.actions', Node),
    )
}


def nodes(path, **arguments):
    """Return the nodes that a launch file starts when it is given these arguments."""
    with mock.patch.dict(sys.modules, MODULES):
        entities = runpy.run_path(str(path))['generate_launch_description']()
    declared = {e.name: e.default for e in entities if isinstance(e, DeclareLaunchArgument)}
    unknown = set(arguments) - set(declared)
    assert not unknown, f'no such arguments: {unknown}'
    context = {**declared, **arguments}
    opaque = [entity for entity in entities if isinstance(entity, OpaqueFunction)]
    return [node for entity in opaque for node in entity.function(context)]
