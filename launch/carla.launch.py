# SPDX-License-Identifier: Apache-2.0
"""
Drive in a CARLA world: the bridge, the planner and the controller.

ros2 launch impromptu_vla_ros carla.launch.py host:=192.168.0.7 engaged:=true
ros2 launch impromptu_vla_ros carla.launch.py world:=kinematic map:=circuit engaged:=true

It takes every argument of planner.launch.py too. With a world of ours no CARLA is needed.
"""

import runpy
import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

PLANNER = runpy.run_path(str(Path(__file__).with_name('planner.launch.py')))
CONFIG = PLANNER['CONFIG']

WORLDS = ('carla', 'kinematic', 'metadrive')
# Another word for the world that needs nothing else.
BUILTIN = 'builtin'

# What the planner hears, by its own names; it has no other cameras.
STATES = ('odometry', 'acceleration', 'steering', 'navigation_command')
CAMERAS = ('front', 'front_left', 'front_right')

# Parameters of the bridge by argument; empty: as in its parameter file.
PARAMETERS = {
    'host': 'server.host',
    'port': 'server.port',
    'map': 'server.map',
    'mode': 'mode',
    'camera_rig': 'rig.name',
    'role': 'ego.role',
    'spawn_point': 'ego.spawn_point',
    'destination': 'destination',
}
NUMBERS = ('port', 'spawn_point')

ARGUMENTS = {
    'world': (
        'carla',
        f'Who serves the world: {", ".join(WORLDS)} (or builtin: kinematic); ours start beside.',
    ),
    'world_python': (sys.executable, 'Interpreter for our world; metadrive has one of its own.'),
    'engaged': ('false', 'Let the controller command from the start on.'),
    'bridge_params_file': (str(CONFIG / 'carla_bridge.param.yaml'), 'File of parameters.'),
    'controller_params_file': (str(CONFIG / 'controller.param.yaml'), 'File of parameters.'),
    **{
        name: ('', f'Parameter {parameter} of the bridge; empty: as in its file.')
        for name, parameter in PARAMETERS.items()
    },
    **PLANNER['ARGUMENTS'],
}
ARGUMENTS['port'] = ('2000', 'Port of the server.')


def carla(context):
    """Return the processes, for the arguments given."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if given['world'] == BUILTIN:
        given['world'] = 'kinematic'
    if given['world'] not in WORLDS:
        raise ValueError(f'world:={given["world"]} is not known: take {", ".join(WORLDS)}')
    if given['rig']:
        raise ValueError('rig:= names the topics of other bridges; the cameras are camera_rig:=')
    if given['world'] != 'carla' and given['host'] not in ('', '127.0.0.1', 'localhost'):
        raise ValueError(f'host:={given["host"]}: a world of ours serves this machine only')
    inputs = {f'~/input/{name}': f'carla_bridge/output/{name}' for name in STATES}
    for name in CAMERAS:
        inputs[f'~/input/camera/{name}/image'] = f'carla_bridge/output/camera/{name}/image'
    nodes = [bridge(given), controller(given)]
    nodes += PLANNER['planner'](context, {'use_sim_time': True}, inputs)
    return nodes if given['world'] == 'carla' else [world(given), *nodes]


def world(given):
    """Return the process that serves a world of ours."""
    command = [given['world_python'], '-m', 'impromptu_vla_ros.worlds.serve']
    command += ['--world', given['world'], '--port', given['port'], '--end-with-parent']
    if given['map']:
        command += ['--map', given['map']]
    return ExecuteProcess(cmd=command, output='screen')


def bridge(given):
    """Return the bridge's process."""
    values = {PARAMETERS[name]: given[name] for name in PARAMETERS if given[name]}
    values |= {PARAMETERS[name]: int(given[name]) for name in NUMBERS if given[name]}
    return Node(
        package='impromptu_vla_ros',
        executable='carla_bridge',
        name='carla_bridge',
        namespace=given['namespace'],
        parameters=[given['bridge_params_file'], values],
        remappings=[],
        additional_env=PLANNER['_profile'](given),
        output='screen',
    )


def controller(given):
    """Return the controller's process: one command for each odometry."""
    values = {
        'trigger': 'odometry',
        'reliability': 'reliable',
        'engaged': given['engaged'].lower() == 'true',
        'use_sim_time': True,
    }
    return Node(
        package='impromptu_vla_ros',
        executable='controller',
        name='controller',
        namespace=given['namespace'],
        parameters=[given['controller_params_file'], values],
        remappings=[
            ('~/input/plan', 'planner/output/plan'),
            ('~/input/odometry', 'carla_bridge/output/odometry'),
            ('~/output/command', 'carla_bridge/input/command'),
        ],
        additional_env=PLANNER['_profile'](given),
        output='screen',
    )


def generate_launch_description():
    """Return the arguments and the processes they start."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=carla)])
