# SPDX-License-Identifier: Apache-2.0
"""The poses against themselves: a car moves where it points, and its rear axle not sideways."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from impromptu_vla_ros.core.ego_windows import STEP, WIDTH, Windows
from impromptu_vla_ros.core.findings import SPREAD, Finding, fit_ratio
from impromptu_vla_ros.core.structs import Odometry

# Windows count from here on (m, rad), and together must reach this way and turn.
MOVING, TURNING = 1.0, 0.05
ENOUGH_WAY, ENOUGH_TURN = 15.0, 0.3
MIRROR_BAND = 0.5
# An axle offset is told below this speed (m/s); tyres slip by about 0.01·v² m there.
SLOW, LEAST_OFFSET, SLIP = 10.0, 0.8, 0.01
# Turns that differ by less than this share of them are one circle.
CIRCLE = 0.3

# What is found where nothing can be derived from the poses either.
POSE_IS_WRONG = (
    STANDS := 'odometry: the pose stands still',
    FIXED := 'odometry: orientation does not turn',
    MIRRORED := 'odometry: left-handed orientation',
    ASKEW := 'odometry: orientation off the way driven',
)


def untold(what: str, remedy: str) -> Finding:
    detail = f'only {what} seen: not enough motion to tell units and signs'
    return Finding('info', 'ego: not enough motion', detail, remedy)


def check_still(samples: Sequence[Odometry], windows: Windows | None) -> list[Finding]:
    if windows is None:
        return [untold('less than a second of odometry', 'look for longer')]
    moved = float(np.hypot(windows.along, windows.side).sum()) / WIDTH
    said = float(np.nansum(np.abs(windows.said_along))) / WIDTH
    if moved < 1.0 and said > ENOUGH_WAY:
        return [
            Finding(
                'error',
                STANDS,
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


def check_orientation(w: Windows) -> list[Finding]:
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
                        FIXED,
                        'the path bends, and pose.orientation stays as it is',
                        "publish the vehicle's heading in pose.orientation",
                    )
                ]
            ratio, rest = fit_ratio(turn[bends], bend[bends])
            if rest < SPREAD and abs(ratio + 1.0) < MIRROR_BAND:
                return [
                    Finding(
                        'error',
                        MIRRORED,
                        f'the orientation turns {ratio:.2f} times as much as the path does',
                        'x ahead, y left, yaw counter-clockwise (REP-103): negate y or the yaw',
                    )
                ]
    if steady and abs(mean) > math.radians(20.0):
        return [
            Finding(
                'warn' if abs(mean) > math.radians(160.0) else 'error',
                ASKEW,
                f'the way leads {math.degrees(mean):.0f}° off the orientation',
                'yaw is 0 along x and counter-clockwise (REP-103): a compass heading is not '
                '(unless the car drove in reverse)',
            )
        ]
    return []


def check_axle(w: Windows) -> list[Finding]:
    """Check that the point does not move sideways when it turns: the rear axle cannot."""
    slow = (np.abs(w.along) < SLOW) & (np.abs(w.along) > MOVING)
    arms = 2.0 * np.sin(w.turn[slow] / 2.0)
    if np.abs(arms).sum() / WIDTH < 1.0:
        return []
    # A camera or an antenna mounted a little askew moves sideways on straights, too; on one
    # circle the two are the same.
    columns = np.column_stack([arms, w.along[slow]])
    straight = (arms @ columns[:, 1]) / (columns[:, 1] @ columns[:, 1]) * columns[:, 1]
    if np.linalg.norm(arms - straight) < CIRCLE * np.linalg.norm(arms):
        return []
    weights = np.ones(len(arms))
    for _ in range(10):
        root = np.sqrt(weights)
        (ahead, askew), *_ = np.linalg.lstsq(columns * root[:, None], w.side[slow] * root)
        rest = w.side[slow] - columns @ [ahead, askew]
        weights = 1.0 / np.maximum(np.abs(rest), 0.01)
    slip = SLIP * float(np.median(w.along[slow] ** 2))
    unexplained = np.median(np.abs(rest)) > abs(ahead) * np.median(np.abs(arms))
    if abs(ahead) < LEAST_OFFSET + slip or unexplained:
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
