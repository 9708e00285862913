# SPDX-License-Identifier: Apache-2.0
"""A plan drawn into a picture: of the camera it was made from, or from above."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from impromptu_vla_ros.core.camera import ground_points, project
from impromptu_vla_ros.core.parts import parts, wall, waypoints
from impromptu_vla_ros.core.structs import CameraModel, FloatArray, Plan

LINE = (64, 224, 128)
POINT = (255, 255, 255)
# From best to worst, in colours that the colour-blind tell apart by their lightness, too.
TIER_COLOURS = {
    'fresh': LINE,
    'held': (255, 200, 40),
    'stopping': (255, 96, 48),
    'standing': (200, 120, 255),
}
# m: how wide a plan is drawn, its dashes, and the stop wall's width and height.
RIBBON, DASH, WALL = 0.9, 1.0, (3.0, 0.9)
FAINT, PLAIN, STRONG = 80, 130, 185

# Points (n, 3) in the plan's frame → pixels (n, 2), NaN where out of sight.
Place = Callable[[FloatArray], FloatArray]


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


def draw_parts(
    picture: Image.Image, plan: Plan, place: Place, ahead: float, dot: float = 3.0
) -> None:
    """
    Draw a plan's parts into an RGB picture, in the colour of its tier.

    Faint: the blend; strong, with a dot of `dot` px every 0.5 s: what the model spoke of; dashed:
    the extension. A wall stands `ahead` m before the pose at which the plan stops. `place` says
    where points of the plan's frame lie in the picture.
    """
    canvas = ImageDraw.Draw(picture, 'RGBA')
    colour, found = TIER_COLOURS[plan.tier], parts(plan)
    extension = _ribbon(found.extension)
    step = max(1, round(DASH / 0.25))
    for k in range(0, max(extension.shape[1] - 1, 0), 2 * step):
        _fill(canvas, extension[:, k : k + step + 1], place, (*colour, PLAIN))
    _fill(canvas, _ribbon(found.blend), place, (*colour, FAINT))
    _fill(canvas, _ribbon(found.own), place, (*colour, STRONG))
    spots = place(_flat(waypoints(plan)))
    for u, v in spots[np.isfinite(spots).all(axis=1)]:
        canvas.ellipse((u - dot, v - dot, u + dot, v + dot), fill=POINT, outline=colour)
    if found.stop is not None:
        # It leans, so that it is seen from above, too.
        low, high = (wall(found.stop, at, WALL[0]) for at in (ahead, ahead + WALL[1]))
        sides = np.stack([_flat(low), _flat(high) + [0.0, 0.0, WALL[1]]])
        red = TIER_COLOURS['stopping']
        _fill(canvas, sides, place, (*red, PLAIN), outline=red)


def _ribbon(poses: FloatArray) -> FloatArray:
    """Return the left and the right side (2, n, 3) of a band on the ground along poses."""
    if not len(poses):
        return np.zeros((2, 0, 3))
    middle = ground_points(poses[:, :2])
    steps = np.gradient(middle[:, :2], axis=0)
    lengths = np.maximum(np.hypot(*steps.T), 1e-9)
    side = 0.5 * RIBBON * np.column_stack([-steps[:, 1], steps[:, 0], 0.0 * lengths])
    side /= lengths[:, None]
    return np.stack([middle + side, middle - side])


def _fill(
    canvas: ImageDraw.ImageDraw,
    sides: FloatArray,
    place: Place,
    fill: tuple[int, ...],
    outline: tuple[int, int, int] | None = None,
) -> None:
    left, right = place(sides[0]), place(sides[1])
    seen = np.isfinite(left).all(axis=1) & np.isfinite(right).all(axis=1)
    if seen.sum() > 1:
        corners = np.concatenate([left[seen], right[seen][::-1]])
        canvas.polygon(corners.ravel().tolist(), fill=fill, outline=outline)


def _flat(points: FloatArray) -> FloatArray:
    return np.column_stack([points[:, :2], np.zeros(len(points))])
