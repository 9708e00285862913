# SPDX-License-Identifier: Apache-2.0
"""What of a plan is blend, the model's own, extension and stop."""

import math
from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.core.parts import parts, wall
from impromptu_vla_ros.core.structs import Plan, Pose


def plan(speeds=(2.0,) * 11, extended_from=9, blend=0.3):
    """Return a plan of one point per 0.1 s and 0.2 m, straight along x."""
    n = len(speeds)
    return Plan(
        stamp=0,
        frame_id='odom',
        times=0.1 * np.arange(n),
        poses=np.column_stack([0.2 * np.arange(n), np.zeros(n), np.zeros(n)]),
        speeds=np.array(speeds),
        accelerations=np.zeros(n),
        yaw_rates=np.zeros(n),
        deviations=np.full(n, math.nan),
        extended_from=extended_from,
        tier='fresh',
        violations=(),
        capture_stamp=0,
        anchor=Pose(0.0, 0.0, 0.0),
        anchor_frame_id='odom',
        answer='',
        dialect='nuscenes',
        blend=blend,
    )


def test_the_parts_meet_where_they_change():
    found = parts(plan())
    assert found.blend[:, 0] == pytest.approx([0.0, 0.2, 0.4, 0.6])
    assert found.own[:, 0] == pytest.approx([0.6, 0.8, 1.0, 1.2, 1.4, 1.6])
    assert found.extension[:, 0] == pytest.approx([1.6, 1.8, 2.0])
    assert found.stop is None


def test_a_part_may_be_missing():
    whole = parts(plan(extended_from=11, blend=0.0))
    assert (len(whole.blend), len(whole.own), len(whole.extension)) == (0, 11, 0)
    beyond = parts(plan(extended_from=0))
    assert (len(beyond.blend), len(beyond.own), len(beyond.extension)) == (0, 0, 11)


def test_every_pose_is_in_a_part():
    for end in range(12):
        found = parts(plan(extended_from=end))
        seen = np.concatenate([found.blend, found.own, found.extension])[:, 0]
        assert np.unique(seen.round(6)) == pytest.approx(0.2 * np.arange(11))


def test_the_stop_is_the_first_pose_that_stands():
    found = parts(plan(speeds=(2.0, 1.0, 0.0, 0.0), extended_from=4))
    assert found.stop == Pose(0.4, 0.0, 0.0)


def test_a_plan_of_nothing_has_no_part():
    empty = replace(plan(speeds=()), extended_from=0)
    found = parts(empty)
    assert not len(found.blend) + len(found.own) + len(found.extension)
    assert found.stop is None


def test_the_wall_stands_across_the_way():
    # Facing left (+y) at (1, 2): 3 m ahead is (1, 5), and left of that is -x.
    ends = wall(Pose(1.0, 2.0, math.pi / 2), 3.0, 2.0)
    assert ends == pytest.approx(np.array([[0.0, 5.0], [2.0, 5.0]]))
