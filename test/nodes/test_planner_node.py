# SPDX-License-Identifier: Apache-2.0
"""Plans are published for a drive, in the frame and namespace asked for, by the newest frame."""

import threading
from time import monotonic, sleep

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rclpy.qos import qos_profile_sensor_data
from rig import SPEED, Car, points
from sensor_msgs.msg import CameraInfo

from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.messages import nanoseconds


def test_a_drive_gives_plans(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: len(seen.plans) >= 5 and len(seen.paths) >= 5, car)
    plan, path = seen.plans[-1], seen.paths[-1]
    assert plan.header.frame_id == path.header.frame_id == plan.anchor_frame_id == 'odom'
    assert plan.header.stamp == plan.capture_stamp
    assert (plan.model, plan.dialect, plan.tier) == ('kinematic', 'nuscenes', plan.TIER_FRESH)
    assert [nanoseconds(p.time_from_start) for p in plan.points] == [
        500_000_000 * k for k in range(7)
    ]
    ahead = points(plan)[:, 0] - plan.anchor.position.x
    assert ahead == pytest.approx(0.5 * SPEED * np.arange(7), abs=0.05)
    assert len(path.poses) == 7
    stamps = [nanoseconds(each.capture_stamp) for each in seen.plans]
    assert stamps == sorted(set(stamps))
    assert plan.frames_used >= 5 and plan.frames_seen >= plan.frames_used
    assert plan.frames_dropped == 0
    assert 'model' in {stage.name for stage in plan.latencies}


@pytest.mark.parametrize('frame', ['odom', 'base_link'])
def test_the_frame_of_the_output_is_chosen(rig, frame):
    _, seen = rig.planner(output__frame=frame, base_frame='rear_axle')
    car = Car(rig.node)
    state = car.state
    car.state = lambda stamp: _of(state(stamp), 'rear_axle')
    rig.heard(car)
    rig.until(lambda: seen.plans and seen.paths, car)
    plan = seen.plans[-1]
    assert plan.header.frame_id == ('odom' if frame == 'odom' else 'rear_axle')
    assert plan.anchor_frame_id == 'odom'
    starts = plan.anchor.position.x if frame == 'odom' else 0.0
    assert points(plan)[0] == pytest.approx([starts, 0.0], abs=1e-6)
    assert seen.paths[-1].header.frame_id == plan.header.frame_id


def _of(message, child):
    message.child_frame_id = child
    return message


def test_two_planners_share_a_graph(rig):
    _, left = rig.planner(namespace='/left')
    _, right = rig.planner(namespace='/right', output__frame='base_link')
    cars = [Car(rig.node, f'/{side}/planner') for side in ('left', 'right')]
    for car in cars:
        rig.heard(car)
    rig.until(lambda: len(left.plans) > 1, cars[0])
    assert not right.plans
    rig.until(lambda: len(right.plans) > 1, cars[1])
    assert {plan.header.frame_id for plan in left.plans} == {'odom'}
    assert {plan.header.frame_id for plan in right.plans} == {'base_link'}
    rig.reported(left)
    assert left.diagnostics['state'].name == '/left/planner: state'
    assert right.diagnostics['state'].name == '/right/planner: state'


def test_three_cameras(rig):
    cameras = ('front', 'front_right', 'front_left')
    _, seen = rig.planner(dialect='navsim', cameras=list(cameras))
    car = Car(rig.node, cameras=cameras)
    rig.heard(car)
    rig.until(lambda: seen.plans, car)
    plan = seen.plans[-1]
    assert plan.dialect == 'navsim' and len(plan.points) == 11
    assert plan.frames_used % 3 == 0 and plan.frames_used <= plan.frames_seen


class SlowModel:
    """Answers with the rollout after a while, and notes what it was asked."""

    def __init__(self, seconds):
        self.seconds, self.asked = seconds, []

    def answer(self, query):
        self.asked.append(query.stamp)
        sleep(self.seconds)
        return Answer(query.rollout)


def test_the_newest_frame_wins_and_nothing_queues(rig, monkeypatch):
    model = SlowModel(0.4)
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    _, seen = rig.planner()
    car = Car(rig.node)
    sent = []
    picture = car.picture
    car.picture = lambda stamp: sent.append(stamp) or picture(stamp)
    rig.heard(car)
    rig.until(lambda: len(seen.plans) >= 4, car)
    asked = model.asked[1:]  # the first was the warm-up
    gaps = np.diff(asked) / 1e9
    # 10 frames a second and 0.4 s an answer: frames in between are passed over.
    assert gaps.min() > 0.25
    for stamp in asked[1:]:
        # Asked right after the last answer, about a frame as young as they come.
        assert stamp in sent
    ages = [next(a for a in plan.ages if a.name == 'answer') for plan in seen.plans]
    assert max(nanoseconds(age.duration) for age in ages) < 0.8e9


def test_the_rate_can_be_bounded(rig):
    _, seen = rig.planner(max_rate=4.0)
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.plans, car)
    started, before = monotonic(), len(seen.plans)
    rig.until(lambda: monotonic() - started > 2.0, car)
    assert 6 <= len(seen.plans) - before <= 9


def test_the_plan_is_drawn_on_request(rig):
    _, seen = rig.planner(debug__image=True, camera__front__fov_deg=70.0)
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.pictures, car)
    picture = seen.pictures[-1]
    assert (picture.width, picture.height, picture.encoding) == (64, 36, 'rgb8')
    assert picture.header.frame_id == 'camera'
    pixels = np.frombuffer(picture.data, np.uint8).reshape(36, 64, 3)
    greener = pixels[..., 1].astype(int) - pixels[..., 0]
    assert (greener > 60).any()
    assert (greener[:10] < 60).all()  # the sky stays


def test_the_lens_comes_from_camera_info(rig):
    _, seen = rig.planner(debug__image=True)
    car = Car(rig.node)
    topic = '/planner/input/camera/front/camera_info'
    infos = rig.node.create_publisher(CameraInfo, topic, qos_profile_sensor_data)
    rig.heard(car)
    rig.until(lambda: len(seen.plans) > 2 and infos.get_subscription_count(), car)
    assert not seen.pictures
    infos.publish(CameraInfo(width=64, height=36))  # not calibrated
    lens = CameraInfo(width=128, height=72, k=[120.0, 0.0, 64.0, 0.0, 120.0, 36.0, 0.0, 0.0, 1.0])
    infos.publish(lens)
    rig.until(lambda: seen.pictures, car)


def test_nothing_is_planned_by_a_thread_of_the_executor(rig, monkeypatch):
    threads = set()
    model = SlowModel(0.0)
    answer = model.answer
    model.answer = lambda query: threads.add(threading.current_thread().name) or answer(query)
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    _, seen = rig.planner()
    threads.clear()
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.plans, car)
    assert threads == {'model'}
