# SPDX-License-Identifier: Apache-2.0
"""
How real cars moved, as lessons without pictures: Boreas (CC BY 4.0) and comma2k19 (MIT).

Their answers are what was driven next; the navigation command is that of the way driven.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.dialects import DIALECTS, NANO, Dialect
from impromptu_vla_ros.core.navigation import navigation_command
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    FloatArray,
    NavigationCommand,
    NotReady,
    Odometry,
    Pose,
)
from impromptu_vla_ros.training.lessons.cells import TOKENS
from impromptu_vla_ros.training.lessons.files import NO_PICTURE, Drive, plain

# The tables of motion, below the folder of recorded driving data.
SOURCES: Mapping[str, str] = {
    'boreas': 'boreas_ego/boreas-2021-08-05-13-34/ego.csv',
    'comma2k19': 'comma2k19_example1_ego/ego.csv',
}
COLUMNS = 't_s,x_m,y_m,yaw_rad,speed_mps'
# This share at the end of each is never learnt from.
HELD_OUT = 0.2
# Between two lessons, s, and how much of the way ahead the command is told by, m.
EVERY, ROUTE = 0.5, 150.0
# So near its end, s, a drive does not tell any more where it leads.
END = 10.0
START = 1_000 * NANOSECONDS


@dataclass(frozen=True, eq=False)
class Motion:
    """A drive: poses (n, 3) x, y, yaw (unwrapped) and speeds (n,) in m/s at times (n,) in s."""

    times: FloatArray
    poses: FloatArray
    speeds: FloatArray

    def at(self, times: FloatArray) -> FloatArray:
        """Return the poses (m, 3) at other times (m,)."""
        return np.column_stack([np.interp(times, self.times, one) for one in self.poses.T])

    def between(self, start: float, end: float) -> Motion:
        """Return the part between two times, s."""
        kept = (self.times >= start) & (self.times <= end)
        return Motion(self.times[kept], self.poses[kept], self.speeds[kept])


def real_drives(folder: Path, held_out: bool = False) -> list[Drive]:
    """Return the lessons of all sources in the folder, or of what is held out of them."""
    drives, dialect = [], DIALECTS[NANO]
    for kind, name in SOURCES.items():
        path = folder / name
        if not path.exists():
            logging.getLogger(__name__).warning('%s is missing: no lessons of %s', path, kind)
            continue
        whole = read_motion(path)
        end = whole.times[0] + (1.0 - HELD_OUT) * (whole.times[-1] - whole.times[0])
        part = (end, whole.times[-1]) if held_out else (whole.times[0], end)
        drives.append(lessons_of(kind, whole.between(*part), dialect))
    return drives


def read_motion(path: Path) -> Motion:
    """Return the drive of a table; raise ValueError where it has other columns."""
    with path.open(encoding='utf-8') as file:
        columns = file.readline().strip()
    if columns != COLUMNS:
        raise ValueError(f'{path} has the columns {columns}; they must be {COLUMNS}')
    times, x, y, yaw, speeds = np.loadtxt(path, delimiter=',', skiprows=1).T
    return Motion(times, np.column_stack([x, y, np.unwrap(yaw)]), speeds)


def lessons_of(kind: str, drive: Motion, dialect: Dialect) -> Drive:
    """Return what the planner asks along a drive, and what was driven then."""
    planner, prompts, answers = Planner(dialect), [], []
    yaw_rates = np.gradient(drive.poses[:, 2], drive.times)
    due = drive.times[0] + dialect.history
    ahead = dialect.spacing * np.arange(1.0, dialect.waypoints + 1.0)
    for k, time in enumerate(drive.times):
        pose = Pose(*map(float, drive.poses[k]))
        stamp = START + round(float(time) * NANOSECONDS)
        speed = float(drive.speeds[k])
        planner.observe(Odometry(stamp, pose, speed, 0.0, float(yaw_rates[k])))
        if time < due or time + END > drive.times[-1]:
            continue
        command = _command(drive, k, pose, speed)
        planner.observe(NavigationCommand(stamp, command))
        planner.observe(CameraImage('front', stamp, 'rgb8', bytes(3), 1, 1, 3))
        query = planner.ask(stamp)
        if isinstance(query, NotReady):
            continue
        due = time + EVERY
        driven = drive.at(time + ahead)
        seen = np.column_stack([motion.to_frame(pose, driven[:, :2]), driven[:, 2] - pose.yaw])
        points = motion.point_ahead(seen, dialect.reference_ahead)
        prompts.append(query.prompt)
        answers.append(plain(codec.encode_trajectory(dialect, points)))
    picture = np.full(len(prompts), NO_PICTURE, np.int64)
    near = np.zeros((0, TOKENS), np.float32)
    return Drive(kind, (), tuple(prompts), tuple(answers), picture, near)


def _command(drive: Motion, k: int, pose: Pose, speed: float) -> str:
    """Return the command for the way that was driven next."""
    points = drive.poses[k:, :2]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    route = points[: max(2, int(np.searchsorted(along, ROUTE)))]
    return navigation_command(route, pose, speed)
