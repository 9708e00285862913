# SPDX-License-Identifier: Apache-2.0
"""The shortest way along a CARLA map's lanes, as points."""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.worlds.carla_axes import pose_of, transform_at
from impromptu_vla_ros.worlds.carla_errors import CarlaError, client_library

SPACING = 4.0  # m between two points of a route
NEAR = 1.5 * SPACING  # m from the destination that count as arrived
LONGEST = 20_000.0  # m


class NoRoute(CarlaError):
    """No lane leads there."""


def route_between(chart: Any, start: Pose, end: tuple[float, float]) -> FloatArray:
    """
    Return a way (n, 2) in our axes along the lanes of a carla.Map; raise NoRoute without one.

    Lanes are changed nowhere: every junction leads to all that its lane connects to.
    """
    library = client_library()
    goal = chart.get_waypoint(transform_at(library, Pose(*end, 0.0)).location)
    first = chart.get_waypoint(transform_at(library, start).location)
    if goal is None or first is None:
        raise NoRoute(f'no road near {end if goal is None else start}: choose a point on one')
    there = _point(goal)
    waiting: list[tuple[float, int, Any, Any]] = [(0.0, 0, first, None)]
    came_from: dict[Any, Any] = {}
    count = 0
    while waiting:
        length, _, waypoint, before = heapq.heappop(waiting)
        key = _key(waypoint)
        if key in came_from or length > LONGEST:
            continue
        came_from[key] = (waypoint, before)
        same_lane = (waypoint.road_id, waypoint.lane_id) == (goal.road_id, goal.lane_id)
        if same_lane and math.dist(_point(waypoint), there) < NEAR:
            return _walked_back(came_from, key, there)
        for following in waypoint.next(SPACING):
            count += 1
            heapq.heappush(waiting, (length + SPACING, count, following, key))
    raise NoRoute(f'no lane leads from {start} to {end}: choose another destination')


def _key(waypoint: Any) -> tuple[int, int, int, int]:
    # A lane is walked in steps; what lies within one of them is the same place.
    step = round(waypoint.s / SPACING)
    return waypoint.road_id, waypoint.section_id, waypoint.lane_id, step


def _point(waypoint: Any) -> tuple[float, float]:
    pose = pose_of(waypoint.transform)
    return pose.x, pose.y


def _walked_back(came_from: dict[Any, Any], key: Any, end: tuple[float, float]) -> FloatArray:
    points = [end]
    while key is not None:
        waypoint, key = came_from[key]
        points.append(_point(waypoint))
    return np.array(points[::-1])
