# SPDX-License-Identifier: Apache-2.0
"""What makes a clip a candidate: how the car moved, how a plan erred, what a picture is like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.curation.labels import SPACING, speeds

# Beyond these a drive is not what everybody does all day: comfort ends at about 2 m/s².
BRAKING, SIDEWAYS = 2.5, 2.5
# A plan that lies so many m off after 3 s was surprised: constant turn rate and acceleration
# errs by 2.3 m on KITTI in the mean.
SURPRISED, AFTER = 4.0, 3.0
# Grey levels, 0 to 255: means below are night, deviations below are fog or a dirty lens, and so
# large a share of white is glare.
DARK, FAINT, WHITE, GLARE = 50.0, 25.0, 250, 0.3
# Of a picture so many rows and columns are looked at.
LOOKED_AT = 128


@dataclass(frozen=True)
class Sign:
    """Why a clip may be worth a look: `kind` motion, plan or picture, and what was found."""

    kind: str
    name: str
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        return f'{self.name}: {self.value:.2f} {self.unit}'.rstrip()


def motion_signs(poses: FloatArray) -> Iterator[Sign]:
    """Yield what is unusual in poses (n, 3) every 0.5 s; what is NaN is not looked at."""
    known = poses[np.isfinite(poses).all(axis=1)]
    if len(known) < 3:
        return
    driven = speeds(known)
    slowing = -float(np.diff(driven).min()) / SPACING
    turning = np.diff(np.unwrap(known[:, 2])) / SPACING
    aside = float(np.abs(driven * turning).max())
    if slowing >= BRAKING:
        yield Sign('motion', 'brakes', slowing, BRAKING, 'm/s²')
    if aside >= SIDEWAYS:
        yield Sign('motion', 'is pushed sideways', aside, SIDEWAYS, 'm/s²')


def plan_sign(plan: ArrayLike, way: ArrayLike, spacing: float) -> Iterator[Sign]:
    """Yield how far a plan (n, 2) m lies from the way (m, 2) after 3 s, where that is much."""
    index = round(AFTER / spacing) - 1
    planned, driven = np.asarray(plan, float), np.asarray(way, float)
    if min(len(planned), len(driven)) <= index:
        return
    off = float(np.hypot(*(planned[index] - driven[index])))
    if off >= SURPRISED:
        yield Sign('plan', 'the plan errs after 3 s', off, SURPRISED, 'm')


def picture_signs(pixels: NDArray[np.uint8]) -> Iterator[Sign]:
    """Yield what is unusual in a picture (height, width, 3) RGB."""
    rows, columns = (max(1, side // LOOKED_AT) for side in pixels.shape[:2])
    # Rec. 601's luma, of a part of the pixels: which part is the same every time.
    grey = pixels[::rows, ::columns].astype(float) @ [0.299, 0.587, 0.114]
    mean, deviation = float(grey.mean()), float(grey.std())
    white = float((grey >= WHITE).mean())
    if mean <= DARK:
        yield Sign('picture', 'dark', mean, DARK, 'of 255')
    if deviation <= FAINT:
        yield Sign('picture', 'without contrast', deviation, FAINT, 'of 255')
    if white >= GLARE:
        yield Sign('picture', 'glaring', white, GLARE, 'of its area')
