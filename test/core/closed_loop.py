# SPDX-License-Identifier: Apache-2.0
"""A car that follows what is published, on a road its model knows; without ROS."""

import math
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.autoware_rules import broken_rules
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.controller import Controller
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Answer,
    CameraImage,
    NotReady,
    Odometry,
    Plan,
    Pose,
)

START = 1_700_000_000 * NANOSECONDS
WHEELBASE = 2.79
# Steps of the car, odometry, pictures, plans and commands, s.
STEP, ODOMETRY, PICTURE, PLAN, COMMAND = 0.01, 0.02, 0.1, 0.1, 0.05


def stamp(time):
    """Return the stamp in ns of a time of the drive in s."""
    return START + round(time * NANOSECONDS)


class Road:
    """A road without end: straights of 60 m, and 90 degrees left, left and right between them."""

    def __init__(self, metres=20_000.0, radius=25.0):
        s = np.arange(0.0, metres, 0.25)
        lap = s % (60.0 + 0.5 * math.pi * radius)
        side = np.where((s // (60.0 + 0.5 * math.pi * radius)) % 3 < 2, 1.0, -1.0)
        # A clothoid of 10 m into each bend and out of it.
        ramp = np.clip(np.minimum(lap - 60.0, 60.0 + 0.5 * math.pi * radius - lap) / 10.0, 0, 1)
        yaw = np.concatenate([[0.0], np.cumsum(side * ramp / radius)[:-1] * 0.25])
        xy = np.cumsum(0.25 * np.column_stack([np.cos(yaw), np.sin(yaw)]), axis=0)
        self._s, self._rows = s, np.column_stack([xy, yaw])
        self._near = 0

    def pose(self, s):
        """Return x, y, yaw, (n, 3), this far along."""
        return np.column_stack([np.interp(s, self._s, column) for column in self._rows.T])

    def bend(self, s):
        """Return the sharpest bend, 1/m, within some metres."""
        near = slice(max(0, int(s / 0.25) - 12), int(s / 0.25) + 12)
        return float(np.abs(np.diff(self._rows[near, 2])).max() / 0.25)

    def nearest(self, x, y):
        """Return how far along a car is that drives on it."""
        first = max(0, self._near - 100)
        part = self._rows[first : first + 400, :2]
        self._near = first + int(np.argmin(np.hypot(*(part - [x, y]).T)))
        return float(self._s[self._near])


class Driver:
    """Who knows the road and the speed wanted at each time: what a perfect model says."""

    def __init__(self, road, wanted, dialect):
        self.road, self.wanted, self.dialect = road, wanted, dialect

    def answer(self, time, pose, speed):
        """Return the answer's text for a picture taken at this time, there, at that speed."""
        s, v, rows = self.road.nearest(pose.x, pose.y), speed, []
        beside = motion.to_frame(Pose(*self.road.pose([s])[0]), [[pose.x, pose.y]])[0]
        begin = s = s + float(beside[0])
        back = self._back(float(beside[1]), pose.yaw - float(self.road.pose([s])[0, 2]))
        for k in range(round(self.dialect.waypoints * 0.5 / 0.05)):
            change = min(max((self.wanted(time + 0.05 * k) - v) / 0.4, -2.0), 1.5)
            # Autoware's lateral jerk: nobody brakes and turns hard at once.
            gentle = 3.5 / max(3.0 * v**2 * self.road.bend(s), 1e-3)
            change = min(max(change, -gentle), gentle)
            v = max(0.0, v + 0.05 * change)
            s += 0.05 * v
            if k % 10 == 9:
                x, y, yaw = self.road.pose([s])[0]
                aside = back(s - begin)
                rows.append((x - aside * math.sin(yaw), y + aside * math.cos(yaw), yaw))
        relative = [motion.relative_to(pose, Pose(*row)) for row in rows]
        points = motion.point_ahead(
            [(p.x, p.y, p.yaw) for p in relative], self.dialect.reference_ahead
        )
        return codec.encode_trajectory(self.dialect, points)

    @staticmethod
    def _back(aside, yaw):
        """Return how a car finds back to the road: metres left of it, by metres along it."""
        length = 10.0 + 15.0 * abs(aside)
        slope = math.tan(motion.wrap(yaw)) * length

        def left(s):
            u = min(s / length, 1.0)
            return (aside * (1.0 + 2.0 * u) + slope * u) * (1.0 - u) ** 2

        return left


class Car:
    """A kinematic bicycle whose steering lags by 0.2 s, and whose acceleration by 0.1 s."""

    def __init__(self, pose, speed):
        self.pose, self.speed, self.acceleration, self.tire_angle = pose, speed, 0.0, 0.0

    def step(self, command, seconds=STEP):
        """Let it drive on as commanded."""
        self.tire_angle += (command.tire_angle - self.tire_angle) * seconds / 0.2
        self.acceleration += (command.acceleration - self.acceleration) * seconds / 0.1
        self.speed = max(0.0, self.speed + self.acceleration * seconds)
        step = self.speed * seconds
        turn = step * math.tan(self.tire_angle) / WHEELBASE
        yaw = self.pose.yaw + 0.5 * turn
        self.pose = Pose(
            self.pose.x + step * math.cos(yaw),
            self.pose.y + step * math.sin(yaw),
            self.pose.yaw + turn,
        )

    def odometry(self, time):
        """Return what its localization says."""
        turn = self.speed * math.tan(self.tire_angle) / WHEELBASE
        return Odometry(stamp(time), self.pose, self.speed, 0.0, turn)


@dataclass(frozen=True)
class Cycle:
    """One plan that was published, and the car then; `answer` is how old the newest one is."""

    time: float
    plan: Plan
    speed: float
    aside: float
    answer: float
    broken: tuple[str, ...]


def drive(
    seconds,
    wanted,
    latency,
    refused=lambda: False,
    dropped=lambda: False,
    name='kitti',
    road=None,
    confidence=None,
    sure=lambda text: None,
):
    """
    Return the cycles of a closed loop of so many seconds.

    `wanted` is the speed by time, `latency` draws each answer's, `refused` whether it is
    nonsense, `dropped` whether a picture is lost. `sure` tells the digits of an answer.
    """
    dialect, road = DIALECTS[name], road or Road()
    planner = Planner(dialect, confidence=confidence)
    controller, driver = Controller(), Driver(road, wanted, dialect)
    controller.engage(True)
    car = Car(Pose(*road.pose([0.0])[0]), wanted(0.0))
    cycles, waiting, views, newest, previous = [], None, {}, -math.inf, None
    for k in range(round(seconds / STEP)):
        time = k * STEP
        now = stamp(time)
        if k % round(ODOMETRY / STEP) == 0:
            planner.observe(car.odometry(time))
            controller.observe(car.odometry(time))
        if k % round(PICTURE / STEP) == 0 and not dropped():
            views[now] = time, car.pose, car.speed
            for camera in dialect.cameras:
                planner.observe(CameraImage(camera, now, 'jpeg', b''))
        if waiting is not None and now >= waiting[1]:
            taken, pose, speed = views[waiting[0].stamp]
            text = '?' if refused() else driver.answer(taken, pose, speed)
            try:
                planner.tell(waiting[0], Answer(text, digits=sure(text)), now)
                newest = taken
            except AnswerError:
                pass
            waiting = None
        if waiting is None:
            asked = planner.ask(now)
            if not isinstance(asked, NotReady):
                waiting = asked, stamp(time + latency())
        if k % round(PLAN / STEP) == 0 and (plan := planner.plan(now)) is not None:
            broken = broken_rules(plan, car.pose, car.speed, now, previous)
            previous = previous if broken else plan
            beside = motion.to_frame(
                Pose(*road.pose([road.nearest(car.pose.x, car.pose.y)])[0]),
                [[car.pose.x, car.pose.y]],
            )[0, 1]
            cycles.append(Cycle(time, plan, car.speed, float(beside), time - newest, broken))
            controller.follow(plan)
        if k % round(COMMAND / STEP) == 0:
            command = controller.command(now)
        car.step(command)
    return cycles
