# SPDX-License-Identifier: Apache-2.0
"""Guesses at an answer, for a decoder to verify: in text, gone on with from any part of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.codec import answer_template, encode_points
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.motion import from_frame, to_frame
from impromptu_vla_ros.core.paths import TimedPath
from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.core.template import MOST_DIGITS

# An answer older than this, s, says less of the next one than the car's own motion does.
NEWEST = 1.0

_POINT = re.compile(r'\[(-?\d+\.\d+), (-?\d+\.\d+)\]')
# A point that is begun: x, and y where x is done.
_BEGUN = re.compile(r'\[(-?\d*\.?\d*)(,)?(?: (-?\d*\.?\d*))?$')
CENTIMETRE = 0.01


@dataclass(frozen=True, eq=False)
class MotionDraft:
    """A guess that the car drives through `points` (waypoints, 2), m at the dialect's point."""

    dialect: Dialect
    points: FloatArray

    def continued(self, written: str) -> str:
        """
        Return the whole answer as guessed, whose points begin with those `written`.

        The guessed points behind them move along: by as much as the written ones are off, and by
        as much more with each as that grew from the last but one to the last.
        """
        template = answer_template(self.dialect)
        listed = written[len(template.header) :]
        known = [(float(x), float(y)) for x, y in _POINT.findall(listed)][: len(self.points)]
        begun = _BEGUN.search(listed)
        if begun and len(known) < len(self.points):
            x, y = self._moved(known)[len(known)]
            x = float(begun[1]) if begun[2] else nearest_beginning(begun[1], x)
            known.append((x, y if begun[3] is None else nearest_beginning(begun[3], y)))
        points = encode_points(self.dialect, self._moved(known))
        return f'{template.header} {points}{template.end}'

    def _moved(self, known: list[tuple[float, float]]) -> FloatArray:
        """Return all points: those known, and the others moved along with them."""
        points, count = self.points.copy(), len(known)
        if count:
            off = np.vstack([np.zeros(2), np.array(known) - points[:count]])
            ahead = np.arange(1.0, len(points) - count + 1.0)[:, None]
            points[count:] += off[-1] + ahead * (off[-1] - off[-2])
            points[:count] = known
        return points


def moved(
    path: TimedPath, anchor: Pose, elapsed: float, ego: Pose, times: FloatArray
) -> FloatArray:
    """
    Return the poses (n, 3) of an earlier answer's path as a new one would say them.

    The path began at `anchor` `elapsed` s ago; the poses are at `times` s from now, in the frame
    of `ego`, which lies in the frame of `anchor`, and the whole is moved to begin there.
    """
    seconds = elapsed + np.concatenate([[0.0], times])
    there = path.poses(path.distance(seconds))
    xy = to_frame(ego, from_frame(anchor, there[:, :2]))
    return np.column_stack([xy - xy[0], there[:, 2] + anchor.yaw - ego.yaw])[1:]


def nearest_beginning(begun: str, value: float) -> float:
    """
    Return the number nearest to `value` whose text of two decimals can begin with `begun`.

    A 9.97 that is begun with `1` is 10.0: the digits that stand decide, the guess stays near.
    """
    sign = -1.0 if begun.startswith('-') else 1.0
    digits = begun.removeprefix('-')
    if not digits:
        return min(value, -CENTIMETRE) if begun else max(value, 0.0)
    whole, _, decimals = digits.partition('.')
    if '.' in digits:
        low = float(f'{whole}.{decimals}0')
        ranges = [(low, low + 10.0 ** -len(decimals) - CENTIMETRE)]
    else:
        longer = range(1 if whole == '0' else MOST_DIGITS - len(whole) + 1)
        ranges = [(int(whole) * 10.0**k, (int(whole) + 1) * 10.0**k - CENTIMETRE) for k in longer]
    inside = [min(max(sign * value, low), high) for low, high in ranges]
    return sign * min(inside, key=lambda each: abs(each - sign * value))
