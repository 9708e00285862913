# SPDX-License-Identifier: Apache-2.0
"""Faults while driving: the tier that follows, what diagnostics say and when, and the recovery."""

import signal
import sys
import threading

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus
from rig import FRESH, HELD, RATE, Car, SimulatedCar, captured, points

from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.messages import nanoseconds
from impromptu_vla_ros.msg import DrivingPlan

T = DrivingPlan
WELL = DiagnosticStatus.OK
NUSCENES = DIALECTS['nuscenes']
# Six waypoints reach 3 s, and the last second of them is not driven on.
HELD_NUSCENES = 2.0
# Diagnostics come once a second: a fault that shows after so long is told within this, s.
REPORTING = 1.5
STALE = 1.0 + REPORTING


def stamp(plan):
    """Return a plan's stamp in ns."""
    return nanoseconds(plan.header.stamp)


def driving(rig, seen, *cars, answers=6):
    """Drive until plans of several answers came in a row, and all of the car is known."""
    for car in cars:
        rig.heard(car)
    seen.plans.clear()
    rig.until(lambda: len(captured(seen.plans)) >= answers and seen.tier == T.TIER_FRESH, *cars)


def until_told(rig, seen, status, words, cars, within):
    """Wait until a status says something; fail if that takes longer than `within` s."""

    def told():
        return status in seen.diagnostics and words in seen.diagnostics[status].message

    rig.until(told, *cars, patience=within)
    return seen.diagnostics[status]


def steady(plans, rate=RATE):
    """Fail unless plans came at the rate all the time, by their stamps."""
    gaps = np.diff([stamp(plan) for plan in plans]) / 1e9
    assert gaps.min() > 0.0
    # Autoware's controllers miss a trajectory after 0.9 s.
    assert gaps.max() < 0.9, 'a pause in publishing'
    assert np.mean(gaps) == pytest.approx(1.0 / rate, rel=0.15)


def follow_the_ages(plans, last, held):
    """Fail unless the tier of each plan is that of the age of the answer captured at `last`."""
    tiers = {T.TIER_FRESH: 0, T.TIER_HELD: 0, T.TIER_STOPPING: 0}
    for plan in plans:
        if captured([plan]) not in ([], [last]):
            continue  # still of an answer before
        age = (stamp(plan) - last) / 1e9 + 0.05  # it begins half a step before it is published
        if plan.answer or age > held:
            wanted = T.TIER_FRESH if age < FRESH else T.TIER_HELD
            assert plan.tier == (wanted if age <= held else T.TIER_STOPPING), age
            tiers[plan.tier] += 1
    assert all(tiers.values()), tiers


def recovered(rig, seen, *cars, within):
    """Drive until plans are fresh again; fail if that takes longer than `within` s."""
    before = len(seen.answered)
    rig.until(
        lambda: len(seen.answered) > before + 2 and seen.tier == T.TIER_FRESH,
        *cars,
        patience=within,
    )
    rig.until(lambda: seen.diagnostics['plans'].level == WELL, *cars, patience=1.0 + REPORTING)


class ObedientCar(Car):
    """A car that goes where the newest plan wants it, at first 4 m/s straight ahead."""

    def __init__(self, node, seen):
        super().__init__(node)
        self._seen = seen
        self._at, self._x, self._v = None, 0.0, 4.0

    def state(self, stamp_):
        message = super().state(stamp_)
        if self._at is not None:
            self._x += self._v * (stamp_ - self._at) / 1e9
        self._at = stamp_
        if self._seen.plans:
            plan = self._seen.plans[-1]
            times = [nanoseconds(point.time_from_start) / 1e9 for point in plan.points]
            speeds = [point.longitudinal_velocity for point in plan.points]
            self._v = float(np.interp((stamp_ - stamp(plan)) / 1e9 + 0.05, times, speeds))
        message.pose.pose.position.x = self._x
        message.twist.twist.linear.x = self._v
        return message

    def cruise(self):
        """Return the answer that brings the car back to 4 m/s: a rollout keeps its braking."""
        times = np.linspace(0.0, 3.0, 301)
        way = np.cumsum(np.minimum(self._v + times, 4.0)) * 0.01
        return encode_trajectory(NUSCENES, [(way[50 * k], 0.0) for k in range(1, 7)])


