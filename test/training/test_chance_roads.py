# SPDX-License-Identifier: Apache-2.0
"""Roads by chance: whole, repeatable, and none of those that models are judged on."""

import numpy as np
import pytest

from impromptu_vla_ros.evaluation.driving.scenario import Route
from impromptu_vla_ros.evaluation.driving.ways import legal_ways, way_along
from impromptu_vla_ros.training.lessons.roads import KINDS, road_network
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.roads import LanePoint


def made(kind, seed):
    return road_network(kind, np.random.default_rng(seed), f'{kind} {seed}')


@pytest.mark.parametrize('kind', KINDS)
def test_roads_are_whole_and_the_same_for_the_same_seed(kind):
    networks = [made(kind, seed) for seed in range(4)]
    assert made(kind, 2) == networks[2] and networks[1].roads != networks[2].roads
    for network in networks:
        road = network.roads[0]
        lane, s = (1, road.length) if road.left and 'way' not in kind else (-1, 0.0)
        for way in legal_ways(network, LanePoint(road.number, lane, s), 300.0):
            steps = np.hypot(*np.diff(way.points[:, :2], axis=0).T)
            turns = np.abs(np.diff(way.points[:, 2]))
            assert steps.max() < 0.6 and turns.max() < 0.6 / 4.0
            assert way.length > (60.0 if kind == 'ending' else 120.0)


def test_of_the_arms_of_a_junction_one_gets_to_the_others():
    # With two lanes, not every lane leads everywhere.
    networks = [made('four_way', seed) for seed in range(9)]
    network = next(one for one in networks if one.roads[0].left == 1)
    ends = {
        side: way_along(network, Route(LanePoint(1, 1, 40.0), (side,)), 100.0).points[-1, 2]
        for side in ('left', 'straight', 'right')
    }
    heading = way_along(network, Route(LanePoint(1, 1, 40.0)), 10.0).points[0, 2]
    assert np.sin(ends['left'] - heading) > 0.6 and np.sin(ends['right'] - heading) < -0.6
    assert np.cos(ends['straight'] - heading) > 0.6


def test_no_roads_have_the_name_of_a_map_to_be_judged_on():
    for name in MAPS:
        with pytest.raises(ValueError, match='judged'):
            road_network('straight', np.random.default_rng(1), name)
    with pytest.raises(ValueError, match='one of straight'):
        road_network('loop', np.random.default_rng(1), 'a loop')
