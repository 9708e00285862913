# SPDX-License-Identifier: Apache-2.0
"""A drive's record against its scenario: what went wrong, how far it got, whose the errors are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core import driving
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.driving import Box, overlap
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.motion import from_frame
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray, Pose
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.scenario import ANY_EXIT, Scenario
from impromptu_vla_ros.evaluation.driving.ways import Way, legal_ways, way_along
from impromptu_vla_ros.worlds.roads import RoadNetwork, along_road, lane_offset

# The wheels stand so far from the middle, m.
TRACK = 0.8
# A car this far beside a way, m, is not on it; its progress is not looked for farther ahead.
ON_WAY, WINDOW = 3.0, 6.0
# An answer younger than this, s, is fresh (core.policy.Ages).
FRESH = 1.5
# Progress short of the goal that counts as reached, m: of a nearest point.
REACHED = 0.5

Score = dict[str, Any]


def score(record: Record, scenario: Scenario, network: RoadNetwork, dialect: Dialect) -> Score:
    """Return all numbers of one drive, ready for JSON; None where there is none."""
    step = float(np.diff(record.times[:2]).sum())
    wheels = [beneath(record, along, side) for along in (0.0, 1.0) for side in (TRACK, -TRACK)]
    off = ~np.all([on_road(network, points) for points in wheels], axis=0)
    wrong = wrong_way(network, middles(record), record.ego[:, 2])
    impact = first_impact(record)
    got = progress(record, scenario, network)
    complete = scenario.goal <= 0.0 or got >= scenario.goal - REACHED
    ages = [
        (stamp - capture) / NANOSECONDS if capture else math.inf
        for stamp, capture in zip(record.stamps, record.commands[:, 4])
    ]
    failures = [
        *([f'hit {impact[1]} at {impact[2]:.1f} m/s'] if impact else []),
        *([f'off the road {off.sum() * step:.1f} s'] if off.any() else []),
        *([f'wrong way {wrong.sum() * step:.1f} s'] if wrong.sum() * step > 0.2 else []),
        *([] if complete else [f'got {got:.0f} of {scenario.goal:.0f} m']),
    ]
    reference = scenario.reference or max(scenario.speed, 1.0)
    found = {
        'passed': not failures,
        'failures': failures,
        'collision': bool(impact),
        'impact_time': impact[0] if impact else None,
        'impact_speed': impact[2] if impact else None,
        'ncap': driving.ncap_score(impact[2] if impact else None, reference),
        'completion': min(1.0, got / scenario.goal) if scenario.goal > 0.0 else 1.0,
        'progress': got,
        'off_road': float(off.sum() * step),
        'wrong_way': float(wrong.sum() * step),
        'freshness': driving.freshness(ages, FRESH),
        'comfort': asdict(driving.comfort(record.times, record.ego[:, 3], record.ego[:, 4])),
        **errors(record, dialect),
    }
    return found


def first_impact(record: Record) -> tuple[float, str, float] | None:
    """Return when (s), whom and how fast (relative, m/s) the ego hits, None if nobody."""
    length, width, ahead, _ = record.ego_size
    for k, (ego, others) in enumerate(zip(record.ego, record.actors)):
        x, y, yaw, speed = ego[:4]
        c, s = math.cos(yaw), math.sin(yaw)
        box = Box(x + ahead * c, y + ahead * s, yaw, length, width)
        for name, size, other in zip(record.names, record.sizes, others):
            if overlap(box, Box(*other[:3], *size)):
                dvx = speed * c - other[3] * math.cos(other[2])
                dvy = speed * s - other[3] * math.sin(other[2])
                return float(record.times[k]), str(name), math.hypot(dvx, dvy)
    return None


def beneath(record: Record, along: float, left: float) -> FloatArray:
    """Return where a point of the ego was, (n, 2): `along` 0 the rear axle, 1 the front one."""
    point = [[along * record.ego_size[3], left]]
    return np.array([from_frame(Pose(*row[:3]), point)[0] for row in record.ego])


def middles(record: Record) -> FloatArray:
    """Return the ego's middle at each tick, (n, 2)."""
    ahead = record.ego_size[2]
    yaw = record.ego[:, 2]
    return record.ego[:, :2] + ahead * np.column_stack([np.cos(yaw), np.sin(yaw)])


