# SPDX-License-Identifier: Apache-2.0
"""What can be spawned: the blueprint library, a small part of CARLA's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from impromptu_vla_ros.worlds.simulation import Kind

BOOL, INT, FLOAT, STRING, COLOR = range(5)  # types of attributes, from the version's base on
FULL_STEER = math.radians(70.0)  # of the front wheels of CARLA's cars


@dataclass(frozen=True)
class Attribute:
    """A blueprint's attribute, its values being text as CARLA has them."""

    name: str
    type: int
    value: str
    choices: tuple[str, ...] = ()
    modifiable: bool = True


@dataclass(frozen=True)
class Blueprint:
    """What an actor is; a sensor has no `kind`."""

    name: str
    attributes: tuple[Attribute, ...]
    kind: Kind | None = None

    @property
    def tags(self) -> str:
        """Return the words of the name, which the client's filters look at."""
        return self.name.replace('.', ',')

    @property
    def senses(self) -> bool:
        """Return whether it is a sensor."""
        return self.name.startswith('sensor.')

    @property
    def walks(self) -> bool:
        """Return whether it is a pedestrian."""
        return self.name.startswith('walker.')

    @property
    def drives(self) -> bool:
        """Return whether it has wheels."""
        return self.name.startswith('vehicle.')


def _vehicle(
    name: str, length: float, width: float, height: float, wheelbase: float, wheels: int = 4
) -> Blueprint:
    attributes = (
        Attribute('role_name', STRING, 'autopilot', ('autopilot', 'scenario', 'ego_vehicle')),
        Attribute('color', COLOR, '180,30,30', ('180,30,30', '30,60,150', '230,230,230')),
        Attribute('number_of_wheels', INT, str(wheels), modifiable=False),
        Attribute('base_type', STRING, 'car', modifiable=False),
        Attribute('generation', INT, '2', modifiable=False),
        Attribute('sticky_control', BOOL, 'true', ('true', 'false')),
    )
    return Blueprint(name, attributes, Kind(name, length, width, height, wheelbase, FULL_STEER))


def _thing(name: str, length: float, width: float, height: float) -> Blueprint:
    # It has no axles; its length stands in, so that no engine divides by zero.
    kind = Kind(name, length, width, height, length, 0.0)
    return Blueprint(name, (Attribute('role_name', STRING, name.split('.')[1]),), kind)


def _walker(name: str) -> Blueprint:
    body = _thing(name, 0.38, 0.38, 1.86)
    speeds = Attribute('speed', FLOAT, '0', ('0', '1.4', '3.0'))
    return Blueprint(name, (*body.attributes, speeds), body.kind)


def _sensor(name: str, **attributes: float) -> Blueprint:
    given = tuple(
        Attribute(key, INT if isinstance(value, int) else FLOAT, str(value))
        for key, value in attributes.items()
    )
    role = Attribute('role_name', STRING, 'front')
    return Blueprint(name, (role, Attribute('sensor_tick', FLOAT, '0.0'), *given))


# Outer sizes of CARLA's vehicles and wheelbases of the makers, m, to a centimetre.
_ALL = (
    _vehicle('vehicle.lincoln.mkz_2020', 4.89, 1.84, 1.49, 2.85),
    _vehicle('vehicle.tesla.model3', 4.79, 2.16, 1.49, 2.88),
    _vehicle('vehicle.toyota.prius', 4.51, 2.01, 1.53, 2.70),
    _vehicle('vehicle.audi.tt', 4.18, 1.99, 1.39, 2.51),
    _vehicle('vehicle.mini.cooper_s_2021', 4.55, 2.10, 1.77, 2.50),
    _vehicle('vehicle.carlamotors.firetruck', 8.47, 2.89, 3.83, 4.80),
    _walker('walker.pedestrian.0001'),
    _walker('walker.pedestrian.0002'),
    _thing('static.prop.trafficcone01', 0.34, 0.34, 0.63),
    _thing('static.prop.streetbarrier', 0.37, 1.20, 1.07),
    _thing('static.prop.box01', 0.64, 0.64, 0.64),
    _sensor('sensor.camera.rgb', image_size_x=800, image_size_y=600, fov=90.0),
    _sensor('sensor.other.imu'),
    _sensor('sensor.other.gnss'),
    _sensor('sensor.other.collision'),
    _sensor('sensor.other.lane_invasion'),
)
BLUEPRINTS: Mapping[str, Blueprint] = {one.name: one for one in _ALL}
SPECTATOR = Blueprint('spectator', ())


def is_camera(name: str) -> bool:
    """Return whether a blueprint of that name makes pictures."""
    return name.startswith('sensor.camera.')


def definitions(base: int) -> list[Any]:
    """Return the library as the client reads it; `base` is its first attribute type."""
    return [
        [
            number,
            blueprint.name,
            blueprint.tags,
            [
                [a.name, base + a.type, a.value, list(a.choices), a.modifiable, False]
                for a in blueprint.attributes
            ],
        ]
        for number, blueprint in enumerate(BLUEPRINTS.values(), 1)
    ]


def described(description: Any) -> tuple[Blueprint, dict[str, str]]:
    """
    Return what a client's actor description asks for, with all attributes.

    Raise ValueError where there is no such blueprint.
    """
    _, name, given = description
    if name not in BLUEPRINTS:
        raise ValueError(f'there is no blueprint {name!r}; there are: {", ".join(BLUEPRINTS)}')
    blueprint = BLUEPRINTS[name]
    defaults = {attribute.name: attribute.value for attribute in blueprint.attributes}
    return blueprint, defaults | {key: value for key, _, value in given}


def description_of(blueprint: Blueprint, attributes: Mapping[str, str], base: int) -> list[Any]:
    """Return an actor's description as the client reads it."""
    types = {attribute.name: attribute.type for attribute in blueprint.attributes}
    listed = [[key, base + types.get(key, STRING), text] for key, text in attributes.items()]
    return [0, blueprint.name, listed]
