# SPDX-License-Identifier: Apache-2.0
"""How far plans lie from the driven path, and the baselines every result is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Odometry, Pose

# The baselines see this much of the past and no more.
BASELINE_PAST = 0.5
FIRST_ANCHOR = 1.5
ANCHOR_SPACING = 0.5
FUTURE_NEEDED = 3.0


@dataclass(frozen=True)
class DrivenPath:
    """
    Where the vehicle really was: poses (n, 3) x, y, yaw at stamps (n,) in ns, ascending.

    Yaw is unwrapped. Times outside give NaN.
    """

    stamps: FloatArray
    poses: FloatArray

    @classmethod
    def of(cls, odometry: Iterable[Odometry]) -> DrivenPath:
        """Return the path of odometry samples in any order; repeated stamps count once."""
        samples = sorted({s.stamp: s for s in odometry}.values(), key=lambda s: s.stamp)
        if len(samples) < 2:
            raise ValueError(f'a driven path needs two odometry messages, not {len(samples)}')
        poses = np.array([(s.pose.x, s.pose.y, s.pose.yaw) for s in samples])
        poses[:, 2] = np.unwrap(poses[:, 2])
        return cls(np.array([s.stamp for s in samples]), poses)

    def at(self, stamps: ArrayLike) -> FloatArray:
        """Return poses (n, 3) at stamps in ns, NaN outside the recording."""
        # Relative to the first stamp a float is exact; absolute ns are not.
        times = (np.asarray(stamps) - self.stamps[0]).astype(float)
        known = (self.stamps - self.stamps[0]).astype(float)
        return np.column_stack(
            [np.interp(times, known, column, np.nan, np.nan) for column in self.poses.T]
        )

    def pose(self, stamp: int) -> Pose:
        """Return the pose at one stamp in ns."""
        x, y, yaw = self.at([stamp])[0]
        return Pose(float(x), float(y), float(yaw))

    def future(self, stamp: int, seconds: ArrayLike) -> FloatArray:
        """Return the positions (n, 2) after a stamp, in the ego frame at that stamp."""
        offsets = np.round(np.asarray(seconds, float) * NANOSECONDS).astype(np.int64)
        return motion.to_frame(self.pose(stamp), self.at(stamp + offsets)[:, :2])


def anchors(path: DrivenPath, future: float = FUTURE_NEEDED) -> list[int]:
    """Return stamps 1.5, 2.0, … s after the first odometry while `future` s of path remain."""
    first, last = int(path.stamps[0]), int(path.stamps[-1])
    result = []
    stamp = first + round(FIRST_ANCHOR * NANOSECONDS)
    while stamp + round(future * NANOSECONDS) <= last:
        result.append(stamp)
        stamp += round(ANCHOR_SPACING * NANOSECONDS)
    return result


def constant_velocity(path: DrivenPath, stamp: int, seconds: ArrayLike) -> FloatArray:
    """Return the positions (n, 2) of going on with the mean velocity of the past 0.5 s."""
    past = path.future(stamp, [-BASELINE_PAST])[0]
    return np.outer(np.asarray(seconds, float), -past / BASELINE_PAST)


def constant_turn_rate(path: DrivenPath, stamp: int, seconds: ArrayLike) -> FloatArray:
    """Return the positions (n, 2) of going on with the mean speed and turn rate of 0.5 s."""
    past = path.at([stamp - round(BASELINE_PAST * NANOSECONDS), stamp])
    turn = float(past[1, 2] - past[0, 2])
    velocity = -path.future(stamp, [-BASELINE_PAST])[0] / BASELINE_PAST
    speed = math.copysign(math.hypot(*velocity), velocity[0])
    return motion.rollout(speed, turn / BASELINE_PAST, 0.0, seconds)[:, :2]


def l2(predicted: ArrayLike, driven: ArrayLike) -> FloatArray:
    """Return the distances (n,) in m between positions (n, 2)."""
    return np.asarray(np.hypot(*(np.asarray(predicted, float) - np.asarray(driven, float)).T))


def at_seconds(distances: ArrayLike, spacing: float, seconds: Sequence[float]) -> list[float]:
    """
    Return the point-wise L2 at these seconds, as UniAD reports it.

    `distances` (n,) are of waypoints every `spacing` s; NaN where the horizon is shorter.
    """
    array = np.asarray(distances, float)
    index = [round(second / spacing) - 1 for second in seconds]
    return [float(array[i]) if i < len(array) else math.nan for i in index]


def cumulative_mean(distances: ArrayLike, spacing: float, seconds: Sequence[float]) -> list[float]:
    """Return the mean L2 over all waypoints up to these seconds, as ST-P3 and VAD report it."""
    array = np.asarray(distances, float)
    counts = [round(second / spacing) for second in seconds]
    return [float(array[:n].mean()) if n <= len(array) else math.nan for n in counts]
