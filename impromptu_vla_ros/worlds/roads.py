# SPDX-License-Identifier: Apache-2.0
"""
Roads as data: reference lines of straight pieces and arcs, with lanes on both sides.

A subset of OpenDRIVE 1.4, in its axes (x, y, yaw as in REP-103) and with its words; traffic
drives on the right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.motion import moved, to_frame, wrap
from impromptu_vla_ros.core.structs import FloatArray, Pose


@dataclass(frozen=True)
class Piece:
    """A piece of a reference line: `length` in m, `curvature` in 1/m, positive to the left."""

    length: float
    curvature: float = 0.0


@dataclass(frozen=True)
class Link:
    """
    What a road's end meets: road or junction number `to`.

    `contact` is the end of that road that it meets, 'start' or 'end'; '' for a junction.
    `lanes` pairs this road's lanes with those of that road; () for a junction.
    """

    to: int
    contact: str = ''
    junction: bool = False
    lanes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Road:
    """
    One road: its reference line begins at `start` and follows `pieces`.

    `right` lanes lie to the right of the line and go along it, `left` lanes go against it;
    each is `lane_width` m wide. A road inside a junction has that junction's number, else -1.
    """

    number: int
    start: Pose
    pieces: tuple[Piece, ...]
    right: int = 1
    left: int = 1
    lane_width: float = 3.5
    junction: int = -1
    predecessor: Link | None = None
    successor: Link | None = None

    @property
    def length(self) -> float:
        """Return the length of the reference line, m."""
        return sum(piece.length for piece in self.pieces)

    @property
    def lanes(self) -> tuple[int, ...]:
        """Return the lanes' numbers from left to right: left ones positive, right negative."""
        return (*range(self.left, 0, -1), *range(-1, -self.right - 1, -1))

    @property
    def laid(self) -> Iterator[tuple[float, Pose, Piece]]:
        """Yield each piece with the s (m) and the pose at which it starts."""
        s, pose = 0.0, self.start
        for piece in self.pieces:
            yield s, pose, piece
            s, pose = s + piece.length, advanced(pose, piece.length, piece.curvature)


@dataclass(frozen=True)
class LanePoint:
    """A point in the middle of a lane, `s` m along the reference line of its road."""

    road: int
    lane: int
    s: float


@dataclass(frozen=True)
class Connection:
    """A way through a junction: from a road's end over the `connecting` road, by its lanes."""

    incoming: int
    connecting: int
    contact: str
    lanes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Junction:
    """A junction: its number and the ways through it."""

    number: int
    connections: tuple[Connection, ...]


@dataclass(frozen=True)
class RoadNetwork:
    """All roads of a world, `name` being its map's."""

    name: str
    roads: tuple[Road, ...]
    junctions: tuple[Junction, ...] = ()

    @cached_property
    def numbered(self) -> dict[int, Road]:
        """Return the roads by their numbers."""
        return {road.number: road for road in self.roads}


def advanced(pose: Pose, length: float, curvature: float) -> Pose:
    """Return the pose `length` m further along an arc of that curvature (1/m), unwrapped."""
    half = 0.5 * length * curvature
    chord = length * (math.sin(half) / half if half else 1.0)
    return Pose(
        pose.x + chord * math.cos(pose.yaw + half),
        pose.y + chord * math.sin(pose.yaw + half),
        pose.yaw + 2.0 * half,
    )


def pose_at(road: Road, s: float) -> Pose:
    """Return the pose of the reference line at `s` m; beyond its ends it goes on as there."""
    laid = list(road.laid)
    at, pose, piece = next((one for one in reversed(laid) if s >= one[0]), laid[0])
    end = advanced(pose, s - at, piece.curvature)
    return Pose(end.x, end.y, wrap(end.yaw))


def lane_offset(road: Road, lane: int) -> float:
    """Return how far to the left of the reference line a lane's middle lies, m."""
    if lane not in road.lanes:
        raise ValueError(f'road {road.number} has no lane {lane}, only {road.lanes}')
    return math.copysign(abs(lane) - 0.5, lane) * road.lane_width


def lane_pose(road: Road, lane: int, s: float) -> Pose:
    """Return the pose in the middle of a lane at `s` m, facing the way its traffic goes."""
    facing = math.pi if lane > 0 else 0.0
    return moved(pose_at(road, s), Pose(0.0, lane_offset(road, lane), facing))


