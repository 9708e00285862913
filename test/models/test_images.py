# SPDX-License-Identifier: Apache-2.0
import array
import io
import struct
import sys
import types
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from impromptu_vla_ros.core.structs import CameraImage, InputError
from impromptu_vla_ros.images import decode

RGB = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def smooth(width=64, height=48):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x * 3, y * 5, x + y], -1).astype(np.uint8)


def compressed(picture, name, **options):
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return CameraImage('front', 7, name.lower(), buffer.getvalue())


def raw(encoding, pixels, padding=0):
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return CameraImage('front', 7, encoding, rows.tobytes(), height, width, rows.shape[1])


ALPHA = np.full((6, 5, 1), 17, np.uint8)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize(
    ('encoding', 'stored', 'expected'),
    [
        ('rgb8', RGB, RGB),
        ('bgr8', RGB[..., ::-1], RGB),
        ('rgba8', np.concatenate([RGB, ALPHA], -1), RGB),
        ('bgra8', np.concatenate([RGB[..., ::-1], ALPHA], -1), RGB),
        ('mono8', RGB[..., 0], RGB[..., [0, 0, 0]]),
    ],
)
def test_raw_encodings_become_rgb8(encoding, stored, expected, padding):
    image = decode(raw(encoding, stored, padding))
    assert (image.encoding, image.camera, image.stamp) == ('rgb8', 'front', 7)
    assert np.array_equal(image.pixels, expected)


def test_an_rgb8_picture_is_passed_through():
    image = raw('rgb8', RGB, padding=2)
    assert decode(image) is image


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
@pytest.mark.parametrize('kind', [bytearray, memoryview, lambda data: array.array('B', data)])
def test_any_bytes_like_data_with_something_behind_the_last_row(encoding, kind):
    pixels = RGB if encoding == 'rgb8' else RGB[..., ::-1]
    image = raw(encoding, pixels)
    image = replace(image, data=kind(image.data + b'more'))
    assert np.array_equal(decode(image).pixels, RGB)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_a_jpeg_is_what_pillow_makes_of_it(mode):
    image = compressed(Image.fromarray(smooth()).convert(mode), 'JPEG')
    expected = np.asarray(Image.open(io.BytesIO(image.data)).convert('RGB'))
    decoded = decode(image)
    assert (decoded.width, decoded.height, decoded.step) == (64, 48, 192)
    assert np.array_equal(decoded.pixels, expected)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'LA', 'RGBA', 'P', '1'])
def test_a_png_is_what_pillow_makes_of_it(mode):
    picture = Image.fromarray(smooth()).convert(mode)
    decoded = decode(compressed(picture, 'PNG'))
    assert np.array_equal(decoded.pixels, np.asarray(picture.convert('RGB')))


def test_exif_rotation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(compressed(Image.fromarray(smooth()), 'JPEG', exif=exif))
    assert (decoded.width, decoded.height) == (64, 48)


@pytest.mark.parametrize('name', ['JPEG', 'PNG'])
def test_a_truncated_picture_is_refused_at_any_length(name):
    image = compressed(Image.fromarray(smooth()), name)
    for length in range(len(image.data) - 1):
        try:
            pixels = decode(replace(image, data=image.data[:length])).pixels
        except InputError as error:
            assert 'truncated or corrupt' in str(error)
        else:
            # What follows the last pixel may be missing, a pixel never.
            assert np.array_equal(pixels, decode(image).pixels)


def test_a_picture_that_is_not_of_its_encoding_is_refused():
    png = compressed(Image.fromarray(smooth()), 'PNG')
    with pytest.raises(InputError, match='jpeg picture of camera front cannot be decoded'):
        decode(replace(png, encoding='jpeg'))


def test_a_16_bit_png_is_refused():
    picture = Image.fromarray(np.arange(100, dtype=np.uint16).reshape(10, 10))
    with pytest.raises(InputError, match='more than 8 bits'):
        decode(compressed(picture, 'PNG'))


def png_header(width, height):
    body = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10))
    return (
        b'\x89PNG\r\n\x1a\n'
        + struct.pack('>I', 13)
        + body
        + struct.pack('>I', zlib.crc32(body))
        + struct.pack('>I', len(pixels))
        + b'IDAT'
        + pixels
        + struct.pack('>I', zlib.crc32(b'IDAT' + pixels))
    )


