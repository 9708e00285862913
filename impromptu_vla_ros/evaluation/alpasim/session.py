# SPDX-License-Identifier: Apache-2.0
"""One rollout: what the simulator shows goes into a planner, and its plan comes out."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.buffer import Sample
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.navigation import navigation_command
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Acceleration,
    CameraImage,
    FloatArray,
    InputError,
    NavigationCommand,
    NotReady,
    Odometry,
    Pose,
)
from impromptu_vla_ros.models import Model, ModelError, respond

# A rollout may begin at 0 µs, and a stamp of 0 is none.
BEGIN = 1_000_000
LOG = logging.getLogger('impromptu_vla.alpasim')


@dataclass(frozen=True, eq=False)
class Driven:
    """A plan in the rig frame of now: `times` (n,) µs, `poses` (n, 3), and why if no answer."""

    times: tuple[int, ...]
    poses: FloatArray
    tier: str
    reason: str = ''


class Session:
    """
    Drive one car. `cameras` are the simulator's names of ours; times are its own, µs.

    The rig frame is ours of base_link. A model is asked every `period` s at most; it is shared
    with other rollouts by `lock`. May be called from several threads.
    """

    def __init__(
        self,
        dialect: Dialect,
        model: Model,
        cameras: Mapping[str, str],
        period: float,
        lock: threading.Lock,
    ) -> None:
        self._planner = Planner(dialect)
        self._mine = threading.Lock()
        self._model, self._lock = model, lock
        self._cameras = {name: ours for ours, name in cameras.items()}
        self._period = round(period * NANOSECONDS)
        self._asked: int | None = None
        self._reason = 'nothing was asked yet'

    def see(self, name: str, time: int, encoded: bytes) -> None:
        """Take a picture, JPEG or PNG, if one of the dialect's cameras took it."""
        if name in self._cameras:
            encoding = 'png' if encoded.startswith(b'\x89PNG') else 'jpeg'
            self._planner.observe(
                CameraImage(self._cameras[name], _stamp(time), encoding, encoded)
            )

    def move(
        self,
        time: int,
        pose: Pose,
        velocity: tuple[float, float, float],
        acceleration: tuple[float, float] | None = None,
    ) -> None:
        """Take where the rear axle is, its vx, vy, yaw rate (NaN if untold) and acceleration."""
        newest = self._planner.buffer.ego.odometry.newest
        if math.isnan(velocity[2]):
            seconds = (_stamp(time) - newest.stamp) / NANOSECONDS if newest else 0.0
            turned = motion.wrap(pose.yaw - newest.pose.yaw) if newest else 0.0
            velocity = (*velocity[:2], turned / seconds if seconds > 0.0 else 0.0)
        self._observe(Odometry(_stamp(time), pose, *velocity, 'local'))
        if acceleration is not None:
            self._observe(Acceleration(_stamp(time), *acceleration))

    def route(self, time: int, waypoints: FloatArray, speed: float) -> None:
        """Take the way to go, (n, 2) m in the rig frame."""
        if len(waypoints) > 1:
            command = navigation_command(waypoints, Pose(0.0, 0.0, 0.0), speed)
            self._observe(NavigationCommand(_stamp(time), command))

    def drive(self, time: int) -> Driven:
        """Return the plan at a time; an empty one where nothing is known of the car."""
        with self._mine:
            return self._driven(time)

    def _observe(self, sample: Sample) -> None:
        with self._mine:
            try:
                self._planner.observe(sample)
            except InputError as error:
                LOG.warning('%s', error)

    def _driven(self, time: int) -> Driven:
        now = _stamp(time)
        if self._asked is None or not 0 <= now - self._asked < self._period:
            self._ask(now)
        plan = self._planner.plan(now)
        ego = self._planner.buffer.ego.predict(now)
        if plan is None or ego is None:
            return Driven((), np.empty((0, 3)), 'none', self._reason)
        xy = motion.to_frame(ego.pose, plan.poses[:, :2])
        poses = np.column_stack([xy, plan.poses[:, 2] - ego.pose.yaw])
        stamps = (plan.stamp + np.round(plan.times * NANOSECONDS).astype(np.int64)) // 1000 - BEGIN
        ahead = stamps > time
        times = tuple(int(stamp) for stamp in stamps[ahead])
        return Driven(times, poses[ahead], plan.tier, self._reason)

    def _ask(self, now: int) -> None:
        query = self._planner.ask(now)
        if isinstance(query, NotReady):
            # That there is no newer picture says nothing against the answer to the last one.
            self._reason = self._reason if query.reason == 'used' else str(query)
            return
        self._asked = now
        try:
            with self._lock:
                answer = respond(self._model, query)
        except (InputError, ModelError) as error:
            self._planner.refuse()
            self._reason = str(error)
        else:
            try:
                self._planner.tell(query, answer, now)
                self._reason = '; '.join(self._planner.violations)
            except AnswerError as error:
                self._reason = f'unreadable answer: {error}'
        if self._reason:
            LOG.warning('%s', self._reason)


def _stamp(time: int) -> int:
    return 1000 * (time + BEGIN)
