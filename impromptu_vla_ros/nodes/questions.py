# SPDX-License-Identifier: Apache-2.0
"""Questions in words beside planning: in turn, or of ~/ask, whenever the model is idle."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from impromptu_vla_ros import answer_messages, messages
from impromptu_vla_ros.core import asking
from impromptu_vla_ros.core.asking import FREE, Situation
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.navigation import STRAIGHT
from impromptu_vla_ros.core.question_answers import (
    MetaPlan,
    NotUnderstood,
    Result,
    parse_answer,
)
from impromptu_vla_ros.core.questions import TASKS, QuestionError, SpeedPath
from impromptu_vla_ros.core.structs import NANOSECONDS, Answer, CameraImage, Query
from impromptu_vla_ros.models import InterruptedAnswer
from impromptu_vla_ros.msg import QuestionAnswer
from impromptu_vla_ros.nodes import health
from impromptu_vla_ros.nodes.drive import Drive
from impromptu_vla_ros.nodes.later_service import LaterService
from impromptu_vla_ros.nodes.loading import said
from impromptu_vla_ros.nodes.parameters import PlannerParameters
from impromptu_vla_ros.nodes.sharing import Beside, longest_pass
from impromptu_vla_ros.nodes.worker import Worker
from impromptu_vla_ros.srv import Ask

# So often a question of the round is interrupted before its turn is over.
MOST_TRIES = 5
NO_ROOM = 'planning leaves no pause that is long enough: lower max_rate'


@dataclass(frozen=True)
class Wanted:
    """
    A question to be asked: in turn, or of a caller whom `reply` answers until `end` (steady s).

    `tries` were interrupted.
    """

    task: str
    text: str = ''
    command: str = ''
    reply: Callable[[Any], None] | None = None
    end: float = math.inf
    tries: int = 0


class Questions:
    """
    Ask what is wanted while an active planner's model is idle, and tell the answers.

    A question begins where the pauses of planning promise room for its longest pass, and is given
    up as soon as planning asks; it is then asked again.
    """

    def __init__(
        self,
        node: Node,
        parameters: PlannerParameters,
        dialect: Dialect,
        model: str,
        beside: Beside,
        worker: Worker[Query, Answer],
        drive: Drive,
    ) -> None:
        self._node = node
        self._parameters = parameters
        self._dialect = dialect
        self._model = model
        self._beside = beside
        self._worker = worker
        self._drive = drive
        self._counts: Counter[str] = Counter()
        self._passes: dict[str, float] = {}
        self._waiting: deque[Wanted] = deque()
        self._asked: tuple[Wanted, Query] | None = None
        self._turn, self._tries, self._due = 0, 0, monotonic()
        self._why = ''
        self._decision: SpeedPath | None = None
        self._publisher = node.create_publisher(QuestionAnswer, '~/output/answers', 10)
        self._service = LaterService(node, Ask, '~/ask', self._on_ask)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(0.1, self._on_timer, clock=steady)
        drive.when_idle = self.consider

    def close(self) -> None:
        """Ask no more; who waits is told so."""
        self._drive.when_idle = None
        wanted = [*self._waiting, *([self._asked[0]] if self._asked else [])]
        self._waiting.clear()
        self._asked = None
        for each in wanted:
            self._fail(each, 'the planner is not active any more')
        self._node.destroy_timer(self._timer)
        self._service.close()
        self._node.destroy_publisher(self._publisher)

    def consider(self) -> None:
        """Ask the next question if there is one and room for it."""
        wanted = None if self._worker.busy else self._next()
        if wanted is None:
            return
        if self._drive.idle_left() <= self._passes.get(wanted.task, self._beside.longest_pass):
            self._why = NO_ROOM
            return
        images = self._images()
        if not images:
            self._why = 'there is no fresh picture'
            return
        if wanted.reply is not None:
            self._waiting.popleft()
        try:
            query = self._query(wanted, images)
        except QuestionError as error:
            self._fail(wanted, str(error))
            return
        self._asked = wanted, query
        self._counts['asked'] += 1
        self._worker.submit(query)

    def on_answered(self) -> None:
        """Take what the worker made of a question."""
        outcome = self._worker.take()
        if outcome is None or self._asked is None or outcome.job is not self._asked[1]:
            return
        (wanted, query), self._asked = self._asked, None
        if outcome.result is not None:
            self._passes[wanted.task] = longest_pass(outcome.result)
            self._tell(wanted, query, outcome.result)
        elif isinstance(outcome.error, InterruptedAnswer):
            self._again(wanted)
        else:
            self._counts['failed'] += 1
            self._fail(wanted, said(outcome.error))
        self.consider()

    def status(self) -> DiagnosticStatus:
        """Return the diagnostics of the questions."""
        values: dict[str, object] = {
            name: self._counts[name]
            for name in ('asked', 'answered', 'interrupted', 'not understood', 'failed')
        }
        values['longest wait of planning'] = f'{self._beside.waited:.3f} s'
        values['waiting'] = len(self._waiting)
        if self._why:
            values['not asked, last'] = self._why
        never = self._why == NO_ROOM and not self._counts['answered']
        return health.status('questions', [(health.OK, NO_ROOM)] if never else [], values)

    def _next(self) -> Wanted | None:
        if self._waiting:
            return self._waiting[0]
        asked = self._parameters.questions
        if not asked.rate or monotonic() < self._due:
            return None
        return Wanted(asked.tasks[self._turn % len(asked.tasks)], tries=self._tries)

    def _next_turn(self) -> None:
        period = 1.0 / self._parameters.questions.rate
        self._turn, self._tries = self._turn + 1, 0
        self._due = max(self._due + period, monotonic())

    def _images(self) -> dict[str, CameraImage]:
        """Return each camera's newest picture, unless that is stale."""
        now = self._node.get_clock().now().nanoseconds
        oldest = now - round(self._parameters.sync.max_age * NANOSECONDS)
        frames = self._drive.buffer.frames.items()
        newest = {camera: pictures.newest for camera, pictures in frames}
        return {c: image for c, image in newest.items() if image and image.stamp >= oldest}

    def _query(self, wanted: Wanted, images: Mapping[str, CameraImage]) -> Query:
        """Return the question about some pictures; raise QuestionError for what cannot be."""
        buffer = self._drive.buffer
        odometry, told = buffer.ego.odometry.newest, buffer.commands.newest
        situation = Situation(
            cameras=tuple(images),
            speed=odometry.vx if odometry is not None else math.nan,
            # As planning does: who was told nothing goes straight on.
            command=wanted.command or (told.command if told is not None else STRAIGHT),
            decision=self._decision,
            text=wanted.text,
        )
        asked = asking.question(wanted.task, situation, self._dialect)
        query = asking.query(asked, images, self._dialect)
        return replace(query, most_tokens=self._parameters.questions.most_tokens)

    def _tell(self, wanted: Wanted, query: Query, answer: Answer) -> None:
        result = parse_answer(wanted.task, answer.text, self._dialect)
        self._counts['answered'] += 1
        self._counts['not understood'] += isinstance(result, NotUnderstood)
        if isinstance(result, MetaPlan):
            self._decision = result.plan
        if wanted.reply is not None:
            wanted.reply(self._response(query, answer, result))
            return
        self._next_turn()
        message = answer_messages.question_answer_message(
            wanted.task, query, answer, result, self._parameters.base_frame
        )
        message.model, message.dialect = self._model, self._dialect.name
        self._publisher.publish(message)

    def _again(self, wanted: Wanted) -> None:
        """Ask what was interrupted once more; in turn only so often."""
        self._counts['interrupted'] += 1
        # A pass took at least as long as planning had to wait for it.
        known = self._passes.get(wanted.task, 0.0)
        self._passes[wanted.task] = max(known, self._beside.last_wait)
        if wanted.reply is not None:
            self._waiting.appendleft(wanted)
        elif wanted.tries + 1 < MOST_TRIES:
            self._tries = wanted.tries + 1
        else:
            self._next_turn()

    def _response(self, query: Query, answer: Answer, result: Result) -> Any:
        return Ask.Response(
            success=True,
            message=result.reason if isinstance(result, NotUnderstood) else '',
            capture_stamp=messages.time_message(query.stamp),
            model=self._model,
            dialect=self._dialect.name,
            prompt=query.prompt,
            answer=answer.text,
            result_json=answer_messages.result_json(result),
            latencies=messages.named_durations(answer.latencies),
        )

    def _fail(self, wanted: Wanted, why: str) -> None:
        if wanted.reply is not None:
            wanted.reply(Ask.Response(message=why, model=self._model))
        else:
            self._why = why
            self._next_turn()

    def _on_ask(self, request: Any, response: Any, send: Callable[[Any], None]) -> None:
        if request.task == 'q7':
            send(self._planned())
            return
        seconds = messages.nanoseconds(request.timeout) / NANOSECONDS
        wanted = Wanted(
            request.task,
            request.question,
            request.navigation_command,
            send,
            monotonic() + (seconds if seconds > 0.0 else self._parameters.questions.timeout),
        )
        if request.task not in (*TASKS, FREE):
            self._fail(wanted, f'no task {request.task!r}: one of {", ".join(TASKS)}, {FREE}')
            return
        self._waiting.append(wanted)
        self.consider()

    def _planned(self) -> Any:
        """Return what planning was answered last: q7 is what it asks all the time."""
        if self._drive.told is None:
            return Ask.Response(message='planning has no answer yet', model=self._model)
        query, answer = self._drive.told
        return self._response(query, answer, parse_answer('q7', answer.text, self._dialect))

    def _on_timer(self) -> None:
        now = monotonic()
        for wanted in [each for each in self._waiting if each.end < now]:
            self._waiting.remove(wanted)
            self._fail(wanted, f'not asked in time: {self._why or NO_ROOM}')
        if self._asked is not None and self._asked[0].end < now:
            wanted, query = self._asked
            # Its answer is told to nobody.
            self._asked = replace(wanted, reply=_nobody, end=math.inf), query
            self._fail(wanted, 'no answer in time')
        self.consider()


def _nobody(response: Any) -> None:
    """Answer nobody."""
