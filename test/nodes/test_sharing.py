# SPDX-License-Identifier: Apache-2.0
"""One model for two: planning goes first, whatever runs."""

import threading

import pytest

pytest.importorskip('rclpy')

from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.models import InterruptedAnswer
from impromptu_vla_ros.nodes.sharing import Beside, longest_pass

PLAN, QUESTION = Query(1, (), 'plan', ''), Query(2, (), 'question', '')


class StepModel:
    """Answer questions pass by pass, each when the test says so; plans at once."""

    def __init__(self):
        self.began, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.passes, self.late = 0, 0

    def answer(self, query):
        if query.prompt == 'plan':
            return Answer('planned', {'prefill': 0.25, 'decode': 1.0}, accepted=(1, 1))
        for _ in range(3):
            if query.interrupted():
                raise InterruptedAnswer('told so')
            self.began.release()
            assert self.go_on.acquire(timeout=20.0)
            self.passes += 1
        return Answer('answered')


def in_thread(function, *arguments):
    found = []

    def run():
        try:
            found.append(function(*arguments))
        except InterruptedAnswer as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found


@pytest.fixture
def shared():
    model, beside = StepModel(), Beside()
    return model, beside, beside.first(model)


def test_a_question_that_nobody_interrupts_is_answered(shared):
    model, beside, _ = shared
    for _ in range(3):
        model.go_on.release()
    assert beside.answer(QUESTION).text == 'answered'


def test_planning_waits_for_the_pass_that_runs_and_for_no_other(shared):
    model, beside, first = shared
    asking, answered = in_thread(beside.answer, QUESTION)
    assert model.began.acquire(timeout=20.0)
    planning, planned = in_thread(first.answer, PLAN)
    while not beside.wanted:
        pass
    assert not planned  # the pass still runs
    for _ in range(3):
        model.go_on.release()
    planning.join(20.0)
    asking.join(20.0)
    assert planned[0].text == 'planned' and isinstance(answered[0], InterruptedAnswer)
    assert model.passes == 1
    assert planned[0].latencies['wait'] == beside.last_wait == beside.waited > 0.0


def test_who_asks_beside_is_refused_while_planning_is_answered(shared):
    _, beside, _ = shared

    class Asking:
        def answer(self, query):
            with pytest.raises(InterruptedAnswer, match='planning'):
                beside.answer(QUESTION)
            return Answer('planned')

    assert beside.first(Asking()).answer(PLAN).text == 'planned'


def test_another_model_beside_waits_for_nobody():
    class Other:
        def answer(self, query):
            return Answer('from the other')

    beside = Beside(Other())

    class Asking:
        def answer(self, query):
            return beside.answer(QUESTION)

    assert beside.first(Asking()).answer(PLAN).text == 'from the other'


def test_the_longest_pass_is_what_cannot_be_interrupted(shared):
    _, beside, first = shared
    first.answer(PLAN)
    assert beside.longest_pass == 0.5
    assert longest_pass(Answer('', {'encode': 2.0, 'prefill': 1.0, 'decode': 1.0})) == 2.0
    # What does not tell its stages cannot be interrupted at all.
    assert longest_pass(Answer('', {'model': 3.0, 'server': 3.0})) == 3.0
