# SPDX-License-Identifier: Apache-2.0
"""A plan as the markers that RViz and Foxglove show."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('visualization_msgs')

from visualization_msgs.msg import Marker

from impromptu_vla_ros.core.structs import Plan, Pose
from impromptu_vla_ros.drawing import TIER_COLOURS
from impromptu_vla_ros.marker_messages import plan_markers_message
from impromptu_vla_ros.messages import TIERS

WHEELBASE = 2.5


def plan(tier='fresh', speeds=(2.0,) * 21):
    """Return a plan of one point per 0.1 s and 0.2 m, straight along y."""
    n = len(speeds)
    return Plan(
        stamp=7_000_000_003,
        frame_id='odom',
        times=0.1 * np.arange(n),
        poses=np.column_stack([np.zeros(n), 0.2 * np.arange(n), np.full(n, math.pi / 2)]),
        speeds=np.array(speeds),
        accelerations=np.zeros(n),
        yaw_rates=np.zeros(n),
        deviations=np.full(n, math.nan),
        extended_from=16,
        tier=tier,
        violations=(),
        capture_stamp=6_000_000_000,
        anchor=Pose(0.0, 0.0, 0.0),
        anchor_frame_id='odom',
        answer='',
        dialect='nuscenes',
        ages={'answer': 1.25},
        blend=0.5,
    )


def named(message):
    return {marker.ns: marker for marker in message.markers}


def ys(marker):
    return [point.y for point in marker.points]


def test_the_parts_are_told_apart():
    message = plan_markers_message(plan(), WHEELBASE)
    markers = named(message)
    assert len(markers) == len(message.markers)  # RViz knows a marker by its name and number
    for marker in message.markers:
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (7, 3)
        assert marker.header.frame_id == 'odom'
        assert marker.lifetime.sec == 1
    blend, own, extension = (markers[name] for name in ('blend', 'model', 'extension'))
    assert ys(blend) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ys(own)[0] == pytest.approx(1.0) and ys(own)[-1] == pytest.approx(3.0)
    # Dashes: pairs of points.
    assert extension.type == Marker.LINE_LIST
    assert ys(extension) == pytest.approx([3.0, 3.2, 3.4, 3.6, 3.8, 4.0])
    assert blend.color.a < extension.color.a < own.color.a
    assert ys(markers['waypoints']) == pytest.approx([1.0, 2.0, 3.0])
    assert markers['text'].text == 'fresh, 1.2 s old\n2.0 m/s'


@pytest.mark.parametrize('tier', TIERS)
def test_each_tier_has_its_colour(tier):
    marker = named(plan_markers_message(plan(tier), WHEELBASE))['model']
    found = [round(255 * value) for value in (marker.color.r, marker.color.g, marker.color.b)]
    assert found == list(TIER_COLOURS[tier])


def test_a_wall_stands_where_the_front_axle_will():
    stops = plan('stopping', speeds=(2.0,) * 10 + (0.0,) * 11)
    wall = named(plan_markers_message(stops, WHEELBASE))['stop']
    assert (wall.type, wall.action) == (Marker.CUBE, Marker.ADD)
    # It stops at y = 10 * 0.2 m, heading along y.
    assert (wall.pose.position.x, wall.pose.position.y) == pytest.approx((0.0, 4.5))
    assert wall.pose.orientation.z == pytest.approx(math.sin(math.pi / 4))


def test_what_a_plan_lacks_is_deleted():
    whole = replace(plan(), extended_from=21, blend=0.0)
    markers = named(plan_markers_message(whole, WHEELBASE))
    assert {name for name, m in markers.items() if m.action == Marker.DELETE} == {
        'blend',
        'extension',
        'stop',
    }
