# SPDX-License-Identifier: Apache-2.0
"""
Start the planner, ready to plan.

ros2 launch impromptu_vla_ros planner.launch.py front_image:=/camera/image_raw odometry:=/odom
"""

import os
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

CONFIG = Path(__file__).parent.parent / 'config'

# The topics of known rigs, by argument; config/<rig>.param.yaml has their parameters.
RIGS = {
    '': {},
    # Autoware with the six-camera rig of autoware_carla_interface.
    'autoware': {
        'front_image': '/sensing/camera/CAM_FRONT/image_raw',
        'front_left_image': '/sensing/camera/CAM_FRONT_LEFT/image_raw',
        'front_right_image': '/sensing/camera/CAM_FRONT_RIGHT/image_raw',
        'odometry': '/localization/kinematic_state',
        'acceleration': '/localization/acceleration',
        'velocity_status': '/vehicle/status/velocity_status',
        'steering_status': '/vehicle/status/steering_status',
    },
    # carla-ros-bridge with its example vehicle.
    'carla': {
        'front_image': '/carla/ego_vehicle/rgb_front/image',
        'odometry': '/carla/ego_vehicle/odometry',
    },
}

# The inputs by argument; compressed pictures and camera_info follow their image.
INPUTS = {
    'front_image': '~/input/camera/front/image',
    'front_left_image': '~/input/camera/front_left/image',
    'front_right_image': '~/input/camera/front_right/image',
    'odometry': '~/input/odometry',
    'acceleration': '~/input/acceleration',
    'steering': '~/input/steering',
    'velocity_status': '~/input/velocity_status',
    'steering_status': '~/input/steering_status',
    'navigation_command': '~/input/navigation_command',
}

# What the shadow compares with, and where its bags go; its topics are those of the planner.
SHADOW_PARAMETERS = {'snippet_folder': 'snippet.folder', 'reference_type': 'reference.type'}

# Parameters by argument; empty: as in the parameter files.
PARAMETERS = {
    'model': 'model.name',
    'checkpoint': 'model.checkpoint',
    'subfolder': 'model.subfolder',
    'answers': 'model.answers',
    'dialect': 'dialect',
    'cameras': 'cameras',
    'image_transport': 'image_transport',
    'output_frame': 'output.frame',
}

ARGUMENTS = {
    'namespace': ('', 'Namespace of the node planner.'),
    'params_file': (str(CONFIG / 'planner.param.yaml'), 'File of parameters.'),
    'rig': ('', f'Preset of topics and parameters: {", ".join(filter(None, RIGS))}, or none.'),
    'autostart': ('true', 'Configure and activate at once.'),
    'use_sim_time': ('false', 'Take the time from /clock.'),
    'fastdds_profile': (
        str(CONFIG / 'fastdds.xml'),
        'Fast DDS profile, unless one is in the environment; start the camera driver with it too.',
    ),
    'cameras': ('', 'Cameras there are, with commas; empty: as in the parameter files.'),
    'shadow': ('false', 'Start the shadow too: compare the plans with what is driven.'),
    'shadow_params_file': (str(CONFIG / 'shadow.param.yaml'), "File of the shadow's parameters."),
    'reference': ('', 'Topic of another planner for the shadow to compare with.'),
    **{
        name: ('', f'Parameter {parameter} of the shadow; empty: as in its parameter file.')
        for name, parameter in SHADOW_PARAMETERS.items()
    },
    **{name: ('', f'Topic for {topic}.') for name, topic in INPUTS.items()},
    **{
        name: ('', f'Parameter {parameter}; empty: as in the parameter files.')
        for name, parameter in PARAMETERS.items()
        if name != 'cameras'
    },
}


def planner(context, more_values=(), more_remappings=()):
    """
    Return the planner's process, for the arguments given.

    What another launch file adds: parameters by name, and topics by their names in the node.
    """
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if given['rig'] not in RIGS:
        raise ValueError(f'rig:={given["rig"]} is not known: take {ARGUMENTS["rig"][1]}')
    topics = {name: given[name] or RIGS[given['rig']].get(name, '') for name in INPUTS}
    files = [given['params_file']]
    if given['rig']:
        files.append(str(CONFIG / f'{given["rig"]}.param.yaml'))
    values = {PARAMETERS[name]: given[name] for name in PARAMETERS if given[name]}
    if 'cameras' in values:
        values['cameras'] = values['cameras'].split(',')
    values['autostart'] = given['autostart'].lower() == 'true'
    if given['use_sim_time'].lower() == 'true':
        # A plain false would overrule what an including launch file sets for all nodes.
        values['use_sim_time'] = True
    values.update(more_values)
    node = Node(
        package='impromptu_vla_ros',
        executable='planner',
        name='planner',
        namespace=given['namespace'],
        parameters=[*files, values],
        remappings=[
            *((INPUTS[name], topic) for name, topic in topics.items() if topic),
            *dict(more_remappings).items(),
        ],
        additional_env=_profile(given),
        output='screen',
    )
    nodes = [node]
    if given['shadow'].lower() == 'true':
        nodes.append(shadow(given, topics['odometry'], values.get('use_sim_time', False)))
    return nodes


def shadow(given, odometry, use_sim_time):
    """Return the process that compares the plans of a planner in the same namespace."""
    values = {SHADOW_PARAMETERS[name]: given[name] for name in SHADOW_PARAMETERS if given[name]}
    if use_sim_time:
        values['use_sim_time'] = True
    remappings = [
        ('~/input/plan', 'planner/output/plan'),
        ('~/input/odometry', odometry or 'planner/input/odometry'),
    ]
    if given['reference']:
        remappings.append(('~/input/reference', given['reference']))
    return Node(
        package='impromptu_vla_ros',
        executable='shadow',
        name='shadow',
        namespace=given['namespace'],
        parameters=[given['shadow_params_file'], values],
        remappings=remappings,
        additional_env=_profile(given),
        output='screen',
    )


def _profile(given):
    names = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
    wanted = given['fastdds_profile'] and not any(name in os.environ for name in names)
    return dict.fromkeys(names, given['fastdds_profile']) if wanted else {}


def generate_launch_description():
    """Return the arguments and the node they start."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=planner)])
