# SPDX-License-Identifier: Apache-2.0
"""Scenarios, their ways and actors as data, and the expert's answers: no server is needed."""

import math
from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.driving import overlap
from impromptu_vla_ros.core.structs import Pose, Query
from impromptu_vla_ros.evaluation.driving.actors import Moving, Player
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.expert import Expert, View
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.scenario import Act, Actor, Route
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS, scenario
from impromptu_vla_ros.evaluation.driving.score import first_impact, on_road, wrong_way
from impromptu_vla_ros.evaluation.driving.ways import legal_ways, straight_way, way_along
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.roads import LanePoint

EGO = Ego(4.9, 1.84, 1.43)
FAR = Moving(Pose(-500.0, 0.0, 0.0), 0.0, 0.0)
STRAIGHT = MAPS['straight']()
AT = Route(LanePoint(1, -1, 20.0))


@pytest.mark.parametrize('name', SCENARIOS)
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_a_scenario_can_be_staged(name, seed):
    played = scenario(name, seed)
    network = MAPS[played.map]()
    way = way_along(network, played.route, played.goal + 60.0)
    assert way.length > played.goal
    assert played.reference > 0.0 or not played.actors
    boxes = [Player(actor, network).box for actor in played.actors]
    boxes.append(EGO.box(way.pose(0.0)))
    for k, box in enumerate(boxes):
        assert not any(overlap(box, other) for other in boxes[k + 1 :])


def test_a_seed_varies_and_repeats():
    assert scenario('lead_brakes', 3) == scenario('lead_brakes', 3)
    assert scenario('lead_brakes', 3) != replace(scenario('lead_brakes', 4), seed=3)


def test_an_unknown_scenario_names_the_others():
    with pytest.raises(ValueError, match='roundabout'):
        scenario('moon')


@pytest.mark.parametrize(
    ('kind', 'speeds'), [('stationary', (1, 0)), ('frontal', (1, 1)), ('side', (1, 0))]
)
def test_neuroncap_ends_in_an_impact_if_nobody_reacts(kind, speeds):
    for seed in range(5):
        played = scenario(f'ncap_{kind}', seed)
        network = MAPS[played.map]()
        way = way_along(network, played.route, 200.0)
        (player,) = (Player(actor, network) for actor in played.actors)
        hits = []
        for k in range(120):
            ego = EGO.box(way.pose(played.speed * 0.05 * k))
            if overlap(ego, player.box):
                hits.append(0.05 * k)
            player.step(0.05 * k, 0.05, FAR)
        assert hits and 3.0 < hits[0] < 4.5, (kind, seed, hits[:1])


def test_a_way_turns_as_told_and_ends_on_the_right_arm():
    network = MAPS['four_way']()
    ends = {
        turn: way_along(network, Route(LanePoint(3, 1, 50.0), (turn,)), 130.0).points[-1]
        for turn in ('left', 'straight', 'right')
    }
    # From the west: left is north, on the lane to the right of x = 0.
    assert ends['left'][0] == pytest.approx(1.75) and ends['left'][1] > 50.0
    assert ends['straight'][1] == pytest.approx(-1.75) and ends['straight'][0] > 50.0
    assert ends['right'][0] == pytest.approx(-1.75) and ends['right'][1] < -50.0
    assert len(legal_ways(network, LanePoint(3, 1, 50.0), 80.0)) == 3


def test_a_way_tells_where_a_point_lies():
    way = straight_way(Pose(1.0, 2.0, math.pi / 2), 50.0)
    (s,), (left,) = way.nearest([[0.5, 12.2]])
    assert (s, left) == (pytest.approx(10.2), pytest.approx(0.5))
    assert way.pose(10.2, 0.5).x == pytest.approx(0.5)
    assert way.pose(60.0).y == pytest.approx(62.0)


def test_an_actor_brakes_when_its_time_has_come():
    act = Act('time', 1.0, speed=0.0, rate=5.0)
    player = Player(Actor('lead', 'vehicle.tesla.model3', AT, 10.0, acts=(act,)), STRAIGHT)
    for k in range(100):
        player.step(0.05 * k, 0.05, FAR)
    # 10 m in the first second, then 10² / 2 / 5 = 10 m.
    assert player.s == pytest.approx(20.0)
    assert player.speed == 0.0


def test_an_actor_moves_over_and_faces_where_it_goes():
    act = Act('time', 0.0, left=-3.5, over=2.0)
    player = Player(Actor('in', 'vehicle.tesla.model3', AT, 10.0, acts=(act,)), STRAIGHT)
    player.step(0.0, 0.05, FAR)
    for k in range(1, 20):
        player.step(0.05 * k, 0.05, FAR)
    # Half the time, half the way; a smooth step is fastest there: 1.5 · 3.5 m / 2 s.
    assert player.left == pytest.approx(-1.75, abs=1e-6)
    assert player.sideways == pytest.approx(-2.625, abs=0.01)
    assert player.moving.pose.yaw == pytest.approx(math.atan2(-2.625, 10.0), abs=0.01)
    foreseen = player.foreseen(1.0, 0.1, 21)
    assert foreseen[-1, 1] == pytest.approx(-1.75 - 3.5, abs=1e-6)
    assert player.left == pytest.approx(-1.75, abs=1e-6)  # who foresees does not move


