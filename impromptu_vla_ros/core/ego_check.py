# SPDX-License-Identifier: Apache-2.0
"""
Is the ego what it says? Speed, turn rate, acceleration, steering against the pose history.

A real bridge reported yaw rates in degrees per second, left-handed, for a year. The poses are
what plans are laid at, so they are the truth here, after they were checked against themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from impromptu_vla_ros.core.ego_sensors import check_acceleration, check_steering
from impromptu_vla_ros.core.ego_windows import STEP, WIDTH, Windows, windows_of
from impromptu_vla_ros.core.findings import (
    DEGREES,
    LEVELS,
    SPREAD,
    Finding,
    check_ratio,
    fit_ratio,
)
from impromptu_vla_ros.core.structs import Acceleration, Odometry, Steering

# Windows count from here on (m, rad), and together must reach this way and turn.
MOVING, TURNING = 1.0, 0.05
ENOUGH_WAY, ENOUGH_TURN = 15.0, 0.3
# Ratios this near 1 are calibration.
SPEED_BAND, YAW_BAND, MIRROR_BAND = 0.15, 0.25, 0.5
# An axle offset is told below this speed (m/s); tyres slip by about 0.01·v² m there.
SLOW, LEAST_OFFSET, SLIP = 10.0, 0.8, 0.01

SPEED_UNITS = {'km/h': 3.6, 'mph': 2.2369, 'knots': 1.9438, 'cm/s': 100.0, 'mm/s': 1000.0}


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
    samples = sorted({s.stamp: s for s in odometry}.values(), key=lambda s: s.stamp)
    windows = windows_of(samples)
    found = _check_still(samples, windows)
    if found or windows is None:
        return tuple(found)
    way = float(np.hypot(windows.along, windows.side).sum()) / WIDTH
    turned = float(np.abs(windows.turn).sum()) / WIDTH
    if way < ENOUGH_WAY:
        return (_untold(f'{way:.1f} m', f'drive {ENOUGH_WAY:.0f} m and round a corner'),)
    if found := _check_orientation(windows):
        return tuple(found)  # along a wrong heading every other number is wrong, too
    found = [*_check_speed(windows), *_check_yaw_rate(windows), *_check_axle(windows)]
    start = samples[0].stamp
    found += check_acceleration(windows, acceleration, start)
    found += check_steering(windows, steering, start, wheelbase)
    if turned < ENOUGH_TURN:
        found.append(_untold(f'{math.degrees(turned):.0f}° of turns', 'drive round a corner'))
    return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def _untold(what: str, remedy: str) -> Finding:
    detail = f'only {what} seen: not enough motion to tell units and signs'
    return Finding('info', 'ego: not enough motion', detail, remedy)


def _check_still(samples: Sequence[Odometry], windows: Windows | None) -> list[Finding]:
    if windows is None:
        return [_untold('less than a second of odometry', 'look for longer')]
    moved = float(np.hypot(windows.along, windows.side).sum()) / WIDTH
    said = float(np.nansum(np.abs(windows.said_along))) / WIDTH
    if moved < 1.0 and said > ENOUGH_WAY:
        return [
            Finding(
                'error',
                'odometry: the pose stands still',
                f'the twist says {said:.0f} m, the pose moved {moved:.1f} m',
                'publish the pose of the same localization that gives the twist',
            )
        ]
    unknown = not any(math.isfinite(s.vx) and math.isfinite(s.yaw_rate) for s in samples)
    if moved < ENOUGH_WAY or unknown:
        return []
    if np.nanmax(np.abs(windows.said_along), initial=0.0) < 0.02:
        return [
            Finding(
                'error',
                'odometry: no twist',
                f'twist.linear.x is 0 all the time while the pose moves {moved:.0f} m',
                'fill twist.twist in child_frame_id; or NaN, and the poses are differentiated',
            )
        ]
    return []


def _check_orientation(w: Windows) -> list[Finding]:
    """Check the poses against themselves: a car points where it goes."""
    moving = np.hypot(w.along, w.side) > 2.0 * MOVING
    if not moving.any():
        return []
    off = np.arctan2(w.side, w.along)[moving]
    mean = math.atan2(float(np.sin(off).mean()), float(np.cos(off).mean()))
    steady = float(np.median(np.abs(np.angle(np.exp(1j * (off - mean)))))) < 0.3
    pairs = [
        (i, i + WIDTH)
        for i in range(len(w.middle) - WIDTH)
        if abs(w.middle[i + WIDTH] - w.middle[i] - WIDTH * STEP) < 1e-6
        and moving[i]
        and moving[i + WIDTH]
    ]
    if pairs:
        one, two = np.array(pairs).T
        bend = np.angle(np.exp(1j * (w.course[two] - w.course[one])))
        turn = (w.turn[one] + w.turn[two]) / 2.0
        bends = np.abs(bend) > TURNING
        if np.abs(bend[bends]).sum() / WIDTH > ENOUGH_TURN:
            if np.abs(turn[bends]).max() < 0.1 * np.median(np.abs(bend[bends])):
                return [
                    Finding(
                        'error',
                        'odometry: orientation does not turn',
                        'the path bends, and pose.orientation stays as it is',
                        "publish the vehicle's heading in pose.orientation",
                    )
                ]
            ratio, rest = fit_ratio(turn[bends], bend[bends])
            if rest < SPREAD and abs(ratio + 1.0) < MIRROR_BAND:
                return [
                    Finding(
                        'error',
                        'odometry: left-handed orientation',
                        f'the orientation turns {ratio:.2f} times as much as the path does',
                        'x ahead, y left, yaw counter-clockwise (REP-103): negate y or the yaw',
                    )
                ]
    if steady and abs(mean) > math.radians(20.0):
        return [
            Finding(
                'warn' if abs(mean) > math.radians(160.0) else 'error',
                'odometry: orientation off the way driven',
                f'the way leads {math.degrees(mean):.0f}° off the orientation',
                'yaw is 0 along x and counter-clockwise (REP-103): a compass heading is not '
                '(unless the car drove in reverse)',
            )
        ]
    return []


def _check_speed(w: Windows) -> list[Finding]:
    if not np.isfinite(w.said_along).all():
        detail = 'no twist.linear.x: speed and turn rate are taken from the poses'
        return [Finding('info', 'odometry: no twist', detail, 'publish twist, if there is one')]
    moving = np.abs(w.along) > MOVING
    remedy = 'publish twist.linear.x in m/s along x of child_frame_id'
    return check_ratio(
        'odometry: speed', w.said_along, w.along, moving, SPEED_BAND, SPEED_UNITS, remedy
    )


def _check_yaw_rate(w: Windows) -> list[Finding]:
    turns = np.abs(w.turn) > TURNING
    if np.abs(w.turn[turns]).sum() / WIDTH < ENOUGH_TURN or not np.isfinite(w.said_turn).all():
        return []
    remedy = 'publish twist.angular.z in rad/s, + to the left'
    return check_ratio(
        'odometry: yaw rate', w.said_turn, w.turn, turns, YAW_BAND, {'degrees': DEGREES}, remedy
    )


def _check_axle(w: Windows) -> list[Finding]:
    """Check that the point does not move sideways when it turns: the rear axle cannot."""
    slow = (np.abs(w.along) < SLOW) & (np.abs(w.along) > MOVING)
    arms = 2.0 * np.sin(w.turn[slow] / 2.0)
    if np.abs(arms).sum() / WIDTH < 1.0:
        return []
    # A camera or an antenna mounted a little askew moves sideways on straights, too.
    columns = np.column_stack([arms, w.along[slow]])
    weights = np.ones(len(arms))
    for _ in range(10):
        root = np.sqrt(weights)
        (ahead, askew), *_ = np.linalg.lstsq(columns * root[:, None], w.side[slow] * root)
        rest = w.side[slow] - columns @ [ahead, askew]
        weights = 1.0 / np.maximum(np.abs(rest), 0.01)
    slip = SLIP * float(np.median(w.along[slow] ** 2))
    spread = float(np.median(np.abs(rest))) / float(np.median(np.abs(arms)))
    if abs(ahead) < LEAST_OFFSET + slip or spread > abs(ahead):
        return []
    where = 'ahead of' if ahead > 0.0 else 'behind'
    return [
        Finding(
            'warn',
            'odometry: not of the rear axle',
            f'it moves sideways in turns like a point {abs(ahead):.1f} m {where} the rear axle',
            f'publish the pose of the rear axle as base_link: {abs(ahead):.1f} m off this point',
        )
    ]
