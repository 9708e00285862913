# SPDX-License-Identifier: Apache-2.0
"""The layouts for RViz and Foxglove name what our nodes publish, in types that these show."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

import yaml
from rclpy.parameter import Parameter

from impromptu_vla_ros.nodes.bridge_node import BridgeNode
from impromptu_vla_ros.nodes.controller_node import ControllerNode

CONFIG = Path(__file__).parents[2] / 'config'
SHOWN_BY_RVIZ = {
    'rviz_default_plugins/MarkerArray': 'visualization_msgs/msg/MarkerArray',
    'rviz_default_plugins/Image': 'sensor_msgs/msg/Image',
}


@pytest.fixture
def published(rig):
    """Return the type of each topic that the planner, the controller and the bridge publish."""
    planner, _ = rig.planner(debug__image=True)
    nowhere = [Parameter('server.port', value=1), Parameter('server.timeout', value=0.2)]
    others = [
        ControllerNode(context=rig.context),
        BridgeNode(context=rig.context, parameter_overrides=nowhere),
    ]
    made = {each.topic_name for node in (planner, *others) for each in node.publishers}
    # The graph learns of a publisher a little after it is made.
    rig.until(lambda: made <= types_by_topic(rig.node).keys())
    types = types_by_topic(rig.node)
    yield {topic: types[topic] for topic in made}
    others[0].destroy_node()
    others[1].close()


def types_by_topic(node):
    """Return the type of each topic in the graph."""
    return {topic: types[0] for topic, types in node.get_topic_names_and_types()}


def test_rviz_shows_what_is_published(published):
    layout = yaml.safe_load((CONFIG / 'planner.rviz').read_text())
    displays = layout['Visualization Manager']['Displays']
    shown = {d['Topic']['Value']: d['Class'] for d in displays if 'Topic' in d}
    assert len(shown) == 2
    for topic, kind in shown.items():
        assert published[topic] == SHOWN_BY_RVIZ[kind]


def test_foxglove_shows_what_is_published(published):
    panels = json.loads((CONFIG / 'foxglove.json').read_text())['configById']
    paths = [path for panel in panels.values() for path in topics_in(panel)]
    assert len(paths) > 10
    for path in paths:
        topic, *fields = re.sub(r'\[[^]]*\]|\{[^}]*\}', '', path).split('.')
        kind = published[topic]
        for field in fields:
            kind = field_type(kind, field)


def test_foxglove_lays_out_every_panel():
    layout = json.loads((CONFIG / 'foxglove.json').read_text())
    assert sorted(panels_in(layout['layout'])) == sorted(layout['configById'])


def topics_in(value):
    """Return every text in JSON that begins with a slash, keys included."""
    if isinstance(value, str):
        return [value] if value.startswith('/') else []
    if isinstance(value, dict):
        return [found for pair in value.items() for each in pair for found in topics_in(each)]
    return (
        [found for each in value for found in topics_in(each)] if isinstance(value, list) else []
    )


def panels_in(layout):
    """Return the panels at the leaves of a layout."""
    if isinstance(layout, str):
        return [layout]
    return panels_in(layout['first']) + panels_in(layout['second'])


def field_type(kind, field):
    """Return the type of a field of a message type, without the sequence around it."""
    package, name = kind.replace('/msg/', '/').split('/')
    message = getattr(import_module(f'{package}.msg'), name)
    fields = message.get_fields_and_field_types()
    assert field in fields, f'{kind} has no {field}: it has {", ".join(fields)}'
    return re.sub(r'sequence<(.*)>|\[\d+\]$', r'\1', fields[field])
