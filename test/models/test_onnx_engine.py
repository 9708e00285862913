# SPDX-License-Identifier: Apache-2.0
"""The engine on ONNX Runtime: its cache, and what it refuses to load."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.models import ModelError, create_model
from impromptu_vla_ros.models.manifest import MANIFEST, read_manifest, sha256
from impromptu_vla_ros.models.parity import REPORT, Parity
from impromptu_vla_ros.models.positions import following
from impromptu_vla_ros.models.prompting import prepare

onnxruntime = pytest.importorskip(
    'onnxruntime', reason='needs the extra impromptu_vla_ros[export]'
)

from impromptu_vla_ros.models.onnx_engine import OnnxEngine, open_graphs  # noqa: E402
from impromptu_vla_ros.models.onnx_sessions import (  # noqa: E402
    Device,
    choose_device,
    profiles,
)

CPU = Device('cpu', threads=1)
TOKENS = np.random.default_rng(0).integers(0, 150_000, 40).tolist()


def report(folder, **changes):
    """Write a parity report beside graphs."""
    good = Parity(sha256(folder / MANIFEST), 12, True, 1e-5, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0)
    replace(good, **changes).write(folder)


def rewrite(path, **changes):
    """Change entries of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def load(folder, **options):
    return create_model('onnx', checkpoint=str(folder), **{'threads': 1, **options})


@pytest.fixture(scope='module')
def model(tiny_graphs):
    return open_graphs(tiny_graphs, read_manifest(tiny_graphs), CPU)


@pytest.fixture
def engine(model, query):
    """Return the engine with a prompt in its cache, and the positions behind it."""
    prompt = prepare(query(), model.tokenizer)
    features = [model.engine.encode(picture) for picture in prompt.pictures]
    model.engine.prefill(prompt.ids, features, prompt.positions)
    return model.engine, following(prompt.positions, 64)


def test_forgotten_tokens_leave_nothing_behind(engine):
    engine, positions = engine
    start = engine.length
    fresh = engine.extend(TOKENS[:20], positions[:, :20]).logits
    engine.truncate(start)
    engine.extend(TOKENS[20:], positions[:, :20])
    engine.truncate(start + 5)
    assert engine.length == start + 5
    engine.truncate(start)
    assert np.array_equal(engine.extend(TOKENS[:20], positions[:, :20]).logits, fresh)
    engine.truncate(start + 12)
    again = engine.extend(TOKENS[12:20], positions[:, 12:20]).logits
    np.testing.assert_allclose(again, fresh[12:], atol=1e-4)


def test_truncating_forgets_and_never_invents(engine):
    engine, _ = engine
    length = engine.length
    engine.truncate(length + 7)
    assert engine.length == length


def test_rows_behind_a_prompt(model, query):
    prompt = prepare(query(), model.tokenizer)
    features = [model.engine.encode(picture) for picture in prompt.pictures]
    four = model.engine.prefill(prompt.ids, features, prompt.positions, rows=4)
    last = model.engine.prefill(prompt.ids, features, prompt.positions)
    assert four.logits.shape == (4, 151_936)
    np.testing.assert_allclose(four.logits[3:], last.logits, atol=1e-4)


def test_rows_outlive_the_next_pass(engine):
    engine, positions = engine
    rows = engine.extend(TOKENS[:3], positions[:, :3])
    before = rows.logits.copy()
    for _ in range(5):
        engine.extend(TOKENS[3:6], positions[:, 3:6])
    assert np.array_equal(rows.logits, before)


def test_more_tokens_than_the_cache_has_room_for(tiny_graphs, model, query):
    small = OnnxEngine(tiny_graphs, read_manifest(tiny_graphs), CPU, capacity=16)
    prompt = prepare(query(), model.tokenizer)
    features = [small.encode(picture) for picture in prompt.pictures]
    with pytest.raises(ModelError, match=r'\d+ tokens are more than the cache of 16 holds: fewer'):
        small.prefill(prompt.ids, features, prompt.positions)
    positions = np.tile(np.arange(17), (3, 1))
    small.prefill(np.arange(10), [], positions[:, :10])
    small.extend([1] * 6, positions[:, 10:16])
    with pytest.raises(ModelError, match='17 tokens are more'):
        small.extend([1], positions[:, 16:])


def test_pictures_and_their_tokens_must_match(model, query):
    prompt = prepare(query(), model.tokenizer)
    with pytest.raises(ModelError, match=r'the prompt has \d+ picture tokens, and the pictures 0'):
        model.engine.prefill(prompt.ids, [], prompt.positions)


def test_whole_compared_graphs_answer(graphs, query):
    report(graphs)
    model = load(graphs, most_tokens=8)
    assert 0 < model.answer(query()).tokens <= 8


def test_a_picture_that_is_none(graphs):
    with pytest.raises(ModelError, match=r'no exported graphs \(no manifest.json\): export it'):
        load(graphs / 'nowhere')


def test_graphs_that_nobody_compared(graphs):
    with pytest.raises(ModelError, match='has no parity.json: nobody has compared these graphs'):
        load(graphs)


def test_a_report_of_other_graphs(graphs):
    report(graphs, graphs='0' * 64)
    with pytest.raises(ModelError, match='parity.json is of other graphs than those beside it'):
        load(graphs)


def test_a_broken_report(graphs):
    (graphs / REPORT).write_text('{"drift": 0}')
    with pytest.raises(ModelError, match='parity.json cannot be read'):
        load(graphs)


def test_graphs_that_drift(graphs):
    report(graphs, drift=0.3)
    with pytest.raises(ModelError, match='0.30 m off those of the checkpoint, and .* is 0.1 m'):
        load(graphs)
    load(graphs, drift_limit=0.5)


