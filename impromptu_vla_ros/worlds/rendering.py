# SPDX-License-Identifier: Apache-2.0
"""
What a camera sees, in numpy and Pillow: roads on flat ground, sky, and what stands there.

Shapes are where they belong (core.camera.project gives the same pixels); light and colour are
plain, and vary with the network's name.
"""

from __future__ import annotations

import math
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from impromptu_vla_ros.core.camera import rotation_from_rpy
from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.worlds.ground import painted
from impromptu_vla_ros.worlds.roads import RoadNetwork
from impromptu_vla_ros.worlds.scenery import CARS, Standing, looked, planted
from impromptu_vla_ros.worlds.shapes import Colour, Solid, car
from impromptu_vla_ros.worlds.simulation import Body, Kind, Lens
from impromptu_vla_ros.worlds.view import HAZE, NEAR, Camera, View, placed

FAR = 200.0  # m up to which what stands on the ground is drawn
VIEWS = 16  # that are kept: as many as cameras look at once
SUN = np.array([0.45, 0.35, 0.82])  # where it stands, of length 1
SHADE = 0.62  # of a colour is left where the sun does not shine
TRUNK: Colour = (45.0, 62.0, 84.0)
WOODS = np.array([60.0, 95.0, 70.0])
# The balls of a tree's crown, in shares of its radius: to the right, down, size; and their light.
BALLS = (
    (0.0, 0.1, 1.0, 0.66),
    (-0.1, 0.0, 0.9, 0.78),
    (0.3, -0.2, 0.66, 0.88),
    (-0.1, -0.42, 0.55, 1.0),
)


@dataclass(frozen=True)
class Car:
    """A vehicle to be seen; its colour goes by its number."""

    number: int
    kind: Kind
    body: Body
    braking: bool = False


