# SPDX-License-Identifier: Apache-2.0
"""A simulated car on a road: a real Planner answers late and with noise, a Controller drives."""

import math

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.controller import Controller
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.guard import Limits
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.policy import Policy
from impromptu_vla_ros.core.structs import NANOSECONDS, Answer, CameraImage, Odometry, Pose

# The guard's own rules are tested elsewhere; here it lets the sharpest of turns pass.
LOOSE = Limits(
    lateral_acceleration=20.0, jerk=200.0, curvature=1.0, yaw_rate=6.0, reversing=10.0, jump=10.0
)
START = 1_700_000_000 * NANOSECONDS
STEP = 0.01
WHEELBASE = 2.79
# The model returns to the road within metres of this order.
RETURN = 6.0


class Road:
    """A line of arcs: pieces of (length m, curvature 1/m), bending within `ease` m."""

    def __init__(self, pieces, ease=0.0):
        s = np.arange(0.0, sum(length for length, _ in pieces), 0.02)
        ends = np.cumsum([length for length, _ in pieces])
        bends = np.array([bend for _, bend in pieces])
        kappa = bends[np.minimum(np.searchsorted(ends, s, side='right'), len(bends) - 1)]
        if ease:
            width = round(ease / 0.02)
            padded = np.pad(kappa, width // 2, mode='edge')
            kappa = np.convolve(padded, np.ones(width) / width, mode='same')[width // 2 :][
                : len(s)
            ]
        yaw = np.concatenate([[0.0], np.cumsum(kappa[:-1])]) * 0.02
        x = np.concatenate([[0.0], np.cumsum(np.cos(yaw[:-1]))]) * 0.02
        y = np.concatenate([[0.0], np.cumsum(np.sin(yaw[:-1]))]) * 0.02
        self.s, self.rows = s, np.column_stack([x, y, yaw])

    def nearest(self, pose):
        """Return how far along, m, a pose is, and how far left of the line, m."""
        k = int(np.argmin(np.hypot(*(self.rows[:, :2] - [pose.x, pose.y]).T)))
        x, y, yaw = self.rows[k]
        return self.s[k], -math.sin(yaw) * (pose.x - x) + math.cos(yaw) * (pose.y - y)

    def pose(self, s):
        """Return the line's pose at `s` m."""
        return Pose(*(float(np.interp(s, self.s, column)) for column in self.rows.T))


S_CURVE = [
    (30.0, 0.0),
    (35.0, 1 / 25),
    (35.0, -1 / 20),
    (35.0, 1 / 25),
    (35.0, -1 / 20),
    (60.0, 0),
]


class Car:
    """A kinematic bicycle whose wheels and pedals follow the command with a lag, s."""

    def __init__(self, speed, lag=0.2, pedal_lag=0.2):
        self.pose, self.speed, self.angle, self.acceleration = Pose(0.0, 0.0, 0.0), speed, 0.0, 0.0
        self._lag, self._pedal_lag = lag, pedal_lag

    def drive(self, command):
        """Go on by one STEP."""
        self.angle += (command.tire_angle - self.angle) * STEP / self._lag
        self.acceleration += (command.acceleration - self.acceleration) * STEP / self._pedal_lag
        # Brakes stop a car and push it nowhere.
        self.speed = max(0.0, self.speed + self.acceleration * STEP)
        turn = self.speed * math.tan(self.angle) / WHEELBASE
        x, y, yaw = motion.rollout(self.speed, turn, 0.0, [STEP])[0]
        self.pose = motion.moved(self.pose, Pose(float(x), float(y), float(yaw)))


class ClosedLoop:
    """
    One drive along a road.

    `speed_ahead(s, t, speed)` is the speed that the model wants, m/s. It is asked each `period`
    s, and answers `latency` s later with waypoints that are off by `noise` m.
    """

    def __init__(
        self, road, speed_ahead, *, dialect='nuscenes', noise=0.05, latency=0.8, period=1.0,
        speed=8.0, seed=0, lag=0.2, limits=None, **options
    ):  # fmt: skip
        self.road, self._speed_ahead = road, speed_ahead
        self.dialect = DIALECTS[dialect]
        self.planner = Planner(self.dialect, policy=Policy(limits))
        self.controller = Controller(**options)
        self.car = Car(speed, lag)
        self.random, self.noise = np.random.default_rng(seed), noise
        self.latency, self.period = latency, period
        self.rows, self.commands, self.plans = [], [], []
        self._waiting, self._asked = None, -math.inf
        self.tick = 0
        self._warm_up(speed)

    @property
    def time(self):
        """Return the seconds since the start."""
        return self.tick * STEP

    @property
    def now(self):
        """Return the stamp of now, ns."""
        return START + round(self.time * NANOSECONDS)

    def _warm_up(self, speed):
        """Give the planner the history it asks for: straight on, before the road begins."""
        for k in range(300, 0, -1):
            before = Pose(-k * STEP * speed, 0.0, 0.0)
            self._observe(START - round(k * STEP * NANOSECONDS), before)

    def _observe(self, stamp, pose):
        turn = self.car.speed * math.tan(self.car.angle) / WHEELBASE
        sample = Odometry(stamp, pose, self.car.speed, 0.0, turn)
        self.planner.observe(sample)
        self.controller.observe(sample)

    def answer(self):
        """Return what the model says now: back to the road and along it, at its speeds."""
        start, left = self.road.nearest(self.car.pose)
        s = start
        t, points = 0.0, []
        speed = self.car.speed
        for k in range(1, 50 * self.dialect.waypoints + 1):
            wanted = self._speed_ahead(s, self.time + t, speed)
            speed += float(np.clip(wanted - speed, -0.025, 0.02))
            s, t = s + max(0.0, speed) * 0.01, t + 0.01
            if k % 50 == 0:
                beside = Pose(0.0, left * math.exp(-(s - start) / RETURN), 0.0)
                line = motion.moved(self.road.pose(s), beside)
                ahead = motion.relative_to(self.car.pose, line)
                points.append((ahead.x, ahead.y, ahead.yaw))
        rows = motion.point_ahead(points, self.dialect.reference_ahead)
        moved = np.diff(np.vstack([[0.0, 0.0], rows]), axis=0)
        # A car that hardly moves is seen to: its waypoints are nearer to the truth.
        near = np.minimum(np.hypot(*moved.T), 1.0)
        rows = rows + near[:, None] * self.random.normal(0.0, self.noise, rows.shape)
        return Answer(codec.encode_trajectory(self.dialect, rows))

    def step(self, odometry=True, plans=True):
        """Drive one STEP: odometry at 50 Hz, plans at 10 Hz, commands at 20 Hz."""
        if odometry and self.tick % 2 == 0:
            self._observe(self.now, self.car.pose)
        if plans:
            self._think()
            if self.tick % 10 == 0:
                plan = self.planner.plan(self.now)
                if plan is not None:
                    self.plans.append(plan)
                    self.controller.follow(plan)
        if self.tick % 5 == 0:
            self.commands.append(self.controller.command(self.now))
            s, left = self.road.nearest(self.car.pose)
            self.rows.append((self.time, s, left, self.car.speed))
        if self.commands:
            self.car.drive(self.commands[-1])
        self.tick += 1

    def _think(self):
        if self._waiting and self.time >= self._asked + self.latency - 1e-9:
            (query, answer), self._waiting = self._waiting, None
            self.planner.tell(query, answer, self.now)
        if not self._waiting and self.time >= self._asked + self.period - 1e-9:
            for camera in self.dialect.cameras:
                self.planner.observe(CameraImage(camera, self.now, 'jpeg', b''))
            query = self.planner.ask(self.now)
            if hasattr(query, 'prompt'):
                self._waiting, self._asked = (query, self.answer()), self.time

    def drive(self, seconds, **inputs):
        """Drive on; return rows of time, metres along the road, metres left of it, speed."""
        first = len(self.rows)
        end = self.time + seconds
        while self.time < end - 1e-9:
            self.step(**inputs)
        return np.array(self.rows[first:])
