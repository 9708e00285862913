# SPDX-License-Identifier: Apache-2.0
"""Structs → messages, for people: a plan as the markers that RViz and Foxglove show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from impromptu_vla_ros.core.parts import parts, wall, waypoints
from impromptu_vla_ros.core.structs import FloatArray, Plan, Pose
from impromptu_vla_ros.drawing import POINT, TIER_COLOURS
from impromptu_vla_ros.messages import duration_message, pose_message, time_message

# Seconds after which a marker vanishes: those of a planner that fell silent must not stay.
LIFETIME = 1.0
# m: lines lie above the road, so that no ground hides them; a lane is 3.5 wide, a stop wall
# (as Autoware's virtual walls) less.
LIFT, THICK, WALL = 0.1, 0.25, (0.1, 3.0, 1.5)


def plan_markers_message(plan: Plan, wheelbase: float) -> Any:
    """
    Return a plan as a MarkerArray, coloured by its tier.

    Pale: the blend from the ego into the path. Full, with a dot every 0.5 s: what the model
    spoke of. Dashed: the extension beyond. Where the plan comes to a stop, a wall stands at the
    front axle, `wheelbase` m before base_link. What a plan lacks is deleted.
    """
    from visualization_msgs.msg import Marker, MarkerArray

    colour, found = TIER_COLOURS[plan.tier], parts(plan)
    dashes = found.extension[: len(found.extension) // 2 * 2]
    blend = _lines(plan, 'blend', Marker.LINE_STRIP, found.blend, colour, 0.45)
    own = _lines(plan, 'model', Marker.LINE_STRIP, found.own, colour, 1.0)
    extension = _lines(plan, 'extension', Marker.LINE_LIST, dashes, colour, 0.7)
    dots = _lines(plan, 'waypoints', Marker.SPHERE_LIST, waypoints(plan), POINT, 1.0)
    return MarkerArray(
        markers=[blend, own, extension, dots, _wall(plan, found.stop, wheelbase), _text(plan)]
    )


def _marker(plan: Plan, name: str, kind: int, there: bool) -> Any:
    from std_msgs.msg import Header
    from visualization_msgs.msg import Marker

    return Marker(
        header=Header(stamp=time_message(plan.stamp), frame_id=plan.frame_id),
        ns=name,
        type=kind,
        action=Marker.ADD if there else Marker.DELETE,
        lifetime=duration_message(LIFETIME),
    )


def _lines(
    plan: Plan,
    name: str,
    kind: int,
    poses: Iterable[FloatArray],
    colour: tuple[int, int, int],
    opacity: float,
) -> Any:
    from geometry_msgs.msg import Point

    points = [Point(x=float(x), y=float(y), z=LIFT) for x, y, _ in poses]
    marker = _marker(plan, name, kind, bool(points))
    marker.points = points
    marker.scale.x = marker.scale.y = marker.scale.z = THICK
    marker.color = _colour(colour, opacity)
    marker.pose.orientation.w = 1.0
    return marker


def _wall(plan: Plan, stop: Pose | None, wheelbase: float) -> Any:
    from visualization_msgs.msg import Marker

    marker = _marker(plan, 'stop', Marker.CUBE, stop is not None)
    if stop is not None:
        x, y = wall(stop, wheelbase, 0.0)[0]
        marker.pose = pose_message(Pose(float(x), float(y), stop.yaw))
        marker.pose.position.z = 0.5 * WALL[2]
    marker.scale.x, marker.scale.y, marker.scale.z = WALL
    marker.color = _colour(TIER_COLOURS['stopping'], 0.5)
    return marker


def _text(plan: Plan) -> Any:
    from visualization_msgs.msg import Marker

    marker = _marker(plan, 'text', Marker.TEXT_VIEW_FACING, len(plan.poses) > 0)
    if len(plan.poses):
        marker.pose = pose_message(Pose(*map(float, plan.poses[0])))
        marker.pose.position.z = 2.5
        age = plan.ages.get('answer', math.nan)
        old = f', {age:.1f} s old' if math.isfinite(age) else ''
        marker.text = f'{plan.tier}{old}\n{plan.speeds[0]:.1f} m/s'
    marker.scale.z = 0.8
    marker.color = _colour(TIER_COLOURS[plan.tier], 1.0)
    return marker


def _colour(rgb: tuple[int, int, int], opacity: float) -> Any:
    from std_msgs.msg import ColorRGBA

    r, g, b = (value / 255.0 for value in rgb)
    return ColorRGBA(r=r, g=g, b=b, a=opacity)
