# SPDX-License-Identifier: Apache-2.0
"""Pictures that vary, so that no light or noise of theirs is learned by heart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def varied(random: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) in other light, with noise, sometimes a blot."""
    gain = random.uniform(0.7, 1.3) * random.uniform(0.9, 1.1, 3)
    contrast, lift = random.uniform(0.75, 1.3), random.uniform(-20.0, 20.0)
    noise = np.float32(random.uniform(0.0, 8.0))
    x = noise * random.standard_normal(pixels.shape, np.float32)
    x += pixels * (contrast * gain).astype(np.float32)
    x += np.float32(128.0 * (1.0 - contrast) + lift)
    if random.random() < 0.15:
        height, width = x.shape[:2]
        h, w = int(random.integers(4, height // 4)), int(random.integers(4, width // 4))
        y, left = int(random.integers(height - h)), int(random.integers(width - w))
        x[y : y + h, left : left + w] = random.uniform(0.0, 255.0, 3)
    return np.asarray(np.clip(x, 0.0, 255.0), np.uint8)


def nothing_seen(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) that shows nothing: of one grey, or noise."""
    grey = np.full((height, width, 3), random.uniform(0.0, 255.0), np.float32)
    grey += random.choice([0.0, 40.0]) * random.standard_normal(grey.shape, np.float32)
    return np.clip(grey, 0.0, 255.0).astype(np.uint8)
