# SPDX-License-Identifier: Apache-2.0
"""The baselines of the recorded data, and what a score does not hide."""

import math
from dataclasses import replace

import numpy as np
import pytest
import recordings as made

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import Odometry, Pose
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.replay import replay
from impromptu_vla_ros.evaluation.score import pose_difference, score
from impromptu_vla_ros.models import create_model

SECONDS = (1, 2, 3)


def replayed(path, dialect='nuscenes'):
    with Bag(path) as bag:
        return replay(bag, Planner(DIALECTS[dialect]), create_model('kinematic'))


@pytest.mark.parametrize('dialect', ['nuscenes', 'kitti'])
@pytest.mark.parametrize(
    ('name', 'anchors', 'velocity', 'turn_rate'),
    [
        ('kitti_odo00', 12, (0.46, 1.51, 3.24), (0.45, 1.49, 3.20)),
        ('kitti_odo06', 2, (0.06, 0.19, 0.29), (0.03, 0.06, 0.15)),
        ('kitti_raw_queue_stop', 7, (0.38, 1.25, 2.43), (0.38, 1.25, 2.43)),
    ],
)
def test_baselines_of_the_bags(data, name, anchors, velocity, turn_rate, dialect):
    result = replayed(data / 'bags' / name, dialect)
    found = score(result.path, result.plans, result.dialect.horizon)
    assert len(found.anchors) == anchors
    assert found.constant_velocity.pointwise(SECONDS) == pytest.approx(velocity, abs=0.10)
    assert found.constant_turn_rate.pointwise(SECONDS) == pytest.approx(turn_rate, abs=0.10)
    assert found.coverage == 1.0
    assert found.plan.known(SECONDS) == [anchors] * 3


def comma_path(data):
    rows = np.genfromtxt(data / 'comma2k19_example1_ego' / 'ego.csv', delimiter=',', names=True)
    return DrivenPath.of(
        Odometry(made.at(float(t)), Pose(float(x), float(y), float(yaw)), float(v), 0.0, 0.0)
        for t, x, y, yaw, v in rows
    )


def test_baselines_of_the_comma_drive(data):
    found = score(comma_path(data), {}, 3.0)
    assert len(found.anchors) == 111
    assert found.constant_velocity.pointwise(SECONDS) == pytest.approx(
        (0.31, 1.02, 2.11), abs=0.006
    )
    assert found.constant_turn_rate.pointwise(SECONDS) == pytest.approx(
        (0.31, 1.03, 2.16), abs=0.006
    )
    assert found.coverage == 0.0
    assert all(math.isnan(value) for value in found.plan.pointwise(SECONDS))


@pytest.fixture(scope='module')
def circle(tmp_path_factory):
    return replayed(made.write(tmp_path_factory.mktemp('circle') / 'bag', made.drive(9.0)))


def test_on_a_circle_turn_rate_is_exact_and_velocity_is_not(circle):
    found = score(circle.path, circle.plans, 3.0)
    assert found.constant_turn_rate.pointwise(SECONDS) == pytest.approx([0.0] * 3, abs=0.01)
    assert found.plan.pointwise(SECONDS) == pytest.approx([0.0] * 3, abs=0.03)
    assert found.constant_velocity.pointwise([3])[0] > 2.0


def test_the_two_protocols_differ_and_are_what_they_say(circle):
    found = score(circle.path, circle.plans, 3.0).constant_velocity
    mean = found.rows.mean(axis=0)
    assert found.pointwise(SECONDS) == pytest.approx([mean[1], mean[3], mean[5]])
    assert found.cumulative_mean(SECONDS) == pytest.approx([mean[: 2 * n].mean() for n in SECONDS])


def test_a_missing_plan_lowers_the_coverage_and_not_the_mean(circle):
    whole = score(circle.path, circle.plans, 3.0)
    gone = whole.anchors[2]
    rest = {s: plan for s, plan in circle.plans.items() if abs(s - gone) > 0.3e9}
    found = score(circle.path, rest, 3.0)
    assert found.captures[2] is None
    assert not found.answered[2]
    assert found.coverage == pytest.approx(1.0 - 1.0 / len(whole.anchors))
    assert found.plan.known([3]) == [len(whole.anchors) - 1]
    assert found.constant_velocity.known([3]) == [len(whole.anchors)]
    assert len(found.constant_velocity.at(found.answered).rows) == len(whole.anchors) - 1


def test_a_plan_is_scored_from_its_own_capture_stamp(circle):
    found = score(circle.path, circle.plans, 3.0)
    assert all(
        abs(capture - anchor) <= 0.1e9 for capture, anchor in zip(found.captures, found.anchors)
    )
    assert set(found.captures) <= set(circle.plans)


def test_the_fifth_second_is_reported_where_dialect_and_recording_have_it(tmp_path):
    path = made.write(tmp_path / 'bag', made.drive(8.0))
    result = replayed(path, 'kitti')
    found = score(result.path, result.plans, result.dialect.horizon)
    assert found.seconds == (1, 2, 3, 5)
    known = found.plan.known(found.seconds)
    assert known[2] == len(found.anchors)
    assert 0 < known[3] < known[2]
    assert math.isfinite(found.plan.pointwise([5])[0])


def test_a_recording_too_short_to_score_has_no_anchor(tmp_path):
    result = replayed(made.write(tmp_path / 'bag', made.drive(3.0)))
    found = score(result.path, result.plans, 3.0)
    assert found.anchors == ()
    assert math.isnan(found.coverage)
    assert all(math.isnan(value) for value in found.plan.cumulative_mean(SECONDS))
    assert np.isnan(found.plan.curve()).tolist() == [True] * 6


def test_the_difference_of_plans_sees_poses_and_anchor(circle):
    plan = next(iter(circle.plans.values()))
    poses = plan.poses.copy()
    poses[-1, 1] += 0.002
    moved = replace(plan, poses=poses)
    assert pose_difference(plan, plan) == 0.0
    assert pose_difference(plan, moved) == pytest.approx(0.002, rel=0.1)
    aside = Pose(plan.anchor.x, plan.anchor.y + 0.5, plan.anchor.yaw)
    assert pose_difference(plan, replace(plan, anchor=aside)) == pytest.approx(0.5)
    assert pose_difference(plan, replace(plan, poses=plan.poses[:-1])) == math.inf
