# SPDX-License-Identifier: Apache-2.0
"""
Roads as data: reference lines of straight pieces and arcs, with lanes on both sides.

A subset of OpenDRIVE 1.4, in its axes (x, y, yaw as in REP-103) and with its words; traffic
drives on the right.
"""

from __future__ import annotations

from dataclasses import dataclass

from impromptu_vla_ros.core.structs import Pose


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
    """

    to: int
    contact: str = ''
    junction: bool = False


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
