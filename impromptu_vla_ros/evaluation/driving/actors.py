# SPDX-License-Identifier: Apache-2.0
"""Actors who play their parts: where each is, step by step, and where it will be."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core.driving import Box
from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.evaluation.driving.scenario import Act, Actor, Route
from impromptu_vla_ros.evaluation.driving.ways import Way, straight_way, way_along
from impromptu_vla_ros.worlds.roads import RoadNetwork

# An actor's way is as long as it will ever need, m.
LONG = 500.0


@dataclass(frozen=True)
class Moving:
    """The middle of something that moves: its pose, and its velocity in the world, m/s."""

    pose: Pose
    vx: float
    vy: float


class Player:
    """One actor in a scenario; `s` and `left` are on its way, `speed` along it (m, m/s)."""

    def __init__(self, actor: Actor, network: RoadNetwork) -> None:
        self.actor = actor
        self.way: Way = (
            way_along(network, actor.way, LONG)
            if isinstance(actor.way, Route)
            else straight_way(actor.way)
        )
        self.s, self.left, self.speed = 0.0, actor.left, actor.speed
        self.sideways = 0.0
        self._wanted, self._rate = actor.speed, 0.0
        self._shift: tuple[float, float, float, float] | None = None  # since, over, from, to
        self._acts = list(actor.acts)

    @property
    def moving(self) -> Moving:
        """Return where it is and how it moves; it faces where it goes."""
        pose = self.way.pose(self.s, self.left)
        c, s = math.cos(pose.yaw), math.sin(pose.yaw)
        vx, vy = self.speed * c - self.sideways * s, self.speed * s + self.sideways * c
        return Moving(Pose(pose.x, pose.y, pose.yaw + self._slip), vx, vy)

    @property
    def box(self) -> Box:
        """Return its outline."""
        pose = self.moving.pose
        return Box(pose.x, pose.y, pose.yaw, *self.actor.size)

    def step(self, time: float, seconds: float, ego: Moving) -> None:
        """Play on from `time`, both in s."""
        while self._acts and self._triggered(self._acts[0], time, ego):
            self._begin(self._acts.pop(0), time)
        self._go(time, seconds)

    def foreseen(self, time: float, seconds: float, count: int) -> FloatArray:
        """Return x, y, yaw, speed (count, 4) at each next step, if no further act begins."""
        ghost, rows = copy(self), []
        for k in range(count):
            rows.append((ghost.s, ghost.left, ghost._slip, ghost.speed))
            ghost._go(time + k * seconds, seconds)
        s, left, slip, speed = np.array(rows).T
        poses = self.way.at(s, left)
        return np.column_stack([poses[:, :2], poses[:, 2] + slip, speed])

    @property
    def _slip(self) -> float:
        """Return how far it faces left of its way, rad: where it goes, if it does."""
        return math.atan2(self.sideways, self.speed) if self.speed > 0.5 else 0.0

    def _go(self, time: float, seconds: float) -> None:
        change = self._wanted - self.speed
        most = self._rate * seconds
        before = self.speed
        self.speed += max(-most, min(most, change))
        self.s += 0.5 * (before + self.speed) * seconds
        if self._shift is not None:
            since, over, start, end = self._shift
            part = min(1.0, max(0.0, (time + seconds - since) / over))
            left = start + (end - start) * part * part * (3.0 - 2.0 * part)
            self.sideways = (left - self.left) / seconds
            self.left = left
            if part == 1.0 and self.sideways == 0.0:
                self._shift = None

    def _begin(self, act: Act, time: float) -> None:
        if act.speed is not None:
            self._wanted, self._rate = act.speed, act.rate
        if act.left is not None:
            self._shift = time, act.over, self.left, act.left

    def _triggered(self, act: Act, time: float, ego: Moving) -> bool:
        if act.trigger == 'time':
            return time >= act.at - 1e-9
        me = self.moving
        dx, dy = me.pose.x - ego.pose.x, me.pose.y - ego.pose.y
        apart = math.hypot(dx, dy)
        if act.trigger == 'distance':
            return apart <= act.at
        closing = ((ego.vx - me.vx) * dx + (ego.vy - me.vy) * dy) / max(apart, 1e-6)
        return closing > 0.0 and apart / closing <= act.at
