# SPDX-License-Identifier: Apache-2.0
"""The parameters are said once: ROS, the YAML file and the README agree with the dataclass."""

from pathlib import Path

import pytest
import yaml

from impromptu_vla_ros.nodes.parameter_files import NODES, in_readme, marks, yaml_file, yaml_text
from impromptu_vla_ros.nodes.parameters import CAMERAS, CameraParameters, entries

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'config'
ENTRIES = {entry.name: entry for entry in entries()}
REWRITE = 'run python -m impromptu_vla_ros.nodes.parameter_files in the source tree'


def flat(values, prefix=''):
    """Return nested values by dotted name."""
    found = {}
    for name, value in values.items():
        inner = flat(value, f'{prefix}{name}.') if isinstance(value, dict) else None
        found.update(inner if inner is not None else {prefix + name: value})
    return found


def of(node):
    """Return a node's parameters by dotted name."""
    return {entry.name: entry for entry in entries(NODES[node])}


def in_file(path):
    """Return the parameters of a parameter file by dotted name."""
    return flat(yaml.safe_load(path.read_text())['/**']['ros__parameters'])


@pytest.mark.parametrize('node', NODES)
def test_the_parameter_file_is_the_dataclass(node):
    path = ROOT / yaml_file(node)
    assert path.read_text() == yaml_text(node), REWRITE
    defaults = {
        name: list(entry.default) if isinstance(entry.default, tuple) else entry.default
        for name, entry in of(node).items()
    }
    assert in_file(path) == defaults
    assert {name: type(value) for name, value in in_file(path).items()} == {
        name: type(value) for name, value in defaults.items()
    }


def test_the_readme_has_the_tables():
    text = (ROOT / 'README.md').read_text()
    for mark in (mark for node in NODES for mark in marks(node)):
        assert mark in text, f'README.md lacks {mark}'
    assert text == in_readme(text), REWRITE


@pytest.mark.parametrize('rig', ['autoware', 'carla'])
def test_a_preset_sets_parameters_that_are_there(rig):
    given = in_file(CONFIG / f'{rig}.param.yaml')
    for name, value in given.items():
        assert type(value) is type(ENTRIES[name].default), name
        low, high = ENTRIES[name].limits or (value, value)
        assert low <= value <= high, name


@pytest.mark.parametrize('node', NODES)
def test_every_parameter_is_described(node):
    assert len(of(node)) > 10
    for entry in of(node).values():
        assert entry.description.endswith('.'), entry.name
        assert entry.name == entry.name.lower()
        if entry.kind == 'double':
            assert entry.limits and entry.unit, entry.name
    assert set(CameraParameters.__dataclass_fields__) == set(CAMERAS)


def test_ros_knows_type_range_and_meaning(rig):
    planner, _ = rig.planner(active=False)
    for entry in ENTRIES.values():
        descriptor = planner.describe_parameter(entry.name)
        assert descriptor.read_only
        assert descriptor.description.startswith(entry.description)
        assert planner.get_parameter(entry.name).type_.value == descriptor.type
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert bool(ranges) == (entry.limits is not None)
        if ranges:
            assert (ranges[0].from_value, ranges[0].to_value) == entry.limits


def test_a_running_node_keeps_its_parameters(rig):
    from rclpy.parameter import Parameter

    planner, _ = rig.planner(active=False, max_rate=2.0)
    result = planner.set_parameters([Parameter('max_rate', value=3.0)])[0]
    assert not result.successful
    assert planner.parameters.max_rate == planner.get_parameter('max_rate').value == 2.0


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ({'max_rate': 2}, 'max_rate takes double 0 to 100, with a decimal point'),
        ({'qos__depth': 0}, 'qos.depth takes integer 1 to 1000'),
        ({'model__name': 'gpt'}, "model.name is 'gpt': take chat_server, kinematic, nano, onnx"),
        ({'cameras': ['front', 'top']}, 'cameras is '),
        ({'camera__front__fov_deg': 180.0}, 'camera.front.fov_deg takes double 0 to 179'),
    ],
)
def test_what_cannot_be_is_refused(rig, given, words):
    from impromptu_vla_ros.nodes.declaring import ParameterError

    with pytest.raises(ParameterError) as refusal:
        rig.planner(active=False, **given)
    assert words in str(refusal.value)


def test_a_parameter_file_is_read(rig):
    path = str(CONFIG / 'carla.param.yaml')
    planner, _ = rig.planner(['--params-file', path, '-p', 'output.frame:=base_link'], False)
    given = planner.parameters
    assert (given.base_frame, given.camera.front.fov_deg, given.camera.front.z) == (
        'ego_vehicle',
        90.0,
        2.0,
    )
    assert given.output.frame == 'base_link' and given.cameras == ('front',)
