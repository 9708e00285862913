# SPDX-License-Identifier: Apache-2.0
"""What of a checkpoint may be missing or wrong, and where it may lie."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from impromptu_vla_ros.models import ModelError, create_model

torch = pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[torch]')
safetensors = pytest.importorskip(
    'safetensors.torch', reason='needs the extra impromptu_vla_ros[torch]'
)
pytest.importorskip('transformers', reason='needs the extra impromptu_vla_ros[torch]')


def load(checkpoint, **options):
    return create_model('transformers', checkpoint=str(checkpoint), **{'device': 'cpu', **options})


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path):
    """Return a copy of the tiny checkpoint that a test may spoil."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / 'checkpoint'))


def test_a_missing_folder(tmp_path):
    with pytest.raises(ModelError, match=f'no checkpoint at .{tmp_path}/none.: give the folder'):
        load(tmp_path / 'none')


def test_a_folder_without_a_checkpoint(tmp_path):
    with pytest.raises(ModelError, match=r'has no config.json \(no such file\): is it the folder'):
        load(tmp_path)


@pytest.mark.parametrize('text', ['{', '[]', '"x"', '\udcff'])
def test_a_broken_configuration(checkpoint, text):
    (checkpoint / 'config.json').write_bytes(text.encode('utf-8', 'surrogateescape'))
    with pytest.raises(ModelError, match='config.json cannot be read'):
        load(checkpoint)


def test_another_kind_of_model(checkpoint):
    from tiny_qwen import rewrite_config

    rewrite_config(checkpoint, model_type='llama')
    with pytest.raises(ModelError, match='is a llama model, not Qwen2.5-VL'):
        load(checkpoint)


def test_a_missing_tokenizer(checkpoint):
    (checkpoint / 'tokenizer.json').unlink()
    with pytest.raises(ModelError, match='no tokenizer.json .*copy it from the Qwen2.5-VL'):
        load(checkpoint)


def test_a_broken_tokenizer(checkpoint):
    (checkpoint / 'tokenizer.json').write_text('{}')
    with pytest.raises(ModelError, match='tokenizer.json cannot be read'):
        load(checkpoint)


def test_another_models_tokenizer(checkpoint):
    from tiny_qwen import rewrite_config

    text = (checkpoint / 'tokenizer.json').read_text()
    (checkpoint / 'tokenizer.json').write_text(text.replace('<|image_pad|>', '<|picture|>'))
    with pytest.raises(ModelError, match=r'the tokenizer has no <\|image_pad\|>'):
        load(checkpoint)
    (checkpoint / 'tokenizer.json').write_text(text)
    rewrite_config(checkpoint, image_token_id=7)
    with pytest.raises(ModelError, match='its tokenizer is not that of its weights'):
        load(checkpoint)


def test_weights_in_a_format_that_can_run_code(checkpoint):
    weights = safetensors.load_file(checkpoint / 'model.safetensors')
    torch.save(weights, checkpoint / 'pytorch_model.bin')
    (checkpoint / 'model.safetensors').unlink()
    with pytest.raises(ModelError, match='no model.safetensors: other formats .* can run code'):
        load(checkpoint)


def test_truncated_weights(checkpoint):
    path = checkpoint / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match='cannot load .*checkpoint'):
        load(checkpoint)


def test_missing_weights_are_not_made_up(checkpoint):
    path = checkpoint / 'model.safetensors'
    weights = safetensors.load_file(path)
    lost = [name for name in weights if 'layers.1' in name and 'norm' in name]
    assert lost
    for name in lost:
        del weights[name]
    safetensors.save_file(weights, path, {'format': 'pt'})
    with pytest.raises(ModelError, match=f'lacks {len(lost)} weights, .* it is incomplete'):
        load(checkpoint)


def test_weights_of_another_size(checkpoint):
    path = checkpoint / 'model.safetensors'
    weights = safetensors.load_file(path)
    name = next(name for name in weights if 'mlp.down_proj.weight' in name)
    weights[name] = weights[name][:, :-1].contiguous()
    safetensors.save_file(weights, path, {'format': 'pt'})
    with pytest.raises(ModelError, match='cannot load'):
        load(checkpoint)


