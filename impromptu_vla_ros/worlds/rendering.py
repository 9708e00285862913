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
from impromptu_vla_ros.worlds.shapes import Colour, Face, car
from impromptu_vla_ros.worlds.simulation import Body, Kind, Lens
from impromptu_vla_ros.worlds.view import HAZE, Camera, View, placed

FAR = 200.0  # m up to which what stands on the ground is drawn
VIEWS = 16  # that are kept: as many as cameras look at once
SUN = np.array([0.45, 0.35, 0.82])  # where it stands, of length 1
SHADE = 0.62  # of a colour is left where the sun does not shine
TRUNK: Colour = (45.0, 62.0, 84.0)


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
        pixels = self._view(camera).background(camera)
        image = Image.fromarray(pixels, 'RGBA')
        draw = ImageDraw.Draw(image)
        self._draw_skyline(draw, camera)
        for standing in self._in_sight(camera, cars):
            if standing.crown is None:
                self._draw_faces(draw, camera, standing.faces)
            else:
                self._draw_tree(draw, camera, standing.place, *standing.crown)
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
                faces = tuple(
                    Face(face.corners @ lies.T + places[index], face.colour, face.lit)
                    for face in car(one.kind, colour, one.braking)
                )
                near.append(Standing(places[index], faces))
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
        bearings = np.linspace(0.0, math.tau, self._look.skyline.shape[1])
        for ridge, hazy in zip(self._look.skyline, (0.72, 0.45)):
            round_about = np.column_stack([np.cos(bearings), np.sin(bearings), ridge])
            top = camera.optical(camera.position + round_about)
            round_about[:, 2] = -1e-3
            foot = camera.optical(camera.position + round_about)
            colour = hazy * self._look.horizon + (1.0 - hazy) * np.array([60.0, 95.0, 70.0])
            for left, right in zip(range(len(top) - 1), range(1, len(top))):
                quad = np.array([foot[left], top[left], top[right], foot[right]])
                if quad[:, 2].min() > 0.2:
                    corners = camera.polygon(quad)
                    if corners is not None:
                        draw.polygon(corners, fill=_filled(colour))

    def _draw_faces(
        self, draw: ImageDraw.ImageDraw, camera: Camera, faces: Sequence[Face]
    ) -> None:
        for face in faces:
            towards = camera.position - face.corners[0]
            normal = face.normal
            if normal @ towards <= 0.0:
                continue
            corners = camera.polygon(camera.optical(face.corners))
            if corners is None:
                continue
            light = 1.0 if face.lit else SHADE + (1.0 - SHADE) * max(0.0, float(normal @ SUN))
            away = float(np.linalg.norm(towards))
            draw.polygon(corners, fill=_filled(self._hazed(np.array(face.colour) * light, away)))

    def _draw_tree(
        self,
        draw: ImageDraw.ImageDraw,
        camera: Camera,
        place: FloatArray,
        height: float,
        radius: float,
        leaves: Colour,
    ) -> None:
        foot, top, crown = camera.optical(
            place + np.array([[0.0, 0.0, 0.0], [0.0, 0.0, height - radius], [0.0, 0.0, height]])
        )
        if min(foot[2], top[2]) < radius:
            return
        (x, y), (u, v) = camera.pixels(np.array([foot, top]))
        scale = camera.matrix[0, 0] / top[2]
        wide = max(1, round(0.12 * radius * 2.0 * scale))
        draw.line([x, y, u, v], fill=_filled(self._hazed(np.array(TRUNK), foot[2])), width=wide)
        # A crown of a few balls, the lower ones in the shade.
        balls = (
            (0.0, 0.1, 1.0, 0.66),
            (-0.35, 0.0, 0.62, 0.78),
            (0.3, -0.2, 0.66, 0.88),
            (-0.1, -0.42, 0.55, 1.0),
        )
        for right, down, size, light in balls:
            middle = u + right * radius * scale, v + down * radius * scale
            half = size * radius * scale
            box = [middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half]
            draw.ellipse(box, fill=_filled(self._hazed(np.array(leaves) * light, foot[2])))

    def _hazed(self, colour: FloatArray, away: float) -> FloatArray:
        clear = math.exp(-away / HAZE)
        return np.asarray(clear * colour + (1.0 - clear) * self._look.horizon, float)


def _carries(kind: Kind, position: FloatArray) -> bool:
    """Return whether a camera there, in the vehicle's axes, is on or in the vehicle."""
    x, y, z = np.abs(position)
    return bool(x < 0.5 * kind.length and y < 0.5 * kind.width and z < kind.height + 1.5)


def _filled(colour: FloatArray) -> tuple[int, int, int, int]:
    blue, green, red = (max(0, min(255, round(channel))) for channel in colour)
    return blue, green, red, 255
