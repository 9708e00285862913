# SPDX-License-Identifier: Apache-2.0
"""autoware.launch.py: three ways to plug in, under Autoware's names of today and before."""

from pathlib import Path

import launch_stand_in
import pytest

pytest.importorskip('rclpy')

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'autoware.launch.py'
CANDIDATES = '-r ~/output/candidate_trajectories:='
TRAJECTORY = '-r ~/output/trajectory:='


def command(**arguments):
    """Return the command line that the launch file starts."""
    (node,) = launch_stand_in.nodes(LAUNCH_FILE, **arguments)
    return ' '.join(node.command)


@pytest.mark.parametrize(
    ('arguments', 'output', 'remapping'),
    [
        ({}, 'generator', f'{CANDIDATES}/planning/generator/impromptu_vla/candidate_trajectories'),
        (
            {'plug_in': 'generator', 'generator_name': 'night_shift'},
            'generator',
            f'{CANDIDATES}/planning/generator/night_shift/candidate_trajectories',
        ),
        (
            {'plug_in': 'validator'},
            'validator',
            f'{TRAJECTORY}/planning/trajectory_generator/trajectory',
        ),
        ({'plug_in': 'direct'}, 'direct', f'{TRAJECTORY}/planning/trajectory'),
        (
            {'plug_in': 'validator', 'old_names': 'true'},
            'validator',
            f'{TRAJECTORY}/planning/scenario_planning/velocity_smoother/trajectory',
        ),
        (
            {'plug_in': 'direct', 'old_names': 'true'},
            'direct',
            f'{TRAJECTORY}/planning/scenario_planning/trajectory',
        ),
    ],
)
def test_the_ways_to_plug_in(arguments, output, remapping):
    found = command(**arguments)
    assert f'-p autoware.output:="{output}"' in found
    assert found.endswith(remapping)
    assert found.count('~/output/') == 1


def test_it_takes_the_arguments_of_the_planner():
    found = command(model='transformers', checkpoint='3B', odometry='/odometry', namespace='car')
    for part in (
        '-r __ns:=/car',
        f'--params-file {ROOT}/config/autoware.param.yaml',
        '-p model.name:="transformers" -p model.checkpoint:="3B"',
        '-p autoware.generator_name:="impromptu_vla"',
        '-r ~/input/camera/front/image:=/sensing/camera/CAM_FRONT/image_raw',
        '-r ~/input/odometry:=/odometry',
        '-r ~/input/acceleration:=/localization/acceleration',
        '-r ~/input/velocity_status:=/vehicle/status/velocity_status',
        '-r ~/input/steering_status:=/vehicle/status/steering_status',
    ):
        assert part in found
    assert 'carla.param.yaml' in command(rig='carla')


@pytest.mark.parametrize(
    ('arguments', 'offered'),
    [
        ({'plug_in': 'sideways'}, 'take generator, validator, direct'),
        ({'plug_in': 'generator', 'old_names': 'true'}, 'take validator, direct'),
    ],
)
def test_an_unknown_way_is_refused(arguments, offered):
    with pytest.raises(ValueError, match=offered):
        command(**arguments)
