# SPDX-License-Identifier: Apache-2.0
"""NeuroNCAP's contract, over HTTP as the simulator speaks it."""

import base64
import io
import json
import math
import socket
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest
from chat_stand_in import StandIn, straight
from hypothesis import given, settings
from hypothesis import strategies as st
from ncap_client import (
    ALL_CAMERAS,
    Call,
    Named,
    Said,
    described,
    ego_request,
    serving,
    text,
    with_pictures,
    zipped,
)
from PIL import Image

from impromptu_vla_ros.core.codec import encode_trajectory, zoe_steering
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.evaluation.ncap import http_server
from impromptu_vla_ros.evaluation.ncap.request import read_request
from impromptu_vla_ros.evaluation.ncap.scenes import LIDAR, requests_along
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.chat_server import ChatServerModel

NUSCENES = DIALECTS['nuscenes']
ZEROS = [[0.0, 0.0]] * 6


def asked(step=0, **values):
    """Return such a request with pictures."""
    return with_pictures(ego_request(step, **values))


@pytest.fixture(scope='module')
def keyframes(data):
    """Return the pictures of one real keyframe of six cameras, and others of three."""
    folder = data / 'nuscenes_frames'
    first = {p.name.split('__')[1]: p for p in (folder / 'scene0061_sample0').glob('*.jpg')}
    assert set(first) == {*ALL_CAMERAS}
    fronts = sorted((folder / 'drivelm_front3' / 'CAM_FRONT').glob('*.jpg'))
    pictured = {name: text(np.asarray(Image.open(path))) for name, path in first.items()}
    return pictured, [text(np.asarray(Image.open(path))) for path in fronts[:2]]


def test_an_exchange_along_real_keyframes(data, keyframes):
    scene = data / 'nuscenes_mini_ego' / 'scene-0061.csv'
    requests = requests_along(scene)[:4]
    pictures, fronts = keyframes
    seen = [pictures, *({**pictures, 'CAM_FRONT': front} for front in fronts)]
    model = Said(lambda query: query.rollout)
    with serving(model) as client:
        assert client.ask('GET', '/alive') == (200, True)
        client.reset()
        answers = [
            client.infer({**request, 'images': images})
            for request, images in zip(requests, seen, strict=False)
        ]
    assert [answer['kind'] for answer in answers] == ['plan'] * 3
    # Two steps of the recording before the simulator drives: then there are three states.
    assert [answer['states'] for answer in answers] == [1, 2, 3]
    assert [len(answer['trajectory']) for answer in answers] == [6] * 3
    query = model.queries[0]
    assert query.prompt.count('<image>') == len(query.images) == 1
    (image,) = query.images
    assert (image.camera, image.width, image.height) == ('front', 1600, 900)
    path = next((data / 'nuscenes_frames' / 'scene0061_sample0').glob('*__CAM_FRONT__*.jpg'))
    np.testing.assert_array_equal(image.pixels, np.asarray(Image.open(path)))
    # Half a second on, the car is where the kinematic answer put its rear axle.
    here, there = (np.array(request['ego2world']) for request in requests[2:4])
    moved = np.linalg.inv(here) @ there[:, 3]
    np.testing.assert_allclose(answers[2]['trajectory'][0], moved[:2], atol=0.15)


def test_the_prompt_is_the_trained_one():
    model = Said(lambda query: query.rollout)
    with serving(model) as client:
        for step, acceleration in enumerate((0.25, -0.5)):
            client.infer(asked(step, automatic=False, canbus={7: acceleration, 8: 0.125}.items()))
        client.infer(asked(2, speed=5.0, yaw_rate=0.1, x=4.2, canbus={7: 9.0, 8: 9.0}.items()))
    state = 'Acceleration: X {}, Y {} m/s^2, Velocity: {} m/s, Steering angle: {} '
    state += '(positive: left turn, negative: right turn)'
    steering = repr(round(zoe_steering(0.02), 2))
    assert (
        model.queries[-1].prompt.partition('[x, y]:.')[2]
        == ', '.join(
            (
                '(t-1.0s) [-4.2, 0.0], ' + state.format(0.25, 0.12, 4.0, 0.0),
                '(t-0.5s) [-2.2, 0.0], ' + state.format(-0.5, 0.12, 4.0, 0.0),
                # The simulator's own are of the centre: derived are 1 m/s in 0.5 s, and 5 · 0.1.
                '(t-0.0s) [0.0, 0.0], ' + state.format(2.0, 0.5, 5.0, steering),
            )
        )
        + '\n'
    )


