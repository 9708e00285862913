# SPDX-License-Identifier: Apache-2.0
"""Notes taken during a drive, which become its record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import ControlCommand, FloatArray, Odometry, Plan
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.record import Record


class Notes:
    """Take down each tick, plan and answer; `record` them at the end."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._ticks: list[tuple[Any, ...]] = []
        self._plans: list[tuple[int, int, str, FloatArray]] = []
        self._told: list[tuple[int, int, int, FloatArray, str, str]] = []

    def tick(
        self,
        now: int,
        odometry: Odometry,
        scene: Any,
        players: Sequence[Player],
        command: ControlCommand,
        pictured: bool,
    ) -> None:
        """Note how everything is and what is commanded."""
        pose = odometry.pose
        ego = (pose.x, pose.y, pose.yaw, odometry.vx, odometry.yaw_rate)
        ego += (scene.acceleration.ax, scene.steering.tire_angle)
        others = []
        for player in players:
            at = player.moving.pose
            others.append((at.x, at.y, at.yaw, player.speed))
        asked = (command.tire_angle, command.acceleration, command.velocity)
        stamps = (command.plan_stamp, command.plan_capture_stamp)
        self._ticks.append((now, ego, others, (*asked, *stamps), command.mode, pictured))

    def plan(self, plan: Plan) -> None:
        """Note a published plan."""
        self._plans.append((plan.stamp, plan.capture_stamp, plan.tier, _rows(plan)))

    def told(self, meant: Plan, capture: int, now: int, text: str, reference: str) -> None:
        """Note an answer, as it was meant, and the capture stamp under which it is followed."""
        self._told.append((meant.stamp, capture, now, _rows(meant), text, reference))

    def record(self, sizes: Sequence[tuple[float, float]], ego_size: tuple[float, ...]) -> Record:
        """Return all of it."""
        stamps, ego, others, commands, modes, pictures = zip(*self._ticks)
        plans, plan_points = _stacked([rows for *_, rows in self._plans])
        told, told_points = _stacked([one[3] for one in self._told])
        heads = np.array([one[:2] for one in self._plans], np.int64).reshape(-1, 2)
        told_heads = np.array([one[:3] for one in self._told], np.int64).reshape(-1, 3)
        return Record(
            stamps=np.array(stamps, np.int64),
            ego=np.array(ego, float),
            actors=np.array(others, float).reshape(len(stamps), len(self._names), 4),
            commands=np.array(commands, float),
            modes=np.array(modes, np.str_),
            names=np.array(self._names, np.str_),
            sizes=np.array(sizes, float).reshape(-1, 2),
            ego_size=np.array(ego_size, float),
            plans=np.hstack([heads, plans]),
            plan_points=plan_points,
            tiers=np.array([one[2] for one in self._plans], np.str_),
            told=np.hstack([told_heads, told]),
            told_points=told_points,
            answers=np.array([one[4] for one in self._told], np.str_),
            references=np.array([one[5] for one in self._told], np.str_),
            pictures=np.array(pictures, bool),
        )


def _rows(plan: Plan) -> FloatArray:
    return np.column_stack([plan.times, plan.poses, plan.speeds])


def _stacked(parts: list[FloatArray]) -> tuple[Any, FloatArray]:
    """Return where each part lies in the whole, (n, 2), and the whole."""
    ends = np.cumsum([0, *map(len, parts)])
    whole = np.vstack(parts) if parts else np.zeros((0, 5))
    return np.column_stack([ends[:-1], ends[1:]]).astype(np.int64), whole
