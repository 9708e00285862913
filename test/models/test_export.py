# SPDX-License-Identifier: Apache-2.0
"""Exported graphs against the network of transformers they come from."""

import errno
import json
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_qwen import build_tiny_checkpoint, rewrite_config

from impromptu_vla_ros.images import decode
from impromptu_vla_ros.models import ModelError, create_model
from impromptu_vla_ros.models.checkpoint import Checkpoint
from impromptu_vla_ros.models.manifest import MANIFEST, read_manifest
from impromptu_vla_ros.models.positions import following
from impromptu_vla_ros.models.preprocessing import Patches
from impromptu_vla_ros.models.prompting import prepare

torch = pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[export]')
for library in ('transformers', 'onnx', 'onnxruntime', 'onnxscript'):
    pytest.importorskip(library, reason='needs the extra impromptu_vla_ros[export]')

from impromptu_vla_ros.models.export import export_checkpoint  # noqa: E402
from impromptu_vla_ros.models.local import Decoding  # noqa: E402
from impromptu_vla_ros.models.onnx_engine import open_graphs  # noqa: E402
from impromptu_vla_ros.models.onnx_sessions import Device  # noqa: E402

MEDIUM = {
    'spread': 0.05,
    'text': {
        'hidden_size': 256,
        'intermediate_size': 1024,
        'num_hidden_layers': 12,
        'num_attention_heads': 8,
        'num_key_value_heads': 2,
        'rope_parameters': {
            'rope_type': 'default',
            'rope_theta': 1e6,
            'mrope_section': [4, 6, 6],
        },
        'rope_scaling': {'type': 'mrope', 'mrope_section': [4, 6, 6]},
        'tie_word_embeddings': False,
    },
    'vision': {
        'depth': 8,
        'hidden_size': 256,
        'intermediate_size': 640,
        'num_heads': 8,
        'out_hidden_size': 256,
        'fullatt_block_indexes': [3, 7],
    },
}
CPU = Device('cpu', threads=1)


@pytest.fixture(scope='module')
def source(tiny_checkpoint):
    return create_model('transformers', checkpoint=str(tiny_checkpoint), device='cpu')


@pytest.fixture(scope='module')
def exported(tiny_graphs):
    return open_graphs(tiny_graphs, read_manifest(tiny_graphs), CPU, Decoding(most_tokens=24))


def rows(engine, prompt, tokens, passes):
    """Return logits behind a prompt and along tokens, read in passes of given lengths."""
    features = [engine.encode(picture) for picture in prompt.pictures]
    found = [engine.prefill(prompt.ids, features, prompt.positions).logits]
    positions, place = following(prompt.positions, len(tokens)), 0
    for count in passes:
        part = positions[:, place : place + count]
        found.append(engine.extend(tokens[place : place + count], part).logits)
        place += count
    return np.concatenate([np.asarray(each) for each in found])


@pytest.mark.parametrize(
    'grid', [(1, 4, 4), (1, 8, 8), (1, 16, 24), (1, 10, 14), (1, 28, 48), (1, 6, 34)]
)
def test_pictures_of_any_size_have_the_same_features(source, exported, grid):
    values = np.random.default_rng(0).normal(size=(grid[1] * grid[2], 1176)).astype(np.float32)
    picture = Patches(values, grid)
    expected = source.engine.encode(picture).numpy()
    assert np.abs(exported.engine.encode(picture) - expected).max() <= 1e-4
    assert np.abs(expected).max() > 1


@pytest.mark.parametrize('dialect', ['nuscenes', 'navsim'])
def test_logits_are_the_same_in_passes_of_any_length(source, exported, query, dialect):
    asked = query(dialect)
    prompt = prepare(replace(asked, images=tuple(map(decode, asked.images))), source.tokenizer)
    tokens = np.random.default_rng(1).integers(0, 150_000, 60).tolist()
    expected = rows(source.engine, prompt, tokens, (60,))
    for passes in ((60,), (1, 33, 1, 2, 23)):
        found = rows(exported.engine, prompt, tokens, passes)
        assert np.abs(found - expected).max() <= 1e-4
        assert np.array_equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize('dialect', ['nuscenes', 'navsim', 'kitti'])
def test_the_answer_is_the_checkpoints(tiny_checkpoint, exported, query, dialect):
    source = create_model(
        'transformers', checkpoint=str(tiny_checkpoint), device='cpu', most_tokens=24
    )
    asked = query(dialect)
    assert exported.answer(asked).text == source.answer(asked).text


def test_without_pictures(source, exported, query):
    asked = query()
    asked = replace(asked, images=(), prompt=asked.prompt.replace('<image>', 'none'))
    prompt = prepare(asked, source.tokenizer)
    ours, theirs = (rows(model.engine, prompt, [], ()) for model in (exported, source))
    assert np.abs(ours - theirs).max() <= 1e-4


def test_tied_embeddings_lie_on_the_disk_once(tiny_graphs):
    sizes = {path.name: path.stat().st_size for path in tiny_graphs.iterdir()}
    assert sizes['embedding.npy'] > 4 * 64 * 151_936
    assert sizes['decoder.onnx.data'] < 1e6


