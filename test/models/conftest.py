# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from impromptu_vla_ros.core.structs import CameraImage, Query

TEST = Path(__file__).resolve().parent.parent
if str(TEST) not in sys.path:
    sys.path.insert(0, str(TEST))

EXTRA = 'pip install "impromptu_vla_ros[torch,test]"'
EXPORT_EXTRA = 'pip install "impromptu_vla_ros[export,test]"'


@pytest.fixture(scope='session')
def golden():
    return json.loads((TEST / 'data' / 'golden.json').read_text())


@pytest.fixture(scope='session')
def tiny_checkpoint(tmp_path_factory):
    for library in ('torch', 'transformers', 'dashscope'):
        pytest.importorskip(library, reason=f'{library} is missing: {EXTRA}')
    from tiny_qwen import build_tiny_checkpoint

    return build_tiny_checkpoint(tmp_path_factory.mktemp('checkpoint') / 'tiny')


@pytest.fixture(scope='session')
def tokenizer(tmp_path_factory):
    for library in ('tokenizers', 'dashscope'):
        pytest.importorskip(library, reason=f'{library} is missing: {EXTRA}')
    from tiny_qwen import build_tokenizer
    from tokenizers import Tokenizer

    path = tmp_path_factory.mktemp('tokenizer') / 'tokenizer.json'
    build_tokenizer(path)
    return Tokenizer.from_file(str(path))


@pytest.fixture
def picture():
    """Return a function that makes an rgb8 picture of smooth colours and noise."""

    def make(width=160, height=90, seed=0, stamp=1):
        random = np.random.default_rng(seed)
        ramp = np.linspace(0, 200, width)[None, :, None] * random.random(3)
        pixels = (ramp + random.integers(0, 55, (height, width, 3))).astype(np.uint8)
        return CameraImage('front', stamp, 'rgb8', pixels.reshape(-1), height, width, 3 * width)

    return make


@pytest.fixture
def query(golden, picture):
    """Return a function that makes a query of one dialect, with a picture for each mark."""

    def make(dialect='nuscenes', seed=0, width=160, height=90):
        case = next(case for case in golden if case['dialect'] == dialect)
        count = case['prompt'].count('<image>')
        images = tuple(picture(width, height, seed + place) for place in range(count))
        return Query(1, images, case['prompt'], case['answer'])

    return make


@pytest.fixture(scope='session')
def tiny_graphs(tiny_checkpoint, tmp_path_factory):
    """Return the tiny checkpoint's graphs in single precision; not to be written to."""
    for library in ('onnxruntime', 'onnx', 'onnxscript'):
        pytest.importorskip(library, reason=f'{library} is missing: {EXPORT_EXTRA}')
    from impromptu_vla_ros.models.export import export_checkpoint

    folder = tmp_path_factory.mktemp('graphs') / 'fp32'
    export_checkpoint(str(tiny_checkpoint), folder)
    return folder


@pytest.fixture
def graphs(tiny_graphs, tmp_path):
    """Return a copy of these graphs that may be broken."""
    return Path(shutil.copytree(tiny_graphs, tmp_path / 'graphs'))
