# SPDX-License-Identifier: Apache-2.0
"""The tutor says what a picture shows; detours lead away from it."""

import re

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.expert import View
from impromptu_vla_ros.evaluation.driving.ways import straight_way
from impromptu_vla_ros.training.lessons.pupil import Detour
from impromptu_vla_ros.training.lessons.tutor import Tutor, seen

NANO = DIALECTS['nano']
TIMES = 0.5 * np.arange(1.0, 7.0)


def tutor():
    return Tutor(straight_way(Pose(0.0, 0.0, 0.0)), NANO, Ego(4.89, 1.84, 1.425))


HERE = Pose(50.0, 0.0, 0.0)


def view(*others, pose=HERE, speed=10.0):
    """Return a view of cars that stand at these x, y."""
    rows = np.array([[[x, y, 0.0, 0.0]] * 61 for x, y in others]).reshape(-1, 61, 4)
    return View(pose, speed, 0.0, rows, np.array([[4.8, 2.1]] * len(others)).reshape(-1, 2))


def told(one):
    return decode_trajectory(NANO, tutor().answer(one)).points


def test_the_speed_is_kept_but_never_below_that_of_a_town():
    assert told(view())[:, 0] == pytest.approx(10.0 * TIMES, abs=0.1)
    slow = told(view(speed=4.0))[:, 0]
    assert 4.0 * 3.0 + 3.0 < slow[-1] < 8.0 * 3.0


def test_who_is_beside_the_lane_is_no_reason_and_who_is_in_it_is_one():
    assert told(view((80.0, -3.6)))[:, 0] == pytest.approx(10.0 * TIMES, abs=0.1)
    braked = told(view((72.0, 0.0)))
    assert braked[-1, 0] < 72.0 - 50.0 - 1.425 - 0.5 * 4.89 - 2.4


def test_it_stops_where_the_road_ends_and_brakes_for_that_no_sooner_than_it_must():
    assert told(view(pose=Pose(100.0, 0.0, 0.0)))[:, 0] == pytest.approx(10.0 * TIMES, abs=0.2)
    # The road is 199.5 m long; the bumper is 3.87 m ahead of the rear axle.
    stopped = told(view(pose=Pose(180.0, 0.0, 0.0), speed=5.0))
    assert 8.0 < stopped[-1, 0] < 199.5 - 180.0 - 3.87 - 2.0
    assert stopped[-1, 0] - stopped[-2, 0] < 1.0


def test_nothing_is_learnt_beside_the_way_or_beyond_its_end():
    one = tutor()
    assert one.teaches(Pose(150.0, 2.0, 0.0)) and not one.teaches(Pose(150.0, 2.6, 0.0))
    assert one.teaches(Pose(192.0, 0.0, 0.0)) and not one.teaches(Pose(195.0, 0.0, 0.0))


def test_only_whom_the_camera_has_in_its_picture_is_seen():
    # The camera is at x = 51.7 and sees 35 degrees to either side: 7 m, 10 m ahead.
    here = view((61.7, 0.0), (61.7, 12.0), (40.0, 0.0), (61.7, 8.5))
    assert seen(here).others[:, 0, 1].tolist() == [0.0, 8.5] and len(seen(here).sizes) == 2
    assert len(seen(view()).others) == 0


def test_an_imagined_car_has_come_along_the_way_at_its_speed():
    random = np.random.default_rng(4)
    for _ in range(8):
        prompt, answer = tutor().imagined(view(pose=Pose(50.0, 0.5, 0.05)), random)
        speeds = [float(v) for v in re.findall(r'Velocity: X (\S+),', prompt)]
        past = [float(x) for x in re.findall(r's\) \[(\S+),', prompt)]
        for before, after, x0, x1 in zip(speeds, speeds[1:], past, past[1:]):
            assert x1 - x0 == pytest.approx(0.25 * (before + after), abs=0.02)
        first = decode_trajectory(NANO, answer).points[0, 0]
        assert first == pytest.approx(0.5 * speeds[-1], abs=0.55)


def test_detours_change_the_way_as_they_say():
    way = np.column_stack([8.0 * TIMES, 0.0 * TIMES])
    aside = Detour(1.0, left=1.0).applied(way, TIMES)
    assert aside[:, 0] == pytest.approx(way[:, 0])
    assert aside[:, 1] == pytest.approx([0.15625, 0.5, 0.84375, 1.0, 1.0, 1.0])
    assert Detour(1.0, faster=0.5).applied(way, TIMES)[:, 0] == pytest.approx(4.0 * TIMES)
    assert Detour(1.0, faster=1.25).applied(way, TIMES)[:, 0] == pytest.approx(10.0 * TIMES)
    turned = Detour(1.0, turned=0.1).applied(way, TIMES)
    assert turned[-1] == pytest.approx([24.0 * np.cos(0.1), 24.0 * np.sin(0.1)])
    standing = np.zeros((6, 2))
    assert np.abs(Detour(1.0, left=1.0).applied(standing, TIMES)).max() == 0.0
