# SPDX-License-Identifier: Apache-2.0
"""The scene from above: the road, the ego, the others, the plan and what was driven."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.driving import Box
from impromptu_vla_ros.core.structs import FloatArray, Plan, Pose
from impromptu_vla_ros.drawing import draw_parts
from impromptu_vla_ros.worlds.ground import (
    CENTRE,
    SHOULDER,
    WHITE,
    road_marks,
    road_sides,
    road_strip,
)
from impromptu_vla_ros.worlds.roads import RoadNetwork

# How much is shown, m from bottom to top, and which part of it lies behind the ego.
SHOWN, BEHIND = 64.0, 0.28
# Pixels per metre of the land, and how far it reaches beyond where the ego gets, m.
FINE, REACH = 10, 60.0
# The whole drive is at most this wide and high, px, and shows so much around itself, m.
WIDEST, HIGHEST, AROUND = 1060, 520, 15.0
# A walker is drawn this large, m, or nobody would see him.
LEAST = 1.2
# Drawn so many times larger and reduced: lines without steps.
SMOOTH = 2

GRASS, GRAVEL, ASPHALT = (94, 122, 80), (122, 116, 104), (62, 65, 70)
MARKS = {WHITE: (228, 228, 224), CENTRE: (226, 186, 70)}
DRIVEN, EGO, OTHER, TEXT = (110, 168, 255), (47, 111, 208), (240, 150, 60), (255, 255, 255)
EDGE = (20, 24, 30)

font = lru_cache(ImageFont.load_default)  # by its size in px


@dataclass(frozen=True, eq=False)
class Land:
    """The ground as an RGB picture, north up; its upper left corner lies at `west`, `north`."""

    picture: Image.Image
    west: float
    north: float


@dataclass(frozen=True)
class Eye:
    """A view from above, ahead of the ego up: `size` in px (width, height)."""

    ego: Pose
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Return the pixels per metre."""
        return self.size[1] / SHOWN

    def pixels(self, points: FloatArray) -> FloatArray:
        """Return where points (n, 2 or 3) of the world lie in the picture, (n, 2)."""
        ahead, left = motion.to_frame(self.ego, np.asarray(points, float)[:, :2]).T
        width, height = self.size
        return np.column_stack(
            [0.5 * width - left * self.scale, (1.0 - BEHIND) * height - ahead * self.scale]
        )


def painted_land(network: RoadNetwork, path: FloatArray) -> Land:
    """Return the land around a path (n, 2)."""
    west, south = path.min(axis=0) - REACH
    east, north = path.max(axis=0) + REACH
    fine = 2 * FINE
    size = math.ceil((east - west) * fine), math.ceil((north - south) * fine)
    picture = Image.new('RGB', size, GRASS)
    draw = ImageDraw.Draw(picture)

    def fill(outline: FloatArray, colour: tuple[int, int, int]) -> None:
        corners = (outline - [west, north]) * [fine, -fine]
        if (corners.max(axis=0) > 0).all() and (corners.min(axis=0) < size).all():
            draw.polygon(corners.ravel().tolist(), fill=colour)

    for road in network.roads:
        left, right = road_sides(road)
        fill(road_strip(road, left + SHOULDER, right - SHOULDER), GRAVEL)
    for road in network.roads:
        fill(road_strip(road, *road_sides(road)), ASPHALT)
    for road in network.roads:
        for outline, material in road_marks(road):
            fill(outline, MARKS[material])
    return Land(picture.reduce(2), float(west), float(north))


def from_above(
    land: Land,
    size: tuple[int, int],
    ego: Pose,
    outline: Box,
    others: Sequence[Box],
    plan: Plan | None,
    driven: FloatArray,
    ahead: float,
) -> Image.Image:
    """
    Return the scene as the ego's rear axle lies at `ego`, `size` px wide and high.

    `outline` is the ego's, `others` those of everybody else, `driven` (n, 2) the way so far and
    `ahead` how far before base_link a stopping plan's wall stands, m.
    """
    eye = Eye(ego, (SMOOTH * size[0], SMOOTH * size[1]))
    picture = _ground(land, eye)
    draw = ImageDraw.Draw(picture)
    if len(driven) > 1:
        way = eye.pixels(driven).ravel().tolist()
        draw.line(way, fill=DRIVEN, width=3 * SMOOTH, joint='curve')
    if plan is not None:
        draw_parts(picture, plan, eye.pixels, ahead, dot=1.8 * SMOOTH)
    for box in others:
        _box(draw, eye, box, OTHER)
    _box(draw, eye, outline, EGO)
    _ruler(draw, eye)
    return picture.reduce(SMOOTH)


