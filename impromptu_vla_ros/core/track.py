# SPDX-License-Identifier: Apache-2.0
"""A published plan as a controller reads it: by its stamp, and where the ego is along it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Plan, Pose

# Points nearer than this, m, are one: those of a standing car lie a millimetre apart.
SAME = 0.01


@dataclass(frozen=True, eq=False)
class Track:
    """A plan whose poses lie in the frame of the odometry."""

    plan: Plan

    def elapsed(self, now: int) -> float:
        """Return the seconds since time_from_start was 0."""
        return (now - self.plan.stamp) / NANOSECONDS

    def speed(self, elapsed: float) -> float:
        """Return the planned speed, m/s; that of the ends outside of them."""
        return float(np.interp(elapsed, self.plan.times, self.plan.speeds))

    def acceleration(self, elapsed: float) -> float:
        """Return the planned acceleration, m/s²."""
        return float(np.interp(elapsed, self.plan.times, self.plan.accelerations))

    def point(self, elapsed: float) -> tuple[float, float]:
        """Return the planned place of base_link, m."""
        x, y = (float(np.interp(elapsed, self.plan.times, c)) for c in self.plan.poses[:, :2].T)
        return x, y

    def behind(self, pose: Pose, elapsed: float, preview: float) -> float:
        """
        Return how many metres behind the plan a pose is, negative if before it.

        That is how much farther it is to where the plan will be after the `preview`, s, than
        the planned speeds lead: a plan may begin at the ego, wherever that is.
        """
        end = elapsed + preview
        times = self.plan.times
        inner = np.array([elapsed, *times[(times > elapsed) & (times < end)], end])
        speeds = np.interp(inner, times, self.plan.speeds)
        led = float(np.sum(0.5 * (speeds[1:] + speeds[:-1]) * np.diff(inner)))
        at, _ = self.nearest(pose.x, pose.y)
        return float(np.interp(end, times, self._marks)) - at - led

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """
        Return how far along, m, the way comes nearest to a point, and how far left the point is.

        Straight ahead the way goes on behind its end.
        """
        points, marks = self._way
        steps = np.diff(points, axis=0)
        lengths = np.hypot(*steps.T)
        away = np.array([x, y]) - points[:-1]
        part = np.clip(np.sum(away * steps, axis=1) / lengths**2, 0.0, 1.0)
        off = away - part[:, None] * steps
        k = int(np.argmin(np.hypot(*off.T)))
        left = (steps[k, 0] * off[k, 1] - steps[k, 1] * off[k, 0]) / lengths[k]
        return float(marks[k] + part[k] * lengths[k]), float(left)

    def ahead(self, distance: float) -> tuple[float, float]:
        """Return the point this far along the way, m."""
        points, marks = self._way
        x, y = (float(np.interp(distance, marks, axis)) for axis in points.T)
        return x, y

    def moved(self, change: Pose) -> Track:
        """Return the same track in a frame that was corrected: `change` maps old poses to new."""
        return Track(laid(self.plan, change, self.plan.frame_id))

    @cached_property
    def _marks(self) -> FloatArray:
        steps = np.hypot(*np.diff(self.plan.poses[:, :2], axis=0).T)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @cached_property
    def _way(self) -> tuple[FloatArray, FloatArray]:
        """Return the distinct points, the last far behind the plan's end, and their marks."""
        kept = [0]
        for k, mark in enumerate(self._marks):
            if mark - self._marks[kept[-1]] > SAME:
                kept.append(k)
        x, y, yaw = self.plan.poses[-1]
        far = [x + 100.0 * math.cos(yaw), y + 100.0 * math.sin(yaw)]
        points = np.vstack([self.plan.poses[kept, :2], far])
        steps = np.hypot(*np.diff(points, axis=0).T)
        return points, np.concatenate([[0.0], np.cumsum(steps)])


def laid(plan: Plan, pose: Pose, frame_id: str) -> Plan:
    """Return a plan whose poses were given in the frame of `pose`, in that of `frame_id`."""
    xy = motion.from_frame(pose, plan.poses[:, :2])
    return replace(
        plan, frame_id=frame_id, poses=np.column_stack([xy, plan.poses[:, 2] + pose.yaw])
    )