def on_road(network: RoadNetwork, points: FloatArray) -> NDArray[np.bool_]:
    """Tell which of the points (n, 2) lie on a lane."""
    found = np.zeros(len(points), bool)
    for road in network.roads:
        _, left = along_road(road, points)
        found |= (left <= road.left * road.lane_width) & (left >= -road.right * road.lane_width)
    return found


def wrong_way(network: RoadNetwork, points: FloatArray, yaws: FloatArray) -> NDArray[np.bool_]:
    """Tell which points (n, 2) lie on lanes that all go against the headings (n,)."""
    against, along = np.zeros(len(points), bool), np.zeros(len(points), bool)
    for road in network.roads:
        s, left = along_road(road, points)
        heading = _headings(network, road.number, s)
        for lane in road.lanes:
            here = np.abs(left - lane_offset(road, lane)) <= 0.5 * road.lane_width
            agrees = (np.cos(yaws - heading) > 0.0) == (lane < 0)
            along |= here & agrees
            against |= here & ~agrees
    return np.asarray(against & ~along)


def _headings(network: RoadNetwork, number: int, s: FloatArray) -> FloatArray:
    """Return the reference line's heading at each s (n,)."""
    marks, yaws = [], []
    for at, pose, piece in network.numbered[number].laid:
        marks += [at, at + piece.length]
        yaws += [pose.yaw, pose.yaw + piece.length * piece.curvature]
    return np.asarray(np.interp(np.nan_to_num(s), marks, yaws))


def progress(record: Record, scenario: Scenario, network: RoadNetwork) -> float:
    """Return how many metres of a way that counts were driven, in its order."""
    length = scenario.goal + 30.0
    ways = [way_along(network, scenario.route, length)]
    if scenario.exits == ANY_EXIT:
        ways = legal_ways(network, scenario.route.start, length)
    return max(_driven(way, record.ego) for way in ways)


def _driven(way: Way, ego: FloatArray) -> float:
    best = 0.0
    for x, y in ego[:, :2]:
        near = np.abs(way.marks - best) <= WINDOW
        part = Way(way.marks[near], way.points[near])
        (s,), (left,) = part.nearest([[x, y]])
        if abs(left) <= ON_WAY and abs(s - best) <= WINDOW:
            best = max(best, min(float(s), way.length))
    return best


def errors(record: Record, dialect: Dialect) -> Score:
    """Return the mean errors, m: of the model, of the re-timing and of the controller."""
    driven = DrivenPath(record.stamps, _unwrapped(record.ego[:, :3]))
    told = {int(row[1]): _plan(row[0], record.told_points[row[3] : row[4]]) for row in record.told}
    models, retimings, lefts, aheads = [], [], [], []
    for answer, reference in zip(record.answers, record.references):
        try:
            models.append(driving.model_error(dialect, str(answer), str(reference)))
        except AnswerError:
            continue
    for row in record.plans:
        published = _plan(row[0], record.plan_points[row[2] : row[3]])
        if int(row[1]) in told:
            retimings.append(driving.retiming_error(told[int(row[1])], published))
        left, ahead = driving.controller_error(published, driven)
        lefts.append(abs(left))
        aheads.append(abs(ahead))
    return {
        'model_error': _mean(models),
        'retiming_error': _mean(retimings),
        'controller_left': _mean(lefts),
        'controller_ahead': _mean(aheads),
    }


def _plan(stamp: Any, points: FloatArray) -> Any:
    """Return what of a plan the errors need: when, and where."""
    return SimpleNamespace(
        stamp=int(stamp), frame_id='', times=points[:, 0], poses=_unwrapped(points[:, 1:4])
    )


def _unwrapped(poses: FloatArray) -> FloatArray:
    rows = np.array(poses)
    rows[:, 2] = np.unwrap(rows[:, 2])
    return rows


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else None
