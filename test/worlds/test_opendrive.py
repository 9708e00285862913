# SPDX-License-Identifier: Apache-2.0
"""OpenDRIVE text: there and back again, refused where unknown, and as CARLA's client reads it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros.core.motion import wrap
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds.linking import connected
from impromptu_vla_ros.worlds.maps import MAPS, laid
from impromptu_vla_ros.worlds.opendrive import from_text, to_text
from impromptu_vla_ros.worlds.roads import (
    LanePoint,
    Piece,
    ahead,
    entered,
    lane_at,
    lane_pose,
    pose_at,
)

CENTIMETRE = 0.01


@pytest.fixture(scope='module')
def carla():
    return pytest.importorskip('carla', reason="CARLA's client is not installed")


@pytest.fixture(scope='module')
def maps(carla):
    """Return each network, and the map that CARLA's client makes of its text."""
    networks = {name: make() for name, make in MAPS.items()}
    return {
        name: (network, carla.Map(name, to_text(network))) for name, network in networks.items()
    }


def ours(network, waypoint):
    return lane_pose(network.numbered[waypoint.road_id], waypoint.lane_id, waypoint.s)


def apart(pose, transform):
    """Return the distance between our pose and CARLA's, whose y points the other way."""
    return math.hypot(pose.x - transform.location.x, pose.y + transform.location.y)


@pytest.mark.parametrize('name', MAPS)
def test_a_map_comes_back_from_its_text(name):
    network = MAPS[name]()
    text = to_text(network)
    assert from_text(text) == network
    assert to_text(from_text(text)) == text


pieces = st.builds(
    Piece,
    st.floats(1.0, 80.0),
    st.one_of(st.just(0.0), st.floats(0.005, 0.08), st.floats(-0.08, -0.005)),
)
chains = st.lists(st.lists(pieces, min_size=1, max_size=4), min_size=1, max_size=4)