def test_the_camera_stops_and_the_car_comes_to_a_stand(rig, monkeypatch):
    model = Scripted(lambda query: query.rollout)
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    _, seen = rig.planner()
    car = ObedientCar(rig.node, seen)
    model.act = lambda _: car.cruise()
    driving(rig, seen, car)
    silent, publishers = dict(car.cameras), car.cameras
    publishers.clear()
    front = until_told(rig, seen, 'front', 'stale', [car], STALE)
    assert front.level == front.ERROR
    plans = until_told(rig, seen, 'plans', 'stopping', [car], HELD_NUSCENES + REPORTING)
    assert plans.level == plans.WARN
    rig.until(lambda: seen.plans[-1].points[0].longitudinal_velocity < 0.01, car)
    assert seen.tier == T.TIER_STOPPING
    follow_the_ages(seen.plans, captured(seen.plans)[-1], HELD_NUSCENES)
    steady(seen.plans)
    stops = [p for p in seen.plans if not p.answer]
    speeds = np.array([p.points[0].longitudinal_velocity for p in stops])
    changes = np.diff(speeds) / np.diff([stamp(p) / 1e9 for p in stops])
    # As the stop plan brakes, without letting go and without falling on its nose.
    assert changes.max() < 1.0 and changes.min() > -4.5
    publishers.update(silent)
    driving(rig, seen, car)


def test_one_of_three_cameras_stops(rig):
    cameras = ('front', 'front_right', 'front_left')
    _, seen = rig.planner(dialect='navsim', cameras=list(cameras))
    car = Car(rig.node, cameras=cameras)
    driving(rig, seen, car)
    silent = car.cameras.pop('front_left')
    left = until_told(rig, seen, 'front_left', 'stale', [car], STALE)
    assert left.level == left.ERROR
    rig.until(lambda: seen.tier == T.TIER_STOPPING, car, patience=HELD + 0.5)
    follow_the_ages(seen.plans, captured(seen.plans)[-1], HELD)
    steady(seen.plans)
    plans = until_told(rig, seen, 'plans', 'stopping', [car], REPORTING)
    assert 'front_left stale' in plans.message
    assert seen.diagnostics['front'].level == seen.diagnostics['front_right'].level == WELL
    car.cameras['front_left'] = silent
    recovered(rig, seen, car, within=3.0)