def _ground(land: Land, eye: Eye) -> Image.Image:
    """Return the land turned and scaled to the view."""
    # A pixel of the view, in the ego's frame, in the world, in the land: all affine, so that
    # three corners tell it.
    width, height = eye.size
    ahead, left = (1.0 - BEHIND) * height / eye.scale, 0.5 * width / eye.scale
    corners = np.array(
        [[ahead, left], [ahead, left - 1.0 / eye.scale], [ahead - 1.0 / eye.scale, left]]
    )
    u, v = ((motion.from_frame(eye.ego, corners) - [land.west, land.north]) * [FINE, -FINE]).T
    change = (u[1] - u[0], u[2] - u[0], u[0], v[1] - v[0], v[2] - v[0], v[0])
    return land.picture.transform(
        eye.size,
        Image.Transform.AFFINE,
        tuple(map(float, change)),
        Image.Resampling.NEAREST,
        fillcolor=GRASS,
    )


def _box(draw: ImageDraw.ImageDraw, eye: Eye, box: Box, colour: tuple[int, int, int]) -> None:
    shown = box._replace(length=max(box.length, LEAST), width=max(box.width, LEAST))
    corners = eye.pixels(shown.corners)
    draw.polygon(corners.ravel().tolist(), fill=colour, outline=EDGE, width=SMOOTH)
    # Where it faces.
    pose = Pose(box.x, box.y, box.yaw)
    reach, half = 0.42 * shown.length, 0.3 * shown.width
    tip = [[reach, 0.0], [reach - half, half], [reach - half, -half]]
    draw.polygon(eye.pixels(motion.from_frame(pose, tip)).ravel().tolist(), fill=TEXT)


def _ruler(draw: ImageDraw.ImageDraw, eye: Eye) -> None:
    length, inset = 10.0 * eye.scale, 7 * SMOOTH
    x, y = inset, eye.size[1] - inset
    ends = [(x, y - inset // 2), (x, y), (x + length, y), (x + length, y - inset // 2)]
    draw.line(ends, fill=TEXT, width=SMOOTH)
    above = x + inset // 2, y - 3 * SMOOTH
    draw.text(above, '10 m', fill=TEXT, font=font(11 * SMOOTH), anchor='ls')


def whole_drive(
    land: Land,
    driven: FloatArray,
    colours: Sequence[tuple[int, int, int]],
    others: FloatArray,
    boxes: Sequence[Box],
    dots: Sequence[int],
) -> Image.Image:
    """
    Return the whole drive from above, north up.

    `driven` (n, 2) is drawn in the `colours` (n) of its points, with a dot at each of `dots`.
    `others` (n, m, 2) are the ways of the others, `boxes` all outlines at the end, the ego's
    first.
    """
    low, high = driven.min(axis=0) - AROUND, driven.max(axis=0) + AROUND
    scale = SMOOTH * min(WIDEST / (high[0] - low[0]), HIGHEST / (high[1] - low[1]))
    size = tuple(math.ceil(scale * metres) for metres in high - low)
    corner = (low[0] - land.west) * FINE, (land.north - high[1]) * FINE
    shown = (*corner, corner[0] + size[0] / scale * FINE, corner[1] + size[1] / scale * FINE)
    picture = land.picture.resize(size, Image.Resampling.BILINEAR, box=shown)
    draw = ImageDraw.Draw(picture)

    def place(points: FloatArray) -> FloatArray:
        return (np.asarray(points, float)[..., :2] - [low[0], high[1]]) * [scale, -scale]

    for number in range(others.shape[1]):
        way = place(others[:, number]).ravel().tolist()
        draw.line(way, fill=OTHER, width=2 * SMOOTH, joint='curve')
    way = place(driven)
    for start, end, colour in zip(way, way[1:], colours):
        draw.line((*start, *end), fill=colour, width=4 * SMOOTH)
    for u, v in way[list(dots)]:
        dot = 2.5 * SMOOTH
        draw.ellipse((u - dot, v - dot, u + dot, v + dot), fill=TEXT, outline=EDGE)
    for number, box in enumerate(boxes):
        corners = place(box.corners).ravel().tolist()
        draw.polygon(corners, fill=OTHER if number else EGO, outline=EDGE, width=SMOOTH)
    return picture.reduce(SMOOTH)
