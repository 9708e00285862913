# SPDX-License-Identifier: Apache-2.0
"""The ground as a picture from above: grass, asphalt and lane marks, at several resolutions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.worlds.roads import Road, RoadNetwork, lane_edges, pose_at

FINEST = 0.05  # m per pixel
MOST_PIXELS = 12_000_000  # 48 MB, and a third more for the coarser levels
LEVELS = 7
MARGIN = 15.0  # m of ground around the roads
SHOULDER = 0.6  # m of gravel beside the lanes

# Marks of country roads, m: the MUTCD asks for 0.10 to 0.15 wide lines, and dashes of 3 with
# gaps of 9 or, in town, less.
MARK_WIDTH = 0.15
DASH, DASH_GAP = 3.0, 6.0
STOP_LINE = 0.4

GRASS, GRAVEL, ASPHALT, WHITE, CENTRE = range(5)
_SHADES = 32
_TILE = 1024  # pixels after which the texture repeats


@dataclass(frozen=True)
class Ground:
    """
    The ground seen from above, level by level half as fine, in one flat array of BGRA pixels.

    Pixel (row, column) of level k lies at `pixels[offsets[k] + row * widths[k] + column]`; its
    column is (x - west) / `sizes[k]` and its row (y - south) / `sizes[k]`, rounded down.
    """

    pixels: NDArray[np.uint32]
    offsets: NDArray[np.int32]
    widths: NDArray[np.int32]
    heights: NDArray[np.int32]
    sizes: FloatArray
    west: float
    south: float


def painted(network: RoadNetwork, palette: NDArray[np.uint8], rng: np.random.Generator) -> Ground:
    """Return the ground of a network; `palette` holds each material's BGR, uint8 (5, 3)."""
    outlines = np.concatenate([road_strip(road, *road_sides(road)) for road in network.roads])
    west, south = outlines.min(axis=0) - MARGIN
    across, up = outlines.max(axis=0) + MARGIN - (west, south)
    # Rounded so that each coarser level has exactly half the pixels.
    size = max(FINEST, math.sqrt(across * up / MOST_PIXELS))
    whole = 2 ** (LEVELS - 1)
    columns, rows = (math.ceil(metres / size / whole) * whole for metres in (across, up))
    image = Image.new('L', (columns, rows), GRASS)
    draw = ImageDraw.Draw(image)

    def fill(polygon: FloatArray, material: int) -> None:
        corners = (polygon - (west, south)) / size - 0.5
        draw.polygon(corners.ravel().tolist(), fill=material)

    for road in network.roads:
        left, right = road_sides(road)
        fill(road_strip(road, left + SHOULDER, right - SHOULDER), GRAVEL)
    for road in network.roads:
        fill(road_strip(road, *road_sides(road)), ASPHALT)
    for road in network.roads:
        for polygon, material in road_marks(road):
            fill(polygon, material)
    pixels = _textured(np.asarray(image), palette, rng)
    beyond = np.array([*palette[GRASS], 255], np.uint8).view(np.uint32)[0]
    return _levels(pixels, beyond, size, float(west), float(south))


def road_sides(road: Road) -> tuple[float, float]:
    """Return how far to the left of the reference line its lanes begin and end, m."""
    return road.left * road.lane_width, -road.right * road.lane_width


def road_strip(
    road: Road, left: float, right: float, start: float = 0.0, end: float | None = None
) -> FloatArray:
    """Return the outline (n, 2) of a strip along a road, from s to s and from left to right."""
    end = road.length if end is None else min(end, road.length)
    # A metre of arc of 10 m radius bends by 1 cm.
    stops = np.linspace(start, end, max(2, math.ceil(end - start) + 1))
    poses = np.array([[pose.x, pose.y, pose.yaw] for pose in (pose_at(road, s) for s in stops)])
    normals = np.column_stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])])
    sides = [poses[:, :2] + offset * normals for offset in (left, right)]
    return np.concatenate([sides[0], sides[1][::-1]])


