# SPDX-License-Identifier: Apache-2.0
"""The controller's parameters, said once, as in parameters.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from impromptu_vla_ros.core.laws import SpeedLaw, SteeringLaw
from impromptu_vla_ros.core.paths import Stop
from impromptu_vla_ros.core.pedals import PedalScale
from impromptu_vla_ros.core.planner import Vehicle
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.trust import Trust


@dataclass(frozen=True)
class WheelbaseParameters:
    """What must be known of the car."""

    wheelbase: float = setting(
        Vehicle().wheelbase,
        'Distance between the axles.',
        "As of the planner: that of Autoware's sample vehicle.",
        unit='m',
        limits=(0.5, 10.0),
    )


@dataclass(frozen=True)
class ControllerParameters:
    """Every parameter of the controller node; a group's name and a dot precede its fields."""

    trigger: str = setting(
        'timer',
        'What makes a command.',
        'timer: the rate, in the clock of the stamps; odometry: each odometry, one command with '
        'its stamp, as simulations in lockstep want it.',
        choices=('timer', 'odometry'),
    )
    rate: float = setting(
        20.0, 'Commands per second with the timer.', unit='Hz', limits=(1.0, 200.0)
    )
    outputs: tuple[str, ...] = setting(
        ('drive',),
        'What commands are published as.',
        'drive: ~/output/command; ackermann: ~/output/ackermann; carla: ~/output/carla. The '
        'latter two only while engaged, and where their messages are installed.',
        choices=('drive', 'ackermann', 'carla'),
    )
    engaged: bool = setting(
        False,
        'Command from the start on.',
        'For simulations; elsewhere somebody says so with ~/engage.',
    )
    base_frame: str = setting(
        'base_link', 'Child frame that odometry must have.', 'As of the planner.'
    )
    reliability: str = setting(
        'best_effort',
        'Reliability of the odometry subscription.',
        'best_effort hears every publisher; a simulation in lockstep wants reliable.',
        choices=('best_effort', 'reliable'),
    )
    vehicle: WheelbaseParameters = field(default_factory=WheelbaseParameters)
    steering: SteeringLaw = field(default_factory=SteeringLaw)
    speed: SpeedLaw = field(default_factory=SpeedLaw)
    trust: Trust = field(default_factory=Trust)
    stop: Stop = field(default_factory=Stop)
    carla: PedalScale = field(default_factory=PedalScale)
