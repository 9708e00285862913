# SPDX-License-Identifier: Apache-2.0
"""Strangers by chance: ahead, on and beside the way, and in the picture only while it is taken."""

import numpy as np

from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.evaluation.driving.ways import straight_way
from impromptu_vla_ros.training.lessons.direct_stage import DirectStage
from impromptu_vla_ros.training.lessons.strangers import FARTHEST, NEAREST, Stranger, stranger
from impromptu_vla_ros.worlds.maps import straight

WAY = straight_way(Pose(0.0, 0.0, 0.0))


def many():
    random = np.random.default_rng(0)
    return [stranger(WAY, 20.0, random) for _ in range(300)]


def test_they_are_ahead_and_of_every_kind():
    found = many()
    x = np.array([one.pose.x for one in found])
    assert (x >= 20.0 + NEAREST).all()
    assert (x <= 20.0 + FARTHEST).all()
    lefts = np.array([one.pose.y for one in found])
    assert np.mean(np.abs(lefts) < 1.0) > 0.3
    assert np.mean(lefts > 2.5) > 0.1
    assert any('walker' in one.blueprint for one in found)
    assert len({one.colour for one in found}) == 8


def test_they_go_where_they_face():
    for one in many():
        step = one.foreseen[1, :2] - one.foreseen[0, :2]
        heading = one.foreseen[0, 2]
        ahead = step @ [np.cos(heading), np.sin(heading)]
        np.testing.assert_allclose(ahead, 0.1 * one.foreseen[0, 3], atol=1e-9)


def test_one_is_in_the_picture_only_while_it_is_taken():
    stage = DirectStage(straight())
    stage.start(Pose(20.0, -1.75, 0.0), 5.0, 1.0, [])
    before = stage.picture()
    there = Pose(32.0, -1.75, 0.0)
    one = Stranger('vehicle.tesla.model3', there, np.zeros((1, 4)), colour=3)
    assert (stage.picture(more=[one]) != before).any()
    assert (stage.picture() == before).all()
