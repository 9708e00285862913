# SPDX-License-Identifier: Apache-2.0
"""Made-up driving for the tiny planner: smooth drives, the questions they raise, red lights."""

import math
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import NANOSECONDS, CameraImage, Odometry, Pose, Query

START = 1_000 * NANOSECONDS
TICK = 0.05
# A driver turns no harder than this, m/s².
LATERAL = 2.5
FASTEST = 30.0
# A drive goes on for up to so long before it is looked at, s.
LONGEST_BEFORE = 6.0
# How long the pedals and the wheel take to what the driver wants, s.
RESPONSE, TURNING = 0.5, 1.0


@dataclass(frozen=True, eq=False)
class Drive:
    """Poses (n, 3) of the rear axle, speeds (n,) and yaw rates (n,), every TICK s."""

    poses: np.ndarray
    speeds: np.ndarray
    yaw_rates: np.ndarray

    def pose(self, tick):
        """Return the pose at one tick."""
        return Pose(*map(float, self.poses[tick]))


@dataclass(frozen=True, eq=False)
class Lesson:
    """A question of the real planner, what the driver does next, and what a red light asks."""

    query: Query
    driven: str
    stopped: str

    def answer(self, red):
        """Return the answer to a picture with or without a red light."""
        return self.stopped if red else self.driven


def make_drive(random, seconds):
    """Return a smooth drive: the driver aims at a speed and a bend, and changes its mind."""
    count = round(seconds / TICK) + 1
    speeds, bends = np.empty(count), np.empty(count)
    v, a, bend, left = float(_speed(random)), 0.0, 0.0, 0.0
    for tick in range(count):
        if left <= 0.0:
            left = random.uniform(4.0, 12.0)
            aim = v if random.random() < 0.4 else float(_speed(random))
            eager = random.uniform(0.15, 0.6)
            pull = random.uniform(0.6, 3.0)
            sharpest = min(0.15, LATERAL / max(v, 4.0) ** 2)
            straight = random.random() < 0.4
            turn = 0.0 if straight else sharpest * random.uniform(-1.0, 1.0)
        left -= TICK
        wanted = min(max(eager * (aim - v), -pull), 0.7 * pull)
        a += (wanted - a) * TICK / RESPONSE
        v = max(v + a * TICK, 0.0)
        a = max(a, 0.0) if v == 0.0 else a
        bend += (turn - bend) * TICK / TURNING
        speeds[tick] = v
        bends[tick] = bend * min(1.0, LATERAL / max(abs(bend) * v * v, 1e-9))
    return _driven(speeds, bends, random.uniform(-math.pi, math.pi))


def _driven(speeds, bends, yaw):
    """Return the drive of these speeds and curvatures, begun with a heading of `yaw`."""
    yaw_rates = speeds * bends
    yaws = yaw + _summed(yaw_rates)
    headings = 0.5 * (yaws[1:] + yaws[:-1])
    steps = np.diff(_summed(speeds))
    x, y = np.cumsum(steps * np.cos(headings)), np.cumsum(steps * np.sin(headings))
    poses = np.column_stack([np.append(0.0, x), np.append(0.0, y), yaws])
    return Drive(poses, speeds, yaw_rates)


def _summed(rates):
    return np.append(0.0, np.cumsum(0.5 * (rates[1:] + rates[:-1]) * TICK))


def make_lesson(random, dialect, states=None, image=None):
    """Return a lesson in a dialect; `image` is the camera's picture, else one nobody decodes."""
    states = states or dialect.max_states
    past = dialect.spacing * (states - 1) + random.uniform(0.02, 0.4)
    begun = round(random.uniform(0.0, LONGEST_BEFORE) / TICK)
    asked = begun + math.ceil(past / TICK)
    drive = make_drive(random, asked * TICK + dialect.horizon)
    planner = Planner(dialect)
    noise = random.choice([0.0, 0.004, 0.015])
    twist = random.random() > 0.06
    for tick in range(begun + (asked - begun) % 2, asked + 1, 2):
        pose = drive.poses[tick] + noise * random.normal(size=3) * [1.0, 1.0, 0.03]
        now = [drive.speeds[tick], 0.0, drive.yaw_rates[tick]]
        now = now + noise * random.normal(size=3) * [1.0, 0.1, 0.1] if twist else [math.nan] * 3
        planner.observe(Odometry(_at(tick), Pose(*map(float, pose)), *map(float, now)))
    for camera in dialect.cameras:
        stamp = _at(asked)
        planner.observe(image or CameraImage(camera, stamp, 'jpeg', b'not looked at'))
    query = planner.ask(_at(asked))
    assert isinstance(query, Query), query
    step = round(dialect.spacing / TICK)
    ahead = asked + step * np.arange(1, dialect.waypoints + 1)
    return Lesson(query, _told(dialect, drive, asked, ahead), _braked(dialect, drive, asked))


