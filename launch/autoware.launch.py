# SPDX-License-Identifier: Apache-2.0
"""
Start the planner as a part of Autoware, ready to plan.

ros2 launch impromptu_vla_ros autoware.launch.py plug_in:=validator

It takes every argument of planner.launch.py too. Autoware's messages must be in the environment:
source its workspace first.
"""

import runpy
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

PLANNER = runpy.run_path(str(Path(__file__).with_name('planner.launch.py')))

# Where Autoware hears the planner, by the way to plug in, under its names of today.
TOPICS = {
    # To trajectory_processor: remap its input_trajectories to it.
    'generator': '/planning/generator/{generator_name}/candidate_trajectories',
    # To planning_validator, in the place of trajectory_processor.
    'validator': '/planning/trajectory_generator/trajectory',
    # To the controller, with no validator in between.
    'direct': '/planning/trajectory',
}
# Before July 2025 there were no generators.
OLD_TOPICS = {
    # To planning_validator, in the place of velocity_smoother.
    'validator': '/planning/scenario_planning/velocity_smoother/trajectory',
    'direct': '/planning/scenario_planning/trajectory',
}

ARGUMENTS = {
    'plug_in': ('generator', f'Who hears the planner: {", ".join(TOPICS)}.'),
    'old_names': ('false', 'Take the topic names of Autoware before July 2025.'),
    'generator_name': ('impromptu_vla', 'Name of the generator, in its topic and messages.'),
    **PLANNER['ARGUMENTS'],
    'rig': ('autoware', PLANNER['ARGUMENTS']['rig'][1]),
}


def autoware(context):
    """Return the planner's process, for the arguments given."""
    given = {
        name: LaunchConfiguration(name).perform(context)
        for name in ('plug_in', 'old_names', 'generator_name')
    }
    topics = OLD_TOPICS if given['old_names'].lower() == 'true' else TOPICS
    plug_in = given['plug_in']
    if plug_in not in topics:
        raise ValueError(f'plug_in:={plug_in} is not known: take {", ".join(topics)}')
    output = 'candidate_trajectories' if plug_in == 'generator' else 'trajectory'
    return PLANNER['planner'](
        context,
        {'autoware.output': plug_in, 'autoware.generator_name': given['generator_name']},
        {f'~/output/{output}': topics[plug_in].format(**given)},
    )


def generate_launch_description():
    """Return the arguments and the node they start."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=autoware)])
