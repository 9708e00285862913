# SPDX-License-Identifier: Apache-2.0
"""Pictures as they arrive, compressed or raw in any encoding, to rows of RGB pixels."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impromptu_vla_ros.core.structs import CameraImage, InputError

# Where R, G and B lie in one pixel, and how many bytes a pixel has.
LAYOUTS = {
    'rgb8': ((0, 1, 2), 3),
    'bgr8': ((2, 1, 0), 3),
    'rgba8': ((0, 1, 2), 4),
    'bgra8': ((2, 1, 0), 4),
    'mono8': ((0, 0, 0), 1),
}

COMPRESSED = {'jpeg': 'JPEG', 'png': 'PNG'}

# Twice the pixels of the largest automotive sensors of 2025 (17 MP), and more: beyond it a
# header is a mistake or an attack (a few kB of PNG can ask for gigabytes).
MOST_PIXELS = 1 << 26


def decode(image: CameraImage) -> CameraImage:
    """
    Return the same picture as `rgb8`.

    Takes `jpeg`, `png`, `rgb8`, `bgr8`, `rgba8`, `bgra8` and `mono8`; alpha is dropped, grey
    and CMYK become RGB. Other encodings go through cv_bridge where it is installed. An
    `rgb8` picture keeps its data and its row padding. Raises InputError and nothing else.

    Exif rotation is not applied: calibration, the raw topic and training know no Exif, and a
    picture must come out the same whether it was compressed on its way or not.
    """
    if image.encoding in COMPRESSED:
        pixels = _decompress(image)
    else:
        data = _checked_rows(image)
        if image.encoding == 'rgb8':
            return image if len(data) == len(image.data) else replace(image, data=data)
        rows = data.reshape(image.height, image.step)
        pixels = _reorder(image, rows) if image.encoding in LAYOUTS else _bridge(image, data)
    return with_pixels(image, pixels)


def with_pixels(image: CameraImage, pixels: NDArray[np.uint8]) -> CameraImage:
    """Return the same picture as `rgb8` with other pixels, (height, width, 3)."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).reshape(-1)
    return replace(image, encoding='rgb8', data=data, height=height, width=width, step=3 * width)


def to_jpeg(image: CameraImage, quality: int) -> bytes:
    """Return a `bgra8` picture as JPEG, whose colours have half the resolution."""
    size, data = (image.width, image.height), image.data
    # Pillow reads the padded byte of each pixel over: no copy is made of the channels.
    picture = Image.frombuffer('RGB', size, data, 'raw', 'BGRX', image.step, 1)
    file = io.BytesIO()
    picture.save(file, 'JPEG', quality=quality)
    return file.getvalue()


def _check_size(image: CameraImage, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f'picture of camera {image.camera} has no pixels: {width}x{height}')
    if width * height > MOST_PIXELS:
        raise InputError(
            f'picture of camera {image.camera} claims {width}x{height} pixels, more than any '
            'vehicle camera has: its header is wrong'
        )


def _decompress(image: CameraImage) -> NDArray[np.uint8]:
    name = f'{image.encoding} picture of camera {image.camera}'
    try:
        with Image.open(io.BytesIO(image.data), formats=(COMPRESSED[image.encoding],)) as picture:
            # The header is read, the pixels not yet: refuse a bomb before it unpacks.
            _check_size(image, *picture.size)
            if picture.mode[0] in 'IF':
                raise InputError(f'{name} has more than 8 bits per channel: republish it as 8-bit')
            picture.load()
            rgb = picture if picture.mode == 'RGB' else picture.convert('RGB')
            return np.asarray(rgb)
    except InputError:
        raise
    except Exception as error:  # Pillow's readers raise OSError, SyntaxError, struct.error, …
        raise InputError(f'{name} cannot be decoded ({error}): truncated or corrupt') from error


def _checked_rows(image: CameraImage) -> NDArray[np.uint8]:
    """Return the bytes of all rows, flat, without a copy."""
    _check_size(image, image.width, image.height)
    name = f'{image.encoding!r} picture of camera {image.camera}'
    needed = image.width * LAYOUTS.get(image.encoding, ((), 1))[1]
    if image.step < needed:
        raise InputError(
            f'{name} has rows of {image.step} bytes, {image.width} pixels need {needed}'
        )
    size = image.height * image.step
    try:
        data = np.frombuffer(image.data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise InputError(f'{name} holds no bytes ({error})') from error
    if len(data) < size:
        raise InputError(
            f'{name} has {len(data)} bytes, {image.height} rows of {image.step} need {size}'
        )
    return data[:size]


def _reorder(image: CameraImage, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    order, channels = LAYOUTS[image.encoding]
    source = rows[:, : channels * image.width].reshape(image.height, image.width, channels)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    # One strided copy per channel: a quarter of the time of copying source[..., order].
    for channel, place in enumerate(order):
        pixels[..., channel] = source[..., place]
    return pixels


def _bridge(image: CameraImage, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    name = f'encoding {image.encoding!r} of camera {image.camera}'
    message = SimpleNamespace(
        height=image.height,
        width=image.width,
        encoding=image.encoding,
        is_bigendian=0,
        step=image.step,
        data=data,
    )
    try:
        # By name, so that neither the import rules nor mypy need a ROS installation.
        pixels = import_module('cv_bridge').CvBridge().imgmsg_to_cv2(message, 'rgb8')
    except ImportError as error:
        distro = os.environ.get('ROS_DISTRO', '<distro>')
        raise InputError(
            f'{name} needs cv_bridge ({error}): install ros-{distro}-cv-bridge, or republish '
            f'the picture as jpeg, png, {", ".join(LAYOUTS)}'
        ) from error
    except Exception as error:  # cv_bridge and OpenCV raise kinds of their own.
        raise InputError(f'{name} was refused by cv_bridge: {error}') from error
    if pixels.dtype != np.uint8 or pixels.shape != (image.height, image.width, 3):
        raise InputError(f'{name}: cv_bridge made {pixels.dtype} {pixels.shape} of it')
    return np.ascontiguousarray(pixels)
