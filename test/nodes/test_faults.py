# SPDX-License-Identifier: Apache-2.0
"""Malformed inputs and faulty models: one counted skip each, and the next good one is planned."""

import itertools
import json
import math
import threading

import pytest

pytest.importorskip('rclpy')

from rig import Car, captured, jpeg

from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.models import ModelError


def nan_pose(car, stamp):
    state = car.state(stamp)
    state.pose.pose.position.x = math.nan
    return state


def zero_quaternion(car, stamp):
    state = car.state(stamp)
    state.pose.pose.orientation.w = 0.0
    return state


def other_child(car, stamp):
    state = car.state(stamp)
    state.child_frame_id = 'gps'
    return state


# Name: who refuses it, with which words; and the message, made by a car for a stamp.
ODOMETRY = {
    'NaN pose': ('not finite', nan_pose),
    'zero quaternion': ('quaternion has length 0', zero_quaternion),
    'unstamped': ('capture time', lambda car, stamp: car.state(0)),
    'other child_frame_id': ("of 'gps', not of 'base_link'", other_child),
}
PICTURES = {
    'truncated JPEG': ('compressed', {'data': jpeg()[:300]}, 'picture of camera front'),
    'no picture at all': ('compressed', {'data': b'not a picture'}, 'picture of camera front'),
    'unknown compression': ('compressed', {'format': 'h264'}, 'neither jpeg nor png'),
    '16UC1': ('raw', {'encoding': '16UC1', 'step': 128}, '16UC1'),
    'bayer': ('raw', {'encoding': 'bayer_rggb8', 'step': 64}, 'bayer_rggb8'),
    'too few bytes': ('raw', {'data': bytes(100)}, 'camera front'),
    'too small step': ('raw', {'step': 10}, 'camera front'),
}


def driving(rig, car, seen):
    """Drive until plans come."""
    rig.heard(car)
    before = len(captured(seen.plans))
    rig.until(lambda: len(captured(seen.plans)) > before + 1, car)


def refusals(seen, source, status):
    """Return how many were refused, and why the last was."""
    key = 'refused' if status == source else f'{source} refused'
    return int(seen.value(status, key) or 0), seen.value(status, f'last refused {source}')


@pytest.mark.parametrize('name', ODOMETRY)
def test_malformed_odometry_is_skipped(rig, name):
    words, make = ODOMETRY[name]
    _, seen = rig.planner()
    car = Car(rig.node)
    driving(rig, car, seen)
    car.odometry.publish(make(car, car.now()))
    rig.until(lambda: refusals(seen, 'odometry', 'odometry')[0] > 0, car)
    driving(rig, car, seen)
    count, why = refusals(seen, 'odometry', 'odometry')
    assert count == 1 and words in why


@pytest.mark.parametrize('name', PICTURES)
def test_a_malformed_picture_is_skipped(rig, name):
    transport, changes, words = PICTURES[name]
    _, seen = rig.planner()
    car = Car(rig.node, transport=transport)
    driving(rig, car, seen)
    stamp = car.now()
    car.cameras['front'].publish(car.picture(stamp, **changes))
    car.odometry.publish(car.state(stamp))
    source, status = ('front', 'front') if 'format' in changes else ('picture', 'answers')
    rig.until(lambda: refusals(seen, source, status)[0] > 0)
    driving(rig, car, seen)
    count, why = refusals(seen, source, status)
    assert count == 1 and words in why
    assert seen.plans[-1].frames_dropped == 1


def test_an_unstamped_picture_is_skipped(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    driving(rig, car, seen)
    car.cameras['front'].publish(car.picture(0))
    rig.until(lambda: refusals(seen, 'front', 'front')[0] > 0, car)
    driving(rig, car, seen)
    count, why = refusals(seen, 'front', 'front')
    assert count == 1 and 'capture time' in why


def test_missing_inputs_are_named(rig):
    _, seen = rig.planner()
    rig.reported(seen)
    front = seen.diagnostics['front']
    assert front.level == front.ERROR
    assert 'nobody publishes it on /planner/input/camera/front/image' in front.message
    assert seen.diagnostics['steering'].level == front.OK
    assert 'no answer: front missing' in seen.diagnostics['plans'].message
    car = Car(rig.node)
    rig.heard(car)
    picture_only = car.cameras['front']
    rig.until(
        lambda: seen.value('front', 'age') != '' or picture_only.publish(car.picture(car.now()))
    )
    rig.reported(seen)
    assert 'nothing usable arrived' in seen.diagnostics['odometry'].message


class Faulty:
    """A model that follows a script: an error to raise, a text to say, or None for the rollout."""

    def __init__(self, *script):
        self._script = iter(script)

    def answer(self, query):
        act = next(self._script, None)
        if isinstance(act, Exception):
            raise act
        return Answer(query.rollout if act is None else act)


def test_a_model_that_raises_is_counted(rig, monkeypatch):
    model = Faulty(None, ModelError('no idea'), RuntimeError('a bug'))
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    _, seen = rig.planner()
    car = Car(rig.node)
    driving(rig, car, seen)
    rig.until(lambda: refusals(seen, 'model', 'answers')[0] > 0)
    assert refusals(seen, 'model', 'answers') == (2, 'RuntimeError: a bug')
    assert seen.value('plans', 'failed') == '2'


def test_nonsense_answers_are_refused(rig, tmp_path):
    car = Car(rig.node)
    base, steps = car.now(), itertools.count()
    car.now = lambda: base + 50_000_000 * next(steps)
    good = encode_trajectory(DIALECTS['nuscenes'], [(5.0 * k, 0.0) for k in range(1, 7)])
    nonsense = ['', 'I see a road.', good.replace('[5', '[five', 1), good[: len(good) // 2]]
    path = tmp_path / 'answers.jsonl'
    with path.open('w') as file:
        for step in range(1000):
            answer = good if step >= 40 else nonsense[step // 2 % len(nonsense)]
            stamp = base + 50_000_000 * step
            file.write(json.dumps({'stamp': stamp, 'answer': answer}) + '\n')
    _, seen = rig.planner(model__name='recorded', model__answers=str(path))
    rig.heard(car)
    rig.until(lambda: len(seen.answered) > 2, car)
    rig.reported(seen, 1)
    count, why = refusals(seen, 'answer', 'answers')
    assert count >= 4 and why
    assert seen.value('plans', 'refused') == str(count)
    assert {plan.answer for plan in seen.answered} == {good}


def test_a_model_that_hangs_is_reported_and_heals(rig, monkeypatch):
    gate = threading.Event()

    class Hanging(Faulty):
        def answer(self, query):
            gate.wait(60.0)
            return super().answer(query)

    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: Hanging())
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.self_test', lambda *_: '')
    _, seen = rig.planner(model__timeout=0.2)
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: 'cannot be stopped' in _message(seen), car)
    assert seen.diagnostics['answers'].level == seen.diagnostics['answers'].ERROR
    assert refusals(seen, 'model', 'answers') == (1, 'no answer within 0.2 s (model.timeout)')
    assert seen.plans and not seen.answered
    gate.set()
    driving(rig, car, seen)
    rig.until(lambda: 'cannot be stopped' not in _message(seen), car)
    assert refusals(seen, 'answer', 'answers')[0] == 1
    assert seen.value('plans', 'failed') == '1'


def _message(seen):
    return seen.diagnostics['answers'].message if 'answers' in seen.diagnostics else ''
