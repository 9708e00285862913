# SPDX-License-Identifier: Apache-2.0
"""Plans are published for a drive, in the frame and namespace asked for, by the newest frame."""

import threading
from time import monotonic, sleep

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rclpy.qos import qos_profile_sensor_data
from rig import RATE, SPEED, Car, captured, points
from sensor_msgs.msg import CameraInfo
from visualization_msgs.msg import MarkerArray

from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.messages import nanoseconds


def test_a_drive_gives_plans(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: len(captured(seen.plans)) >= 5, car)
    plan = seen.answered[-1]
    assert plan.header.frame_id == plan.anchor_frame_id == 'odom'
    assert (plan.model, plan.dialect, plan.tier) == ('kinematic', 'nuscenes', plan.TIER_FRESH)
    # Laid where the picture was taken, and begun where the car is now.
    now, capture = nanoseconds(plan.header.stamp), nanoseconds(plan.capture_stamp)
    assert plan.anchor.position.x == pytest.approx(car.x(capture), abs=1e-6)
    times = np.array([nanoseconds(point.time_from_start) for point in plan.points]) / 1e9
    own = times <= 3.0 - (now - capture) / 1e9
    assert plan.extended_from == own.sum()
    # A waypoint is rounded to a centimetre, and the last interval is where it is told.
    assert points(plan)[own, 0] == pytest.approx(car.x(now) + SPEED * times[own], abs=0.05)
    assert points(plan)[0] == pytest.approx([car.x(now), 0.0], abs=1e-3)
    stamps = captured(seen.plans)
    assert stamps == sorted(stamps)
    assert plan.frames_used >= 5 and plan.frames_seen >= plan.frames_used
    assert plan.frames_dropped == 0
    assert 'model' in {stage.name for stage in plan.latencies}


def test_the_path_is_the_plan(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    rig.heard(car)

    def pair():
        return next(
            ((a, b) for a in seen.answered for b in seen.paths if a.header == b.header), None
        )

    rig.until(pair, car)
    plan, path = pair()
    assert [pose.pose for pose in path.poses] == [point.pose for point in plan.points]
    assert [nanoseconds(pose.header.stamp) for pose in path.poses] == [
        nanoseconds(plan.header.stamp) + nanoseconds(p.time_from_start) for p in plan.points
    ]


@pytest.mark.parametrize('rate', [RATE, 25.0])
def test_plans_come_at_the_rate_whatever_the_model_does(rig, rate, monkeypatch):
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: SlowModel(0.7))
    _, seen = rig.planner(output__rate=rate)
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    before = len(seen.plans)
    rig.until(lambda: len(seen.plans) > before + 2.0 * rate, car)
    stamps = np.array([nanoseconds(plan.header.stamp) for plan in seen.plans[before:]]) / 1e9
    assert np.median(np.diff(stamps)) == pytest.approx(1.0 / rate, rel=0.1)
    assert (stamps[-1] - stamps[0]) * rate == pytest.approx(len(stamps) - 1, rel=0.3)
    # Several plans of each answer: none of them waited for the next.
    assert 2 <= len(captured(seen.plans[before:])) <= 5


def test_before_any_answer_the_car_stops(rig, monkeypatch):
    gate = threading.Event()
    model = SlowModel(0.0)
    answer = model.answer
    model.answer = lambda query: gate.wait(60.0) and answer(query)
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.self_test', lambda *_: '')
    _, seen = rig.planner()
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: len(seen.plans) > 5, car)
    assert not seen.answered
    assert {plan.tier for plan in seen.plans} == {seen.plans[0].TIER_STANDING}
    assert 8.0 < seen.plans[0].points[0].longitudinal_velocity <= SPEED
    gate.set()
    rig.until(lambda: seen.answered, car)


@pytest.mark.parametrize('frame', ['odom', 'base_link'])
def test_the_frame_of_the_output_is_chosen(rig, frame):
    _, seen = rig.planner(output__frame=frame, base_frame='rear_axle')
    car = Car(rig.node)
    state = car.state
    car.state = lambda stamp: _of(state(stamp), 'rear_axle')
    rig.heard(car)
    rig.until(lambda: seen.answered and seen.paths, car)
    plan = seen.answered[-1]
    assert plan.header.frame_id == ('odom' if frame == 'odom' else 'rear_axle')
    assert plan.anchor_frame_id == 'odom'
    # The anchor stays in the continuous frame; the points begin at the car of the header's time.
    assert plan.anchor.position.x == pytest.approx(car.x(nanoseconds(plan.capture_stamp)))
    starts = car.x(nanoseconds(plan.header.stamp)) if frame == 'odom' else 0.0
    assert points(plan)[0] == pytest.approx([starts, 0.0], abs=1e-3)
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
    rig.until(lambda: len(left.answered) > 1, cars[0])
    assert not right.plans
    rig.until(lambda: len(right.answered) > 1, cars[1])
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
    rig.until(lambda: seen.answered, car)
    plan = seen.answered[-1]
    assert plan.dialect == 'navsim' and plan.extended_from > 40
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
    rig.until(lambda: len(captured(seen.plans)) >= 4, car)
    asked = model.asked[1:]  # the first was the warm-up
    gaps = np.diff(asked) / 1e9
    # 10 frames a second and 0.4 s an answer: frames in between are passed over.
    assert gaps.min() > 0.25
    for stamp in asked[1:]:
        # Asked right after the last answer, about a frame as young as they come.
        assert stamp in sent
    for plan in seen.answered:
        age = next(age for age in plan.ages if age.name == 'answer')
        told = nanoseconds(plan.header.stamp) - nanoseconds(plan.capture_stamp)
        # A plan begins half a step before it is published.
        assert nanoseconds(age.duration) == pytest.approx(told + 5e7, abs=1e3)
        # Two answers' time at most: until the next one is there.
        assert told < 1.2e9


def test_the_rate_can_be_bounded(rig):
    _, seen = rig.planner(max_rate=4.0)
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    started, before = monotonic(), len(captured(seen.plans))
    rig.until(lambda: monotonic() - started > 2.0, car)
    # It bounds the questions; plans come as ever.
    assert 6 <= len(captured(seen.plans)) - before <= 9
    assert len(seen.plans) > 15


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


def test_the_plan_is_marked_for_who_listens(rig):
    _, seen = rig.planner()
    car, heard = Car(rig.node), []
    rig.heard(car)
    rig.node.create_subscription(MarkerArray, '/planner/debug/markers', heard.append, 1)
    rig.until(lambda: heard and seen.answered, car)
    text = next(marker for marker in heard[-1].markers if marker.ns == 'text')
    assert text.header.frame_id == 'base_link'
    assert (text.pose.position.x, text.pose.position.y) == (0.0, 0.0)
    assert text.text.startswith(('fresh', 'standing'))


def test_the_lens_comes_from_camera_info(rig):
    _, seen = rig.planner(debug__image=True)
    car = Car(rig.node)
    topic = '/planner/input/camera/front/camera_info'
    infos = rig.node.create_publisher(CameraInfo, topic, qos_profile_sensor_data)
    rig.heard(car)
    rig.until(lambda: len(seen.answered) > 2 and infos.get_subscription_count(), car)
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
    rig.until(lambda: seen.answered, car)
    assert threads == {'model'}