def paint(random, width, height, red):
    """Return rgb8 pixels (height, width, 3) of no place at all, with or without a red light."""
    corners = random.integers(0, 256, (int(random.integers(1, 5)), int(random.integers(1, 5)), 3))
    rows = np.linspace(0, len(corners) - 1e-6, height).astype(int)
    columns = np.linspace(0, corners.shape[1] - 1e-6, width).astype(int)
    grey = corners.mean(2, keepdims=True)
    dull = random.uniform(0.2, 0.9)
    pixels = (dull * grey + (1.0 - dull) * corners)[rows][:, columns]
    ramp = np.linspace(random.uniform(0.4, 1.2), random.uniform(0.4, 1.2), height)
    pixels = pixels * ramp[:, None, None]
    pixels += random.uniform(0, 30) * random.normal(size=(height, width, 1))
    lamps = [(20, 230, 90), (250, 250, 240), (20, 60, 220)][: int(random.integers(0, 4))]
    for lamp in lamps:
        _hang(random, pixels, np.array(lamp))
    if red:
        _hang(random, pixels, np.array((255, 20, 20)))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _hang(random, pixels, colour):
    """Paint a lamp, a bright disc on a black board."""
    height, width = pixels.shape[:2]
    radius = random.uniform(13.0, 24.0) * max(1.0, math.sqrt(width * height) / 512.0)
    board = min(1.3 * radius, 0.5 * height, 0.5 * width)
    x = random.uniform(board, max(width - board, board + 1e-6))
    y = random.uniform(board, max(height - board, board + 1e-6))
    dx = np.arange(width)[None, :] + 0.5 - x
    dy = np.arange(height)[:, None] + 0.5 - y
    pixels[np.broadcast_to((abs(dx) < board) & (abs(dy) < board), (height, width))] = 10.0
    pixels[dx**2 + dy**2 < radius**2] = colour + random.uniform(-15, 15, 3)


def _speed(random):
    kind = random.random()
    if kind < 0.12:
        return 0.0
    return random.uniform(0.5, 16.0) if kind < 0.75 else random.uniform(8.0, FASTEST)


def _at(tick):
    return START + round(tick * TICK * NANOSECONDS)


def _told(dialect, drive, asked, ticks):
    """Return the answer of what was driven."""
    anchor = drive.pose(asked)
    poses = drive.poses[ticks]
    seen = np.column_stack([motion.to_frame(anchor, poses[:, :2]), poses[:, 2] - anchor.yaw])
    return codec.encode_trajectory(dialect, motion.point_ahead(seen, dialect.reference_ahead))


def _braked(dialect, drive, asked):
    """Return the answer of who brakes with 3 m/s², or to stop within 4 s where that is harder."""
    speed = float(drive.speeds[asked])
    times = dialect.spacing * np.arange(1.0, dialect.waypoints + 1.0)
    braking = -max(3.0, speed / 4.0)
    poses = motion.rollout(speed, 0.0, braking, times)
    # The way stays what it was: the bend is that of the moment.
    bend = float(drive.yaw_rates[asked]) / speed if speed > 0.1 else 0.0
    way = poses[:, 0]
    poses = np.array([motion.rollout(1.0, bend, 0.0, [s])[0] for s in way])
    return codec.encode_trajectory(dialect, motion.point_ahead(poses, dialect.reference_ahead))