def test_graphs_whose_drift_nobody_knows(graphs):
    report(graphs, drift=None)
    with pytest.raises(ModelError, match='the drift is unknown: is it the right dialect'):
        load(graphs)


@pytest.mark.parametrize('name', ['vision.onnx', 'decoder.onnx', 'embedding.npy'])
def test_a_damaged_file(graphs, name):
    report(graphs)
    path = graphs / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f'{name} is damaged, not as it was written: copy it'):
        load(graphs)


@pytest.mark.parametrize('name', ['decoder.onnx.data', 'vision.onnx', 'tokenizer.json'])
def test_a_missing_file(graphs, name):
    report(graphs)
    (graphs / name).unlink()
    with pytest.raises(ModelError, match=f'lacks {name}: copy the whole folder'):
        load(graphs)


def test_an_export_that_was_not_finished(graphs):
    files = dict(read_manifest(graphs).files)
    del files['decoder.onnx']
    rewrite(graphs / MANIFEST, files=files)
    report(graphs)
    with pytest.raises(ModelError, match='the export was not finished, decoder.onnx is missing'):
        load(graphs)


@pytest.mark.parametrize('entry', ['opset', 'format'])
def test_graphs_of_another_kind(graphs, entry):
    rewrite(graphs / MANIFEST, **{entry: 23})
    with pytest.raises(ModelError, match=f'exported in .*{entry} 23.* is read: export it again'):
        load(graphs)


@pytest.mark.parametrize('text', ['', '{"opset": 18}', '[]'])
def test_a_broken_manifest(graphs, text):
    (graphs / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match='manifest.json cannot be read'):
        load(graphs)


def test_what_onnxruntime_itself_cannot_read(graphs):
    """The sums are right, and the graph is none: another tool has written it."""
    (graphs / 'decoder.onnx').write_bytes(b'no graph')
    files = {**read_manifest(graphs).files, 'decoder.onnx': sha256(graphs / 'decoder.onnx')}
    rewrite(graphs / MANIFEST, files=files)
    report(graphs)
    with pytest.raises(ModelError, match='decoder.onnx cannot be loaded on cpu .*export it again'):
        load(graphs)


@pytest.mark.parametrize(
    ('device', 'remedy'), [('cuda', 'onnxruntime-gpu'), ('tensorrt:1', 'and TensorRT')]
)
def test_a_missing_provider(graphs, device, remedy, monkeypatch):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    report(graphs)
    with pytest.raises(ModelError, match=f'{device} asked for, .* only CPUE.*{remedy}'):
        load(graphs, device=device)


def test_a_provider_that_cannot_start(graphs, monkeypatch):
    """Onnxruntime only warns then, and computes on the CPU."""
    there = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: there)
    report(graphs)
    with pytest.raises(ModelError, match='cuda:0'):
        load(graphs, device='cuda')


def test_an_unknown_device():
    with pytest.raises(ModelError, match="no device 'gpu': one of auto, cpu, cuda, cuda:N, tens"):
        choose_device('gpu')


def test_auto_takes_what_is_there(monkeypatch):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    assert choose_device('auto', 2) == Device('cpu', 0, 2)
    there = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: there)
    assert choose_device('auto').memory == ('cuda', 0)


def test_without_onnxruntime(graphs, monkeypatch):
    report(graphs)
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ModelError, match=r"pip install 'impromptu_vla_ros\[onnx\]'"):
        load(graphs)


def test_out_of_memory_is_one_clear_error_and_the_engine_lives(model, engine, monkeypatch):
    engine, positions = engine

    class Full:
        def run_with_iobinding(self, _):
            raise RuntimeError('Failed to allocate memory for requested buffer of size 1234')

    with monkeypatch.context() as patch:
        patch.setattr(engine, '_decoder', Full())
        with pytest.raises(ModelError, match='no pass: out of memory .* fewer cameras'):
            engine.extend(TOKENS[:2], positions[:, :2])
    before = engine.length
    engine.extend(TOKENS[:2], positions[:, :2])
    assert engine.length == before + 2


@pytest.mark.parametrize('name', ['vision.onnx', 'decoder.onnx'])
def test_tensorrt_is_told_the_shapes_of_every_input(tiny_graphs, name):
    session = onnxruntime.InferenceSession(tiny_graphs / name)
    ranks = {each.name: len(each.shape) for each in session.get_inputs()}
    fixed = {each.name: each.shape for each in session.get_inputs()}
    levels = []
    for told in profiles(name, read_manifest(tiny_graphs), 2048):
        pairs = (each.split(':') for each in told.split(','))
        levels.append({key: [int(size) for size in dims.split('x')] for key, dims in pairs})
    for level in levels:
        assert {key: len(dims) for key, dims in level.items()} == ranks
        for key, dims in level.items():
            given = zip(dims, fixed[key])
            assert all(size == known for size, known in given if isinstance(known, int)), key
    for least, usual, most in zip(*(level.values() for level in levels)):
        assert all(a <= b <= c for a, b, c in zip(least, usual, most))


def test_graphs_of_integers_are_not_for_tensorrt(graphs, monkeypatch):
    there = ['TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: there)
    rewrite(graphs / MANIFEST, weights='int4')
    report(graphs)
    with pytest.raises(ModelError, match='TensorRT has no MatMulNBits, .* int4 .* --weights fp16'):
        load(graphs, device='tensorrt')


@pytest.mark.soak
def test_nothing_grows(graphs, query):
    psutil = pytest.importorskip('psutil')
    report(graphs)
    model, process = load(graphs, most_tokens=6), psutil.Process()
    used = []
    for number in range(300):
        model.answer(query('navsim' if number % 3 else 'nuscenes', seed=number % 7))
        if number in (49, 299):
            used.append(process.memory_info().rss)
    assert used[1] < 1.01 * used[0]
