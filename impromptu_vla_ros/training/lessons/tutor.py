# SPDX-License-Identifier: Apache-2.0
"""What is right to answer to a picture: the expert, who knows no more than the picture shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from impromptu_vla_ros.core import codec, motion, navigation
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.expert import Expert, View
from impromptu_vla_ros.evaluation.driving.ways import EVERY, Way
from impromptu_vla_ros.training.lessons.files import plain
from impromptu_vla_ros.training.lessons.spots import FASTEST, cruise_at
from impromptu_vla_ros.worlds.rigs import RIGS

# Who came along a way, or is met on it, may do so beyond its end, m.
ONWARD = 300.0
# So far ahead (m) a road's end is seen: four of the picture's pixels below the horizon.
SIGHT = 70.0
# Who is so near the end of a road, m, has nothing more to learn: it should stand by now.
END = 6.0
# How far a car may be off its way, m, to find back.
ASTRAY = 2.5
# Nobody comes along so fast that it needs more than this sideways, m/s².
SIDEWAYS = 4.0


class Tutor:
    """
    Say what is right at a view; questions are those of `dialect`.

    The right speed is the one that is driven, but at least some 8 m/s: a picture does not tell
    how fast somebody wanted to go. It stops where the road ends, which is where `way` must end
    if it does in sight. A view should be `seen`: a picture tells of nobody else.
    """

    def __init__(self, way: Way, dialect: Dialect, ego: Ego) -> None:
        self._way, self._dialect, self._ego = way, dialect, ego
        self._onward = _onward(way)

    def teaches(self, pose: Pose) -> bool:
        """Return whether something can be learnt there: on the way, and not at its end."""
        (at,), (left,) = self._way.nearest([[pose.x, pose.y]])
        return bool(abs(left) <= ASTRAY and at < self._way.length - END)

    def along(self, pose: Pose) -> float:
        """Return how far along its way somebody is, m."""
        (at,), _ = self._way.nearest([[pose.x, pose.y]])
        return float(at)

    @property
    def onward(self) -> Way:
        """Return the way, which goes on beyond the end of its road."""
        return self._onward

    def answer(self, view: View) -> str:
        """Return the right answer."""
        cruise = cruise_at(view.speed)
        ends = self._way.length - self.along(view.pose) < SIGHT
        way = self._way if ends else self._onward
        expert = Expert(way, cruise, 1.0, self._dialect, self._ego, lambda _: view)
        return plain(expert.planned(view))

    def imagined(self, view: View, random: Generator) -> tuple[str, str]:
        """
        Return the question and the right answer of who came to this place in another way.

        It came along the way at another speed, with another acceleration. So nobody learns that
        who drives fast, or brakes, always goes on so.
        """
        speed, acceleration = self._motion(view, random)
        count = int(random.integers(self._dialect.min_states, self._dialect.max_states + 1))
        count = self._dialect.max_states if random.random() < 0.8 else count
        states = self._past(view.pose, speed, acceleration, count)
        states = [_measured(state, random) for state in states]
        route = self._onward.points[:, :2]
        command = navigation.navigation_command(route, view.pose, speed)
        prompt = codec.encode_prompt(self._dialect, states, command=command)
        return prompt, self.answer(replace(view, speed=speed, acceleration=acceleration))

    def _motion(self, view: View, random: Generator) -> tuple[float, float]:
        (at,), _ = self._way.nearest([[view.pose.x, view.pose.y]])
        near = np.abs(self._onward.marks - at) < 10.0
        bend = float(np.abs(self._onward.curvature[near]).max(initial=1e-6))
        most = min(FASTEST, math.sqrt(SIDEWAYS / bend))
        speed = 0.0 if random.random() < 0.1 else random.uniform(0.0, most)
        if speed == 0.0 or random.random() < 0.5:
            return speed, 0.0
        # A second ago it neither drove backwards nor faster than anybody does.
        slowest = max(-3.0, speed - FASTEST - 2.0)
        return speed, float(random.uniform(slowest, min(1.2, speed)))

    def _past(self, pose: Pose, v: float, a: float, count: int) -> list[PromptState]:
        """Return the states of who came along the way with speed v and acceleration a."""
        (at,), (left,) = self._onward.nearest([[pose.x, pose.y]])
        ages = self._dialect.spacing * np.arange(count - 1, -1, -1.0)
        marks = at - v * ages + 0.5 * a * ages**2
        rows = self._onward.at(np.maximum(marks, 0.0), left)
        # Before the way begins it went straight on.
        behind = np.minimum(marks, 0.0)
        rows[:, :2] += behind[:, None] * np.column_stack([np.cos(rows[:, 2]), np.sin(rows[:, 2])])
        x, y = motion.to_frame(Pose(*map(float, rows[-1])), rows[:, :2]).T
        bends = np.interp(marks, self._onward.marks, self._onward.curvature)
        speeds = np.maximum(v - a * ages, 0.0)
        return [
            PromptState(float(x[k]), float(y[k]), float(u), 0.0, a, float(u * u * bend))
            for k, (u, bend) in enumerate(zip(speeds, bends))
        ]


def _measured(state: PromptState, random: Generator) -> PromptState:
    """Return the state with a millimetre of noise: as in a drive, no zero is quite one."""
    y, vy, ay = 1e-3 * random.normal(size=3)
    return replace(state, y=state.y + y, vy=state.vy + vy, ay=state.ay + ay)


def seen(view: View) -> View:
    """Return the view with only those whom the front camera has in its picture, or partly."""
    (mount,) = RIGS['front'].cameras
    half = math.radians(0.5 * mount.fov)
    shown = [
        bool(np.any(_within(view.pose, mount.x, half, outline(one[0], size))))
        for one, size in zip(view.others, view.sizes)
    ]
    kept = np.array(shown, bool)
    return replace(view, others=view.others[kept], sizes=view.sizes[kept])


def outline(one: Sequence[float] | FloatArray, size: FloatArray) -> FloatArray:
    """Return the middle and the corners (5, 2) of who is at x, y, yaw."""
    length, width = 0.5 * size
    corners = [[0.0, 0.0], [length, width], [length, -width], [-length, width], [-length, -width]]
    return motion.from_frame(Pose(float(one[0]), float(one[1]), float(one[2])), corners)


def _within(pose: Pose, ahead: float, half: float, points: FloatArray) -> FloatArray:
    x, y = motion.to_frame(pose, points).T
    return np.asarray((x > ahead) & (np.abs(y) < np.tan(half) * (x - ahead)))


def _onward(way: Way) -> Way:
    marks = np.arange(way.length + EVERY, way.length + ONWARD, EVERY)
    return Way(np.append(way.marks, marks), np.vstack([way.points, way.at(marks)]))
