# SPDX-License-Identifier: Apache-2.0
"""
RGB pixels to Qwen2.5-VL patches, in the two steps the weights were trained with.

The trainer first shrinks a picture to at most 512·512 pixels, and the model's own processor
then stretches that to multiples of 28. Doing both at once gives other tokens (312 instead of
336 for 1600×900), and capping the second step by the first one's limit does too: 672×392 is
more than 512·512. The constants are Qwen2.5-VL's and are held here because fine-tuned
checkpoints often ship an incomplete preprocessor_config.json.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impromptu_vla_ros.core.dialects import TRAINED_PIXELS
from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.models import ModelError

# The trainer's limits (LLaMA-Factory: its defaults but for the most pixels).
TRAINED_MOST = TRAINED_PIXELS
TRAINED_LEAST = 32 * 32
TRAINED_ASPECT = 200
SQUEEZED_ASPECT = 180

# The model's vision tower: a patch is 14×14 pixels in 3 channels at 2 times (a still picture
# is repeated), 2×2 patches are one token.
PATCH = 14
MERGE = 2
TIMES = 2
FACTOR = PATCH * MERGE
PATCH_LENGTH = 3 * TIMES * PATCH * PATCH
MODEL_LEAST = 56 * 56

# Pillow's numbers of its filters; the names have moved between its versions.
NEAREST = 0
BICUBIC = 3
FILTERS = {'nearest': NEAREST, 'bicubic': BICUBIC}


def _normalized() -> NDArray[np.float32]:
    # The roundings are the processor's own: rescale in double, the rest in single precision.
    mean = np.array([[0.48145466], [0.4578275], [0.40821073]], np.float32)
    deviation = np.array([[0.26862954], [0.26130258], [0.27577711]], np.float32)
    rescaled = (np.arange(256) * (1 / 255)).astype(np.float32)
    return (rescaled - mean) / deviation


# What each of the 256 values of each channel becomes: (3, 256).
NORMALIZED = _normalized()


@dataclass(frozen=True, eq=False)
class Patches:
    """
    One picture as the model takes it.

    `values` is (n, 1176) float32, in the model's patch order; `grid` is (1, rows, columns) in
    patches, n = rows·columns.
    """

    values: NDArray[np.float32]
    grid: tuple[int, int, int]

    @property
    def tokens(self) -> int:
        """Return the number of tokens that the picture takes in the prompt."""
        return len(self.values) // (MERGE * MERGE)


def to_patches(
    pixels: NDArray[np.uint8], filter_name: str = 'nearest', most_pixels: int = 0
) -> Patches:
    """
    Return the patches of `pixels`, (height, width, 3) RGB.

    Equal to the last bit to transformers' Qwen2-VL image processor (its Pillow version) fed
    the picture that the trainer's resize gives. Raises InputError for a picture without a
    size the model can take, ModelError for an unknown filter.
    """
    picture = resize_as_trained(pixels, filter_name, most_pixels)
    picture = picture.resize(model_size(*picture.size), BICUBIC)
    width, height = picture.size
    rows, columns = height // PATCH, width // PATCH
    # Rows and columns of pixels become token row, patch row, pixel row; likewise columns.
    split = (rows // MERGE, MERGE, PATCH, columns // MERGE, MERGE, PATCH, 3)
    blocks = np.asarray(picture).reshape(split).transpose(6, 0, 3, 1, 4, 2, 5)
    values = np.empty((*blocks.shape[1:5], 3, TIMES, PATCH, PATCH), np.float32)
    for channel, table in enumerate(NORMALIZED):
        # 'clip' cannot clip a byte into a table of 256; it skips the buffered bounds check.
        normalized = table.take(blocks[channel], mode='clip')
        for time in range(TIMES):
            values[..., channel, time, :, :] = normalized
    return Patches(values.reshape(rows * columns, PATCH_LENGTH), (1, rows, columns))


def resize_as_trained(
    pixels: NDArray[np.uint8], filter_name: str = 'nearest', most_pixels: int = 0
) -> Image.Image:
    """
    Return `pixels`, (height, width, 3) RGB, as the picture the trainer's loader hands on.

    It has `most_pixels` at most, where that is lower than the trained limit and not 0.
    """
    if filter_name not in FILTERS:
        raise ModelError(f'no picture filter {filter_name!r}: one of {", ".join(FILTERS)}')
    picture = Image.fromarray(pixels)
    # Pillow's own nearest filter is as fast as indexing and rounds as the trainer's does.
    most = min(most_pixels or TRAINED_MOST, TRAINED_MOST)
    for size in _trained_sizes(*picture.size, most):
        picture = picture.resize(size, FILTERS[filter_name])
    return picture


def trained_size(width: int, height: int) -> tuple[int, int]:
    """Return the width and height in pixels that the trainer's resize gives a picture."""
    sizes = _trained_sizes(width, height)
    return sizes[-1] if sizes else (width, height)


def model_size(width: int, height: int) -> tuple[int, int]:
    """
    Return the width and height in pixels that the model takes for a picture of that size.

    Both are multiples of 28; there is no upper limit on purpose. Raises InputError for a
    picture more than 200 times as long as it is wide.
    """
    if max(width, height) > TRAINED_ASPECT * min(width, height):
        raise InputError(f'picture of {width}x{height} pixels is too elongated for the model')
    # round() takes halves to even numbers, as the model's processor does.
    sides = [FACTOR * round(side / FACTOR) for side in (width, height)]
    if sides[0] * sides[1] < MODEL_LEAST:
        scale = math.sqrt(MODEL_LEAST / (width * height))
        sides = [FACTOR * math.ceil(side * scale / FACTOR) for side in (width, height)]
    return sides[0], sides[1]


def _trained_sizes(width: int, height: int, most: int = TRAINED_MOST) -> list[tuple[int, int]]:
    """Return the size after each resize of the trainer's loader: mostly none or one."""
    sizes = [(width, height)]
    if width * height > most:
        sizes.append(_scaled(*sizes[-1], most))
    # The rest concerns pictures no vehicle camera makes; it is done as the trainer did it.
    width, height = sizes[-1]
    if width * height < TRAINED_LEAST:
        sizes.append(_scaled(width, height, TRAINED_LEAST))
    width, height = sizes[-1]
    if min(width, height) < FACTOR:
        sizes.append((max(width, FACTOR), max(height, FACTOR)))
    width, height = sizes[-1]
    if width > TRAINED_ASPECT * height:
        sizes.append((SQUEEZED_ASPECT * height, height))
    if height > TRAINED_ASPECT * width:
        sizes.append((width, SQUEEZED_ASPECT * width))
    return sizes[1:]


def _scaled(width: int, height: int, area: int) -> tuple[int, int]:
    scale = math.sqrt(area / (width * height))
    scaled = int(width * scale), int(height * scale)
    if 0 in scaled:
        raise InputError(f'picture of {width}x{height} pixels is too elongated for the model')
    return scaled
