# SPDX-License-Identifier: Apache-2.0
"""From samples to a question, from its answer to a plan: one object, no thread, no clock."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from impromptu_vla_ros.core import codec, drafting, motion, navigation
from impromptu_vla_ros.core.buffer import BufferLimits, ObservationBuffer, Sample
from impromptu_vla_ros.core.caution import cautious
from impromptu_vla_ros.core.codec import AnswerError, PromptState
from impromptu_vla_ros.core.confidence import Confidence, answer_deviations
from impromptu_vla_ros.core.deadline import Deadline, Level
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.drafting import MotionDraft
from impromptu_vla_ros.core.paths import timed_path
from impromptu_vla_ros.core.policy import Followed, Policy
from impromptu_vla_ros.core.retiming import STEP
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Answer,
    EgoState,
    FloatArray,
    NotReady,
    Observation,
    Plan,
    Pose,
    Query,
)
from impromptu_vla_ros.core.timeline import Timeline
from impromptu_vla_ros.core.told import relative_poses, told_plan


@dataclass(frozen=True)
class Vehicle:
    """What the planner must know of the car: the `wheelbase` in m, for measured steering."""

    wheelbase: float = 2.79


@dataclass(frozen=True)
class Question:
    """An observation and the query made of it at a level, until its answer comes."""

    observation: Observation
    query: Query
    level: Level


class Planner:
    """
    Hold everything between the inputs and the plan, for one dialect.

    Call `observe` with every sample, `ask` when the model is free, `tell` with its answer, and
    `plan` at a fixed rate. `now` is the clock of the stamps, in ns. `counts` says what became
    of the questions, `violations` what the guard found in the last answer.
    """

    def __init__(
        self,
        dialect: Dialect,
        vehicle: Vehicle | None = None,
        limits: BufferLimits | None = None,
        policy: Policy | None = None,
        confidence: Confidence | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.dialect = dialect
        self.counts: Counter[str] = Counter()
        self._vehicle = vehicle or Vehicle()
        self.buffer = ObservationBuffer(
            dialect.cameras,
            dialect.spacing,
            (dialect.min_states, dialect.max_states),
            limits,
            self._vehicle.wheelbase,
        )
        self._question: Question | None = None
        self._last: Followed | None = None
        self._policy = policy or Policy()
        self.confidence = confidence or Confidence()
        self.deadline = deadline

    @property
    def _level(self) -> Level:
        return self.deadline.level if self.deadline is not None else Level(self.dialect)

    @property
    def violations(self) -> tuple[str, ...]:
        """Return what the guard found in the last answer, which then is not followed."""
        return self._policy.refused

    def observe(self, sample: Sample) -> None:
        """Take one sample; raise InputError for one that cannot be used."""
        resets = self.buffer.resets
        self.buffer.observe(sample)
        if self.buffer.resets != resets:
            self._forget()
        change = self.buffer.ego.take_change()
        if change is not None:
            self._rebase(change)

    def reset(self) -> None:
        """Forget everything, as after a jump of the clock; an open question counts as failed."""
        if self._question is not None:
            self.refuse()
        self.buffer.reset()
        self._forget()

    def ask(self, now: int) -> Query | NotReady:
        """Return the question about the newest observation, once, or why there is none."""
        observation = self.buffer.take(now, self._level.dialect.cameras)
        return observation if isinstance(observation, NotReady) else self.ask_about(observation)

    def ask_about(self, observation: Observation) -> Query:
        """Return the question about an observation that did not come by `observe`."""
        query = self._query(observation, self._level)
        self._question = Question(observation, query, self._level)
        self.counts['asked'] += 1
        return query

    def tell(self, query: Query, answer: Answer, now: int) -> Plan:
        """
        Return the plan that an answer says, at its capture time, and follow it from now on.

        It is followed only if the guard finds nothing wrong with it. Raise AnswerError, counted
        as refused, for an answer that says none, or that was asked before the clock jumped.
        """
        question, self._question = self._question, None
        try:
            if question is None or question.query is not query:
                raise AnswerError(f'nobody waits for the answer to stamp {query.stamp} any more')
            if self.deadline is not None:
                self.deadline.answered(question.level, answer.latencies)
            told = self._told(question, answer)
        except AnswerError:
            self.counts['refused'] += 1
            raise
        self.counts['answered'] += 1
        self._follow(told, question.observation.states[-1].vx, now)
        return told

    def plan(self, now: int) -> Plan | None:
        """
        Return the plan to publish at `now`, None if unknown; it begins at the ego half a step ago.

        It comes from the newest answer that holds, else it is the way to a stop; so it is where
        the odometry contradicts itself and nobody knows where an answer lies.
        """
        if self.buffer.ego.contradicted:
            self._policy.forget()
        newest = self.buffer.ego.odometry.newest
        frame_id = newest.frame_id if newest is not None else ''
        stamp = now - round(0.5 * STEP * NANOSECONDS)
        plan = self._policy.current(now, stamp, self.buffer.ego.predict(stamp), frame_id)
        if plan is None:
            return None
        answer = (now - plan.capture_stamp) / NANOSECONDS
        ages = {**self._ages(now), **({'answer': answer} if plan.capture_stamp else {})}
        return replace(plan, ages={**plan.ages, **ages})

    def _told(self, question: Question, answer: Answer) -> Plan:
        observation = question.observation
        speed = observation.states[-1].vx
        told = told_plan(
            question.level.dialect,
            answer.text,
            observation.stamp,
            observation.anchor,
            observation.frame_id,
            speed,
            answer_deviations(question.level.dialect, answer, self.confidence.scale),
        )
        command = _command(observation) if question.level.dialect.commanded else ''
        return replace(told, latencies=dict(answer.latencies), navigation_command=command)

    def _follow(self, told: Plan, speed: float, now: int) -> None:
        ego = self.buffer.ego.predict(now)
        waypoints = relative_poses(told)[1:, :2]
        begun = speed if math.isfinite(speed) else 0.0
        path = timed_path(waypoints, self.dialect.spacing, begun)
        horizon = float(told.times[-1])
        offered = Followed(path, told.stamp, told.anchor, told.anchor_frame_id, horizon, told)
        self._last = offered
        if limit := self.confidence.deviation_limit:
            offered = cautious(offered, limit, self._policy.stop, now, ego)
        taken = self._policy.offer(offered, now, ego)
        self.counts['followed' if taken else 'not followed'] += 1

    def _forget(self) -> None:
        self._question = self._last = None
        self._policy.forget()

    def _rebase(self, change: Pose) -> None:
        self._policy.rebase(change)
        if self._last is not None:
            self._last = replace(self._last, anchor=motion.moved(change, self._last.anchor))
        if self._question is not None:
            asked = self._question.observation
            anchor = motion.moved(change, asked.anchor)
            self._question = replace(self._question, observation=replace(asked, anchor=anchor))

    def refuse(self, after: float | None = None) -> None:
        """Count a question that got no answer; `after` is in s, if it was waited for too long."""
        if after is not None and self.deadline is not None and self._question is not None:
            self.deadline.late(self._question.level, after)
        self._question = None
        self.counts['failed'] += 1

    def _query(self, observation: Observation, level: Level) -> Query:
        dialect, states = level.dialect, observation.states
        ahead = dialect.reference_ahead
        times = dialect.spacing * np.arange(1.0, max(dialect.waypoints, 2) + 1.0)
        rolled = motion.point_ahead(_rollout(states[-1], times), ahead)
        first = rolled if dialect.first_waypoint else np.vstack([[0.0, 0.0], rolled])
        return Query(
            stamp=observation.stamp,
            images=observation.images,
            prompt=codec.encode_prompt(
                dialect,
                self._prompt_states(states),
                rolled[:2],
                _command(observation),
            ),
            rollout=codec.encode_trajectory(dialect, first[: dialect.waypoints]),
            filter_name=dialect.image_filter,
            template=codec.answer_template(dialect),
            most_pixels=min(level.most_pixels, dialect.most_pixels),
            window=level.window,
            draft=MotionDraft(dialect, self._guessed(observation, times, first)),
        )

    def _guessed(
        self, observation: Observation, times: FloatArray, rolled: FloatArray
    ) -> FloatArray:
        """Return the last answer as it would be said now, or what the car's motion promises."""
        last, points = self._last, rolled
        if last is not None and last.frame_id == observation.frame_id:
            elapsed = last.elapsed(observation.stamp)
            if elapsed <= drafting.NEWEST:
                poses = drafting.moved(last.path, last.anchor, elapsed, observation.anchor, times)
                points = motion.point_ahead(poses, self.dialect.reference_ahead)
        return points[: self.dialect.waypoints]

    def _prompt_states(self, states: tuple[EgoState, ...]) -> list[PromptState]:
        points = motion.point_ahead(
            [(s.pose.x, s.pose.y, s.pose.yaw) for s in states], self.dialect.reference_ahead
        )
        bends = motion.curvatures(states, self._vehicle.wheelbase)
        return [
            PromptState(float(x), float(y), s.vx, s.vy, s.ax, s.ay, codec.zoe_steering(bend))
            for (x, y), s, bend in zip(points, states, bends, strict=True)
        ]

    def _ages(self, now: int) -> dict[str, float]:
        """Return how old each input's newest message is, s."""
        inputs: list[Timeline[Any]]
        inputs = [*self.buffer.frames.values(), self.buffer.ego.odometry]
        newest = {timeline.name: timeline.newest for timeline in inputs}
        return {
            name: (now - sample.stamp) / NANOSECONDS
            for name, sample in newest.items()
            if sample is not None
        }


def _command(observation: Observation) -> str:
    """Return the navigation command; who was told none goes straight on."""
    return observation.command or navigation.STRAIGHT


def _rollout(state: EgoState, times: FloatArray) -> FloatArray:
    """Return the CTRA prediction (n, 3) from the newest state; unknown signals count as 0."""
    known = [v if math.isfinite(v) else 0.0 for v in (state.vx, state.yaw_rate, state.ax)]
    return motion.rollout(known[0], known[1], known[2], times)
