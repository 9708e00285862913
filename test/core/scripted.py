# SPDX-License-Identifier: Apache-2.0
"""Drives no kinematic rollout can predict, with answers that say them exactly."""

import math

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.autoware_rules import broken_rules
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import NANOSECONDS, Answer, CameraImage, Odometry, Pose

START = 1_700_000_000 * NANOSECONDS
FINE = 0.004


def integrate(speed, curvature, seconds=16.0):
    """Return times (n,) and poses (n, 4) x, y, yaw, speed of a drive."""
    times = np.arange(0.0, seconds, FINE)
    v = np.array([max(0.0, speed(t)) for t in times])
    kappa = np.array([curvature(t) for t in times])
    yaw = np.concatenate([[0.0], np.cumsum(0.5 * (v * kappa)[1:] + 0.5 * (v * kappa)[:-1])]) * FINE
    x = np.concatenate([[0.0], np.cumsum((v * np.cos(yaw))[1:])]) * FINE
    y = np.concatenate([[0.0], np.cumsum((v * np.sin(yaw))[1:])]) * FINE
    return times, np.column_stack([x, y, yaw, v])


def lane_change(t):
    """Curvature of a change to the left lane (3.5 m at 12 m/s) that begins at 6 s."""
    return 0.0138 * math.sin(2 * math.pi * (t - 6.0) / 4.0) if 6.0 <= t < 10.0 else 0.0


DRIVES = {
    'lane change': integrate(lambda t: 12.0, lane_change),
    'braking to a stop': integrate(lambda t: 12.0 - 2.5 * max(0.0, t - 6.0), lambda t: 0.0),
    'S-curve': integrate(
        lambda t: 8.0, lambda t: math.sin(2 * math.pi * (t - 5.0) / 6.0) / 22.0 if t > 5 else 0.0
    ),
}


class ScriptedDrive:
    """A car that drives a script, and a model that knows it."""

    def __init__(self, name, dialect, policy=None):
        self.times, self.rows = DRIVES[name]
        self.dialect = DIALECTS[dialect]
        self.planner = Planner(self.dialect, policy=policy)
        self._told_until = 0.0
        self._previous = None

    def pose(self, time):
        """Return where the car is, in odom."""
        x, y, yaw, _ = (float(np.interp(time, self.times, c)) for c in self.rows.T)
        return Pose(x, y, yaw)

    def speed(self, time):
        """Return how fast it is, m/s."""
        return float(np.interp(time, self.times, self.rows[:, 3]))

    def stamp(self, time):
        """Return the stamp of a time of the script."""
        return START + round(time * NANOSECONDS)

    def time(self, stamp):
        """Return the time of the script at a stamp."""
        return (stamp - START) / NANOSECONDS

    def drive_until(self, time, rate=50.0):
        """Give the planner the odometry up to a time."""
        for k in range(round(self._told_until * rate), math.floor(time * rate + 1e-6) + 1):
            t = k / rate
            turn = (self.pose(t + 0.01).yaw - self.pose(t - 0.01).yaw) / 0.02 if t > 0.02 else 0.0
            sample = Odometry(self.stamp(t), self.pose(t), self.speed(t), 0.0, turn)
            self.planner.observe(sample)
        self._told_until = (math.floor(time * rate + 1e-6) + 1) / rate

    def plan(self, time, jumped=None):
        """
        Return what is published at a time; Autoware must have nothing against it.

        `jumped` is where the localization has just put the ego, if it is not where it drives.
        """
        plan = self.planner.plan(self.stamp(time))
        if plan is not None:
            ego, previous = (jumped, None) if jumped else (self.pose(time), self._previous)
            found = broken_rules(plan, ego, self.speed(time), self.stamp(time), previous)
            assert not found, found
            self._previous = plan
        return plan

    def ask(self, time):
        """Take a picture, ask about it, and return the query and the scripted answer."""
        self.drive_until(time)
        for camera in self.dialect.cameras:
            self.planner.observe(CameraImage(camera, self.stamp(time), 'jpeg', b''))
        query = self.planner.ask(self.stamp(time))
        now = self.pose(time)
        future = [
            motion.relative_to(now, self.pose(time + 0.5 * k))
            for k in range(1, self.dialect.waypoints + 1)
        ]
        rows = [(p.x, p.y, p.yaw) for p in future]
        points = motion.point_ahead(rows, self.dialect.reference_ahead)
        return query, Answer(codec.encode_trajectory(self.dialect, points))