class Scene:
    """A road network as cameras see it."""

    def __init__(self, network: RoadNetwork) -> None:
        self.network = network
        rng = np.random.default_rng(zlib.crc32(network.name.encode()))
        self._look = looked(rng)
        self._ground = painted(network, self._look.ground, rng)
        self._standing = planted(network, rng)
        self._places = np.array([one.place for one in self._standing]).reshape(-1, 3)
        self._views: OrderedDict[tuple[object, ...], View] = OrderedDict()

    def picture(self, lens: Lens, parent: Body | None, cars: Sequence[Car]) -> NDArray[np.uint8]:
        """Return what is seen through a lens on an actor that lies so: BGRA (height, width, 4)."""
        camera = placed(lens, parent)
        image = Image.fromarray(self._view(camera).background(camera))
        draw = ImageDraw.Draw(image)
        self._draw_skyline(draw, camera)
        for standing in self._in_sight(camera, cars):
            if standing.solid is None:
                self._draw_tree(draw, camera, standing)
            else:
                self._draw_solid(draw, camera, standing.solid)
        return np.array(image)

    def _view(self, camera: Camera) -> View:
        view = self._views.pop(camera.key, None)
        if view is None:
            view = View(camera, self._look, self._ground)
            if len(self._views) >= VIEWS:
                self._views.popitem(last=False)
        self._views[camera.key] = view
        return view

    def _in_sight(self, camera: Camera, cars: Sequence[Car]) -> list[Standing]:
        """Return what stands before the camera, the farthest first."""
        near = [self._standing[index] for index in self._ahead(camera, self._places)]
        places = np.array([[one.body.x, one.body.y, one.body.z] for one in cars]).reshape(-1, 3)
        for index in self._ahead(camera, places):
            one = cars[index]
            lies = rotation_from_rpy(one.body.roll, one.body.pitch, one.body.yaw)
            if not _carries(one.kind, (camera.position - places[index]) @ lies):
                colour = CARS[one.number % len(CARS)]
                solid = car(one.kind, colour, one.braking).moved(lies, places[index])
                near.append(Standing(places[index], solid))
        away = [float(np.sum((one.place - camera.position)[:2] ** 2)) for one in near]
        return [near[index] for index in np.argsort(away, kind='stable')[::-1]]

    @staticmethod
    def _ahead(camera: Camera, places: FloatArray) -> NDArray[np.intp]:
        # What stands a little behind may still reach into the picture.
        x, _, z = camera.optical(places).T
        wide = 0.5 * camera.lens.width / camera.matrix[0, 0]
        return np.flatnonzero(
            (z > -8.0) & (z < FAR) & (np.abs(x) < wide * np.maximum(z, 0) + 12.0)
        )

    def _draw_skyline(self, draw: ImageDraw.ImageDraw, camera: Camera) -> None:
        ahead = camera.turned[:, 2]
        # Where the camera looks, and a right angle to either side of it.
        bearings = math.atan2(ahead[1], ahead[0]) + np.linspace(-1.57, 1.57, 65)
        known = np.linspace(0.0, math.tau, self._look.skyline.shape[1])
        round_about = np.column_stack([np.cos(bearings), np.sin(bearings), np.zeros(65)])
        for ridge, hazy in zip(self._look.skyline, (0.72, 0.45)):
            top = round_about.copy()
            top[:, 2] = np.interp(bearings % math.tau, known, ridge)
            optical = np.concatenate([round_about, top]) @ camera.turned
            seen = np.flatnonzero((optical[:65, 2] > 0.05) & (optical[65:, 2] > 0.05))
            if len(seen) > 1:
                outline = camera.pixels(optical[np.concatenate([seen, seen[::-1] + 65])])
                colour = hazy * self._look.horizon + (1.0 - hazy) * WOODS
                draw.polygon(_corners(outline), fill=_filled(colour))

    def _draw_solid(self, draw: ImageDraw.ImageDraw, camera: Camera, solid: Solid) -> None:
        towards = camera.position - solid.firsts
        shown = np.einsum('ij,ij->i', solid.normals, towards) > 0.0
        light = SHADE + (1.0 - SHADE) * np.maximum(0.0, solid.normals @ SUN)
        light[solid.lit] = 1.0
        colours = self._hazed(solid.colours * light[:, None], np.sqrt((towards**2).sum(axis=1)))
        optical = camera.optical(solid.corners)
        near = bool(optical[:, 2].min() < NEAR)
        corners = [] if near else _corners(camera.pixels(optical))
        ends = np.cumsum(solid.counts)
        for index in np.flatnonzero(shown).tolist():
            start, end = int(ends[index] - solid.counts[index]), int(ends[index])
            if near:
                outline = _corners(camera.clipped(optical[start:end]))
            else:
                outline = corners[2 * start : 2 * end]
            if len(outline) >= 6:
                draw.polygon(outline, fill=_filled(colours[index]))

    def _draw_tree(self, draw: ImageDraw.ImageDraw, camera: Camera, tree: Standing) -> None:
        up = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, tree.height - tree.radius]])
        optical = camera.optical(tree.place + up)
        away = optical[:, 2].min()
        if away < tree.radius:
            return
        (x, y), (u, v) = camera.pixels(optical).tolist()
        size = tree.radius * float(camera.matrix[0, 0] / optical[1, 2])
        if max(x, u) + 2.0 * size < 0.0 or min(x, u) - 2.0 * size > camera.lens.width:
            return
        colours = self._hazed(np.array([TRUNK, tree.leaves]), np.full(2, away))
        draw.line([x, y, u, v], fill=_filled(colours[0]), width=max(1, round(0.24 * size)))
        # Of a small one nobody sees that its crown is made of several balls.
        for right, down, share, light in BALLS if size > 6.0 else BALLS[1:2]:
            a, b, half = u + right * size, v + down * size, share * size
            box = (a - half, b - half, a + half, b + half)
            draw.ellipse(box, fill=_filled(colours[1] * light))

    def _hazed(self, colours: FloatArray, away: FloatArray) -> FloatArray:
        clear = np.exp(-away / HAZE)[:, None]
        return np.asarray(clear * colours + (1.0 - clear) * self._look.horizon, float)


def _carries(kind: Kind, position: FloatArray) -> bool:
    """Return whether a camera there, in the vehicle's axes, is on or in the vehicle."""
    x, y, z = np.abs(position)
    return bool(x < 0.5 * kind.length and y < 0.5 * kind.width and z < kind.height + 1.5)


def _corners(pixels: FloatArray) -> list[float]:
    # Pillow's pixels have their middle at whole numbers, and its numbers have an end.
    corners: list[float] = np.clip(pixels - 0.5, -1e5, 1e5).ravel().tolist()
    return corners


def _filled(colour: FloatArray) -> tuple[int, int, int, int]:
    blue, green, red = colour.tolist()
    return int(blue), int(green), int(red), 255