@pytest.mark.parametrize(
    ('act', 'when'), [(Act('distance', 30.0, speed=5.0), 2.0), (Act('ttc', 2.0, speed=5.0), 3.0)]
)
def test_an_actor_waits_for_the_ego(act, when):
    player = Player(Actor('stop', 'vehicle.tesla.model3', AT, acts=(act,)), STRAIGHT)
    x, y = player.box[:2]
    # The ego comes with 10 m/s from 50 m behind: 30 m after 2 s, 2 s before it after 3 s.
    begun = None
    for k in range(80):
        player.step(0.05 * k, 0.05, Moving(Pose(x - 50.0 + 0.5 * k, y, 0.0), 10.0, 0.0))
        if begun is None and player.speed > 0.0:
            begun = 0.05 * k
    assert begun == pytest.approx(when, abs=0.051)


def view(others=(), speed=10.0, y=-1.75, x=20.0, yaw=0.0):
    rows = np.array(others, float).reshape(-1, 1, 4).repeat(61, axis=1)
    rows[:, :, 0] += rows[:, :, 3] * np.cos(rows[:, :, 2]) * 0.1 * np.arange(61)
    sizes = np.full((len(rows), 2), [4.8, 2.1])
    return View(Pose(x, y, yaw), speed, 0.0, rows, sizes)


def said(seen, friction=1.0, name='kitti', world='straight', s=20.0):
    dialect = DIALECTS[name]
    way = way_along(MAPS[world](), Route(LanePoint(1, -1, s)), 300.0)
    expert = Expert(way, 10.0, friction, dialect, EGO, lambda stamp: seen)
    text = expert.answer(Query(1, (), '', '')).text
    return decode_trajectory(dialect, text).points


def test_the_expert_keeps_lane_and_speed_where_nobody_is():
    points = said(view())
    assert points[:, 1] == pytest.approx(0.0, abs=0.01)
    assert np.diff(points[:, 0]) == pytest.approx(5.0, abs=0.2)


def test_the_expert_comes_back_to_the_middle_of_its_lane():
    points = said(view(y=-1.25))
    assert points[0, 1] < -0.1
    assert points[-1, 1] == pytest.approx(-0.5, abs=0.02)


def test_the_expert_stops_behind_who_stands():
    points = said(view(others=[(60.0, -1.75, 0.0, 0.0)]))
    # The other's rear is at 57.6 m, our front 3.88 m ahead of our rear axle at 20 m: 33.7 m.
    assert 25.0 < points[-1, 0] < 33.7
    assert points[-1, 0] - points[-2, 0] < 2.0


def test_the_expert_lets_pass_who_is_in_the_other_lane():
    alone, met = said(view()), said(view(others=[(70.0, 1.75, math.pi, 8.0)]))
    assert met == pytest.approx(alone, abs=0.02)


def test_the_expert_makes_room_within_its_lane_for_who_comes_in_it():
    points = said(view(others=[(80.0, -0.3, math.pi, 8.0)]))
    assert -0.83 < points[-1, 1] < -0.5
    assert points[-1, 0] < 48.0


def test_the_expert_slows_down_for_a_bend_and_more_on_ice():
    seen = view(x=70.0)
    dry, icy = said(seen, world='curve', s=70.0), said(seen, 0.3, world='curve', s=70.0)
    assert icy[-1, 0] < dry[-1, 0] - 2.0
    # √(2.2 m/s² · 31.75 m) = 8.4 m/s in the bend.
    steps = np.hypot(*np.diff(dry, axis=0).T) / 0.5
    assert steps[-1] == pytest.approx(8.3, abs=0.3)


def test_road_and_direction_are_told_by_our_own_geometry():
    points = np.array([[50.0, -1.75], [50.0, 1.75], [50.0, -3.6], [-1.0, 0.0]])
    assert on_road(STRAIGHT, points).tolist() == [True, True, False, False]
    assert wrong_way(STRAIGHT, points, np.zeros(4)).tolist() == [False, True, False, False]
    turned = np.full(4, math.pi)
    assert wrong_way(STRAIGHT, points, turned).tolist() == [True, False, False, False]


def test_an_impact_counts_with_the_speed_between_both():
    stamps = np.array([0, 50_000_000, 100_000_000])
    ego = np.zeros((3, 7))
    ego[:, 0], ego[:, 3] = [0.0, 1.0, 2.0], 10.0
    actors = np.zeros((3, 1, 4))
    actors[:, 0] = [6.6, 0.0, math.pi, 5.0]
    blank = np.zeros((0, 5))
    record = Record(
        stamps,
        ego,
        actors,
        np.zeros((3, 5)),
        np.array(['following'] * 3),
        np.array(['other']),
        np.array([[4.0, 2.0]]),
        np.array([4.0, 2.0, 1.0, 2.8]),
        np.zeros((0, 4), np.int64),
        blank,
        np.array([], np.str_),
        np.zeros((0, 5), np.int64),
        blank,
        np.array([], np.str_),
        np.array([], np.str_),
        np.ones(3, bool),
    )
    # Front at 3 m, 4 m, 5 m; the other's rear, which faces us, at 4.6 m.
    assert first_impact(record) == (pytest.approx(0.1), 'other', pytest.approx(15.0))
