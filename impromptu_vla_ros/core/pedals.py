# SPDX-License-Identifier: Apache-2.0
"""A command for a car that knows pedals and a steering wheel only, as CARLA's do."""

from __future__ import annotations

from dataclasses import dataclass

from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import ControlCommand


@dataclass(frozen=True)
class PedalScale:
    """What the pedals and the wheel do at their ends; the rest is taken to be in proportion."""

    throttle: float = setting(
        4.0, 'Acceleration at full throttle.', unit='m/s^2', limits=(0.5, 20.0)
    )
    power: float = setting(
        45.0,
        'Power per mass at full throttle, which bounds the acceleration of a fast car.',
        'Family cars reach 100 km/h in some 10 s.',
        unit='W/kg',
        limits=(5.0, 1000.0),
    )
    brake: float = setting(8.0, 'Deceleration at full brake.', unit='m/s^2', limits=(0.5, 20.0))
    steer: float = setting(
        1.22,
        'Angle of the road wheels at full steering.',
        "70 deg, CARLA's default; the vehicle's physics control says its own (max_steer_angle).",
        unit='rad',
        limits=(0.1, 1.5),
    )


def pedals(
    command: ControlCommand, scale: PedalScale, speed: float = 0.0
) -> tuple[float, float, float]:
    """
    Return throttle and brake in [0, 1] and steering in [-1, 1], positive to the left.

    `speed` is the vehicle's, m/s: a fast one needs more throttle for the same acceleration.
    """
    full = min(scale.throttle, scale.power / max(abs(speed), 1.0))
    throttle = min(max(command.acceleration / full, 0.0), 1.0)
    brake = min(max(-command.acceleration / scale.brake, 0.0), 1.0)
    return throttle, brake, min(max(command.tire_angle / scale.steer, -1.0), 1.0)