@given(
    chains,
    st.builds(Pose, *[st.floats(-500.0, 500.0)] * 2, st.floats(-3.0, 3.0)),
    st.integers(1, 3),
    st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_any_chain_of_roads_comes_back_linked(chain, start, right, left):
    roads = []
    for line in chain:
        roads.append(laid(start, *line, right=right, left=left))
        start = pose_at(roads[-1], roads[-1].length)
    network = connected('chain', roads)
    for road in network.roads[:-1]:
        assert road.successor.to == road.number + 1
    assert from_text(to_text(network)) == network


@pytest.mark.parametrize(
    ('old', 'new', 'named'),
    [
        ('<arc curvature="0.025" />', '<spiral curvStart="0" curvEnd="0.1" />', '<spiral>'),
        ('<planView>', '<lateralProfile /><planView>', '<lateralProfile>'),
        ('<laneSection s="0.0">', '<laneOffset s="0" a="1" /><laneSection s="0.0">', 'laneOffset'),
        ('type="driving"', 'type="sidewalk"', 'sidewalk'),
        ('a="3.5" b="0.0"', 'a="3.5" b="0.1"', '<width> has b'),
        ('s="0.0" a="0.0" b="0.0"', 's="0.0" a="0.0" b="0.02"', '<elevation> has b'),
        ('hdg="0.0" length="120.0"', 'hdg="0.0" length="abc"', "length='abc'"),
        ('<line />', '', 'needs one <line> or <arc>'),
        ('</OpenDRIVE>', '', 'no XML'),
        ('OpenDRIVE', 'Roads', '<Roads>'),
        (
            'x="120.0" y="0.0" hdg="0.0" length="125',
            'x="120.0" y="0.0" hdg="nan" length="125',
            'hdg',
        ),
    ],
)
def test_what_is_not_known_is_refused_by_name(old, new, named):
    text = to_text(MAPS['circuit']())
    assert old in text
    with pytest.raises(ValueError, match=named):
        from_text(text.replace(old, new))


def test_pieces_that_do_not_meet_are_refused():
    text = to_text(MAPS['curve']())
    with pytest.raises(ValueError, match='begins where none ended'):
        from_text(text.replace('x="100.0"', 'x="100.1"'))


def test_different_widths_are_refused():
    text = to_text(MAPS['straight']())
    with pytest.raises(ValueError, match='widths'):
        from_text(text.replace('a="3.5"', 'a="3.0"', 1))


@pytest.mark.parametrize('name', MAPS)
def test_carla_finds_our_lanes_where_we_do(maps, name):
    network, theirs = maps[name]
    waypoints = theirs.generate_waypoints(2.0)
    lanes = {(point.road_id, point.lane_id) for point in waypoints}
    assert lanes == {(road.number, lane) for road in network.roads for lane in road.lanes}
    for point in waypoints:
        pose = ours(network, point)
        assert apart(pose, point.transform) < CENTIMETRE
        assert abs(wrap(pose.yaw + math.radians(point.transform.rotation.yaw))) < 1e-3
        assert point.lane_width == pytest.approx(3.5)
        assert point.is_junction == (network.numbered[point.road_id].junction >= 0)


@pytest.mark.parametrize('name', MAPS)
def test_carla_goes_on_as_we_do(maps, name):
    network, theirs = maps[name]
    for point in theirs.generate_waypoints(2.0):
        for distance in (2.0, 11.0):
            here = LanePoint(point.road_id, point.lane_id, point.s)
            further = ahead(network, here, distance)
            poses = [lane_pose(network.numbered[to.road], to.lane, to.s) for to in further]
            found = point.next(distance)
            assert len(found) == len(poses)
            for after in found:
                assert min(apart(pose, after.transform) for pose in poses) < CENTIMETRE


@pytest.mark.parametrize('name', MAPS)
def test_carla_sees_the_same_ways_from_road_to_road(maps, name):
    network, theirs = maps[name]
    # What leads nowhere is in CARLA's topology a way from itself to itself.
    found = {
        (a.road_id, a.lane_id, b.road_id, b.lane_id)
        for a, b in theirs.get_topology()
        if (a.road_id, a.lane_id) != (b.road_id, b.lane_id)
    }
    assert found == {
        (road.number, lane, to.road, to.lane)
        for road in network.roads
        for lane in road.lanes
        for to in entered(network, road.number, lane)
    }


@pytest.mark.parametrize('name', MAPS)
def test_carla_is_off_the_road_where_we_are(carla, maps, name):
    network, theirs = maps[name]
    points = [point.transform.location for point in theirs.generate_waypoints(5.0)]
    xy = np.array([(point.x, -point.y) for point in points])
    on = off = 0
    # CARLA looks for lanes along chords of 1.8°, and half a lane beyond a road's end.
    for x, y in np.random.default_rng(0).uniform(xy.min(0) - 10.0, xy.max(0) + 10.0, (150, 2)):
        found = theirs.get_waypoint(carla.Location(x=x, y=-y), project_to_road=False)
        around = [
            lane_at(network, x + dx, y + dy) for dx in (-0.1, 0, 0.1) for dy in (-0.1, 0, 0.1)
        ]
        if found is None:
            off += 1
            assert None in around
        elif any(around):
            on += 1
            pose = ours(network, found)
            assert math.hypot(pose.x - x, pose.y - y) < 1.75 + 0.2
        else:
            road = network.numbered[found.road_id]
            assert min(found.s, road.length - found.s) < 0.01
    assert on > 3 and off > 3


@pytest.mark.parametrize('name', MAPS)
def test_carla_finds_the_waypoint_of_a_point_in_a_lane(carla, maps, name):
    network, theirs = maps[name]
    for road in network.roads:
        if road.junction < 0 and all(piece.curvature == 0.0 for piece in road.pieces):
            for lane in road.lanes:
                pose = lane_pose(road, lane, 0.4 * road.length)
                point = theirs.get_waypoint(carla.Location(x=pose.x, y=-pose.y))
                assert (point.road_id, point.lane_id) == (road.number, lane)
                assert apart(pose, point.transform) < CENTIMETRE


def test_carla_sees_our_road_marks(carla, maps):
    _, theirs = maps['merge']
    marks = carla.LaneMarkingType
    for lane, left, right in (
        (-1, marks.Solid, marks.Broken),
        (-2, marks.Broken, marks.Broken),
        (-3, marks.Broken, marks.Solid),
    ):
        point = theirs.get_waypoint_xodr(2, lane, 50.0)
        assert (point.left_lane_marking.type, point.right_lane_marking.type) == (left, right)
    two_ways = maps['straight'][1].get_waypoint_xodr(1, -1, 50.0)
    assert two_ways.left_lane_marking.type == marks.Broken
    assert two_ways.right_lane_marking.type == marks.Solid