def lane_points(road: Road, lane: int, every: float = 1.0) -> FloatArray:
    """Return x, y, yaw (n, 3) along a lane as its traffic goes, at most `every` m apart in s."""
    stops = np.linspace(0.0, road.length, max(2, math.ceil(road.length / every) + 1))
    poses = [lane_pose(road, lane, s) for s in (stops[::-1] if lane > 0 else stops)]
    return np.array([[pose.x, pose.y, pose.yaw] for pose in poses])


def along_road(road: Road, points: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """
    Return s and how far to the left of the reference line (both (n,), m) points (n, 2) lie.

    NaN where a point is not beside the road. Of several feet on the line the nearest counts.
    """
    points = np.asarray(points, float)
    s, left = np.full(len(points), np.nan), np.full(len(points), np.nan)
    for at, pose, piece in road.laid:
        x, y = to_frame(pose, points).T
        if piece.curvature:
            radius = 1.0 / piece.curvature
            sign = math.copysign(1.0, radius)
            angle = np.arctan2(x, sign * (radius - y))
            # An angle a rounding before the start is at the start, not a whole turn on.
            angle = np.where(angle < -1e-9 / abs(radius), angle + math.tau, angle)
            foot, beside = angle * abs(radius), radius - sign * np.hypot(x, radius - y)
        else:
            foot, beside = x, y
        # A micrometre more, so that nothing falls between two pieces.
        here = (foot > -1e-6) & (foot < piece.length + 1e-6)
        here &= ~(np.abs(left) <= np.abs(beside))
        s[here], left[here] = at + np.clip(foot[here], 0.0, piece.length), beside[here]
    return s, left


def lane_at(network: RoadNetwork, x: float, y: float) -> LanePoint | None:
    """Return in which lane a point lies, the one with the nearest middle of several, or None."""
    found: list[tuple[float, LanePoint]] = []
    for road in network.roads:
        (s,), (left,) = along_road(road, [[x, y]])
        for lane in road.lanes:
            apart = abs(left - lane_offset(road, lane))
            if apart <= 0.5 * road.lane_width:
                found.append((apart, LanePoint(road.number, lane, float(s))))
    return min(found, key=lambda one: one[0])[1] if found else None


def ahead(network: RoadNetwork, point: LanePoint, distance: float) -> tuple[LanePoint, ...]:
    """Return the points `distance` m on as traffic goes, one for each way through junctions."""
    road = network.numbered[point.road]
    left = road.length - point.s if point.lane < 0 else point.s
    if distance <= left:
        s = point.s + distance if point.lane < 0 else point.s - distance
        return (LanePoint(point.road, point.lane, s),)
    return tuple(
        further
        for entry in entered(network, point.road, point.lane)
        for further in ahead(network, entry, distance - left)
    )


def entered(network: RoadNetwork, number: int, lane: int) -> tuple[LanePoint, ...]:
    """Return where traffic that leaves a lane at its end may go on."""
    road = network.numbered[number]
    link = road.successor if lane < 0 else road.predecessor
    if link is None:
        return ()
    ways = [(link.to, link.lanes)]
    if link.junction:
        (junction,) = (one for one in network.junctions if one.number == link.to)
        ways = [(c.connecting, c.lanes) for c in junction.connections if c.incoming == number]
    return tuple(
        LanePoint(to, there, 0.0 if there < 0 else network.numbered[to].length)
        for to, lanes in ways
        for here, there in lanes
        if here == lane
    )


def lane_edges(road: Road) -> tuple[tuple[float, str], ...]:
    """
    Return the lines between and beside the lanes: m left of the reference line, and its mark.

    The mark is 'solid', 'broken' or, beside a road in a junction, 'none', from left to right.
    """
    edges = range(road.left, -road.right - 1, -1)
    return tuple((edge * road.lane_width, _mark(road, edge)) for edge in edges)


def _mark(road: Road, edge: int) -> str:
    outer = edge in (road.left, -road.right)
    if road.junction >= 0 and outer:
        return 'none'
    # Two directions with several lanes are kept apart.
    return 'solid' if outer or (edge == 0 and road.right + road.left > 2) else 'broken'
