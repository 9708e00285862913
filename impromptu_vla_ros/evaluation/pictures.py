# SPDX-License-Identifier: Apache-2.0
"""The pictures that plans were asked from, with the plan and the driven future drawn in."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from impromptu_vla_ros.core.camera import ground_points, project
from impromptu_vla_ros.core.structs import CameraImage, CameraModel, FloatArray, InputError
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.replay import ReplayResult
from impromptu_vla_ros.evaluation.score import SPACING, Score, positions
from impromptu_vla_ros.images import decode

WIDTH = 560
QUALITY = 74
# The driven future is drawn as a band of this width, m, so that a plan on top stays visible.
BAND = 0.5
FINE = np.arange(0.0, 3.01, 0.1)


@dataclass(frozen=True)
class Picture:
    """
    One frame for the page: its JPEG and the curves on it, in its pixels.

    `anchor_s` is seconds after the first odometry, `l2` the plan's distance in m 3 s later.
    """

    anchor_s: float
    l2: float
    jpeg: bytes
    width: int
    height: int
    driven: str
    planned: str
    waypoints: tuple[tuple[float, float], ...]

    @property
    def uri(self) -> str:
        """Return the JPEG as a data URI."""
        return 'data:image/jpeg;base64,' + base64.b64encode(self.jpeg).decode()


def pictures(
    bag: Bag, result: ReplayResult, score: Score, camera: CameraModel | None, most: int
) -> tuple[Picture, ...]:
    """
    Return up to `most` pictures at anchors, evenly spread.

    Without a camera nothing is drawn into them; anchors without a plan and pictures that
    cannot be decoded are left out.
    """
    planned = [k for k, capture in enumerate(score.captures) if capture is not None]
    chosen = [planned[i] for i in _spread(len(planned), most)]
    captures = {score.captures[k]: k for k in chosen}
    made: dict[int, Picture] = {}
    for image in bag.pictures(result.dialect.cameras[0], [c for c in captures if c is not None]):
        try:
            made[captures[image.stamp]] = _picture(
                image, captures[image.stamp], result, score, camera
            )
        except InputError:
            continue
    return tuple(made[k] for k in sorted(made))


def _spread(count: int, most: int) -> list[int]:
    wanted = min(count, most)
    return [] if wanted == 0 else [round(v) for v in np.linspace(0, count - 1, wanted)]


def _picture(
    image: CameraImage, index: int, result: ReplayResult, score: Score, camera: CameraModel | None
) -> Picture:
    plan = result.plans[image.stamp]
    return drawn(
        image,
        camera,
        result.path.future(image.stamp, FINE),
        positions(plan, FINE),
        positions(plan, SPACING * np.arange(1, 7)),
        anchor_s=(score.anchors[index] - int(result.path.stamps[0])) / 1e9,
        l2=score.plan.at([k == index for k in range(len(score.anchors))]).pointwise([3])[0],
    )


def drawn(
    image: CameraImage,
    camera: CameraModel | None,
    driven: FloatArray,
    planned: FloatArray,
    marks: FloatArray,
    anchor_s: float,
    l2: float,
) -> Picture:
    """
    Return a picture, made smaller, with paths (n, 2) in base_link where the camera is known.

    NaN points are left out. Raise InputError where it cannot be decoded.
    """
    pixels = decode(image).pixels
    small = Image.fromarray(pixels)
    width = min(WIDTH, small.width)
    height = round(small.height * width / small.width)
    small = small.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, 'JPEG', quality=QUALITY, optimize=True)
    band, line, waypoints = '', '', []
    if camera is not None:
        scale = np.array([width / camera.width, height / camera.height])
        band = _band(camera, driven, scale)
        line = _text(_on_ground(camera, _known(planned), scale))
        known = _known(marks)
        spots, inside = project(camera, np.column_stack([known, np.zeros(len(known))]))
        waypoints = [(float(u), float(v)) for u, v in spots[inside] * scale]
    return Picture(
        anchor_s=anchor_s,
        l2=l2,
        jpeg=buffer.getvalue(),
        width=width,
        height=height,
        driven=band,
        planned=line,
        waypoints=tuple(waypoints),
    )


def _band(camera: CameraModel, path: FloatArray, scale: FloatArray) -> str:
    """Return the outline of a band on the ground along a path (n, 2)."""
    known = _known(path)
    ground = ground_points(known)[:, :2]
    steps = np.gradient(ground, axis=0)
    lengths = np.maximum(np.hypot(*steps.T), 1e-9)
    side = 0.5 * BAND * np.column_stack([-steps[:, 1], steps[:, 0]]) / lengths[:, None]
    left = _on_ground(camera, ground + side, scale)
    right = _on_ground(camera, ground - side, scale)
    return _text(np.vstack([left, right[::-1]]))


def _on_ground(camera: CameraModel, path: FloatArray, scale: FloatArray) -> FloatArray:
    pixels, _ = project(camera, ground_points(path))
    return _known(pixels) * scale


def _known(points: FloatArray) -> FloatArray:
    return points[np.isfinite(points).all(axis=1)]


def _text(points: Sequence[Sequence[float]] | FloatArray) -> str:
    return ' '.join(f'{u:.1f},{v:.1f}' for u, v in points)