def test_what_is_there_is_not_made_again(tiny_checkpoint, graphs):
    """An earlier run was killed while it wrote, and one file was lost since."""
    (graphs / 'decoder.onnx.data').unlink()
    (graphs / '.partial').mkdir()
    (graphs / '.partial' / 'decoder.onnx').write_bytes(b'half')
    before = {path.name: path.stat().st_mtime_ns for path in graphs.iterdir()}
    files = read_manifest(graphs).files
    export_checkpoint(str(tiny_checkpoint), graphs)
    after = {path.name: path.stat().st_mtime_ns for path in graphs.iterdir()}
    made = {name for name in after if after[name] != before.get(name)}
    assert made == {'decoder.onnx', 'decoder.onnx.data', MANIFEST}
    assert read_manifest(graphs).files == files


def test_whole_bytes_of_weights_take_the_place_of_other_graphs(tiny_checkpoint, graphs, query):
    export_checkpoint(str(tiny_checkpoint), graphs, 'int8')
    manifest = read_manifest(graphs)
    assert manifest.weights == 'int8'
    model = open_graphs(graphs, manifest, CPU, Decoding(most_tokens=24))
    assert model.answer(query()).tokens > 0
    engine, random = model.engine, np.random.default_rng(2)
    prompt = prepare(query(), model.tokenizer)
    features = [engine.encode(picture) for picture in prompt.pictures]
    engine.prefill(prompt.ids, features, prompt.positions)
    length, positions = engine.length, following(prompt.positions, 33)
    tokens = random.integers(0, 150_000, 33).tolist()
    right = engine.extend(tokens, positions).logits
    for known in (1, 8, 32):
        wrong = tokens[:known] + random.integers(0, 150_000, 33 - known).tolist()
        engine.truncate(length)
        # What is verified must not depend on the guesses behind it.
        assert np.array_equal(engine.extend(wrong, positions).logits[:known], right[:known])


def test_a_small_disk_is_known_before_anything_is_written(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=int(5e6)))
    with pytest.raises(ModelError, match=r'0.0 GB of free space and the graphs need 0.1 GB: free'):
        export_checkpoint(str(tiny_checkpoint), tmp_path / 'out')
    assert not list((tmp_path / 'out').iterdir())


def test_a_disk_that_fills_up(tiny_checkpoint, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(np, 'save', full)
    with pytest.raises(ModelError, match='cannot write to .*out: the disk is full'):
        export_checkpoint(str(tiny_checkpoint), tmp_path / 'out')
    assert list(read_manifest(tmp_path / 'out').files) == ['tokenizer.json']


@pytest.mark.parametrize(
    'error',
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
)
def test_too_little_memory(tiny_checkpoint, tmp_path, monkeypatch, error):
    def small(*_):
        raise error

    monkeypatch.setattr(Checkpoint, 'network', small)
    with pytest.raises(ModelError, match='out of memory: .* use a machine with more'):
        export_checkpoint(str(tiny_checkpoint), tmp_path / 'out')


def test_missing_libraries(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    with pytest.raises(ModelError, match=r"pip install 'impromptu_vla_ros\[export\]'"):
        export_checkpoint(str(tiny_checkpoint), tmp_path / 'out')


def test_unknown_weights(tiny_checkpoint, tmp_path):
    with pytest.raises(ModelError, match="no weights 'int2': one of fp32, fp16, int8, int4"):
        export_checkpoint(str(tiny_checkpoint), tmp_path / 'out', 'int2')


def test_what_the_graphs_cannot_do_is_refused(tiny_checkpoint, tmp_path):
    copy = shutil.copytree(tiny_checkpoint, tmp_path / 'copy')
    config = json.loads((copy / 'config.json').read_text())
    rewrite_config(copy, vision_config={**config['vision_config'], 'hidden_act': 'gelu'})
    with pytest.raises(ModelError, match='hidden_act of the vision tower gelu, and silu only'):
        export_checkpoint(str(copy), tmp_path / 'out')


@pytest.mark.soak
@pytest.mark.parametrize('weights', ['fp32', 'fp16', 'int8', 'int4'])
def test_a_larger_checkpoint(tmp_path, query, weights):
    """100 M parameters, with a head of its own."""
    folder = build_tiny_checkpoint(tmp_path / 'medium', **MEDIUM)
    source = create_model('transformers', checkpoint=str(folder), device='cpu', most_tokens=24)
    asked = query()
    expected = source.answer(asked).text
    prompt = prepare(asked, source.tokenizer)
    tokens = np.random.default_rng(1).integers(0, 150_000, 40).tolist()
    logits = rows(source.engine, prompt, tokens, (40,))
    manifest = export_checkpoint(str(folder), tmp_path / 'out', weights)
    model = open_graphs(tmp_path / 'out', manifest, CPU, Decoding(most_tokens=24))
    found = rows(model.engine, prompt, tokens, (1, 33, 6))
    if weights == 'fp32':
        assert np.abs(found - logits).max() <= 1e-4
        assert model.answer(asked).text == expected
    scale = np.abs(logits).max()
    limit = {'fp32': 1e-5, 'fp16': 0.01, 'int8': 0.05, 'int4': 0.5}[weights]
    assert np.abs(found - logits).max() <= limit * scale
