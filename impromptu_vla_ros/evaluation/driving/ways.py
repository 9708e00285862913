# SPDX-License-Identifier: Apache-2.0
"""Ways along lanes in continuous metres: where one is on them, and where they bend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.motion import wrap
from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.evaluation.driving.scenario import Route
from impromptu_vla_ros.worlds.roads import (
    LanePoint,
    RoadNetwork,
    entered,
    lane_pose,
)

# Points of a way lie at most this far apart, m.
EVERY = 0.5


@dataclass(frozen=True, eq=False)
class Way:
    """A way of points (n, 3) x, y, yaw, unwrapped, at `marks` (n,) m along it."""

    marks: FloatArray
    points: FloatArray

    @property
    def length(self) -> float:
        """Return its length, m."""
        return float(self.marks[-1])

    @cached_property
    def curvature(self) -> FloatArray:
        """Return the bend at each point (n,), 1/m, + = left."""
        return np.asarray(np.gradient(self.points[:, 2], self.marks))

    def at(self, s: ArrayLike, left: ArrayLike = 0.0) -> FloatArray:
        """Return x, y, yaw (n, 3) at `s` (n,) m along and `left` of it; straight on behind it."""
        s = np.atleast_1d(np.asarray(s, float))
        x, y, yaw = (np.interp(s, self.marks, column) for column in self.points.T)
        beyond = s - np.clip(s, 0.0, self.length)
        x = x + beyond * np.cos(yaw) - left * np.sin(yaw)
        y = y + beyond * np.sin(yaw) + left * np.cos(yaw)
        return np.column_stack([x, y, yaw])

    def pose(self, s: float, left: float = 0.0) -> Pose:
        """Return the pose at `s` m along and `left` of it."""
        x, y, yaw = self.at(s, left)[0]
        return Pose(float(x), float(y), wrap(float(yaw)))

    def nearest(self, points: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return how far along the nearest places lie, and how far left points (n, 2) are, m."""
        xy = np.asarray(points, float)
        away = xy[:, None] - self.points[None, :, :2]
        k = np.argmin(np.hypot(away[..., 0], away[..., 1]), axis=1)
        dx, dy = away[np.arange(len(xy)), k].T
        c, s = np.cos(self.points[k, 2]), np.sin(self.points[k, 2])
        return self.marks[k] + c * dx + s * dy, c * dy - s * dx


def straight_way(start: Pose, length: float = 200.0) -> Way:
    """Return the way straight on from a pose."""
    marks = np.arange(0.0, length, EVERY)
    rows = np.column_stack([marks * math.cos(start.yaw), marks * math.sin(start.yaw), 0.0 * marks])
    return Way(marks, rows + [start.x, start.y, start.yaw])


def way_along(network: RoadNetwork, route: Route, length: float) -> Way:
    """Return the way of a route, as long as said or until its road ends."""
    lanes, turns, left = [route.start], list(route.turns), length
    while (left := left - _left_on(network, lanes[-1])) > 0.0:
        options = entered(network, lanes[-1].road, lanes[-1].lane)
        if not options:
            break
        turn = turns.pop(0) if len(options) > 1 and turns else 'straight'
        lanes.append(_turned(network, options, turn))
    return _way(network, lanes, length)


def legal_ways(network: RoadNetwork, start: LanePoint, length: float) -> list[Way]:
    """Return all ways that traffic may take from a point on."""
    done, open_ = [], [([start], length)]
    while open_:
        lanes, left = open_.pop()
        left -= _left_on(network, lanes[-1])
        options = entered(network, lanes[-1].road, lanes[-1].lane) if left > 0.0 else ()
        open_ += [([*lanes, option], left) for option in options]
        if not options:
            done.append(_way(network, lanes, length))
    return done


def _left_on(network: RoadNetwork, point: LanePoint) -> float:
    return network.numbered[point.road].length - point.s if point.lane < 0 else point.s


def _turned(network: RoadNetwork, options: tuple[LanePoint, ...], turn: str) -> LanePoint:
    """Return the option that turns most to that side, or least for `straight`."""

    def turning(option: LanePoint) -> float:
        road = network.numbered[option.road]
        total = sum(piece.length * piece.curvature for piece in road.pieces)
        return total if option.lane < 0 else -total

    if turn == 'straight':
        return min(options, key=lambda option: abs(turning(option)))
    return max(options, key=turning) if turn == 'left' else min(options, key=turning)


def _way(network: RoadNetwork, lanes: list[LanePoint], length: float) -> Way:
    rows: list[tuple[float, float, float]] = []
    for point in lanes:
        road, here = network.numbered[point.road], _left_on(network, point)
        sign = 1.0 if point.lane < 0 else -1.0
        for step in np.linspace(0.0, here, max(2, math.ceil(here / EVERY) + 1)):
            pose = lane_pose(road, point.lane, point.s + sign * step)
            if not rows or math.hypot(pose.x - rows[-1][0], pose.y - rows[-1][1]) > 1e-3:
                rows.append((pose.x, pose.y, pose.yaw))
    points = np.array(rows)
    points[:, 2] = np.unwrap(points[:, 2])
    marks = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points[:, :2], axis=0).T))])
    kept = marks <= length + EVERY
    return Way(marks[kept], points[kept])
