# SPDX-License-Identifier: Apache-2.0
"""
The privileged expert: who knows road, route and everybody's intentions, and answers in text.

It is the upper bound of what a model can do here: the same wire format, the same planner behind
it, but no picture to be misread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import Answer, FloatArray, Pose, Query
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.ways import Way

# It looks this far into the future, in these steps, s.
FORESIGHT, STEP = 6.0, 0.1
# Comfortable: turning and braking for a bend, m/s²; a dry road gives about four times as much.
TURNING, SLOWING = 2.2, 1.2
GRIP = 8.0
# The hardest braking, m/s², and how fast it begins, m/s³: the guard allows 8 and 15, and waypoints
# every half second tell of it roughly.
HARDEST, JERK = 6.0, 8.0
# The Intelligent Driver Model (Treiber, Hennecke, Helbing 2000): acceleration and comfortable
# deceleration in m/s², the time headway in s, and the gap at a stand in m.
FREE, EASY, HEADWAY, GAP = 1.2, 1.8, 1.2, 3.5
NARROW_HEADWAY = 0.5  # where there is no more room
# Autoware's lateral jerk 3·v²·a·κ, m/s³: nobody brakes and turns hard at once.
LATERAL_JERK = 5.0
# Room to others, m: beside one who need not be waited for, beside one at all, and ahead.
ASIDE, NARROW, AHEAD = 0.3, 0.2, 1.0
# Slower is standing, m/s.
STANDS = 0.3
# What is tried when the usual does not do: how hard to brake at least, m/s², and how far to
# swerve, of what the lane has room for.
BRAKING = (math.inf, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0)
SWERVES = (0.0, 0.5, -0.5, 1.0, -1.0)
# An offset from the middle of the lane goes while the car drives this time, s, but this way, m.
FADE, SHORTEST_FADE = 0.8, 6.0
# The lane of our roads and the ego, m.
LANE, WIDTH = 3.5, 1.84


@dataclass(frozen=True)
class View:
    """
    The world at one instant, as the expert sees it.

    `pose` is base_link; `speed` and `acceleration` are its own. `others` (m, k, 4) are x, y,
    yaw, speed of the m others in the next k steps of 0.1 s, `sizes` (m, 2) their outlines.
    """

    pose: Pose
    speed: float
    acceleration: float
    others: FloatArray
    sizes: FloatArray


class Expert:
    """
    Answer with the way an attentive driver takes along `way`, at `cruise` m/s where it may.

    A Model: `look` returns the view at a query's stamp.
    """

    def __init__(
        self,
        way: Way,
        cruise: float,
        friction: float,
        dialect: Dialect,
        ego: Ego,
        look: Callable[[int], View],
    ) -> None:
        self._way, self._dialect, self._ego, self._look = way, dialect, ego, look
        self._hardest = min(HARDEST, GRIP * friction)
        share = min(1.0, max(friction, 0.1) * 1.5)
        self._allowed = _allowed(way, cruise, TURNING * share, SLOWING * share)
        self._last: tuple[int, Answer] | None = None

    def answer(self, query: Query) -> Answer:
        """Return the way from where the picture was taken."""
        # Who is asked again about the same picture, as by a loop that compares, says the same.
        if self._last is None or self._last[0] != query.stamp:
            self._last = query.stamp, Answer(self.planned(self._look(query.stamp)))
        return self._last[1]

    def planned(self, view: View) -> str:
        """Return the answer of who sees that."""
        steps = round(max(FORESIGHT, self._dialect.horizon) / STEP)
        marks, lefts = self._driven(view, steps)
        every = round(self._dialect.spacing / STEP)
        last = self._dialect.waypoints * every + 1
        rows = self._way.at(marks[every:last:every], lefts[every:last:every])
        poses = [motion.relative_to(view.pose, Pose(*map(float, row))) for row in rows]
        points = motion.point_ahead(
            [(p.x, p.y, p.yaw) for p in poses], self._dialect.reference_ahead
        )
        return codec.encode_trajectory(self._dialect, points)

    def _driven(self, view: View, steps: int) -> tuple[FloatArray, FloatArray]:
        """Return how far along and left of the way it will be, each (steps + 1,)."""
        (at,), (left,) = self._way.nearest([[view.pose.x, view.pose.y]])
        others = self._on_way(view, at, steps)
        room = max(0.0, 0.5 * (LANE - self._ego.width) - 0.05)
        grid = np.meshgrid(BRAKING, room * np.array(SWERVES), indexing='ij')
        # The first is the usual; the last fits into a gap that is narrower than it would choose.
        caps, targets = (np.append(each, end) for each, end in zip(grid, (math.inf, 0.0)))
        headways = np.append(np.full(len(caps) - 1, HEADWAY), NARROW_HEADWAY)
        if not len(others):
            caps, targets, headways = caps[:1], targets[:1], headways[:1]
        marks = np.empty((len(caps), steps + 1))
        speeds, lefts = np.empty_like(marks), np.empty_like(marks)
        marks[:, 0], speeds[:, 0], lefts[:, 0] = at, view.speed, left
        fade = max(FADE * view.speed, SHORTEST_FADE)
        change = np.full(len(caps), np.clip(view.acceleration, -self._hardest, FREE))
        for k in range(steps):
            now = marks[:, k], speeds[:, k], lefts[:, k]
            usual = self._asked(*now, others[:, k], headways)
            asked = np.maximum(np.minimum(usual, caps), -self._hardest)
            change = np.clip(asked, change - STEP * JERK, change + STEP * JERK)
            after = np.maximum(0.0, speeds[:, k] + STEP * change)
            marks[:, k + 1] = marks[:, k] + 0.5 * STEP * (speeds[:, k] + after)
            speeds[:, k + 1] = after
            # A car moves aside as it moves on: one that stands does not.
            kept = np.exp((marks[:, k] - marks[:, k + 1]) / fade)
            lefts[:, k + 1] = targets + (lefts[:, k] - targets) * kept
        effort = np.where(np.isfinite(caps), 0.5 + np.minimum(caps, 0.0) ** 2, 0.0)
        effort += np.where(headways < HEADWAY, 2.0, 0.0)
        cost = effort + 8.0 * np.abs(targets) + self._harm(marks, speeds, lefts, others)
        best = int(np.argmin(cost))
        return marks[best], lefts[best]

    def _asked(
        self,
        s: FloatArray,
        v: FloatArray,
        left: FloatArray,
        others: FloatArray,
        headway: FloatArray,
    ) -> FloatArray:
        """Return the usual acceleration of each candidate: for the bends, and who is ahead."""
        wanted = np.maximum(np.interp(s, *self._allowed), 0.1)
        free = FREE * (1.0 - (v / wanted) ** 4)
        # Too fast: back to what is allowed within a second and a half.
        asked = np.where(v > wanted, np.maximum((wanted - v) / 0.6, -3.0), free)
        bend = np.abs(np.interp(s + 2.0, self._way.marks, self._way.curvature))
        gentle = LATERAL_JERK / np.maximum(3.0 * v**2 * bend, 1e-3)
        asked = np.clip(asked, -gentle, gentle)
        front = s + self._ego.ahead + 0.5 * self._ego.length
        ends = [(np.full_like(s, self._way.length - 2.0), np.zeros_like(s))]
        for rear, tip, right_edge, left_edge, speed in others:
            half = 0.5 * self._ego.width + ASIDE
            beside = (left_edge > left - half) & (right_edge < left + half)
            ours = beside & (tip > s - self._ego.length)
            ends.append((np.where(ours, rear, np.inf), np.full_like(s, speed)))
        for rear, speed in ends:
            gap = np.maximum(rear - front, 0.1)
            closing = v * (v - speed) / (2.0 * math.sqrt(FREE * EASY))
            desired = GAP * headway / HEADWAY + np.maximum(0.0, headway * v + closing)
            asked = np.minimum(asked, free - FREE * (desired / gap) ** 2)
        return np.asarray(asked)

    def _harm(
        self, marks: FloatArray, speeds: FloatArray, lefts: FloatArray, others: FloatArray
    ) -> FloatArray:
        """Return the cost of each candidate's impact: the faster and sooner, the worse."""
        cost = np.zeros(len(marks))
        middle = marks + self._ego.ahead
        for one in others:
            rear, tip, right_edge, left_edge, speed = one[: marks.shape[1]].T
            meets = (middle + 0.5 * self._ego.length + AHEAD > rear) & (
                middle - 0.5 * self._ego.length - AHEAD < tip
            )
            half = 0.5 * self._ego.width + NARROW
            meets &= (lefts + half > right_edge) & (lefts - half < left_edge)
            # Who stands is not to blame, but should not stand in the way either.
            meets &= (speeds > STANDS) | (speed < -STANDS)
            first = np.argmax(meets, axis=1)
            hit = meets[np.arange(len(meets)), first]
            impact = np.abs(speeds[np.arange(len(meets)), first] - speed[first])
            cost += np.where(hit, 100.0 + 20.0 * impact + 10.0 / (1.0 + first), 0.0)
        return cost

    def _on_way(self, view: View, at: float, steps: int) -> FloatArray:
        """
        Return the others seen from the way, (m, steps + 1, 5).

        The columns are their rear and tip along it, right and left edge beside it, speed along.
        """
        near = [k for k, one in enumerate(view.others) if self._matters(one, at)]
        rows = np.empty((len(near), steps + 1, 5))
        for row, k in zip(rows, near):
            length, width = view.sizes[k]
            one = view.others[k, np.minimum(np.arange(steps + 1), view.others.shape[1] - 1)]
            s, left = self._way.nearest(one[:, :2])
            turned = one[:, 2] - self._way.at(s)[:, 2]
            c, w = np.cos(turned), np.sin(turned)
            half = 0.5 * (abs(length * c) + abs(width * w))
            side = 0.5 * (abs(length * w) + abs(width * c))
            row[:] = np.column_stack([s - half, s + half, left - side, left + side, one[:, 3] * c])
        return rows

    def _matters(self, one: FloatArray, at: float) -> bool:
        here = self._way.pose(at)
        return bool(np.hypot(one[:, 0] - here.x, one[:, 1] - here.y).min() < 90.0)


def _allowed(
    way: Way, cruise: float, turning: float, slowing: float
) -> tuple[FloatArray, FloatArray]:
    """Return marks and the speed allowed there: bends are known before they begin."""
    bend = np.maximum(np.abs(way.curvature), turning / cruise**2)
    # The car is as long as it is: what bends a little ahead bends here.
    wide = max(1, round(2.0 / float(np.diff(way.marks).mean())))
    padded = np.pad(bend, wide, mode='edge')
    bend = np.max([padded[k : k + len(bend)] for k in range(2 * wide + 1)], axis=0)
    speeds = np.sqrt(turning / bend)
    for k in range(len(speeds) - 2, -1, -1):
        reach = math.sqrt(speeds[k + 1] ** 2 + 2.0 * slowing * (way.marks[k + 1] - way.marks[k]))
        speeds[k] = min(speeds[k], reach)
    return way.marks, speeds
