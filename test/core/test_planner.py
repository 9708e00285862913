# SPDX-License-Identifier: Apache-2.0
"""Samples in, question out, answer in, plan out."""

import numpy as np
import pytest
from drives import at, odometry, picture, pose_after

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import Answer, NotReady, Query
from impromptu_vla_ros.core.told import in_base_link, relative_poses

DRIVABLE = [name for name, dialect in DIALECTS.items() if dialect.deployable]


def driven(name, until=4.0, **motion_):
    planner = Planner(DIALECTS[name])
    for time in np.arange(0.0, until + 1e-9, 0.05):
        planner.observe(odometry(float(time), **motion_))
    for camera in DIALECTS[name].cameras:
        planner.observe(picture(until, camera))
    return planner


@pytest.mark.parametrize('name', DRIVABLE)
def test_the_rollout_told_back_is_the_drive_itself(name):
    planner = driven(name)
    query = planner.ask(at(4.02))
    assert isinstance(query, Query)
    assert query.prompt.count('<image>') == len(query.images)
    plan = planner.tell(query, Answer(query.rollout, {'model': 0.1}), at(4.1))
    truth = [pose_after(4.0 + t) for t in plan.times]
    np.testing.assert_allclose(plan.poses[:, 0], [p.x for p in truth], atol=0.06)
    np.testing.assert_allclose(plan.poses[:, 1], [p.y for p in truth], atol=0.06)
    np.testing.assert_allclose(plan.speeds, 10.0 + 0.5 * plan.times, atol=0.3)
    assert len(plan.times) == DIALECTS[name].waypoints + 1 == plan.extended_from
    assert (plan.stamp, plan.frame_id, plan.dialect) == (at(4.0), 'odom', name)
    published = planner.plan(at(4.1))
    # Half a step ago: then the ego is beside the first segment, and none jumps.
    assert (published.stamp, published.tier) == (at(4.05), 'fresh')
    assert published.ages['answer'] == pytest.approx(0.1)


def test_the_prompt_prints_the_lidar_and_the_plan_the_rear_axle():
    planner = driven('nuscenes', acceleration=0.0)
    query = planner.ask(at(4.0))
    # Half a second ago the axle was at 8·sin(-0.1)/0.2 = -3.99, 8·(1 - cos(0.1))/0.2 = 0.20;
    # the lidar 0.94·(cos(-0.1) - 1, sin(-0.1)) = (0, -0.09) from there.
    assert '(t-0.5s) [-4.0, 0.11]' in query.prompt
    assert 'Velocity: 8.0 m/s' in query.prompt
    said = codec.decode_trajectory(DIALECTS['nuscenes'], query.rollout).points
    plan = planner.tell(query, Answer(query.rollout), at(4.0))
    axle = motion.rollout(8.0, 0.2, 0.0, plan.times[1:])
    np.testing.assert_allclose(relative_poses(plan)[1:, :2], axle[:, :2], atol=0.03)
    np.testing.assert_allclose(said, motion.point_ahead(axle, 0.94), atol=0.01)


def test_forward_differences_use_the_prediction():
    query = driven('kitti', yaw_rate=0.0).ask(at(4.0))
    # 10 m/s, 0.5 m/s²: 5.06 m in the next half second; v(0) = 10.12.
    assert query.prompt.endswith('Velocity: X 10.12, Y 0.00 m/s\n')


def test_a_plan_in_base_link_starts_at_the_origin():
    planner = driven('kitti')
    query = planner.ask(at(4.0))
    plan = in_base_link(planner.tell(query, Answer(query.rollout), at(4.0)), 'base_link')
    np.testing.assert_allclose(plan.poses[0], 0.0, atol=1e-12)
    assert (plan.frame_id, plan.anchor_frame_id) == ('base_link', 'odom')


def test_refusals_are_counted_and_the_next_question_goes_on():
    planner = driven('kitti')
    query = planner.ask(at(4.0))
    with pytest.raises(AnswerError):
        planner.tell(query, Answer('I cannot say.'), at(4.0))
    assert isinstance(planner.ask(at(4.0)), NotReady)
    planner.observe(odometry(4.05))
    planner.observe(picture(4.05))
    query = planner.ask(at(4.06))
    planner.tell(query, Answer(query.rollout), at(4.1))
    assert planner.counts == {'asked': 2, 'refused': 1, 'answered': 1, 'followed': 1}


def test_an_answer_from_before_a_clock_jump_is_refused():
    planner = driven('kitti', until=8.0)
    query = planner.ask(at(8.0))
    for time in (1.0, 1.05, 1.1):
        planner.observe(odometry(time))
    with pytest.raises(AnswerError, match='nobody waits'):
        planner.tell(query, Answer(query.rollout), at(8.0))


def test_an_implausible_plan_says_so():
    planner = driven('kitti')
    query = planner.ask(at(4.0))
    wild = codec.encode_trajectory(DIALECTS['kitti'], np.full((10, 2), -30.0))
    assert planner.tell(query, Answer(wild), at(4.0)).violations[0].startswith('reverses')


def test_a_current_pose_as_first_waypoint_shortens_the_plan():
    planner = driven('kitti', yaw_rate=0.0, acceleration=0.0)
    query = planner.ask(at(4.0))
    shifted = np.column_stack([4.0 * np.arange(10), np.zeros(10)])
    answer = Answer(codec.encode_trajectory(DIALECTS['kitti'], shifted))
    plan = planner.tell(query, answer, at(4.0))
    np.testing.assert_allclose(relative_poses(plan)[:, 0], 4.0 * np.arange(10))


def test_without_twist_the_prompt_is_positions_only():
    planner = driven('nuscenes', twist=False)
    assert 'Velocity' not in planner.ask(at(4.0)).prompt
