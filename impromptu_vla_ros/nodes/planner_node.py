# SPDX-License-Identifier: Apache-2.0
"""The `planner` executable: a managed node between the topics and one core Planner."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from time import monotonic
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.buffer import BufferLimits, Sample
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.structs import Answer, CameraImage, InputError, NotReady, Query
from impromptu_vla_ros.images import decode
from impromptu_vla_ros.models import Model, ModelError, respond
from impromptu_vla_ros.nodes import health, loading, parameters
from impromptu_vla_ros.nodes.inputs import Inputs
from impromptu_vla_ros.nodes.outputs import Outputs
from impromptu_vla_ros.nodes.worker import Outcome, Worker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

# An answer, and the decoded picture to draw its plan into if somebody wants that.
Result = tuple[Answer, 'CameraImage | None']


@dataclass(frozen=True)
class Loaded:
    """What configuring made, until cleanup."""

    dialect: Dialect
    worker: Worker[Query, Result]


@dataclass
class Drive:
    """What there is between activation and deactivation."""

    planner: Planner
    inputs: Inputs
    pending: Query | None = None
    not_ready: NotReady | None = None
    next_ask: float = 0.0


class PlannerNode(LifecycleNode):
    """
    Take samples from the topics, ask the model in a worker, publish its plans.

    Everything but the model's own work happens in the executor's one thread. Options are
    those of rclpy's Node. Raises ParameterError for a parameter that cannot be.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('planner', **options)
        self.parameters = parameters.declare(self)
        self._health = health.Health()
        self._loaded: Loaded | None = None
        self._drive: Drive | None = None
        self._failed = ''
        self._outputs = Outputs(self, self.parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._answered = self.create_guard_condition(self._on_answer)
        # Latency and time-outs are the computer's, whatever a simulation's clock does.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._report, clock=steady)
        limit = self.parameters.model.timeout
        self._timeout = self.create_timer(limit, self._on_timeout, clock=steady)
        self._timeout.cancel()
        back = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
        )
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    def start(self) -> None:
        """Configure and activate; on failure the node stays unconfigured."""
        if self.trigger_configure() == SUCCESS and self.context.ok():
            self.trigger_activate()

    def close(self) -> bool:
        """Free everything; return False if the model still works and cannot be stopped."""
        ended = self._free()
        self._jumps.unregister()
        self.destroy_node()
        return ended

    # Transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Choose the dialect, load the model and ask it once."""
        started = monotonic()
        try:
            dialect = loading.load_dialect(self.parameters)
            model = loading.load_model(self.parameters.model)
            # Recorded answers exist for recorded stamps only.
            if self.parameters.model.name != 'recorded':
                loading.warm_up(model, dialect)
        except Exception as error:  # rclpy would swallow it and end the node.
            self._failed = _said(error)
            self.get_logger().error(f'not configured: {self._failed}')
            self._report()
            return FAILURE
        self._failed = ''
        self._loaded = Loaded(dialect, Worker(self._work(model), self._answered.trigger))
        self.get_logger().info(
            f'model {self.parameters.model.name}, dialect {dialect.name} '
            f'({dialect.fingerprint}): ready after {monotonic() - started:.1f} s'
        )
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and plan."""
        if self._loaded is None:
            return FAILURE
        given, dialect = self.parameters, self._loaded.dialect
        limits = BufferLimits(given.sync.camera_tolerance, given.sync.max_age)
        planner = Planner(dialect, Vehicle(given.vehicle.wheelbase), limits)
        self._health = health.Health()
        self._outputs.open(dialect.cameras[0])
        self._drive = Drive(planner, Inputs(self, dialect.cameras, given, self._on_message))
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop publishing and listening; the model stays loaded."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._free()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self._free()
        return super().on_shutdown(state)

    def _stop(self) -> None:
        self._timeout.cancel()
        self._outputs.close()
        drive, self._drive = self._drive, None
        if drive is not None:
            drive.inputs.close()

    def _free(self) -> bool:
        self._stop()
        loaded, self._loaded = self._loaded, None
        return loaded is None or loaded.worker.close()

    # From a sample to a question

    def _on_message(self, source: str, message: Any) -> None:
        drive = self._drive
        if drive is None:
            return
        self._health.seen[source] += 1
        try:
            drive.planner.observe(self._sample(source, message))
        except InputError as error:
            self._refuse(source, error)
        self._ask()

    def _sample(self, source: str, message: Any) -> Sample:
        if source == 'odometry':
            return messages.odometry_from_message(message, self.parameters.base_frame)
        if source == 'acceleration':
            return messages.acceleration_from_message(message)
        if source == 'steering':
            return messages.steering_from_message(message)
        return messages.image_from_message(message, source)

    def _ask(self) -> None:
        drive, loaded = self._drive, self._loaded
        if drive is None or loaded is None or loaded.worker.busy:
            return
        if monotonic() < drive.next_ask:
            return
        now = self._now()
        if now == 0:
            drive.not_ready = NotReady('missing', '/clock', 'use_sim_time is set: play it too')
            return
        asked = drive.planner.ask(now)
        if isinstance(asked, NotReady):
            drive.not_ready = asked
            return
        drive.pending, drive.not_ready = asked, None
        if self.parameters.max_rate > 0.0:
            drive.next_ask = monotonic() + 1.0 / self.parameters.max_rate
        loaded.worker.submit(asked)
        self._timeout.reset()

    def _work(self, model: Model) -> Any:
        """Return what the worker's thread does with a query."""

        def answer(query: Query) -> Result:
            answered = respond(model, query)
            return answered, decode(query.images[0]) if self._outputs.draws else None

        return answer

    # From an answer to a plan

    def _on_answer(self) -> None:
        outcome = self._loaded.worker.take() if self._loaded is not None else None
        drive = self._drive
        if outcome is None or drive is None:
            return
        if outcome.job is drive.pending:
            self._timeout.cancel()
            drive.pending = None
            self._health.latencies.append(outcome.seconds)
            self._settle(drive.planner, outcome)
        else:
            self._refuse('answer', AnswerError('it came after its time, or the clock jumped'))
        self._ask()

    def _settle(self, planner: Planner, outcome: Outcome[Query, Result]) -> None:
        if outcome.result is None:
            planner.refuse()
            self._refuse(
                'picture' if isinstance(outcome.error, InputError) else 'model', outcome.error
            )
            return
        answer, picture = outcome.result
        try:
            plan = planner.tell(outcome.job, answer, self._now())
        except AnswerError as error:
            self._refuse('answer', error)
            return
        self._outputs.publish(plan, self._health.frames(planner), picture)

    def _on_timeout(self) -> None:
        self._timeout.cancel()
        drive = self._drive
        if drive is None or drive.pending is None:
            return
        drive.pending = None
        drive.planner.refuse()
        limit = self.parameters.model.timeout
        self._refuse('model', ModelError(f'no answer within {limit:g} s (model.timeout)'))

    def _on_jump(self, jump: Any) -> None:
        drive = self._drive
        if drive is None:
            return
        self.get_logger().warning('the clock jumped back: everything before is forgotten')
        drive.planner.buffer.reset()
        if drive.pending is not None:
            drive.pending = None
            drive.planner.refuse()

    # What people are told

    def _refuse(self, source: str, error: Exception | None) -> None:
        self._health.refuse(source, _said(error))
        self.get_logger().warning(
            f'{source} refused: {_said(error)}', throttle_duration_sec=health.QUIET
        )

    def _report(self) -> None:
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(health.diagnostics(name, stamp, self._statuses()))

    def _statuses(self) -> list[DiagnosticStatus]:
        loaded, drive = self._loaded, self._drive
        if loaded is None:
            level = health.ERROR if self._failed else health.WARN
            state = {'state': 'unconfigured'}
            return [health.status('planner', level, self._failed or 'not configured', state)]
        about = {
            'model': self.parameters.model.name,
            'dialect': loaded.dialect.name,
            'fingerprint': loaded.dialect.fingerprint,
        }
        hangs_for = loaded.worker.busy_for - self.parameters.model.timeout
        self._health.begin_report()
        model = self._health.model_status(about, hangs_for)
        if drive is None:
            return [model, health.status('planner', health.OK, 'idle', {'state': 'inactive'})]
        drive.inputs.listen()
        buffer, now, age = drive.planner.buffer, self._now(), self.parameters.sync.max_age
        needed = [*buffer.frames.values(), buffer.ego.odometry]
        useful = [buffer.ego.acceleration, buffer.ego.steering]
        inputs = [
            self._health.input_status(
                timeline, now, age, timeline in needed, drive.inputs.topic(timeline.name)
            )
            for timeline in (*needed, *useful)
        ]
        planner = self._health.planner_status(drive.planner, drive.not_ready)
        return [*inputs, model, planner]

    def _now(self) -> int:
        now: int = self.get_clock().now().nanoseconds
        return now


def _said(error: Exception | None) -> str:
    known = (InputError, AnswerError, ModelError, loading.DialectError)
    return str(error) if isinstance(error, known) else f'{type(error).__name__}: {error}'


def main(arguments: list[str] | None = None) -> int:
    """Run the planner until SIGINT or SIGTERM; return the exit code."""
    rclpy.init(args=arguments)
    try:
        node = PlannerNode()
    except parameters.ParameterError as error:
        print(f'planner: {error}', file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.parameters.autostart:
            node.start()
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    ended = node.close()
    rclpy.try_shutdown()
    if not ended:
        # A thread inside a native library would crash the interpreter while it ends.
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == '__main__':
    sys.exit(main())
