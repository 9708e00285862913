# SPDX-License-Identifier: Apache-2.0
"""An answer's text → the plan it says, laid at the ego pose of its capture time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import FloatArray, Plan, Pose


def told_plan(
    dialect: Dialect,
    answer: str,
    stamp: int,
    anchor: Pose,
    frame_id: str,
    speed: float,
    deviations: FloatArray | None = None,
) -> Plan:
    """
    Return what an answer says, its waypoints brought to the rear axle.

    `anchor` is base_link in `frame_id` at `stamp` (ns), the capture time; `speed` is the ego's
    then, m/s, NaN where unknown. `deviations` are those of the answer's waypoints, m. Raise
    AnswerError for an answer that says no trajectory.
    """
    known = math.isfinite(speed)
    decoded = codec.decode_trajectory(dialect, answer)
    trajectory = codec.without_current_pose(decoded, speed if known else 0.0)
    relative = motion.rear_axle(trajectory.points, dialect.reference_ahead)
    relative = np.vstack([np.zeros(3), relative])
    first = speed if known else float(np.hypot(*relative[1, :2])) / trajectory.spacing
    speeds, accelerations, yaw_rates = motion.profile(relative, trajectory.spacing, first)
    xy = motion.from_frame(anchor, relative[:, :2])
    known_to = np.full(len(relative), math.nan)
    if deviations is not None:
        known_to = np.append(0.0, deviations[len(deviations) - len(trajectory.points) :])
    return Plan(
        stamp=stamp,
        frame_id=frame_id,
        times=np.concatenate([[0.0], trajectory.times]),
        poses=np.column_stack([xy, relative[:, 2] + anchor.yaw]),
        speeds=speeds,
        accelerations=accelerations,
        yaw_rates=yaw_rates,
        deviations=known_to,
        extended_from=len(relative),
        tier='fresh',
        violations=codec.implausibilities(trajectory),
        capture_stamp=stamp,
        anchor=anchor,
        anchor_frame_id=frame_id,
        answer=answer,
        dialect=dialect.name,
    )


def relative_poses(plan: Plan) -> FloatArray:
    """Return a plan's poses (n, 3) in the ego frame of its first pose."""
    x, y, yaw = map(float, plan.poses[0])
    xy = motion.to_frame(Pose(x, y, yaw), plan.poses[:, :2])
    return np.column_stack([xy, plan.poses[:, 2] - yaw])


def in_base_link(plan: Plan, base_frame: str) -> Plan:
    """Return the plan with its poses in the ego frame at its stamp, where its first pose is."""
    return replace(plan, frame_id=base_frame, poses=relative_poses(plan))
