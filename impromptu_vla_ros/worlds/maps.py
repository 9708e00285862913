# SPDX-License-Identifier: Apache-2.0
"""The maps by name, and the pieces that they are laid of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from impromptu_vla_ros.core.motion import moved, relative_to, wrap
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds.linking import connected
from impromptu_vla_ros.worlds.roads import (
    Piece,
    Road,
    RoadNetwork,
    lane_pose,
    pose_at,
)

WIDTH = 3.5  # of a lane, m


def laid(start: Pose, *pieces: Piece, right: int = 1, left: int = 1) -> Road:
    """Return a road that has neither a number nor links yet."""
    return Road(0, start, pieces, right, left, WIDTH)


def bend(radius: float, angle: float) -> Piece:
    """Return an arc of that radius (m) which turns by `angle` rad, positive to the left."""
    return Piece(radius * abs(angle), math.copysign(1.0 / radius, angle))


def between(start: Pose, end: Pose) -> tuple[Piece, ...]:
    """
    Return the pieces of a smooth way from pose to pose: of one turn, or sideways of two.

    Raise ValueError where the way would have to turn back.
    """
    goal = relative_to(start, end)
    if abs(goal.yaw) < 1e-9 and goal.x > 0.0:
        if abs(goal.y) < 1e-9:
            return (Piece(goal.x),)
        angle = 2.0 * math.atan2(goal.y, goal.x)
        arc = bend(goal.x / (2.0 * math.sin(abs(angle))), angle)
        return arc, Piece(arc.length, -arc.curvature)
    # The two straight lines meet `before` m ahead of the start and `after` m before the end.
    after = goal.y / math.sin(goal.yaw) if math.sin(goal.yaw) else -1.0
    before = goal.x - after * math.cos(goal.yaw)
    if min(before, after) <= 0.0:
        raise ValueError(f'no single turn leads from {start} to {end}')
    tangent = min(before, after)
    turn = bend(tangent / math.tan(0.5 * abs(goal.yaw)), goal.yaw)
    straights = Piece(before - tangent), Piece(after - tangent)
    return tuple(piece for piece in (straights[0], turn, straights[1]) if piece.length > 1e-9)


def way(start: Pose, end: Pose, right: int = 1) -> Road:
    """Return the connecting road whose lanes lead from the lane pose `start` to `end`."""
    to_line = Pose(0.0, 0.5 * WIDTH, 0.0)
    first, last = moved(start, to_line), moved(end, to_line)
    return laid(first, *between(first, last), right=right, left=0)


def crossing(arms: Sequence[Road]) -> list[Road]:
    """
    Return the ways between roads that all begin at one junction, with all turns.

    Turns to the right use the outermost lanes, those to the left the innermost ones, and
    straight on each lane leads to its like.
    """
    ways = []
    for origin in arms:
        for goal in arms:
            if origin is goal:
                continue
            turn = wrap(goal.start.yaw - origin.start.yaw - math.pi)
            if abs(turn) < math.radians(30.0):
                lanes = [(lane, -lane) for lane in range(1, min(origin.left, goal.right) + 1)]
            else:
                lanes = [(1, -1)] if turn > 0.0 else [(origin.left, -goal.right)]
            ways += [
                way(lane_pose(origin, here, 0.0), lane_pose(goal, there, 0.0))
                for here, there in lanes
            ]
    return ways


def arms_around(centre: Pose, angles: Sequence[float], gap: float, length: float) -> list[Road]:
    """Return straight roads that lead away from a centre, each from `gap` m on."""
    return [
        laid(moved(Pose(centre.x, centre.y, angle), Pose(gap, 0.0, 0.0)), Piece(length))
        for angle in angles
    ]


def straight() -> RoadNetwork:
    """Return 400 m straight on."""
    return connected('straight', [laid(Pose(0.0, 0.0, 0.0), Piece(400.0))])


def curve() -> RoadNetwork:
    """Return a right angle to the left of 30 m radius between two straights."""
    return connected(
        'curve',
        [laid(Pose(0.0, 0.0, 0.0), Piece(100.0), bend(30.0, math.pi / 2), Piece(100.0))],
    )


def s_curve() -> RoadNetwork:
    """Return a bend of 25 m radius to the left, then one of 20 m to the right."""
    bends = bend(25.0, math.radians(70.0)), bend(20.0, math.radians(-70.0))
    return connected('s_curve', [laid(Pose(0.0, 0.0, 0.0), Piece(80.0), *bends, Piece(80.0))])


def four_way() -> RoadNetwork:
    """Return an intersection of four roads."""
    angles = [math.pi / 2 * arm for arm in range(4)]
    arms = arms_around(Pose(0.0, 0.0, 0.0), angles, 14.0, 100.0)
    return connected('four_way', arms, [crossing(arms)])


def t_junction() -> RoadNetwork:
    """Return a road that ends at another one, which goes along x."""
    angles = [0.0, math.pi, -math.pi / 2]
    arms = arms_around(Pose(0.0, 0.0, 0.0), angles, 14.0, 100.0)
    return connected('t_junction', arms, [crossing(arms)])


def roundabout(
    island: float = 14.0,
    angles: Sequence[float] = (0.0, math.pi / 2, math.pi, 3 * math.pi / 2),
    length: float = 80.0,
) -> RoadNetwork:
    """
    Return a ring of one lane around an island of that radius (m), with arms at these angles.

    The angles (rad) rise, at least 70 degrees apart; the arms are `length` m long.
    """
    half = math.radians(35.0)  # an arm's share of the ring, to either side

    def on_island(angle: float) -> Pose:
        x, y = island * math.cos(angle), island * math.sin(angle)
        return Pose(x, y, wrap(angle + math.pi / 2))

    def ring(start: float, angle: float) -> Road:
        return laid(on_island(start), bend(island, angle), left=0)

    arms = arms_around(Pose(0.0, 0.0, 0.0), angles, island + 16.0, length)
    gaps = [(after - angle) % math.tau for angle, after in zip(angles, (*angles[1:], angles[0]))]
    rings = [ring(angle + half, gap - 2.0 * half) for angle, gap in zip(angles, gaps)]
    crossings = []
    for arm, before, after, angle in zip(arms, rings[-1:] + rings[:-1], rings, angles):
        leaving = lane_pose(before, -1, before.length)
        joining = lane_pose(after, -1, 0.0)
        crossings.append(
            [
                ring(angle - half, 2.0 * half),
                way(leaving, lane_pose(arm, -1, 0.0)),
                way(lane_pose(arm, 1, 0.0), joining),
            ]
        )
    return connected('roundabout', arms + rings, crossings)


def merge(radius: float = 120.0, turn: float = 0.6, beside: float = 120.0) -> RoadNetwork:
    """
    Return a two-lane carriageway along x with an on-ramp whose lane ends after `beside` m.

    The ramp turns by `turn` rad with that radius (m).
    """
    main = laid(Pose(-150.0, 0.0, 0.0), Piece(150.0), right=2, left=0)
    wide = laid(Pose(30.0, 0.0, 0.0), Piece(beside), right=3, left=0)
    after = laid(Pose(beside + 70.0, 0.0, 0.0), Piece(250.0), right=2, left=0)
    # Laid backwards from where it enters: the ramp ends along the third lane.
    end = Pose(0.0, -2.0 * WIDTH - 3.0, math.radians(6.0))
    back = laid(Pose(end.x, end.y, end.yaw + math.pi), bend(radius, turn))
    begin = pose_at(back, back.length)
    ramp = laid(Pose(begin.x, begin.y, begin.yaw + math.pi), bend(radius, -turn), left=0)
    out = lane_pose(ramp, -1, ramp.length)
    joining = [
        laid(Pose(0.0, 0.0, 0.0), Piece(30.0), right=2, left=0),
        way(out, lane_pose(wide, -3, 0.0)),
    ]
    ending = [
        laid(Pose(beside + 30.0, 0.0, 0.0), Piece(40.0), right=2, left=0),
        way(lane_pose(wide, -3, wide.length), lane_pose(after, -2, 0.0)),
    ]
    return connected('merge', [main, wide, after, ramp], [joining, ending])


def circuit() -> RoadNetwork:
    """Return two straights of 120 m and two half circles of 40 m radius: a way without end."""
    straights = [
        laid(Pose(0.0, 0.0, 0.0), Piece(120.0)),
        laid(Pose(120.0, 80.0, math.pi), Piece(120.0)),
    ]
    # Four roads, not two: CARLA's client finds no way between two that meet at both ends.
    bends = [laid(pose_at(road, road.length), bend(40.0, math.pi)) for road in straights]
    return connected('circuit', straights + bends)


def town() -> RoadNetwork:
    """Return three by three crossings 80 m apart: bends at the corners, one whole crossing."""
    block, gap = 80.0, 14.0
    crossings: dict[tuple[int, int], list[Road]] = {}
    streets: list[Road] = []
    for i in range(3):
        for j in range(3):
            centre = Pose(block * i, block * j, 0.0)
            open_sides = [
                k * math.pi / 2
                for k, (di, dj) in enumerate([(1, 0), (0, 1), (-1, 0), (0, -1)])
                if 0 <= i + di <= 2 and 0 <= j + dj <= 2
            ]
            arms = arms_around(centre, open_sides, gap, 0.5 * block - gap)
            streets += arms
            crossings[i, j] = crossing(arms)
    return connected('town', streets, list(crossings.values()))


MAPS: dict[str, Callable[[], RoadNetwork]] = {
    'straight': straight,
    'curve': curve,
    's_curve': s_curve,
    'four_way': four_way,
    't_junction': t_junction,
    'roundabout': roundabout,
    'merge': merge,
    'circuit': circuit,
    'town': town,
}