def road_marks(road: Road) -> Iterator[tuple[FloatArray, int]]:
    """Yield the painted marks of a road: outlines (n, 2), m, and WHITE or CENTRE."""
    edges = lane_edges(road)
    for number, (offset, mark) in enumerate(edges):
        if mark == 'none':
            continue
        if number in (0, len(edges) - 1):
            # Edge lines run within the outermost lanes.
            offset += MARK_WIDTH if number else -MARK_WIDTH
        material = CENTRE if offset == 0.0 and road.left else WHITE
        sides = offset + 0.5 * MARK_WIDTH, offset - 0.5 * MARK_WIDTH
        dashes = np.arange(0.0, road.length, DASH + DASH_GAP)
        spans = [(0.0, road.length)] if mark == 'solid' else [(s, s + DASH) for s in dashes]
        for start, end in spans:
            yield road_strip(road, *sides, start, end), material
    left, right = road_sides(road)
    if road.successor and road.successor.junction and road.right and road.left:
        yield road_strip(road, -0.3, right + 0.3, road.length - STOP_LINE), WHITE
    if road.predecessor and road.predecessor.junction and road.left and road.right:
        yield road_strip(road, left - 0.3, 0.3, 0.0, STOP_LINE), WHITE


def _textured(
    materials: NDArray[np.uint8], palette: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint32]:
    shades = _noise(rng)
    rows, columns = materials.shape
    repeats = -(-rows // _TILE), -(-columns // _TILE)
    shade = np.tile(shades, repeats)[:rows, :columns]
    # Grass and gravel vary more than asphalt and paint.
    strength = np.array([0.30, 0.25, 0.16, 0.12, 0.12])
    light = 1.0 + strength[:, None] * np.linspace(-1.0, 1.0, _SHADES)
    colours = np.full((len(palette), _SHADES, 4), 255, np.uint8)
    colours[..., :3] = np.clip(palette[:, None, :] * light[..., None], 0, 255)
    flat = colours.reshape(-1, 4).view(np.uint32).ravel()
    pixels: NDArray[np.uint32] = flat[materials * np.uint8(_SHADES) + shade]
    return pixels


def _noise(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a tile of shades: fine grain over patches of some metres, without seams."""
    total = np.zeros((_TILE, _TILE), np.float32)
    for cells, weight in ((8, 1.0), (32, 0.8), (128, 0.6), (_TILE, 0.9)):
        grid = rng.normal(size=(cells, cells)).astype(np.float32)
        wrapped = np.pad(grid, 2, mode='wrap')
        scale = _TILE // cells
        large = Image.fromarray(wrapped).resize(
            ((cells + 4) * scale,) * 2, Image.Resampling.BICUBIC
        )
        total += weight * np.asarray(large)[2 * scale :, 2 * scale :][:_TILE, :_TILE]
    return np.asarray(np.clip((total / 4.0 + 0.5) * _SHADES, 0, _SHADES - 1), np.uint8)


def _levels(
    finest: NDArray[np.uint32], beyond: np.uint32, size: float, west: float, south: float
) -> Ground:
    images = [finest]
    for _ in range(LEVELS - 1):
        before: NDArray[Any] = images[-1]
        channels = before.view(np.uint8).reshape(*before.shape, 4)
        smaller = np.asarray(Image.fromarray(channels, 'RGBA').reduce(2))
        images.append(smaller.view(np.uint32)[..., 0].copy())
    # What lies beyond shows the colour of the edge: an even one.
    for image in images:
        image[[0, -1], :] = image[:, [0, -1]] = beyond
    heights, widths = np.array([image.shape for image in images], np.int32).T
    ends = np.cumsum([image.size for image in images])
    return Ground(
        np.concatenate([image.ravel() for image in images]),
        np.concatenate([[0], ends[:-1]]).astype(np.int32),
        widths,
        heights,
        size * 2.0 ** np.arange(LEVELS, dtype=np.float64),
        west,
        south,
    )
