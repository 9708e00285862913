# SPDX-License-Identifier: Apache-2.0
"""
Is the ego what it says? Speed, turn rate, acceleration, steering against the pose history.

A real bridge reported yaw rates in degrees per second, left-handed, for a year. The poses are
what plans are laid at, so they are the truth here, after they were checked against themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.ego_poses import (
    ENOUGH_TURN,
    ENOUGH_WAY,
    MOVING,
    TURNING,
    check_axle,
    check_orientation,
    check_still,
    untold,
)
from impromptu_vla_ros.core.ego_sensors import (
    check_acceleration,
    check_steering,
    means,
)
from impromptu_vla_ros.core.ego_windows import STEP, WIDTH, Windows, windows_of
from impromptu_vla_ros.core.findings import (
    DEGREES,
    LEVELS,
    Finding,
    check_ratio,
)
from impromptu_vla_ros.core.structs import NANOSECONDS, Acceleration, Odometry, Steering, Velocity

# Ratios this near 1 are calibration.
SPEED_BAND, YAW_BAND = 0.15, 0.25

REMEDIES = {
    'odometry': (
        'publish twist.linear.x in m/s along x of child_frame_id',
        'publish twist.angular.z in rad/s, + to the left',
    ),
    'velocity report': (
        'publish longitudinal_velocity in m/s, + ahead',
        'publish heading_rate in rad/s, + to the left',
    ),
}
SPEED_UNITS = {'km/h': 3.6, 'mph': 2.2369, 'knots': 1.9438, 'cm/s': 100.0, 'mm/s': 1000.0}

# The signals of the ego, and how findings about their sources begin.
SIGNALS = {
    'speed': ('odometry: speed:', 'odometry: no twist'),
    'yaw rate': ('odometry: yaw rate:', 'odometry: no twist'),
    'acceleration': ('acceleration:', 'lateral acceleration:'),
    'steering': ('steering:',),
}


@dataclass(frozen=True)
class EgoVerdict:
    """What was found, worst first, and the signals that motion enough `told` of."""

    findings: tuple[Finding, ...]
    told: frozenset[str] = frozenset()

    @property
    def wrong(self) -> frozenset[str]:
        """Return the signals with an error."""
        errors = [found.what for found in self.findings if found.level == 'error']
        return self.told & _named(errors)

    @property
    def right(self) -> frozenset[str]:
        """Return the signals that were told of, and nothing was found."""
        return self.told - _named([found.what for found in self.findings])


def check_ego(
    odometry: Sequence[Odometry],
    acceleration: Sequence[Acceleration] = (),
    steering: Sequence[Steering] = (),
    wheelbase: float = 2.79,
) -> tuple[Finding, ...]:
    """
    Return what contradicts the poses, worst first; `info` where the motion cannot tell.

    Samples may come in any order; `wheelbase` is in m. A mistake is named only where enough
    motion shows it consistently: silence about a standing car proves nothing.
    """
    return judge_ego(odometry, acceleration, steering, wheelbase).findings


def judge_ego(
    odometry: Sequence[Odometry],
    acceleration: Sequence[Acceleration] = (),
    steering: Sequence[Steering] = (),
    wheelbase: float = 2.79,
    velocity: Sequence[Velocity] = (),
) -> EgoVerdict:
    """Return the same with what it tells of each signal; `velocity` is a source of its own."""
    samples = sorted({s.stamp: s for s in odometry}.values(), key=lambda s: s.stamp)
    windows = windows_of(samples)
    found = check_still(samples, windows)
    if found or windows is None:
        # That a twist is always zero is told of both its signals; a pose at rest, of none.
        return EgoVerdict(tuple(found), _named([each.what for each in found]))
    way = float(np.hypot(windows.along, windows.side).sum()) / WIDTH
    turned = float(np.abs(windows.turn).sum()) / WIDTH
    if way < ENOUGH_WAY:
        short = untold(f'{way:.1f} m', f'drive {ENOUGH_WAY:.0f} m and round a corner')
        return EgoVerdict((short,))
    if found := check_orientation(windows):
        # Along a wrong heading every other number is wrong, too.
        return EgoVerdict(tuple(found))
    start = samples[0].stamp
    checks = {
        'speed': _check_speed(windows),
        'yaw rate': _check_yaw_rate(windows),
        'acceleration': check_acceleration(windows, acceleration, start),
        'steering': check_steering(windows, steering, start, wheelbase),
    }
    found = [each for findings in checks.values() for each in findings or ()]
    found += [*check_axle(windows), *_check_report(windows, velocity, start)]
    if turned < ENOUGH_TURN:
        found.append(untold(f'{math.degrees(turned):.0f}° of turns', 'drive round a corner'))
    told = frozenset(signal for signal, findings in checks.items() if findings is not None)
    return EgoVerdict(tuple(sorted(found, key=lambda each: LEVELS.index(each.level))), told)


def _named(whats: Sequence[str]) -> frozenset[str]:
    return frozenset(
        signal
        for signal, beginnings in SIGNALS.items()
        if any(what.startswith(beginnings) for what in whats)
    )


def _check_speed(w: Windows, source: str = 'odometry') -> list[Finding] | None:
    if not np.isfinite(w.said_along).all():
        detail = 'no twist.linear.x: speed and turn rate are taken from the poses'
        return [Finding('info', 'odometry: no twist', detail, 'publish twist, if there is one')]
    moving = np.abs(w.along) > MOVING
    remedy = REMEDIES[source][0]
    return check_ratio(
        f'{source}: speed', w.said_along, w.along, moving, SPEED_BAND, SPEED_UNITS, remedy
    )


def _check_yaw_rate(w: Windows, source: str = 'odometry') -> list[Finding] | None:
    turns = np.abs(w.turn) > TURNING
    if np.abs(w.turn[turns]).sum() / WIDTH < ENOUGH_TURN or not np.isfinite(w.said_turn).all():
        return None
    remedy = REMEDIES[source][1]
    return check_ratio(
        f'{source}: yaw rate', w.said_turn, w.turn, turns, YAW_BAND, {'degrees': DEGREES}, remedy
    )


def _check_report(w: Windows, samples: Sequence[Velocity], start: int) -> list[Finding]:
    """Compare the vehicle's own report of its velocity, as the twist is compared."""
    if len(samples) < 3:
        return []
    t = np.array([(s.stamp - start) / NANOSECONDS for s in samples])
    second = WIDTH * STEP
    along = second * means(t, np.array([s.vx for s in samples]), w.middle)
    turn = second * means(t, np.array([s.yaw_rate for s in samples]), w.middle)
    known = np.isfinite(along)
    if not known.any():
        return []
    part = Windows(
        middle=w.middle[known],
        along=w.along[known],
        side=w.side[known],
        turn=w.turn[known],
        course=w.course[known],
        said_along=along[known],
        said_turn=turn[known],
    )
    source = 'velocity report'
    return [*(_check_speed(part, source) or ()), *(_check_yaw_rate(part, source) or ())]
