# SPDX-License-Identifier: Apache-2.0
"""A plan drawn into the picture it was made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from impromptu_vla_ros.core.camera import ground_points, project
from impromptu_vla_ros.core.structs import CameraModel

LINE = (64, 224, 128)
POINT = (255, 255, 255)
# From best to worst, in colours that the colour-blind tell apart by their lightness, too.
TIER_COLOURS = {
    'fresh': LINE,
    'held': (255, 200, 40),
    'stopping': (255, 96, 48),
    'standing': (200, 120, 255),
}


def draw_plan(
    pixels: NDArray[np.uint8], camera: CameraModel, points: ArrayLike
) -> NDArray[np.uint8]:
    """
    Return a copy of a picture with a path drawn on the ground.

    `pixels` is (height, width, 3) RGB, of the camera's size or scaled. `points` (n, 2) are
    m in base_link at capture time; each of them is marked.
    """
    height, width = pixels.shape[:2]
    scale = np.array([width / camera.width, height / camera.height])
    picture = Image.fromarray(pixels)
    canvas = ImageDraw.Draw(picture)
    thick = max(2, width // 200)
    waypoints = np.asarray(points, float).reshape(-1, 2)
    if len(waypoints) > 1:
        line, _ = project(camera, ground_points(waypoints))
        seen = [tuple(uv) for uv in line * scale if np.isfinite(uv).all()]
        canvas.line(seen, fill=LINE, width=thick, joint='curve')
    grounded = np.column_stack([waypoints, np.zeros(len(waypoints))])
    marks, inside = project(camera, grounded)
    for u, v in marks[inside] * scale:
        canvas.ellipse((u - thick, v - thick, u + thick, v + thick), fill=POINT, outline=LINE)
    return np.asarray(picture)
