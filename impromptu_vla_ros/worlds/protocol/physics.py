# SPDX-License-Identifier: Apache-2.0
"""A vehicle's physics control: what a client may read of a kind, and what it may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from impromptu_vla_ros.worlds.protocol.axes import attached, flipped
from impromptu_vla_ros.worlds.simulation import Body, Kind

DRY = 3.5  # CARLA's tire friction that is a dry road's: its vehicles' default
WHEEL_RADIUS = 0.35  # m
TRACK = 0.8  # of a vehicle's width
MASS_PER_VOLUME = 140.0  # kg/m³, which gives a middle-class car its 1.8 t

# Places in the list that is a physics control, and in one that is a wheel of it.
WHEELS, FRICTION, STEER, POSITION = 15, 0, 2, 9


def of(kind: Kind, body: Body) -> list[Any]:
    """Return the physics control of a kind; its wheels are where `body` puts them, in cm."""
    engine = [[[0.0, 500.0], [5000.0, 500.0]], 5000.0, 1.0, 0.15, 2.0, 0.35]
    gears = [True, 0.5, 10.0, 4.0, []]
    hull = [mass(kind), 0.3, [0.0, 0.0, 0.0], [[0.0, 1.0], [100.0, 1.0]]]
    return [*engine, *gears, *hull, _wheels(kind, body), False]


def mass(kind: Kind) -> float:
    """Return about what a vehicle of that size weighs, kg."""
    return MASS_PER_VOLUME * kind.length * kind.width * kind.height


def placed(physics: list[Any], kind: Kind, body: Body) -> list[Any]:
    """Return a physics control with the wheels where they are now."""
    wheels = [
        [*wheel[:POSITION], now[POSITION]]
        for wheel, now in zip(physics[WHEELS], _wheels(kind, body))
    ]
    return [*physics[:WHEELS], wheels or _wheels(kind, body), *physics[WHEELS + 1 :]]


def grip(physics: Sequence[Any]) -> float:
    """Return the friction of the tires, 1 on a dry road, of the mean wheel."""
    wheels = physics[WHEELS]
    if not wheels:
        return 1.0
    mean: float = sum(float(wheel[FRICTION]) for wheel in wheels) / len(wheels)
    return mean / DRY


def _wheels(kind: Kind, body: Body) -> list[Any]:
    half, side = 0.5 * kind.wheelbase, 0.5 * TRACK * kind.width
    corners = [(half, side), (half, -side), (-half, side), (-half, -side)]
    return [_wheel(kind, attached(body, Body(x, y, WHEEL_RADIUS)), x > 0.0) for x, y in corners]


def _wheel(kind: Kind, there: Body, front: bool) -> list[Any]:
    steer = math.degrees(kind.max_steer) if front else 0.0
    brakes = [1500.0, 0.0 if front else 3000.0]
    position = [100.0 * value for value in flipped((there.x, there.y, there.z))]
    stiffness = [3.0, 17.0, 1000.0]
    return [DRY, 0.25, steer, 100.0 * WHEEL_RADIUS, *brakes, *stiffness, position]
