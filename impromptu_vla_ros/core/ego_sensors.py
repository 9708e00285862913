# SPDX-License-Identifier: Apache-2.0
"""Measured acceleration and steering against what the poses did in the same second."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from impromptu_vla_ros.core.ego_windows import STEP, WIDTH, Windows
from impromptu_vla_ros.core.findings import DEGREES, SPREAD, Finding, check_ratio, fit_ratio
from impromptu_vla_ros.core.structs import NANOSECONDS, Acceleration, FloatArray, Steering

# Windows count from this acceleration (m/s²), turn (rad) and steering angle (rad) on.
PUSHING, LEAST_ANGLE, ROLLING = 0.5, 0.02, 2.0
ENOUGH_PUSHES, ENOUGH_TURN = 12, 0.3
BAND = 0.5
GRAVITY = 9.81
# Common steering ratios lie between; 8 to 25 leaves room for trucks and sports cars.
STEERING_RATIO = (8.0, 25.0)


def check_acceleration(
    w: Windows, samples: Sequence[Acceleration], start: int
) -> list[Finding] | None:
    """
    Compare with the gain of speed and with speed times turn rate; None if neither can tell.

    `start` (ns) is that of the windows; a constant share is gravity, or an axis that is not x.
    """
    if len(samples) < 3:
        return None
    t = np.array([(s.stamp - start) / NANOSECONDS for s in samples])
    ahead = means(t, np.array([s.ax for s in samples]), w.middle)
    if len(w.middle) <= 2 * WIDTH:
        return None
    here = np.arange(len(w.middle) - 2 * WIDTH)
    # The speed of the next window less that of the one before, two windows' middles apart.
    steady = np.abs(w.middle[here + 2 * WIDTH] - w.middle[here] - 2 * WIDTH * STEP) < 1e-6
    middle = here[steady] + WIDTH
    gain = (w.along[middle + WIDTH] - w.along[middle - WIDTH]) / (2 * WIDTH * STEP)
    # Both are then means over the same three seconds, weighted alike.
    kernel = np.ones(2 * WIDTH + 1)
    kernel[[0, -1]] = 0.5
    said = np.convolve(ahead, kernel / kernel.sum(), 'valid')[here[steady]]
    # What it says while the speed is steady: there a wrong scale does not matter.
    quiet = said[(np.abs(gain) < PUSHING) & np.isfinite(said)]
    bias = float(np.median(quiet)) if len(quiet) >= WIDTH else 0.0
    remedy = 'publish m/s², + ahead and + to the left, without gravity'
    if abs(bias) > 0.3 * GRAVITY:
        detail = f'{bias:+.1f} m/s² more ahead than the speed gains'
        return [Finding('error', 'acceleration: gravity or a tilt in it', detail, remedy)]
    pushes = (np.abs(gain) > PUSHING) & np.isfinite(said)
    found = None
    if pushes.sum() >= ENOUGH_PUSHES and np.ptp(gain[pushes]) > 2 * PUSHING:
        found = check_ratio(
            'acceleration', said - bias, gain, pushes, BAND, {'g': 1.0 / GRAVITY}, remedy
        )
    left = means(t, np.array([s.ay for s in samples]), w.middle)
    inward = w.along * w.turn
    pulls = (np.abs(inward) > PUSHING) & np.isfinite(left) & np.isfinite(ahead)
    if not found and pulls.sum() >= ENOUGH_PUSHES:
        lateral = check_ratio(
            'lateral acceleration', left, inward, pulls, BAND, {'g': 1.0 / GRAVITY}, remedy
        )
        # Right to the left says nothing of ahead.
        found = lateral or found
    return found


def check_steering(
    w: Windows, samples: Sequence[Steering], start: int, wheelbase: float
) -> list[Finding] | None:
    """
    Compare with the angle that the path needs; None if it bends too little to tell.

    `start` in ns, `wheelbase` in m.
    """
    if len(samples) < 3:
        return None
    t = np.array([(s.stamp - start) / NANOSECONDS for s in samples])
    said = means(t, np.array([s.tire_angle for s in samples]), w.middle)
    rolling = np.abs(w.along) > ROLLING
    bend = np.divide(w.turn, w.along, out=np.zeros_like(w.turn), where=rolling)
    angle = np.arctan(wheelbase * bend)
    bends = rolling & (np.abs(angle) > LEAST_ANGLE) & np.isfinite(said)
    if np.abs(w.turn[bends]).sum() / WIDTH < ENOUGH_TURN:
        return None
    ratio, rest = fit_ratio(said[bends], angle[bends])
    remedy = 'publish the angle of the road wheels in rad, + to the left'
    least, most = STEERING_RATIO
    if rest < SPREAD and least < abs(ratio) < most:
        detail = f'{ratio:.1f} times the angle that the path shows'
        return [Finding('error', 'steering: angle of the steering wheel', detail, remedy)]
    units = {'degrees': DEGREES, 'degrees of the steering wheel': 16.0 * DEGREES}
    return check_ratio('steering', said, angle, bends, BAND, units, remedy)


def means(t: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Return the mean of values (n,) at t (n,) s in the window around each instant, or NaN."""
    half = WIDTH * STEP / 2.0
    order = np.argsort(t)
    sums = np.concatenate([[0.0], np.cumsum(values[order])])
    one, two = np.searchsorted(t[order], at - half), np.searchsorted(t[order], at + half)
    counts = two - one
    none = np.full(len(at), math.nan)
    return np.asarray(np.divide(sums[two] - sums[one], counts, out=none, where=counts > 1))