def test_the_lidar_of_the_simulator_is_the_point_of_the_dialect():
    """A car that turns about its rear axle moves its lidar only; and back in the answer."""
    lidar = [row[:] for row in LIDAR]
    lidar[0][3] = 2.0
    turned = asked(1)
    c, s = math.cos(0.3), math.sin(0.3)
    turned['ego2world'] = [[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    straight = encode_trajectory(NUSCENES, [(5.0 * k, 0.0) for k in range(1, 7)])
    model = Said(straight)
    with serving(model) as client:
        for request in (asked(0, x=0.0), turned):
            request['calibration'] = {'lidar2ego': lidar}
            answer = client.infer(request)
    x, y = 2.0 * (math.cos(-0.3) - 1.0), 2.0 * math.sin(-0.3)
    assert f'(t-0.5s) [{x:.2f}, {y:.2f}]' in model.queries[-1].prompt
    assert answer['trajectory'] == [[5.0 * k, 0.0] for k in range(1, 7)]


@pytest.mark.parametrize(('dialect', 'cameras'), [('kitti', 1), ('navsim', 3)])
def test_a_dialect_of_ten_points_and_four_states(dialect, cameras):
    model = Said(lambda query: query.rollout)
    with serving(model, dialect) as client:
        first = client.infer(asked(0))
        assert first['kind'] == 'plan' and len(first['trajectory']) == 6
    prompt = model.queries[0].prompt
    assert prompt.count('(t-') == 4 and '(t-1.5s) [-6.0' in prompt
    names = [image.frame_id for image in model.queries[0].images]
    assert names == ['CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT'][:cameras]


def test_the_command_is_said_where_the_dialect_says_one():
    model = Said(lambda query: query.rollout)
    with serving(model, 'nano') as client:
        for step, command in enumerate((0, 1, 2)):
            client.infer({**asked(step), 'command': command})
    said = [query.prompt.split("'")[-2] for query in model.queries]
    assert said == ['turn right', 'turn left', 'go straight']


def test_a_stop_that_was_said_is_told_from_one_that_was_not():
    standing = encode_trajectory(NUSCENES, np.zeros((6, 2)))
    wild = encode_trajectory(NUSCENES, [(-50.0 * k, 0.0) for k in range(1, 7)])
    model = Said(standing, 'I see a car.', ModelError('out of memory'), KeyError('x'), wild)
    with serving(model) as client:
        answers = [client.infer(asked(step)) for step in range(5)]
    kinds = ['plan', 'unreadable answer', 'no answer', 'no answer', 'plan']
    assert [answer['kind'] for answer in answers] == kinds
    assert not any(np.any(answer['trajectory']) for answer in answers[:4])
    assert answers[0]['reason'] == '' and answers[1]['answer'] == 'I see a car.'
    assert 'waypoint' in answers[1]['reason'] and answers[2]['reason'] == 'out of memory'
    assert 'KeyError' in answers[3]['reason'] and 'reverses' in answers[4]['reason']


def test_a_run_begins_with_reset_or_where_time_is_not_half_a_second_on():
    model = Said(lambda query: query.rollout)
    with serving(model) as client:
        states = [client.infer(asked(step))['states'] for step in (0, 1, 2, 5, 6)]
        client.reset()
        states += [client.infer(asked(step))['states'] for step in (7, 8, 0)]
        states += [client.infer(asked(step))['states'] for step in range(1, 10)]
    assert states == [1, 2, 3, 1, 2, 1, 2, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7]


def test_a_model_that_hangs_costs_a_stop_and_not_the_run():
    free = threading.Event()

    def think(query):
        free.wait(20.0)
        return query.rollout

    with serving(Said(think), patience=0.3) as client:
        late = [client.infer(asked(step)) for step in range(2)]
        assert [answer['kind'] for answer in late] == ['no answer'] * 2
        assert 'within 0.3 s' in late[0]['reason'] and 'another question' in late[1]['reason']
        assert client.ask('GET', '/alive') == (200, True)
        free.set()
        deadline = time.monotonic() + 10.0
        while client.infer(asked(2))['kind'] != 'plan' and time.monotonic() < deadline:
            pass
        assert client.infer(asked(3))['kind'] == 'plan'


def test_a_chat_server_gets_the_small_picture_at_its_mark():
    server = StandIn(text=straight())
    try:
        with serving(ChatServerModel(server.url)) as client:
            whole = np.zeros((900, 1600, 3), np.uint8)
            answer = client.infer(with_pictures(ego_request(), whole))
        (question,) = server.questions
    finally:
        server.close()
    assert answer['kind'] == 'plan' and answer['trajectory'][-1] == [30.0, 0.0]
    before, picture, behind = question['messages'][1]['content']
    assert before['text'].endswith(' of a vehicle ') and behind['text'].startswith('. Your task')
    data = base64.b64decode(picture['image_url']['url'].partition(',')[2])
    assert Image.open(io.BytesIO(data)).size == (682, 384)
    assert question['temperature'] == 0.0 and question['repetition_penalty'] == 1.0


WRONG = {
    'no object': [],
    'nothing in it': {},
    'no pictures': {**ego_request()},
    'no base64': with_pictures(ego_request()) | {'images': {'CAM_FRONT': '€'}},
    'a picture that is a number': {**ego_request(), 'images': {'CAM_FRONT': 4}},
    'a short canbus': {**asked(), 'canbus': [0.0] * 15},
    'no number': {**asked(), 'canbus': [math.nan] * 16},
    'text in numbers': {**asked(), 'canbus': ['x'] * 16},
    'ragged': {**asked(), 'ego2world': [[1, 0], [1]]},
    'no rotation': {**asked(), 'ego2world': [[9, 0, 0, 0]] * 4},
    'no time': {**asked(), 'timestamp': 0},
    'half a time': {**asked(), 'timestamp': 1.5},
    'no such command': {**asked(), 'command': 7},
    'no lidar': {**asked(), 'calibration': {}},
    'a lidar far away': {**asked(), 'calibration': {'lidar2ego': np.eye(4).tolist()}},
}
WRONG['a lidar far away']['calibration']['lidar2ego'][0][3] = 50.0


def test_whatever_is_wrong_is_answered_with_a_stop_and_its_reason():
    with serving() as client:
        for name, request in WRONG.items():
            answer = client.infer(request)
            assert answer['kind'] == 'refused request' and answer['reason'], name
            assert answer['trajectory'] == ZEROS, name
        assert client.infer(asked())['kind'] == 'plan'


def test_hostile_requests_are_refused(tmp_path, monkeypatch):
    here = tmp_path / 'ran'
    evil = zipped(described(Call(Named('os', 'system'), f'touch {here}')), b'')
    request = {**asked(), 'images': {'CAM_FRONT': base64.b64encode(evil).decode()}}
    bodies = [b'', b'{', b'[' * 200_000, b'{"a":' * 3000, b'[' + b'[],' * 5000 + b'[]]', b'\xff']
    bodies.append(b'{"timestamp": ' + b'9' * 5000 + b'}')
    with serving() as client:
        assert 'os system' in client.infer(request)['reason'] and not here.exists()
        for body in bodies:
            status, answer = client.ask('POST', '/infer', body)
            assert status == 200 and answer['kind'] == 'refused request'
        monkeypatch.setattr(http_server, 'MOST_BYTES', 1000)
        status, answer = client.ask('POST', '/infer', b' ' * 3_000_000)
        assert status == 200 and '1000 are taken' in answer['reason']
        with socket.create_connection(('127.0.0.1', client.port)) as raw:
            raw.sendall(b'POST /infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n')
            assert b'without its length' in raw.makefile('rb').read()
        for method, path in (('GET', '/'), ('GET', '/infer'), ('POST', '/'), ('POST', '/alive')):
            assert client.ask(method, path)[0] == 404
        monkeypatch.undo()
        assert client.infer(asked())['kind'] == 'plan'


def test_who_drips_or_holds_all_places_is_let_go(monkeypatch):
    monkeypatch.setattr(http_server, 'SECONDS', 0.5)
    head = b'POST /infer HTTP/1.1\r\nContent-Length: 100\r\n\r\n'
    with serving() as client, ExitStack() as held:
        idle = [
            held.enter_context(socket.create_connection(('127.0.0.1', client.port)))
            for _ in range(http_server.CONNECTIONS)
        ]
        for each in idle[1:]:
            each.sendall(head)
        time.sleep(0.1)
        with pytest.raises(OSError):
            client.ask('GET', '/alive')
        for each in idle:
            each.settimeout(10.0)
            while each.recv(100):  # until it is closed on us
                pass
        assert client.ask('GET', '/alive') == (200, True)
        assert client.infer(asked())['kind'] == 'plan'


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*ego_request(), 'other']), VALUES), VALUES)
def test_any_request_is_read_or_refused(changes, calibration):
    request = {**ego_request(), **changes, 'calibration': {'lidar2ego': calibration}}
    try:
        read = read_request(json.dumps(request).encode())
    except InputError:
        return
    assert np.isfinite(read.canbus).all()
