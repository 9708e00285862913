# SPDX-License-Identifier: Apache-2.0
"""Roads lie where their pieces say, and lanes that meet are linked."""

import math

import numpy as np
import pytest

from impromptu_vla_ros.core.motion import wrap
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds.linking import connected
from impromptu_vla_ros.worlds.maps import MAPS, bend, between, laid
from impromptu_vla_ros.worlds.roads import (
    LanePoint,
    Piece,
    advanced,
    ahead,
    along_road,
    entered,
    lane_at,
    lane_edges,
    lane_points,
    lane_pose,
    pose_at,
)

ORIGIN = Pose(0.0, 0.0, 0.0)


def close(pose, x, y, yaw):
    return pytest.approx((x, y), abs=1e-9) == (pose.x, pose.y) and abs(wrap(pose.yaw - yaw)) < 1e-9


def test_a_quarter_circle_lies_where_it_must():
    road = laid(ORIGIN, Piece(10.0), bend(20.0, math.pi / 2), Piece(5.0))
    assert road.length == pytest.approx(10.0 + 10.0 * math.pi + 5.0)
    assert close(pose_at(road, 10.0), 10.0, 0.0, 0.0)
    half = 10.0 + 5.0 * math.pi
    root = 20.0 / math.sqrt(2.0)
    assert close(pose_at(road, half), 10.0 + root, 20.0 - root, math.pi / 4)
    assert close(pose_at(road, road.length), 30.0, 25.0, math.pi / 2)


def test_right_lanes_go_along_the_line_and_left_ones_against_it():
    road = laid(Pose(0.0, 0.0, math.pi / 2), Piece(10.0), right=2, left=1)
    assert road.lanes == (1, -1, -2)
    assert close(lane_pose(road, -2, 4.0), 5.25, 4.0, math.pi / 2)
    assert close(lane_pose(road, 1, 4.0), -1.75, 4.0, -math.pi / 2)
    with pytest.raises(ValueError, match='no lane 2'):
        lane_pose(road, 2, 0.0)


def test_a_sampled_lane_follows_its_traffic():
    road = laid(ORIGIN, Piece(10.0))
    points = lane_points(road, 1, 2.0)
    assert points.shape == (6, 3)
    assert points[0] == pytest.approx([10.0, 1.75, math.pi])
    assert points[-1] == pytest.approx([0.0, 1.75, math.pi])


@pytest.mark.parametrize('angle', [1.5, -1.5, 5.5, -5.5])
def test_a_point_beside_an_arc_is_found_again(angle):
    road = laid(Pose(3.0, -2.0, 0.7), bend(25.0, angle))
    for s in np.linspace(0.0, road.length, 9):
        pose = pose_at(road, s)
        x, y = pose.x - 2.0 * -math.sin(pose.yaw), pose.y - 2.0 * math.cos(pose.yaw)
        (at,), (left,) = along_road(road, [[x, y]])
        assert (at, left) == pytest.approx((s, -2.0), abs=1e-5)
    middle = advanced(road.start, 25.0, 0.0)
    outside = advanced(Pose(middle.x, middle.y, road.start.yaw + math.pi), 500.0, 0.0)
    assert abs(angle) > 2.0 or np.isnan(along_road(road, [[outside.x, outside.y]])[0][0])


@pytest.mark.parametrize('name', MAPS)
def test_every_point_of_a_lane_outside_junctions_is_in_that_lane(name):
    network = MAPS[name]()
    for road in network.roads:
        if road.junction < 0:
            for lane in road.lanes:
                s = 0.37 * road.length
                pose = lane_pose(road, lane, s)
                found = lane_at(network, pose.x, pose.y)
                assert (found.road, found.lane) == (road.number, lane)
                assert found.s == pytest.approx(s, abs=1e-6)
    assert lane_at(network, 1e4, 1e4) is None


def test_the_island_of_a_roundabout_is_no_road():
    network = MAPS['roundabout']()
    assert lane_at(network, 0.0, 0.0) is None
    assert lane_at(network, 0.0, 13.9) is None
    assert lane_at(network, 10.0, 12.0) is not None  # 15.6 m from the middle


@pytest.mark.parametrize('name', MAPS)
def test_ends_that_are_linked_meet(name):
    network = MAPS[name]()
    numbers = [road.number for road in network.roads] + [j.number for j in network.junctions]
    assert len(set(numbers)) == len(numbers)
    linked = 0
    for road in network.roads:
        for lane in road.lanes:
            out = lane_pose(road, lane, road.length if lane < 0 else 0.0)
            for entry in entered(network, road.number, lane):
                to = lane_pose(network.numbered[entry.road], entry.lane, entry.s)
                assert math.hypot(out.x - to.x, out.y - to.y) < 1e-3
                assert abs(wrap(out.yaw - to.yaw)) < 1e-6
                linked += 1
            assert road.junction < 0 or len(entered(network, road.number, lane)) == 1
    assert linked or name in ('straight', 'curve', 's_curve')


def test_a_crossing_lets_turn_every_way():
    network = MAPS['four_way']()
    for arm in network.roads[:4]:
        points = ahead(network, LanePoint(arm.number, 1, 5.0), 60.0)
        assert {point.road for point in points} == {1, 2, 3, 4} - {arm.number}
        assert {point.lane for point in points} == {-1}


def test_the_ending_lane_of_a_merge_leads_into_its_neighbour():
    network = MAPS['merge']()
    for lane, to in ((-1, -1), (-2, -2), (-3, -2)):
        (point,) = ahead(network, LanePoint(2, lane, 100.0), 100.0)
        assert (point.road, point.lane) == (3, to)


def test_a_way_through_a_roundabout_goes_round_counter_clockwise():
    network = MAPS['roundabout']()
    points = ahead(network, LanePoint(1, 1, 1.0), 25.0)
    turns = [lane_pose(network.numbered[point.road], point.lane, point.s) for point in points]
    assert all(pose.y > 0.0 for pose in turns)
    ends = ahead(network, LanePoint(1, 1, 1.0), 160.0)
    assert {point.road for point in ends} & {1, 2, 3, 4} == {1, 2, 3, 4}


def test_two_roads_at_one_end_need_a_junction():
    roads = [
        laid(ORIGIN, Piece(10.0)),
        *(laid(Pose(10.0, 0.0, 0.0), bend(r, 1.0)) for r in (9, 8)),
    ]
    with pytest.raises(ValueError, match='into one junction'):
        connected('fork', roads)


def test_a_way_that_would_turn_back_is_refused():
    with pytest.raises(ValueError, match='no single turn'):
        between(ORIGIN, Pose(-5.0, 3.0, 1.0))


def test_lanes_are_kept_apart_as_the_rules_say():
    assert [mark for _, mark in lane_edges(laid(ORIGIN, Piece(1.0)))] == [
        'solid',
        'broken',
        'solid',
    ]
    wide = laid(ORIGIN, Piece(1.0), right=2, left=2)
    assert [mark for _, mark in lane_edges(wide)] == [
        'solid',
        'broken',
        'solid',
        'broken',
        'solid',
    ]
    inside = MAPS['four_way']().roads[-1]
    assert {mark for _, mark in lane_edges(inside)} == {'none'}