def test_odometry_stops(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    driving(rig, seen, car)
    publish, car.odometry = car.odometry, Silent()
    rig.until(lambda: seen.tier == T.TIER_STOPPING, car, patience=HELD_NUSCENES + 0.5)
    follow_the_ages(seen.plans, captured(seen.plans)[-1], HELD_NUSCENES)
    # Where the plan wants the car is where it is, while the plan is driven.
    for plan in seen.answered:
        assert points(plan)[0] == pytest.approx([car.x(stamp(plan)), 0.0], abs=0.05)
    odometry = until_told(rig, seen, 'odometry', 'stale', [car], REPORTING)
    assert odometry.level == odometry.ERROR
    assert 'odometry' in until_told(rig, seen, 'plans', 'stopping', [car], REPORTING).message
    car.odometry = publish
    recovered(rig, seen, car, within=3.0)
    steady(seen.plans)


class Silent:
    """A publisher that fell silent."""

    def publish(self, message):
        """Say nothing."""


@pytest.mark.parametrize('axis', ['along', 'across'])
def test_odometry_jumps_five_metres_and_the_plan_moves_along(rig, monkeypatch, axis):
    # Answers come slowly, so that those of before are followed behind the jump.
    monkeypatch.setattr(
        'impromptu_vla_ros.nodes.loading.load_model',
        lambda _: Scripted(lambda query: QUIET.wait(0.6) or query.rollout),
    )
    _, seen = rig.planner()
    car = Car(rig.node)
    driving(rig, seen, car, answers=2)
    ahead, aside = (5.0, 0.0) if axis == 'along' else (0.0, 5.0)
    state = car.state

    def jumped(at):
        message = state(at)
        message.pose.pose.position.x += ahead
        message.pose.pose.position.y += aside
        return message

    car.state, jump = jumped, car.now()
    odometry = until_told(rig, seen, 'odometry', 'the pose jumped', [car], REPORTING)
    assert odometry.level == odometry.WARN and seen.value('odometry', 'pose jumps') == '1'
    rig.until(lambda: captured(seen.plans)[-1] > jump + 1e9, car)
    behind = [plan for plan in seen.plans if stamp(plan) > jump + 0.2e9]
    assert {plan.tier for plan in behind} == {T.TIER_FRESH}
    assert [plan for plan in behind if nanoseconds(plan.capture_stamp) < jump]
    for plan in behind:
        times = np.array([nanoseconds(p.time_from_start) for p in plan.points[:15]]) / 1e9
        x = car.x(stamp(plan)) + ahead + 10.0 * times
        assert points(plan)[:15, 0] == pytest.approx(x, abs=0.06)
        assert points(plan)[:, 1] == pytest.approx(aside, abs=0.06)
    steady(seen.plans)


def test_the_clock_jumps_back(rig):
    _, seen = rig.planner(use_sim_time=True)
    car = SimulatedCar(rig.node)
    rig.until(lambda: car.clock.get_subscription_count() > 0)
    driving(rig, seen, car)
    car.time = jump = car.time - 30 * 1_000_000_000
    seen.plans.clear()
    rig.until(lambda: len(captured(seen.plans)) > 6, car)
    stamps = [stamp(plan) for plan in seen.plans]
    # What was under way when the clock jumped may still arrive.
    after = seen.plans[next(k for k, each in enumerate(stamps) if each < jump + 20e9) :]
    for plan in after:
        assert jump <= stamp(plan) <= car.time
        assert not plan.answer or jump < nanoseconds(plan.capture_stamp) <= stamp(plan)
    steady(after)
    assert after[-1].tier == T.TIER_FRESH
    rig.until(lambda: seen.value('plans', 'clock jumps') not in ('', '0'), car, patience=REPORTING)


class Scripted:
    """A model that answers what a function makes of the query."""

    def __init__(self, act):
        self.act = act

    def answer(self, query):
        """Answer with the text that the function returns."""
        return Answer(self.act(query))


QUIET, GATE = threading.Event(), threading.Event()


def hang(_):
    """Not come back until the gate opens."""
    GATE.wait(60.0)
    return 'too late'


def raises(_):
    """Fail."""
    raise RuntimeError('out of memory')


def swerve(_):
    """Answer in good form what no car can drive."""
    return encode_trajectory(NUSCENES, [(1.0, 20.0 * (-1) ** k) for k in range(1, 7)])


FAULTS = {
    'hangs': (hang, 'cannot be stopped', 'ERROR'),
    'raises': (raises, 'RuntimeError: out of memory', 'WARN'),
    'nonsense': (lambda _: 'I see a road.', 'waypoint', 'WARN'),
    'undrivable': (swerve, 'lateral_acceleration: ', 'WARN'),
}


@pytest.mark.parametrize('name', FAULTS)
def test_the_model_fails_and_the_last_answer_holds(rig, monkeypatch, name):
    act, words, level = FAULTS[name]
    GATE.clear()
    model = Scripted(lambda query: query.rollout)
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    _, seen = rig.planner(model__timeout=0.2)
    car = Car(rig.node)
    driving(rig, seen, car)
    model.act = act
    try:
        answers = until_told(rig, seen, 'answers', words, [car], 0.2 + REPORTING)
        assert answers.level == getattr(answers, level)
        rig.until(lambda: seen.tier == T.TIER_STOPPING, car, patience=HELD_NUSCENES + 0.5)
        follow_the_ages(seen.plans, captured(seen.plans)[-1], HELD_NUSCENES)
        until_told(rig, seen, 'plans', 'stopping', [car], REPORTING)
    finally:
        model.act = lambda query: query.rollout
        GATE.set()
    recovered(rig, seen, car, within=3.0)
    steady(seen.plans)


def test_a_killed_node_plans_again_when_it_is_started_again(rig, start):
    module = 'impromptu_vla_ros.nodes.planner_node'
    given = ['-p', 'autostart:=true', '-p', 'model.name:=kinematic']
    command = [sys.executable, '-m', module, '--ros-args', *given]
    child, seen, car = start(command), rig.seen(), Car(rig.node)
    driving(rig, seen, car)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    killed = car.now()
    start(command)
    rig.until(lambda: any(stamp(plan) > killed for plan in seen.answered), car)
    after = [plan for plan in seen.plans if stamp(plan) > killed]
    # Of the old process nothing is left: it first stops, then plans of its own pictures.
    assert all(each > killed for each in captured(after))
    rig.until(lambda: seen.tier == T.TIER_FRESH and captured(seen.plans)[-1] > killed, car)


def test_a_burst_of_messages_stops_nothing(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    driving(rig, seen, car)

    def received():
        return int(seen.value('odometry', 'received') or 0)

    before, step, last = received(), car.step, car.now()

    def burst(at=None):
        nonlocal last
        begin, last = last, car.now()
        for part in np.linspace(begin, last, 101)[1:]:
            at = int(part)
            car.odometry.publish(car.state(at))
            for publisher in car.cameras.values():
                publisher.publish(car.picture(at))

    car.step = burst
    rig.until(lambda: received() > before + 1000, car)
    car.step = step
    assert {plan.tier for plan in seen.plans} == {T.TIER_FRESH}
    steady(seen.plans)
    recovered(rig, seen, car, within=3.0)


def test_two_publishers_that_contradict_each_other_stop_the_car(rig):
    _, seen = rig.planner()
    car, twin = Car(rig.node), Car(rig.node, cameras=())
    driving(rig, seen, car)
    state = twin.state

    def elsewhere(at):
        message = state(at)
        message.pose.pose.position.y += 50.0
        return message

    twin.state, began = elsewhere, car.now()
    rig.until(lambda: seen.tier == T.TIER_STANDING, car, twin, patience=1.0)
    odometry = until_told(rig, seen, 'odometry', 'the pose jumped', [car, twin], REPORTING)
    assert '2 publish' in odometry.message and odometry.level == odometry.WARN
    until_told(rig, seen, 'plans', 'standing', [car, twin], REPORTING)
    rig.until(lambda: stamp(seen.plans[-1]) > began + 2e9, car, twin)
    assert {p.tier for p in seen.plans if stamp(p) > began + 0.5e9} == {T.TIER_STANDING}
    rig.node.destroy_publisher(twin.odometry)
    recovered(rig, seen, car, within=3.0)
    steady(seen.plans)


def test_two_publishers_of_one_topic_are_named(rig):
    _, seen = rig.planner()
    car, twin = Car(rig.node), Car(rig.node, cameras=())
    driving(rig, seen, car, twin)
    odometry = until_told(rig, seen, 'odometry', '2 publish /planner/input/odometry', [car], 1.5)
    assert odometry.level == odometry.WARN and seen.value('odometry', 'publishers') == '2'
    # They agree, and nothing is wrong with what is published.
    assert {plan.tier for plan in seen.plans} == {T.TIER_FRESH}
    rig.node.destroy_publisher(twin.odometry)
    rig.until(lambda: 'publish /planner' not in seen.diagnostics['odometry'].message, car)
    steady(seen.plans)
