# SPDX-License-Identifier: Apache-2.0
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from impromptu_vla_ros.core.structs import Answer, CameraImage, InputError, Query
from impromptu_vla_ros.models import MODELS, ModelError, create_model, respond
from impromptu_vla_ros.models.recorded import record
from impromptu_vla_ros.nodes.loading import OPTIONS


def test_an_unknown_model_is_refused_with_the_known_ones():
    message = "no model 'gpt': one of chat_server, kinematic, nano, onnx, recorded, transformers"
    with pytest.raises(ModelError, match=message):
        create_model('gpt')
    names = {'chat_server', 'kinematic', 'nano', 'onnx', 'recorded', 'transformers'}
    assert set(MODELS) == names == set(OPTIONS)


@pytest.mark.parametrize(
    ('name', 'options'),
    [('kinematic', {'checkpoint': 'x'}), ('recorded', {}), ('transformers', {'size': 3})],
)
def test_wrong_options_are_refused(name, options):
    with pytest.raises(ModelError, match=f"model '{name}': .*argument"):
        create_model(name, **options)


def test_kinematic_answers_the_rollout():
    assert create_model('kinematic').answer(Query(5, (), 'x', 'rollout')) == Answer('rollout')


class Seeing:
    """Answer with the first picture's size and colour."""

    def answer(self, query):
        pixels = query.images[0].pixels
        return Answer(f'{pixels.shape} {pixels[0, 0].tolist()}', {'look': 0.5}, 3)


def test_respond_decodes_the_pictures_and_adds_latencies():
    image = CameraImage('front', 5, 'bgr8', bytes([1, 2, 3] * 6), 2, 3, 9)
    answer = respond(Seeing(), Query(5, (image,), 'x', ''))
    assert answer.text == '(2, 3, 3) [3, 2, 1]'
    assert answer.tokens == 3
    assert list(answer.latencies) == ['look', 'decode_images', 'model']
    assert all(seconds >= 0 for seconds in answer.latencies.values())


def test_respond_lets_a_bad_picture_through_whatever_the_model():
    buffer = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 80, np.uint8)).save(buffer, 'JPEG')
    image = CameraImage('front', 5, 'jpeg', buffer.getvalue()[:300])
    with pytest.raises(InputError, match='jpeg picture of camera front cannot be decoded'):
        respond(create_model('kinematic'), Query(5, (image,), '<image>', 'rollout'))


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / 'answers.jsonl'
    record(path, 1_000_000_000, 'first\u2028 [1.0, 2.0]\n')
    record(str(path), np.int64(3_500_000_000), '第二')
    return path


def test_recorded_answers_come_back(recording):
    model = create_model('recorded', path=recording)
    query = Query(1_000_000_000, (), 'x', 'rollout')
    assert model.answer(query).text == 'first\u2028 [1.0, 2.0]\n'
    assert model.answer(replace(query, stamp=3_500_000_000)).text == '第二'


def test_an_unknown_stamp_names_the_nearest(recording):
    model = create_model('recorded', path=str(recording))
    message = r'no answer for stamp 3000000000; the nearest is 3500000000, \+0.500 s away'
    with pytest.raises(ModelError, match=message):
        model.answer(Query(3_000_000_000, (), 'x', ''))


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (b'{"stamp": 1, "answer"', 'line 4: not JSON'),
        (b'\xff\xfe\x00', 'line 4: not JSON'),
        (b'[' * 100_000, 'line 4: not JSON'),
        (b'[1, 2]', 'line 4: expected'),
        (b'{"stamp": 1.0, "answer": "x"}', 'line 4: expected'),
        (b'{"stamp": true, "answer": "x"}', 'line 4: expected'),
        (b'{"stamp": "1", "answer": "x"}', 'line 4: expected'),
        (b'{"stamp": 1, "answer": null}', 'line 4: expected'),
        (b'{"answer": "x"}', 'line 4: expected'),
        (b'{"stamp": 1000000000, "answer": "x"}', 'line 4: stamp 1000000000 came before'),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(recording, line, message):
    with recording.open('ab') as file:
        file.write(b'\n' + line + b'\n')
    with pytest.raises(ModelError, match=message):
        create_model('recorded', path=recording)


def test_other_keys_of_a_line_are_left_alone(tmp_path):
    path = tmp_path / 'answers.jsonl'
    path.write_text(json.dumps({'stamp': 1, 'answer': 'x', 'prompt': 'y'}))
    assert create_model('recorded', path=path).answer(Query(1, (), '', '')).text == 'x'


def test_a_missing_or_empty_recording_is_refused(tmp_path):
    with pytest.raises(ModelError, match='no recorded answers at .*none.jsonl'):
        create_model('recorded', path=tmp_path / 'none.jsonl')
    with pytest.raises(ModelError, match='no recorded answers'):
        create_model('recorded', path=tmp_path)
    (tmp_path / 'empty.jsonl').write_text('\n')
    with pytest.raises(ModelError, match='holds no answers'):
        create_model('recorded', path=tmp_path / 'empty.jsonl')
