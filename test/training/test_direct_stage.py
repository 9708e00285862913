# SPDX-License-Identifier: Apache-2.0
"""The stage without a server drives and sees as the one that goes through CARLA's protocol."""

from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.driving.loop import Loop, Style
from impromptu_vla_ros.evaluation.driving.scenarios import scenario
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.images import decode
from impromptu_vla_ros.training.lessons.direct_stage import DirectStage
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.rigs import RIGS

NANO = Style(DIALECTS['nano'])
SEEN = 20  # the tick whose pictures are compared


class Photographer:
    """Keep what a Model's stage sees at its first question at or after a tick."""

    def __init__(self, stage):
        self._stage, self.pixels = stage, None

    def __call__(self, model):
        self._model = model
        return self

    def answer(self, query):
        if self._stage.ticks == SEEN:
            self.pixels = self._stage.picture()
        return self._model.answer(query)


def test_poses_and_pictures_are_those_of_the_stage_on_a_server():
    pytest.importorskip('carla')
    pytest.importorskip('msgpack')
    from impromptu_vla_ros.evaluation.driving.server import WorldServer
    from impromptu_vla_ros.evaluation.driving.stage import CarlaStage

    played = replace(scenario('cut_in'), duration=2.0)
    network = MAPS[played.map]()
    start = way_along(network, played.route, 10.0).pose(0.0)
    pictures = {}
    rig = RIGS['front'].scaled(640)
    with (
        WorldServer('kinematic') as server,
        CarlaStage('127.0.0.1', server.port, network, start, rig) as stage,
    ):
        served = Loop(stage, played, network, NANO).run(pictures.__setitem__)
    direct = DirectStage(network)
    photographer = Photographer(direct)
    driven = Loop(direct, played, network, NANO, between=photographer).run()
    assert served.ego.shape == driven.ego.shape
    # x, y, yaw, speed, yaw rate, acceleration and the angle of the wheels: what passes through
    # single precision differs by less than a centimetre after 2 s.
    assert np.abs(served.ego - driven.ego)[:, :5].max() < 0.01
    assert np.abs(served.ego - driven.ego)[:, 5:].max() < 0.05
    assert np.abs(served.actors - driven.actors).max() < 1e-3
    assert served.ego_size == pytest.approx(driven.ego_size, abs=1e-3)
    seen = decode(pictures[SEEN]).pixels.astype(int)
    assert np.abs(seen - photographer.pixels).mean() < 1.0


def test_a_car_that_starts_beside_its_route_has_come_along_beside_it():
    from impromptu_vla_ros.core.structs import Pose

    played = replace(scenario('straight'), duration=0.5)
    network = MAPS['straight']()
    beside = Pose(0.0, 0.6, 0.1)
    record = Loop(DirectStage(network), played, network, NANO, beside=beside).run()
    x, y, yaw = record.ego[0, :3]
    assert (x, y, yaw) == pytest.approx((20.0, -1.75 + 0.6, 0.1), abs=0.02)
