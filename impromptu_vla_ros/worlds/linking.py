# SPDX-License-Identifier: Apache-2.0
"""Make a network of roads that were only laid: find which lanes meet, and link them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from impromptu_vla_ros.core.motion import wrap
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds.roads import (
    Connection,
    Junction,
    Link,
    Road,
    RoadNetwork,
    lane_pose,
)

# Ends meet within this.
TOLERANCE = 1e-3  # m
YAW_TOLERANCE = 1e-6  # rad


@dataclass(frozen=True)
class _LaneEnd:
    """One end of a lane; traffic comes `out` of the road there, or goes into it."""

    road: Road
    contact: str
    lane: int
    out: bool
    pose: Pose


# The lanes of a road's end, paired with those of each road's end that it meets.
_Meetings = dict[tuple[int, str], dict[tuple[int, str], list[tuple[int, int]]]]


def connected(
    name: str, roads: Sequence[Road], crossings: Sequence[Sequence[Road]] = ()
) -> RoadNetwork:
    """
    Return the network of laid roads, numbered and linked wherever lanes meet end to end.

    Each of `crossings` holds the connecting roads of one junction. Raise ValueError where an
    end meets several roads outside a junction.
    """
    first_junction = 1 + len(roads) + sum(map(len, crossings))
    laid = [(road, -1) for road in roads]
    for number, crossing in enumerate(crossings, first_junction):
        laid += [(road, number) for road in crossing]
    numbered = {
        number: replace(road, number=number, junction=junction)
        for number, (road, junction) in enumerate(laid, 1)
    }
    meetings = _meetings([end for road in numbered.values() for end in _lane_ends(road)])
    linked = tuple(
        replace(
            road,
            predecessor=_link(numbered, meetings, road, 'start'),
            successor=_link(numbered, meetings, road, 'end'),
        )
        for road in numbered.values()
    )
    junctions = tuple(
        Junction(number, _connections(numbered, meetings, number))
        for number in range(first_junction, first_junction + len(crossings))
    )
    return RoadNetwork(name, linked, junctions)


def _lane_ends(road: Road) -> list[_LaneEnd]:
    return [
        _LaneEnd(road, contact, lane, (lane < 0) == (contact == 'end'), lane_pose(road, lane, s))
        for contact, s in (('start', 0.0), ('end', road.length))
        for lane in road.lanes
    ]


def _meetings(ends: list[_LaneEnd]) -> _Meetings:
    meetings: _Meetings = defaultdict(lambda: defaultdict(list))
    for a in ends:
        for b in ends:
            if a.out and not b.out and _meet(a.pose, b.pose):
                # Within a junction one way may well end where another one begins.
                if a.road.junction < 0 or b.road.junction < 0:
                    here, there = (a.road.number, a.contact), (b.road.number, b.contact)
                    meetings[here][there].append((a.lane, b.lane))
                    meetings[there][here].append((b.lane, a.lane))
    return meetings


def _meet(a: Pose, b: Pose) -> bool:
    return (
        abs(a.x - b.x) < TOLERANCE
        and abs(a.y - b.y) < TOLERANCE
        and abs(wrap(a.yaw - b.yaw)) < YAW_TOLERANCE
    )


def _link(roads: dict[int, Road], meetings: _Meetings, road: Road, contact: str) -> Link | None:
    met = meetings.get((road.number, contact), {})
    junctions = {roads[other].junction for other, _ in met}
    if not met:
        return None
    if len(junctions) == 1 and -1 not in junctions:
        return Link(junctions.pop(), junction=True)
    if len(met) > 1:
        raise ValueError(
            f'the {contact} of road {road.number} meets roads {sorted(to for to, _ in met)}: '
            'put the ways between them into one junction'
        )
    (((to, there), lanes),) = met.items()
    return Link(to, there, lanes=tuple(sorted(lanes)))


def _connections(
    roads: dict[int, Road], meetings: _Meetings, junction: int
) -> tuple[Connection, ...]:
    found = []
    for connecting in (road for road in roads.values() if road.junction == junction):
        for contact in ('start', 'end'):
            for (incoming, _), lanes in meetings.get((connecting.number, contact), {}).items():
                # Of all lanes that meet there, those by which traffic comes in.
                into = sorted((b, a) for a, b in lanes if (a < 0) == (contact == 'start'))
                if into:
                    found.append(Connection(incoming, connecting.number, contact, tuple(into)))
    return tuple(found)