@pytest.mark.parametrize('size', [(9000, 9000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused(size):
    with pytest.raises(InputError):
        decode(CameraImage('front', 7, 'png', png_header(*size)))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'height': 7}, '90 bytes, 7 rows of 15 need 105'),
        ({'data': b''}, '0 bytes'),
        ({'step': 14}, 'rows of 14 bytes, 5 pixels need 15'),
        ({'width': 6}, 'rows of 15 bytes, 6 pixels need 18'),
        ({'width': 0}, 'no pixels: 0x6'),
        ({'height': 0}, 'no pixels: 5x0'),
        ({'height': -1}, 'no pixels'),
        ({'width': 100_000, 'height': 100_000, 'step': 300_000}, 'its header is wrong'),
        ({'data': 3}, 'holds no bytes'),
        ({'data': [1, 2, 3]}, 'holds no bytes'),
    ],
)
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_a_picture_of_the_wrong_size_is_refused(encoding, change, message):
    with pytest.raises(InputError, match=message):
        decode(replace(raw(encoding, RGB), **change))


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'yuv422_yuy2', 'mono16', '32FC1', 'RGB8'])
def test_other_encodings_without_cv_bridge_name_the_remedy(encoding, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    message = f"encoding '{encoding}' of camera front needs cv_bridge.*ros-jazzy-cv-bridge"
    with pytest.raises(InputError, match=message):
        decode(raw(encoding, RGB))


class Bridge:
    """Stand in for cv_bridge.CvBridge, which PyPI does not have."""

    def imgmsg_to_cv2(self, message, desired):
        assert desired == 'rgb8'
        if message.encoding != 'bayer_rggb8':
            raise RuntimeError(f'no conversion from {message.encoding}')
        assert message.is_bigendian == 0
        rows = np.ndarray((message.height, message.step), np.uint8, buffer=message.data)
        return np.repeat(rows[:, : message.width, None], 3, -1)


def test_other_encodings_go_through_cv_bridge_where_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', types.SimpleNamespace(CvBridge=Bridge))
    image = decode(raw('bayer_rggb8', RGB[..., 1], padding=1))
    assert np.array_equal(image.pixels, RGB[..., [1, 1, 1]])
    with pytest.raises(InputError, match='refused by cv_bridge: no conversion from 32FC1'):
        decode(raw('32FC1', RGB))
    monkeypatch.setattr(Bridge, 'imgmsg_to_cv2', lambda *_: np.zeros((2, 2), np.uint16))
    with pytest.raises(InputError, match='cv_bridge made uint16'):
        decode(raw('bayer_rggb8', RGB[..., 1]))


SOURCES = [
    compressed(Image.fromarray(smooth(24, 16)), 'JPEG').data,
    compressed(Image.fromarray(smooth(24, 16)), 'JPEG', progressive=True).data,
    compressed(Image.fromarray(smooth(24, 16)), 'PNG').data,
    compressed(Image.fromarray(smooth(24, 16)).convert('P'), 'PNG').data,
]


@st.composite
def mutilated(draw):
    data = bytearray(draw(st.sampled_from(SOURCES)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(data) - 1))
        action = draw(st.sampled_from(['set', 'delete', 'insert', 'cut']))
        if action == 'set':
            data[place] = draw(st.integers(0, 255))
        elif action == 'delete' and len(data) > 1:
            del data[place]
        elif action == 'insert':
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        else:
            del data[max(place, 1) :]
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(['jpeg', 'png']), st.binary(max_size=200) | mutilated())
def test_fuzzed_compressed_data_decode_or_are_refused(encoding, data):
    check(CameraImage('front', 7, encoding, data))


NUMBERS = st.integers(-2, 40) | st.sampled_from([2**16, 2**31, 2**32 - 1])


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'bayer_rggb8', '']) | st.text(),
    st.binary(max_size=400),
    NUMBERS,
    NUMBERS,
    NUMBERS,
)
def test_fuzzed_raw_pictures_decode_or_are_refused(encoding, data, height, width, step):
    check(CameraImage('front', 7, encoding, data, height, width, step))


def check(image):
    try:
        decoded = decode(image)
    except InputError as error:
        assert '\n' not in str(error)
    else:
        assert decoded.pixels.shape == (decoded.height, decoded.width, 3)
        assert decoded.pixels.dtype == np.uint8
