# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from qwen_reference import image_processor

from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.preprocessing import (
    model_size,
    resize_as_trained,
    to_patches,
    trained_size,
)

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def processor():
    pytest.importorskip('transformers', reason='needs the extra impromptu_vla_ros[torch]')
    return image_processor()


# Worked out by hand: √(262144 / (w·h)) times each side, truncated; then to the nearest 28; one
# token per 28×28 pixels.
@pytest.mark.parametrize(
    ('size', 'trained', 'model', 'tokens'),
    [
        ((1600, 900), (682, 384), (672, 392), 336),
        ((1920, 1080), (682, 384), (672, 392), 336),
        ((1280, 720), (682, 384), (672, 392), 336),
        ((1242, 375), (931, 281), (924, 280), 330),
        ((800, 600), (591, 443), (588, 448), 336),
        ((640, 480), (591, 443), (588, 448), 336),
        ((640, 360), (640, 360), (644, 364), 299),
        ((1920, 1280), (627, 418), (616, 420), 330),
        ((1550, 2048), (445, 588), (448, 588), 336),
        ((1920, 1020), (702, 373), (700, 364), 325),
        ((512, 512), (512, 512), (504, 504), 324),
        # Halves go to even: 42 is 1.5 · 28, 70 is 2.5 · 28.
        ((42, 70), (42, 70), (56, 56), 4),
        # Below what the trainer and then the model take: 1024 pixels, 28 a side, 3136 pixels.
        ((30, 30), (32, 32), (56, 56), 4),
        ((10, 400), (28, 400), (28, 392), 14),
        # Beyond 200 : 1 the trainer squeezes to 180 : 1.
        ((6000, 29), (5220, 29), (5208, 28), 186),
    ],
)
def test_sizes(size, trained, model, tokens):
    assert trained_size(*size) == trained
    assert model_size(*trained) == model
    patches = to_patches(noise(*size))
    assert patches.tokens == tokens
    assert patches.grid == (1, model[1] // 14, model[0] // 14)
    assert patches.values.shape == (4 * tokens, 1176)
    assert patches.values.dtype == np.float32


def test_one_step_would_give_other_tokens():
    assert model_size(1600, 900) == (1596, 896)
    assert 672 * 392 > 512 * 512


@pytest.mark.parametrize(('filter_name', 'filter_'), [('nearest', 0), ('bicubic', 3)])
def test_the_trainers_resize_is_pillows(filter_name, filter_):
    pixels = noise(1600, 900)
    expected = Image.fromarray(pixels).resize((682, 384), filter_)
    resized = resize_as_trained(pixels, filter_name)
    assert np.array_equal(np.asarray(resized), np.asarray(expected))


@pytest.mark.parametrize(
    ('most', 'size', 'tokens'),
    [
        (0, (682, 384), 336),
        (512 * 512, (682, 384), 336),
        # Never more than trained: it would be another picture than the weights know.
        (1600 * 900, (682, 384), 336),
        # sqrt(131072 / 1440000) = 0.3017: 482 x 271, then 476 x 280, 17 x 10 tokens.
        (256 * 512, (482, 271), 170),
    ],
)
def test_fewer_pixels_than_trained(most, size, tokens):
    pixels = noise(1600, 900)
    assert resize_as_trained(pixels, most_pixels=most).size == size
    assert to_patches(pixels, most_pixels=most).tokens == tokens


def test_the_patches_without_transformers():
    """Each patch is 3 channels × twice the same 14×14 pixels, in 2×2 groups."""
    pixels = noise(112, 84)
    patches = to_patches(pixels)
    image = ((pixels * (1 / 255)).astype(np.float32) - MEAN) / DEVIATION
    values = iter(patches.values.reshape(-1, 3, 2, 14, 14))
    for top in range(0, 84, 28):
        for left in range(0, 112, 28):
            for y in (top, top + 14):
                for x in (left, left + 14):
                    patch = next(values)
                    expected = image[y : y + 14, x : x + 14].transpose(2, 0, 1)
                    assert np.array_equal(patch[:, 0], expected)
                    assert np.array_equal(patch[:, 1], expected)
    assert next(values, None) is None


def equal_to_transformers(processor, pixels, filter_name='nearest'):
    ours = to_patches(pixels, filter_name)
    picture = resize_as_trained(pixels, filter_name)
    theirs = processor(images=picture, return_tensors='np')
    assert theirs['image_grid_thw'].tolist() == [list(ours.grid)]
    assert np.array_equal(theirs['pixel_values'], ours.values)


@pytest.mark.parametrize('filter_name', ['nearest', 'bicubic'])
@pytest.mark.parametrize('size', [(1600, 900), (1242, 375), (800, 600), (640, 360), (1550, 2048)])
def test_bit_equal_to_transformers(processor, size, filter_name):
    equal_to_transformers(processor, noise(*size), filter_name)


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 700), st.integers(8, 700), st.integers(0, 99))
def test_bit_equal_to_transformers_at_any_size(processor, width, height, seed):
    equal_to_transformers(processor, noise(width, height, seed))


def test_rows_with_padding():
    padded = np.zeros((90, 170, 3), np.uint8)
    padded[:, :160] = noise(160, 90)
    assert np.array_equal(to_patches(padded[:, :160]).values, to_patches(noise(160, 90)).values)


def test_an_unknown_filter_is_refused():
    with pytest.raises(ModelError, match="no picture filter 'lanczos': one of nearest, bicubic"):
        to_patches(noise(64, 64), 'lanczos')


def test_a_picture_without_a_size_the_model_takes_is_refused():
    with pytest.raises(InputError, match='300000x1 pixels is too elongated'):
        to_patches(noise(300_000, 1))
    with pytest.raises(InputError, match='too elongated'):
        model_size(28, 5601)


def test_no_heavy_library_is_imported():
    code = (
        'import sys\n'
        'from impromptu_vla_ros.models import preprocessing, transformers_engine\n'
        'from impromptu_vla_ros.models import chat, create_model\n'
        'create_model("kinematic")\n'
        'print(sorted({"torch", "transformers", "tokenizers", "cv_bridge"} & set(sys.modules)))'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, check=True)
    assert result.stdout.strip() == b'[]'
