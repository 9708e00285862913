# SPDX-License-Identifier: Apache-2.0
"""Between a Body's pose and Panda3D's matrices, whose rows are the axes and the place."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from panda3d.core import Mat4, NodePath

from impromptu_vla_ros.core.camera import rotation_from_rpy
from impromptu_vla_ros.worlds.simulation import Body


def matrix_of(body: Body) -> Mat4:
    """Return the matrix that puts a node at a body's pose."""
    rows = np.eye(4)
    rows[:3, :3] = rotation_from_rpy(body.roll, body.pitch, body.yaw).T
    rows[3, :3] = body.x, body.y, body.z
    return Mat4(*(float(value) for value in rows.flat))


def body_of(node: NodePath, motion: Body) -> Body:
    """Return the body at a node's pose in the world, moving as `motion` does."""
    rows = node.get_mat(node.get_top())
    (x, y, z), ahead = rows.get_row3(3), rows.get_row3(0)
    return replace(
        motion,
        x=x,
        y=y,
        z=z,
        roll=math.atan2(rows.get_cell(1, 2), rows.get_cell(2, 2)),
        pitch=-math.asin(max(-1.0, min(1.0, ahead[2]))),
        yaw=math.atan2(ahead[1], ahead[0]),
    )
