# SPDX-License-Identifier: Apache-2.0
"""The `planner` executable: a managed node that drives while it is active."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.images import decode
from impromptu_vla_ros.models import IN_WORDS, Model, ModelError, respond
from impromptu_vla_ros.nodes import health, loading
from impromptu_vla_ros.nodes.declaring import ParameterError, declare
from impromptu_vla_ros.nodes.drive import Drive, Reply
from impromptu_vla_ros.nodes.host import Host
from impromptu_vla_ros.nodes.outputs import Outputs
from impromptu_vla_ros.nodes.running import executor_of, until_signalled
from impromptu_vla_ros.nodes.sharing import Beside
from impromptu_vla_ros.nodes.worker import Worker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@dataclass(frozen=True)
class Loaded:
    """
    What configuring made, until cleanup.

    `tested` tells of the self-test, `problem` what is wrong with the answer, if something is.
    `beside` is who answers questions in words, None where nobody may ask.
    """

    dialect: Dialect
    worker: Worker[Query, Reply]
    tested: str
    problem: str
    beside: tuple[Beside, Worker[Query, Answer]] | None


class PlannerNode(LifecycleNode):
    """
    Load on configure, drive while active, say on /diagnostics how it goes.

    One executor thread receives and publishes; the model works in a worker of its own.
    A `model` that is given answers instead of the one of the parameters, without a self-test.
    Options are those of rclpy's Node. Raises ParameterError for a parameter that cannot be.
    """

    def __init__(self, model: Model | None = None, **options: Any) -> None:
        super().__init__('planner', **options)
        self.parameters = declare(self)
        self._given = model
        self._model = type(model).__name__ if model else self.parameters.model.name
        self._loaded: Loaded | None = None
        self._drive: Drive | None = None
        self._questions: Any = None
        self._failed = ''
        self._host = Host()
        self._outputs = Outputs(self, self.parameters, self._model)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._answered = self.create_guard_condition(self._on_answered)
        self._answered_beside = self.create_guard_condition(self._on_answered_beside)
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def start(self) -> None:
        """Configure and activate; on failure the node stays unconfigured."""
        if self.trigger_configure() == SUCCESS and self.context.ok():
            self.trigger_activate()

    def close(self) -> bool:
        """Free everything; return False if the model still works and cannot be stopped."""
        ended = self._free()
        self.destroy_node()
        return ended

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Choose the dialect, load the model and ask it a known question."""
        started = monotonic()
        try:
            self._outputs.autoware.open()
            dialect = loading.checked_dialect(self.parameters)
            model = self._given or loading.load_model(self.parameters.model)
            beside = self._beside()
            tested, problem = 'not made: it answers for stamps that it knows only', ''
            if not self._given and self._model != 'recorded':
                required = self.parameters.model.self_test == 'required'
                problem = loading.self_test(model, dialect, required)
                tested = problem or 'a known question was answered in the dialect'
        except Exception as error:  # rclpy would swallow it, reason and all.
            self._failed = loading.said(error)
            self.get_logger().error(f'not configured: {self._failed}')
            self._report()
            return FAILURE
        self._failed = ''
        aside = None
        if beside is not None:
            model = beside.first(model)
            aside = beside, Worker(partial(respond, beside), self._answered_beside.trigger)
        worker = Worker(_work(model, self._outputs.draws), self._answered.trigger)
        self._loaded = Loaded(dialect, worker, tested, problem, aside)
        if problem:
            self.get_logger().warning(problem)
        self.get_logger().info(
            f'model {self._model}, dialect {dialect.name} '
            f'({dialect.fingerprint}): ready after {monotonic() - started:.1f} s'
        )
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and plan."""
        if self._loaded is None:
            return FAILURE
        dialect, worker = self._loaded.dialect, self._loaded.worker
        self._outputs.open(dialect.cameras[0])
        self._drive = Drive(self, self.parameters, dialect, worker, self._outputs)
        if self._loaded.beside is not None:
            # Its messages need not be there where nobody asks.
            from impromptu_vla_ros.nodes.questions import Questions

            given = self.parameters, dialect, self._model, *self._loaded.beside, self._drive
            self._questions = Questions(self, *given)
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

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything and be unconfigured, after a transition that raised."""
        self._free()
        return SUCCESS

    def _beside(self) -> Beside | None:
        """Return who answers questions in words; raise ModelError where the model cannot."""
        if not self.parameters.questions.enabled:
            return None
        if self._given is None and self._model not in IN_WORDS:
            raise ModelError(
                f'model.name:={self._model} answers no questions in words: set questions.enabled '
                f'to false, or model.name to one of {", ".join(IN_WORDS)}'
            )
        # A server answers several at once, so it has a connection for each.
        served = self._given is None and self._model == 'chat_server'
        return Beside(loading.load_model(self.parameters.model) if served else None)

    def _stop(self) -> None:
        questions, self._questions = self._questions, None
        if questions is not None:
            questions.close()
        drive, self._drive = self._drive, None
        if drive is not None:
            drive.close()
            self._outputs.close()

    def _free(self) -> bool:
        self._stop()
        self._outputs.autoware.close()
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            return True
        beside = loaded.beside is None or loaded.beside[1].close()
        return loaded.worker.close() and beside

    def _on_answered(self) -> None:
        outcome = self._loaded.worker.take() if self._loaded is not None else None
        if outcome is not None and self._drive is not None:
            self._drive.on_outcome(outcome)

    def _on_answered_beside(self) -> None:
        if self._questions is not None:
            self._questions.on_answered()
        elif self._loaded is not None and self._loaded.beside is not None:
            self._loaded.beside[1].take()

    def _report(self) -> None:
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(health.diagnostics(name, stamp, self._statuses()))

    def _statuses(self) -> list[DiagnosticStatus]:
        state = 'unconfigured' if self._loaded is None else 'inactive'
        about = {'state': state if self._drive is None else 'active'}
        about['model'] = self._model
        if self._loaded is not None:
            dialect = self._loaded.dialect
            about |= {'dialect': dialect.name, 'fingerprint': dialect.fingerprint}
            about['self-test'] = self._loaded.tested
        found = [(health.ERROR, self._failed)] if self._failed else []
        if self._loaded is not None and self._loaded.problem:
            found.append((health.WARN, self._loaded.problem))
        rest = self._drive.statuses() if self._drive is not None else []
        rest += [self._questions.status()] if self._questions is not None else []
        host = health.status('host', *self._host.look())
        return [health.status('state', found, about), *rest, host]


def _work(model: Model, draws: bool) -> Callable[[Query], Reply]:
    """Return what the worker does with a query; `draws` asks for the decoded picture too."""

    def reply(query: Query) -> Reply:
        answer = respond(model, query)
        return Reply(answer, decode(query.images[0]) if draws else None)

    return reply


def main(arguments: list[str] | None = None, model: Model | None = None) -> int:
    """Run the planner, perhaps with a given model, until a signal; return the exit code."""
    rclpy.init(args=arguments)
    node = None
    try:
        with until_signalled():
            node = PlannerNode(model)
            executor = executor_of(node)
            if node.parameters.autostart:
                node.start()
            executor.spin()
    except ParameterError as error:
        print(f'planner: {error}', file=sys.stderr)
        return 2
    ended = node is None or node.close()
    rclpy.try_shutdown()
    if not ended:
        # A thread inside a native library would crash the interpreter while it ends.
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == '__main__':
    sys.exit(main())
