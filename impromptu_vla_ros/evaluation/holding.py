# SPDX-License-Identifier: Apache-2.0
"""A recording with a slow model: what is published at each tick, and how far off it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impromptu_vla_ros.core import metrics, motion
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.retiming import RUNNING_IN
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    FloatArray,
    InputError,
    NotReady,
    Odometry,
    Plan,
    Pose,
    Query,
)
from impromptu_vla_ros.core.told import relative_poses
from impromptu_vla_ros.evaluation.bag import SAMPLES, Bag
from impromptu_vla_ros.evaluation.replay import driven_path
from impromptu_vla_ros.models import Model, respond


@dataclass(frozen=True, eq=False)
class Tick:
    """One published plan, and the told one behind it (None for a stop)."""

    plan: Plan
    told: Plan | None


@dataclass(frozen=True, eq=False)
class Holding:
    """All that was published along a recording, and the path that was driven."""

    ticks: tuple[Tick, ...]
    path: metrics.DrivenPath

    @property
    def tiers(self) -> dict[str, int]:
        """Return how many plans there were of each tier."""
        return dict(Counter(tick.plan.tier for tick in self.ticks))


def hold(bag: Bag, planner: Planner, model: Model, latency: float, period: float = 0.1) -> Holding:
    """
    Return what is published every `period` s while each answer takes `latency` s.

    Times are the recording's; the model's own time does not count.
    """
    told: dict[int, Plan] = {}
    ticks: list[Tick] = []
    odometry: list[Odometry] = []
    waiting: tuple[Query, int] | None = None
    next_tick, offset = 0, bag.clock_offset()
    parts = [part for part in SAMPLES if part in bag.parts]
    for recorded in bag.messages(parts):
        now = recorded.time - offset
        try:
            sample = bag.sample(recorded)
            planner.observe(sample)
        except InputError:
            continue
        if isinstance(sample, Odometry):
            odometry.append(sample)
        if waiting is not None and now >= waiting[1]:
            _tell(planner, model, waiting[0], now, told)
            waiting = None
        if waiting is None:
            asked = planner.ask(now)
            if not isinstance(asked, NotReady):
                waiting = asked, now + round(latency * NANOSECONDS)
        if now >= next_tick and (plan := planner.plan(now)) is not None:
            next_tick = now + round(period * NANOSECONDS)
            ticks.append(Tick(plan, told.get(plan.capture_stamp)))
    return Holding(tuple(ticks), driven_path(odometry))


def _tell(planner: Planner, model: Model, query: Query, now: int, told: dict[int, Plan]) -> None:
    try:
        told[query.stamp] = planner.tell(query, respond(model, query), now)
    except AnswerError:
        return


def from_told(tick: Tick) -> FloatArray:
    """
    Return how far, in m, a published plan lies from the model's own waypoints, (n,).

    Compared are the waypoints behind the blend and within the plan, at their absolute times.
    A plan that stops within the blend's way has none left to run into the answer's path, and one
    at the ego's own pace keeps to its places, not to its times.
    """
    plan, told = tick.plan, tick.told
    way = np.hypot(*np.diff(plan.poses[:, :2], axis=0).T).sum()
    if told is None or 'own_pace' in plan.ages or way < RUNNING_IN * plan.blend:
        return np.zeros(0)
    at = told.times + (told.stamp - plan.stamp) / NANOSECONDS
    inside = (at >= plan.blend) & (at <= plan.times[-1])
    return np.asarray(np.hypot(*(positions(plan, at[inside]) - told.poses[inside, :2]).T))


def positions(plan: Plan, seconds: FloatArray) -> FloatArray:
    """Return the positions (n, 2) that a plan wants these seconds after its stamp."""
    return np.column_stack(
        [np.interp(seconds, plan.times, plan.poses[:, axis]) for axis in (0, 1)]
    )


def laid_at_arrival(tick: Tick, path: metrics.DrivenPath, seconds: FloatArray) -> FloatArray:
    """Return where the told plan would lead (n, 2), laid at the ego's pose of this tick."""
    assert tick.told is not None
    relative = relative_poses(tick.told)
    wanted = np.column_stack(
        [np.interp(seconds, tick.told.times, relative[:, axis]) for axis in (0, 1)]
    )
    now: Pose = path.pose(tick.plan.stamp)
    return motion.from_frame(now, wanted)


def l2_of(holding: Holding, seconds: Sequence[float]) -> dict[str, list[float]]:
    """
    Return the mean L2 in m at these seconds after publication, re-timed and laid at arrival.

    Only plans with an answer behind them count, and only while the recording goes on; empty
    where there is none.
    """
    grid = np.asarray(seconds, float)
    rows: dict[str, list[FloatArray]] = {'retimed': [], 'laid at arrival': []}
    for tick in holding.ticks:
        stamps = tick.plan.stamp + np.round(grid * NANOSECONDS).astype(np.int64)
        driven = holding.path.at(stamps)[:, :2]
        if tick.told is None or not np.isfinite(driven).all():
            continue
        rows['retimed'].append(metrics.l2(positions(tick.plan, grid), driven))
        laid = laid_at_arrival(tick, holding.path, grid)
        rows['laid at arrival'].append(metrics.l2(laid, driven))
    return {name: np.mean(found, axis=0).tolist() for name, found in rows.items() if found}
