# SPDX-License-Identifier: Apache-2.0
"""A drive over topics, instant by instant, with what was heard meanwhile: its record."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.controller import DISENGAGED
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import ControlCommand, Query
from impromptu_vla_ros.core.told import told_plan
from impromptu_vla_ros.evaluation.driving.director import Director, Instant
from impromptu_vla_ros.evaluation.driving.expert import Expert
from impromptu_vla_ros.evaluation.driving.notes import Notes
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.scenario import Scenario
from impromptu_vla_ros.evaluation.live_topics import Listener


def pictures_by_tick(heard: Listener, instants: Sequence[Instant]) -> dict[int, bytes]:
    """Return the JPEGs by tick."""
    stamps = [one.odometry.stamp for one in instants]
    return {k: heard.pictures[stamp] for k, stamp in enumerate(stamps) if stamp in heard.pictures}


def latencies(heard: Listener, instants: Sequence[Instant]) -> list[Mapping[str, float]]:
    """Return the seconds of each stage of the drive's answers, each answer once."""
    first = instants[0].odometry.stamp
    answered = {
        plan.capture_stamp: plan.latencies
        for plan in heard.plans
        if plan.answer and plan.capture_stamp >= first
    }
    return [*answered.values()]


def live_record(
    scenario: Scenario,
    dialect: Dialect,
    director: Director,
    heard: Listener,
    instants: Sequence[Instant],
) -> Record:
    """Return the record of a drive, as one in lockstep leaves it."""
    notes = Notes([player.actor.name for player in director.players])
    commands = sorted(heard.commands, key=lambda command: command.stamp)
    stamps = [command.stamp for command in commands]
    for one in instants:
        now = one.odometry.stamp
        k = bisect_right(stamps, now)
        command = commands[k - 1] if k else ControlCommand(now, DISENGAGED)
        notes.tick(now, one.odometry, one, one.others, command, now in heard.pictures)
    _note_plans(notes, dialect, heard, instants, _reference(scenario, dialect, director))
    ego = director.ego
    size = (ego.length, ego.width, ego.ahead, director.wheelbase)
    return notes.record([actor.size for actor in scenario.actors], size)


def _note_plans(
    notes: Notes,
    dialect: Dialect,
    heard: Listener,
    instants: Sequence[Instant],
    expert: Expert,
) -> None:
    first, last = instants[0].odometry.stamp, instants[-1].odometry.stamp
    known = {one.odometry.stamp: one.odometry.vx for one in instants}
    for plan in heard.plans:
        if first <= plan.stamp <= last:
            notes.plan(plan)
        if not plan.answer or plan.capture_stamp not in known:
            continue
        speed = known.pop(plan.capture_stamp)  # an answer is noted once
        lies = plan.capture_stamp, plan.anchor, plan.anchor_frame_id, speed
        try:
            meant = told_plan(dialect, plan.answer, *lies)
        except AnswerError:
            continue
        reference = expert.answer(Query(plan.capture_stamp, (), '', '')).text
        notes.told(meant, plan.capture_stamp, plan.stamp, plan.answer, reference)


def _reference(scenario: Scenario, dialect: Dialect, director: Director) -> Expert:
    """Return the expert who knows the script too, as in lockstep."""
    view, cruise, friction = director.sight.view, scenario.cruise, scenario.friction
    return Expert(director.way, cruise, friction, dialect, director.ego, view)