def test_a_sharded_checkpoint_with_a_missing_part(checkpoint):
    weights = safetensors.load_file(checkpoint / 'model.safetensors')
    index = {
        'metadata': {},
        'weight_map': dict.fromkeys(weights, 'model-00001-of-00001.safetensors'),
    }
    (checkpoint / 'model.safetensors.index.json').write_text(json.dumps(index))
    (checkpoint / 'model.safetensors').rename(checkpoint / 'model-00001-of-00001.safetensors')
    assert load(checkpoint)
    (checkpoint / 'model-00001-of-00001.safetensors').unlink()
    with pytest.raises(ModelError, match='cannot load'):
        load(checkpoint)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'dtype': 'int4'}, "no dtype 'int4': one of auto, bf16, fp16, fp32"),
        ({'device': 'tpu'}, "no device 'tpu': one of auto, cpu, cuda, cuda:N"),
        ({'device': 'cuda:99'}, 'device cuda:99 asked for, . CUDA devices found'),
        ({'revision': 'v2'}, 'is a folder, and a revision selects on the hub only'),
        ({'subfolder': 'none'}, 'tiny/none has no config.json'),
    ],
)
def test_wrong_options(tiny_checkpoint, options, message):
    with pytest.raises(ModelError, match=message):
        load(tiny_checkpoint, **options)


def test_cuda_that_is_not_there(tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ModelError, match='0 CUDA devices found: use device cpu'):
        load(tiny_checkpoint, device='cuda')
    assert load(tiny_checkpoint, device='auto').engine.network.device.type == 'cpu'


@pytest.mark.parametrize('library', ['torch', 'transformers', 'tokenizers'])
def test_a_missing_library_names_the_extra(tiny_checkpoint, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModelError, match=r"pip install 'impromptu_vla_ros\[torch\]'"):
        load(tiny_checkpoint)


def test_an_old_library_is_refused(tiny_checkpoint, monkeypatch):
    import transformers

    monkeypatch.setattr(transformers, '__version__', '4.49.0.dev0')
    with pytest.raises(ModelError, match='transformers 4.49.0.dev0 is too old: pip install'):
        load(tiny_checkpoint)


def test_preprocessor_config_has_no_say(checkpoint, query):
    expected = load(checkpoint).answer(query(width=1600, height=900))
    lie = {'max_pixels': 100_000, 'patch_size': 16, 'image_mean': [0, 0, 0]}
    (checkpoint / 'preprocessor_config.json').write_text(json.dumps(lie))
    answer = load(checkpoint).answer(query(width=1600, height=900))
    assert answer.text == expected.text


def test_a_subfolder(checkpoint):
    assert load(checkpoint.parent, subfolder=checkpoint.name)


HUB = """
import json, sys
from impromptu_vla_ros.models import ModelError, create_model
for options in json.load(sys.stdin):
    try:
        create_model('transformers', device='cpu', **options)
        print('loaded')
    except ModelError as error:
        print(str(error).replace('\\n', ' '))
"""


def test_hub_names_subfolders_and_revisions(tiny_checkpoint, tmp_path):
    """A hub cache as a download leaves it, and no network."""
    repository = tmp_path / 'hub' / 'models--somebody--Tiny.VL'
    snapshot = repository / 'snapshots' / ('0' * 40)
    shutil.copytree(tiny_checkpoint, snapshot / '3B_AD')
    (repository / 'refs').mkdir()
    (repository / 'refs' / 'main').write_text('0' * 40)
    (repository / 'refs' / 'v2').write_text('0' * 40)
    name = {'checkpoint': 'somebody/Tiny.VL'}
    asked = [
        {**name, 'subfolder': '3B_AD'},
        {**name, 'subfolder': '3B_AD', 'revision': 'v2'},
        {**name, 'subfolder': '3B_AD', 'revision': 'v3'},
        name,
        {'checkpoint': 'somebody/else'},
    ]
    environment = {**os.environ, 'HF_HOME': str(tmp_path), 'HF_HUB_OFFLINE': '1'}
    environment.pop('HF_HUB_CACHE', None)
    result = subprocess.run(
        [sys.executable, '-c', HUB],
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    main, second, third, root, other = result.stdout.splitlines()
    assert (main, second) == ('loaded', 'loaded')
    assert third.startswith('somebody/Tiny.VL 3B_AD v3 has no config.json')
    assert root.startswith('somebody/Tiny.VL has no config.json')
    assert other.startswith('somebody/else has no config.json')
