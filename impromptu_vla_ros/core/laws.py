# SPDX-License-Identifier: Apache-2.0
"""The laws of control: pure pursuit for the steering, PI with feed-forward for the speed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.paths import Stop
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import EgoNow, Pose
from impromptu_vla_ros.core.track import Track

# A plan may run from the ego's pose into its path within 0.5 s; by then it is on it.
PREVIEW = 1.0
# Below this speed, m/s, a car whose plan stands is stopped at once, and stays so.
STOPPED = 0.3
# A plan that stands is slower than this, m/s; one that departs is faster within the preview.
STANDS, DEPARTS = 0.1, 0.3
# What is added for the metres behind the plan is at most this part of the planned speed.
CATCHING_UP = 0.3
# What the integral may ask for, m/s²: a slope of 10 %.
LARGEST_INTEGRAL = 1.0


@dataclass(frozen=True)
class SteeringLaw:
    """How the path is followed: pure pursuit."""

    lookahead_time: float = setting(
        0.5,
        'The car steers to the point of the plan this far ahead.',
        'Within 0.5 s plans run into their path; longer ones cut corners.',
        unit='s',
        limits=(0.2, 3.0),
    )
    lookahead_least: float = setting(
        3.0,
        'That point is never nearer.',
        'About one wheelbase: nearer ones make the steering restless.',
        unit='m',
        limits=(1.0, 20.0),
    )
    delay: float = setting(
        0.2,
        'From a command to what it does: the ego is predicted by it.',
        'Dead time and lag of the steering together.',
        unit='s',
        limits=(0.0, 1.0),
    )
    largest: float = setting(
        0.6,
        'Largest angle of the road wheels.',
        '34 deg; a circle of 4 m radius with the default wheelbase.',
        unit='rad',
        limits=(0.05, 1.4),
    )
    rate: float = setting(
        0.6,
        'Fastest turn of the road wheels.',
        'Half of what power steering of passenger cars reaches.',
        unit='rad/s',
        limits=(0.05, 5.0),
    )

    def angle(
        self, track: Track, ego: EgoNow, last: float, wheelbase: float, seconds: float
    ) -> tuple[float, str]:
        """
        Return the next angle of the road wheels, rad, and which limit it touches, in words.

        `last` is the angle before, `seconds` ago; `wheelbase` in m.
        """
        turn = ego.speed * math.tan(last) / wheelbase
        ahead = motion.rollout(ego.speed, turn, ego.acceleration, [self.delay])[0]
        pose = motion.moved(ego.pose, Pose(*map(float, ahead)))
        at, _ = track.nearest(pose.x, pose.y)
        reach = max(self.lookahead_least, self.lookahead_time * abs(ego.speed))
        wanted = pursuit(pose, track.ahead(at + reach), wheelbase)
        angle = float(np.clip(wanted, -self.largest, self.largest))
        limited = (
            f'the steering is at its limit of {self.largest:g} rad' if angle != wanted else ''
        )
        step = self.rate * seconds
        return float(np.clip(angle, last - step, last + step)), limited


@dataclass(frozen=True)
class Pace:
    """
    What is asked of the pedals: a target speed in m/s, an acceleration in m/s².

    `integral` (m/s²) and `holding`, whether the car is held at a stand, are for the next one.
    """

    velocity: float = 0.0
    acceleration: float = 0.0
    integral: float = 0.0
    holding: bool = False


@dataclass(frozen=True)
class SpeedLaw:
    """How the planned speed is kept: PI with the planned acceleration fed forward."""

    gain: float = setting(
        1.0, 'Acceleration per error of the speed.', unit='1/s', limits=(0.0, 10.0)
    )
    integral: float = setting(
        0.2, 'Acceleration per error of the speed and second.', unit='1/s^2', limits=(0.0, 5.0)
    )
    station: float = setting(
        0.5,
        'Speed per metre behind the plan.',
        'Without it a car stops where the errors of its speed bring it.',
        unit='1/s',
        limits=(0.0, 2.0),
    )
    acceleration: float = setting(
        3.0, 'Strongest speeding up.', "Autoware's PID: max_acc.", unit='m/s^2', limits=(0.1, 10.0)
    )
    deceleration: float = setting(
        8.0,
        'Strongest braking.',
        'As the guard allows in plans.',
        unit='m/s^2',
        limits=(0.5, 12.0),
    )
    jerk: float = setting(
        10.0,
        'Fastest change of the acceleration.',
        'Below what the guard allows in plans; full braking within 0.8 s.',
        unit='m/s^3',
        limits=(0.5, 50.0),
    )
    hold: float = setting(
        1.0,
        'Braking while the car shall stand.',
        'Holds it on a slope of 10 %.',
        unit='m/s^2',
        limits=(0.1, 5.0),
    )

    def follow(
        self, track: Track, ego: EgoNow, elapsed: float, delay: float, last: Pace, seconds: float
    ) -> Pace:
        """Return the pace for a track read at `elapsed` s, after `last`, `seconds` ago."""
        then, end = elapsed + delay, elapsed + PREVIEW
        present, planned = track.speed(elapsed), track.speed(then)
        stands = max(present, planned) < STANDS and track.speed(end) < DEPARTS
        if stands and (last.holding or abs(ego.speed) < STOPPED):
            return self._hold(last, seconds)
        behind = self.station * track.behind(ego.pose, elapsed, PREVIEW)
        # Never so much that a car that shall stand would creep on.
        faster = max(-present, min(behind, CATCHING_UP * planned))
        error = present + faster - ego.speed
        demand = track.acceleration(then) + self.gain * error
        integral = last.integral + self.integral * error * seconds
        if self.within(demand + integral) != demand + integral:
            integral = last.integral  # anti-windup: more of it does not help
        integral = float(np.clip(integral, -LARGEST_INTEGRAL, LARGEST_INTEGRAL))
        wanted = max(0.0, planned + faster)
        return Pace(wanted, self._eased(last, demand + integral, seconds), integral)

    def brake(self, stop: Stop, speed: float, last: Pace, seconds: float) -> Pace:
        """Return the pace of a stop from `speed` m/s, after `last`, `seconds` ago."""
        if abs(speed) < STANDS:
            return self._hold(last, seconds)
        if not seconds:
            return Pace(abs(speed), last.acceleration)
        times, _, speeds = stop.profile(abs(speed), last.acceleration)
        wanted = float(np.interp(seconds, times, speeds))
        return Pace(wanted, self._eased(last, (wanted - abs(speed)) / seconds, seconds))

    def within(self, acceleration: float) -> float:
        """Return the acceleration, brought within its limits."""
        return float(np.clip(acceleration, -self.deceleration, self.acceleration))

    def _hold(self, last: Pace, seconds: float) -> Pace:
        return Pace(0.0, self._eased(last, -self.hold, seconds), holding=True)

    def _eased(self, last: Pace, demand: float, seconds: float) -> float:
        """Return the next acceleration towards a demand, within its limits and the jerk's."""
        step = self.jerk * seconds
        before = last.acceleration
        return self.within(float(np.clip(demand, before - step, before + step)))


def pursuit(pose: Pose, target: tuple[float, float], wheelbase: float) -> float:
    """
    Return the road-wheel angle, rad, of the arc from the rear axle at `pose` through `target`.

    Pure pursuit (Coulter, CMU-RI-TR-92-01): its curvature is 2·y/d², `wheelbase` in m.
    """
    ((x, y),) = motion.to_frame(pose, [target])
    return math.atan2(2.0 * wheelbase * y, max(x * x + y * y, 1e-6))
