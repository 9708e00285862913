# SPDX-License-Identifier: Apache-2.0
"""What stands on the ground, as flat coloured faces: cars, houses and trees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.worlds.simulation import Kind

Colour = tuple[float, float, float]  # blue, green, red, 0 to 255

GLASS: Colour = (70.0, 58.0, 48.0)
TIRE: Colour = (28.0, 26.0, 26.0)
HUB: Colour = (150.0, 148.0, 146.0)
SHADOW: Colour = (48.0, 46.0, 46.0)
HEADLIGHT: Colour = (225.0, 240.0, 245.0)
TAIL_LIGHT: Colour = (30.0, 25.0, 135.0)
BRAKE_LIGHT: Colour = (70.0, 60.0, 255.0)
PLATE: Colour = (225.0, 228.0, 228.0)


@dataclass(frozen=True)
class Face:
    """A flat face: corners (n, 3) counter-clockwise from outside, in m; `lit` shines itself."""

    corners: FloatArray
    colour: Colour
    lit: bool = False

    @property
    def normal(self) -> FloatArray:
        """Return the unit vector that points outwards."""
        a, b, c = self.corners[:3]
        normal = np.cross(b - a, c - b)
        return np.asarray(normal / np.linalg.norm(normal), float)


@dataclass(frozen=True)
class Solid:
    """
    Faces as arrays, in the order to be drawn in, so that many are drawn fast.

    `corners` (n, 3) of all of them, of which `counts` (m,) belong to each; and each one's first
    corner, normal and colour, (m, 3), and whether it is `lit` (m,).
    """

    corners: FloatArray
    counts: NDArray[np.intp]
    firsts: FloatArray
    normals: FloatArray
    colours: FloatArray
    lit: NDArray[np.bool_]

    def moved(self, rotation: FloatArray, place: FloatArray) -> Solid:
        """Return it turned by a matrix (3, 3), then moved by (3,)."""
        return replace(
            self,
            corners=self.corners @ rotation.T + place,
            firsts=self.firsts @ rotation.T + place,
            normals=self.normals @ rotation.T,
        )


def solid(faces: Sequence[Face]) -> Solid:
    """Return faces as one solid."""
    return Solid(
        np.concatenate([face.corners for face in faces]),
        np.array([len(face.corners) for face in faces]),
        np.array([face.corners[0] for face in faces]),
        np.array([face.normal for face in faces]),
        np.array([face.colour for face in faces], float),
        np.array([face.lit for face in faces]),
    )


def block(bottom: ArrayLike, top: ArrayLike, z: tuple[float, float]) -> dict[str, FloatArray]:
    """
    Return the faces of a block by name: 'front', 'rear', 'left', 'right' and 'top'.

    `bottom` and `top` are x from and to and half the width, at the two heights `z`.
    """
    x0, x1, w = np.asarray(bottom, float)
    u0, u1, v = np.asarray(top, float)
    low, high = z
    rear_left, front_left = (x0, w, low), (x1, w, low)
    rear_right, front_right = (x0, -w, low), (x1, -w, low)
    top_rear_left, top_front_left = (u0, v, high), (u1, v, high)
    top_rear_right, top_front_right = (u0, -v, high), (u1, -v, high)
    return {
        'front': np.array([front_right, front_left, top_front_left, top_front_right]),
        'rear': np.array([rear_left, rear_right, top_rear_right, top_rear_left]),
        'left': np.array([front_left, rear_left, top_rear_left, top_front_left]),
        'right': np.array([rear_right, front_right, top_front_right, top_rear_right]),
        'top': np.array([top_rear_left, top_rear_right, top_front_right, top_front_left]),
    }


def _within(face: FloatArray, across: tuple[float, float], up: tuple[float, float]) -> FloatArray:
    """Return a part of a four-cornered face, by shares of its width and height."""
    a, b, c, d = face
    low = [a + share * (b - a) for share in across]
    high = [d + share * (c - d) for share in across]
    (u0, u1), (l0, l1), (h0, h1) = up, low, high
    return np.array(
        [l0 + u0 * (h0 - l0), l1 + u0 * (h1 - l1), l1 + u1 * (h1 - l1), l0 + u1 * (h0 - l0)]
    )


def box(length: float, width: float, height: float, colour: Colour) -> Solid:
    """Return a plain box that stands on the ground."""
    outline = (-0.5 * length, 0.5 * length, 0.5 * width)
    faces = block(outline, outline, (0.0, height))
    return solid([Face(face, colour) for face in faces.values()])


@lru_cache(maxsize=256)
def car(kind: Kind, colour: Colour, braking: bool) -> Solid:
    """Return a car as long, wide and high as its kind, in the order to be drawn in."""
    length, width, height = kind.length, kind.width, kind.height
    if length < 2.5:  # a cone, a barrier, a cyclist
        return box(length, width, height, colour)
    half, side = 0.5 * length, 0.5 * width
    if height > 1.75:  # a van or a truck: the cabin goes on to the rear
        cabin = (-0.99 * half, 0.80 * half, 0.98 * side), (-0.97 * half, 0.55 * half, 0.92 * side)
    else:
        cabin = (-0.82 * half, 0.45 * half, 0.94 * side), (-0.55 * half, 0.12 * half, 0.74 * side)
    waist = 0.56 * height
    hull = block((-half, half, side), (-0.98 * half, 0.96 * half, 0.97 * side), (0.2, waist))
    house = block(*cabin, (waist, height))
    faces = [Face(_ground(1.02 * half, 1.04 * side), SHADOW, lit=True)]
    faces += [Face(face, colour) for face in hull.values()]
    faces += _lights(hull, braking)
    faces += _wheels(kind, side)
    faces += [Face(face, colour) for face in house.values()]
    panes = {name: house[name] for name in ('front', 'rear', 'left', 'right')}
    faces += [Face(_within(pane, (0.07, 0.93), (0.12, 0.88)), GLASS) for pane in panes.values()]
    return solid(faces)


def _ground(half: float, side: float) -> FloatArray:
    return np.array(
        [[-half, -side, 0.0], [half, -side, 0.0], [half, side, 0.0], [-half, side, 0.0]]
    )


def _lights(hull: dict[str, FloatArray], braking: bool) -> list[Face]:
    red = BRAKE_LIGHT if braking else TAIL_LIGHT
    ends = ((0.03, 0.24), (0.76, 0.97))
    rear = [Face(_within(hull['rear'], across, (0.58, 0.86)), red, lit=True) for across in ends]
    front = [
        Face(_within(hull['front'], across, (0.50, 0.78)), HEADLIGHT, lit=True) for across in ends
    ]
    plates = [
        Face(_within(hull[end], (0.38, 0.62), (0.22, 0.42)), PLATE) for end in ('front', 'rear')
    ]
    return rear + front + plates


def _wheels(kind: Kind, side: float) -> list[Face]:
    radius = min(0.34, 0.24 * kind.height)
    turn = np.linspace(0.0, math.tau, 13)[:-1]
    faces = []
    for x in (0.5 * kind.wheelbase, -0.5 * kind.wheelbase):
        for left in (1.0, -1.0):
            for size, colour in ((radius, TIRE), (0.55 * radius, HUB)):
                # Counter-clockwise as seen from that side.
                wheel = np.column_stack(
                    [
                        x - left * size * np.cos(turn),
                        np.full_like(turn, left * 1.01 * side),
                        radius + size * np.sin(turn),
                    ]
                )
                faces.append(Face(wheel, colour))
    return faces


def house(length: float, width: float, height: float, wall: Colour, roof: Colour) -> Solid:
    """Return a house with a ridge along x, with windows on all sides."""
    half, side, ridge = 0.5 * length, 0.5 * width, height + 0.32 * width
    walls = block((-half, half, side), (-half, half, side), (0.0, height))
    del walls['top']
    faces = [Face(face, wall) for face in walls.values()]
    for name, face in walls.items():
        count = max(2, round((length if name in ('left', 'right') else width) / 3.5))
        floors = max(1, round(height / 3.2))
        for column in range(count):
            for floor in range(floors):
                across = (column + 0.3) / count, (column + 0.7) / count
                up = (floor + 0.35) / floors, (floor + 0.78) / floors
                faces.append(Face(_within(face, across, up), GLASS))
    for end in (half, -half):
        gable = np.array([[end, -side, height], [end, side, height], [end, 0.0, ridge]])
        faces.append(Face(gable if end > 0.0 else gable[::-1], wall))
    for y in (1.04 * side, -1.04 * side):
        eaves = np.array(
            [[half, y, height], [-half, y, height], [-half, 0.0, ridge], [half, 0.0, ridge]]
        )
        faces.append(Face(eaves if y > 0.0 else eaves[::-1], roof))
    return solid(faces)
