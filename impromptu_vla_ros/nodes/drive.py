# SPDX-License-Identifier: Apache-2.0
"""An active planner: from a sample to a question, from its answer to a published plan."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node

from impromptu_vla_ros import autoware_messages, messages
from impromptu_vla_ros.core.buffer import BufferLimits, ObservationBuffer, Sample
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.deadline import deadline_of
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.idling import Idling
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.policy import Policy
from impromptu_vla_ros.core.structs import (
    Answer,
    CameraImage,
    InputError,
    NotReady,
    Plan,
    Query,
)
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.nodes.health import QUIET, Health
from impromptu_vla_ros.nodes.inputs import NAVIGATION, open_inputs
from impromptu_vla_ros.nodes.loading import said
from impromptu_vla_ros.nodes.outputs import Outputs
from impromptu_vla_ros.nodes.parameters import PlannerParameters
from impromptu_vla_ros.nodes.sensing import Views, ego_status, told_command
from impromptu_vla_ros.nodes.worker import Outcome, Worker


@dataclass(frozen=True)
class Reply:
    """An answer, and the decoded first picture where the plan shall be drawn into it."""

    answer: Answer
    picture: CameraImage | None = None


class Drive:
    """
    Everything between activation and deactivation, in the executor's one thread.

    Stamps and ages are of the node's clock; time-outs and rates of the steady clock, whatever
    a simulation's clock does. `when_idle` is called while the model is free; `told` is the last
    question that was answered.
    """

    def __init__(
        self,
        node: Node,
        parameters: PlannerParameters,
        dialect: Dialect,
        worker: Worker[Query, Reply],
        outputs: Outputs,
    ) -> None:
        self._node = node
        self._parameters = parameters
        self._worker = worker
        self._outputs = outputs
        limits = BufferLimits(parameters.sync.camera_tolerance, parameters.sync.max_age)
        policy = Policy(parameters.guard, parameters.follow, parameters.stop)
        vehicle = Vehicle(parameters.vehicle.wheelbase)
        trained = '/'.join(filter(None, (parameters.model.checkpoint, parameters.model.subfolder)))
        deadline = deadline_of(parameters.deadline, dialect, trained)
        self._planner = Planner(dialect, vehicle, limits, policy, parameters.confidence, deadline)
        self._health = Health()
        self._pending: Query | None = None
        self._not_ready: NotReady | None = None
        self._next_ask = 0.0
        self._changes = 0
        self._idling = Idling(monotonic())
        self.when_idle: Callable[[], None] | None = None
        self.told: tuple[Query, Answer] | None = None
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        limit = parameters.model.timeout
        self._timeout = node.create_timer(limit, self._on_timeout, clock=steady)
        self._timeout.cancel()
        back = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
        )
        self._jumps = node.get_clock().create_jump_callback(back, post_callback=self._on_jump)
        # In the clock of the stamps: what stands still there needs no new plan.
        self._tick = node.create_timer(1.0 / parameters.output.rate, self._on_tick)
        self._published: Plan | None = None
        self._inputs = open_inputs(node, dialect, parameters, self)
        self._views = Views(node, dialect.cameras, parameters)

    @property
    def buffer(self) -> ObservationBuffer:
        """Return what was heard last."""
        return self._planner.buffer

    def idle_left(self) -> float:
        """Return for how many seconds planning will not need the model, as far as is known."""
        return 0.0 if self._worker.busy else self._idling.left(monotonic())

    def close(self) -> None:
        """Stop listening; a question that is not answered yet is forgotten."""
        for each in self._inputs.values():
            each.close()
        self._views.close()
        self._jumps.unregister()
        self._node.destroy_timer(self._tick)
        self._node.destroy_timer(self._timeout)

    # From a sample to a question

    def on_message(self, source: str, message: Any) -> None:
        """Take one sample, and ask with it if the model is free."""
        self._health.seen[source] += 1
        try:
            self._planner.observe(self._sample(source, message))
        except InputError as error:
            self._refuse(source, error)
        self._ask()
        self._tell_idle()

    def on_loss(self, source: str, lost: int) -> None:
        """Count what the middleware lost."""
        self._health.lost[source] += lost

    def _sample(self, source: str, message: Any) -> Sample:
        if source == 'odometry':
            return messages.odometry_from_message(message, self._parameters.base_frame)
        if source == 'acceleration':
            return messages.acceleration_from_message(message)
        if source == 'steering':
            if hasattr(message, 'steering_tire_angle'):
                return autoware_messages.steering_from_report(message)
            return messages.steering_from_message(message)
        if source == 'velocity_status':
            return autoware_messages.velocity_from_report(message, self._parameters.base_frame)
        if source == NAVIGATION:
            return messages.navigation_command_from_message(message, self._arrival())
        return messages.image_from_message(message, source)

    def _arrival(self) -> int:
        """Return the stamp of a command that arrives now; of two in one tick the later counts."""
        newest = self._planner.buffer.commands.newest
        return max(self._now(), newest.stamp + 1 if newest is not None else 0)

    def _ask(self) -> None:
        if self._worker.busy or monotonic() < self._next_ask:
            return
        now = self._now()
        if now == 0:
            self._not_ready = NotReady('missing', '/clock', 'use_sim_time is set: publish it')
            return
        asked = self._planner.ask(now)
        if isinstance(asked, NotReady):
            self._not_ready = asked
            return
        self._pending, self._not_ready = asked, None
        self._next_ask = self._after(self._next_ask)
        self._worker.submit(asked)
        self._idling.works(monotonic())
        self._timeout.reset()

    def _after(self, last: float) -> float:
        """Return when to ask next: on a grid, so that the frames' own rate costs no plans."""
        if not self._parameters.max_rate:
            return 0.0
        period, now = 1.0 / self._parameters.max_rate, monotonic()
        return (last if now - last < period else now) + period

    # From an answer to a plan

    def on_outcome(self, outcome: Outcome[Query, Reply]) -> None:
        """Take what the worker made of a question, and ask the next."""
        self._idling.rests(monotonic())
        if outcome.job is self._pending:
            self._pending = None
            self._timeout.cancel()
            self._health.latencies.append(outcome.seconds)
            self._settle(outcome)
            self._tell_changes()
        else:
            self._refuse('answer', AnswerError('it came too late, or the clock jumped since'))
        self._ask()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self.when_idle is not None and not self._worker.busy:
            self.when_idle()

    def _settle(self, outcome: Outcome[Query, Reply]) -> None:
        if outcome.result is None:
            self._planner.refuse()
            picture = isinstance(outcome.error, InputError)
            self._refuse('picture' if picture else 'model', outcome.error)
            return
        answer = outcome.result.answer
        self.told = outcome.job, answer
        if answer.accepted:
            self._health.passes.append(len(answer.accepted))
        try:
            told = self._planner.tell(outcome.job, answer, self._now())
        except AnswerError as error:
            self._health.unparsed += 1
            self._refuse('answer', error)
            return
        if self._planner.violations:
            self._refuse('plan', AnswerError('; '.join(self._planner.violations)))
        if outcome.result.picture is not None:
            self._outputs.publish_picture(told, outcome.result.picture)

    def _on_tick(self) -> None:
        now = self._now()
        self._published = self._planner.plan(now) if now else None
        if self._published is not None:
            self._outputs.publish(self._published, self._health.frames(self._planner))

    def _on_timeout(self) -> None:
        self._timeout.cancel()
        if self._pending is None:
            return
        self._pending = None
        limit = self._parameters.model.timeout
        self._planner.refuse(limit)
        self._refuse('model', ModelError(f'no answer within {limit:g} s (model.timeout)'))

    def _on_jump(self, jump: Any) -> None:
        self._node.get_logger().warning('the clock jumped back: everything before is forgotten')
        self._planner.reset()
        self._pending = None

    def _tell_changes(self) -> None:
        deadline = self._planner.deadline
        if deadline is not None and deadline.changes != self._changes:
            self._changes = deadline.changes
            self._node.get_logger().warning(f'{deadline.why}: now {deadline.place}')

    # What people are told

    def statuses(self) -> list[DiagnosticStatus]:
        """Return the diagnostics of the inputs, the ego, the questions and the plans."""
        # Inputs that fell silent ask nothing any more: learn why there is no plan.
        self._ask()
        buffer, now, age = self._planner.buffer, self._now(), self._parameters.sync.max_age
        needed = [*buffer.frames.values(), buffer.ego.odometry]
        useful = [buffer.ego.acceleration, buffer.ego.steering, buffer.ego.watch.velocity]
        health = self._health
        health.begin_report()
        statuses = []
        for timeline in (*needed, *useful):
            source = self._inputs.get(timeline.name)
            if source is None:
                continue
            source.listen()
            camera = timeline.name in buffer.frames
            view = self._views.look(buffer, timeline.name) if camera else ([], {})
            wanted = timeline in needed
            statuses.append(health.input_status(source, timeline, now, age, wanted, view))
        if NAVIGATION in self._inputs:
            source, view = self._inputs[NAVIGATION], ([], {'command': told_command(buffer)})
            # A command holds until the next one, however long ago it came.
            ever = health.input_status(source, buffer.commands, now, math.inf, False, view)
            statuses.append(ever)
        statuses.append(ego_status(buffer, now, age))
        hangs_for = self._worker.busy_for - self._parameters.model.timeout
        statuses.append(health.answer_status(self._planner, hangs_for))
        statuses.append(health.planner_status(self._planner, self._not_ready, self._published))
        return statuses

    def _refuse(self, source: str, error: Exception | None) -> None:
        self._health.refuse(source, said(error))
        self._node.get_logger().warning(
            f'{source} refused: {said(error)}', throttle_duration_sec=QUIET
        )

    def _now(self) -> int:
        now: int = self._node.get_clock().now().nanoseconds
        return now
