# SPDX-License-Identifier: Apache-2.0
"""Questions in words beside planning, in a real graph: ~/ask, ~/output/answers, precedence."""

import json
from time import sleep

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('impromptu_vla_ros.msg._question_answer', reason='old messages: make build')

from chat_stand_in import StandIn, straight
from diagnostic_msgs.msg import DiagnosticStatus
from rig import Car
from std_msgs.msg import String

from impromptu_vla_ros.core.asking import task_of
from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.models import InterruptedAnswer, ModelError
from impromptu_vla_ros.msg import QuestionAnswer
from impromptu_vla_ros.nodes.planner_node import PlannerNode
from impromptu_vla_ros.srv import Ask

ANSWERS = {
    'q1': 'Yes, I see a cyclist located 9 meters ahead of me and 4 meters to the right.',
    'q3': 'Someone crosses.',
    'q4': 'Green',
    'q5': 'A road.',
    'q6': '<SPEED PATH PLAN>DECELERATE, STRAIGHT\n</SPEED PATH PLAN>',
}


class TalkingModel:
    """
    Plan at once, and answer questions in passes of some seconds, as an engine does.

    `planned` counts the plans, `prompts` has the questions.
    """

    def __init__(self, passes=3, seconds=0.005, answers=ANSWERS):
        self.passes, self.seconds, self.answers = passes, seconds, answers
        self.planned, self.prompts = 0, []

    def answer(self, query):
        if query.template is not None:
            self.planned += 1
            sleep(self.seconds)
            return Answer(query.rollout, {'prefill': self.seconds})
        self.prompts.append(query.prompt)
        for _ in range(self.passes):
            if query.interrupted():
                raise InterruptedAnswer('told so')
            sleep(self.seconds)
        text = self.answers.get(task_of(query.prompt), 'I hear you.')
        if isinstance(text, Exception):
            raise text
        return Answer(text, {'prefill': self.seconds}, accepted=(1,) * self.passes)


class Asking:
    """A rig's planner with a model of ours, its car, its answers, and a caller of ~/ask."""

    def __init__(self, rig, monkeypatch, model, **parameters):
        monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
        given = {'questions__enabled': True, 'model__name': 'transformers', 'max_rate': 4.0}
        self.planner, self.seen = rig.planner(**{**given, **parameters})
        self.rig, self.car, self.model = rig, Car(rig.node), model
        self.answers = []
        rig.node.create_subscription(
            QuestionAnswer, '/planner/output/answers', self.answers.append, 10
        )
        self.client = rig.node.create_client(Ask, '/planner/ask')
        rig.heard(self.car)
        rig.until(self.client.service_is_ready)

    def until(self, condition):
        self.rig.until(condition, self.car)

    def ask(self, task, timeout=15, **fields):
        request = Ask.Request(task=task, **fields)
        request.timeout.sec = timeout
        future = self.client.call_async(request)
        self.until(future.done)
        return future.result()

    def value(self, key):
        return self.seen.value('questions', key)


@pytest.fixture
def asking(rig, monkeypatch):
    return lambda model=None, **given: Asking(rig, monkeypatch, model or TalkingModel(), **given)


def test_a_caller_gets_each_answer_typed_while_planning_goes_on(asking):
    graph = asking()
    graph.until(lambda: graph.seen.answered)
    response = graph.ask('q6', navigation_command='turn left')
    assert response.success and not response.message
    assert "the navigation command is 'turn left'" in response.prompt
    assert 'current speed is 10 m/s' in response.prompt or 'is 9 m/s' in response.prompt
    assert json.loads(response.result_json)['speed'] == 'DECELERATE'
    assert response.capture_stamp.sec > 0 and response.dialect == 'nuscenes'
    # It explains what it decided.
    assert 'to decelerate and go straight.' in graph.ask('q3').prompt
    free = graph.ask('free', question='Do you hear me?')
    assert (free.answer, free.prompt) == (
        'I hear you.',
        '<FRONT VIEW>:\n<image>\nDo you hear me?',
    )
    planned = graph.ask('q7')
    assert planned.success and len(json.loads(planned.result_json)['points']) == 6
    assert {each.name for each in free.latencies} >= {'model', 'decode_images'}


def test_answers_are_published_in_turn_and_typed(asking):
    graph = asking(questions__rate=10.0, questions__tasks=['q4', 'q6', 'q1', 'q5'])
    graph.until(lambda: len(graph.answers) >= 5)
    assert [each.task for each in graph.answers[:5]] == ['q4', 'q6', 'q1', 'q5', 'q4']
    light, plan, users, scene, _ = graph.answers
    assert all(each.understood and not each.reason for each in graph.answers)
    assert (light.traffic_light, plan.speed, plan.path) == ('Green', 'DECELERATE', 'STRAIGHT')
    assert [(u.kind, u.ahead, u.left) for u in users.users] == [('cyclist', 9.0, -4.0)]
    assert (scene.text, scene.answer, scene.header.frame_id) == ('A road.', 'A road.', 'base_link')
    assert light.header.stamp.sec > 0
    graph.rig.reported(graph.seen)
    assert int(graph.value('answered')) >= 5
    assert graph.seen.value('answers', 'model refused') == '0'


def test_what_is_not_of_the_vocabulary_is_published_as_such(asking):
    answers = {**ANSWERS, 'q4': 'green, I think'}
    graph = asking(TalkingModel(answers=answers), questions__rate=10.0, questions__tasks=['q4'])
    graph.until(lambda: graph.answers)
    (light, *_) = graph.answers
    assert (light.understood, light.traffic_light, light.result_json) == (False, '', '')
    assert 'none of Red' in light.reason and light.answer == 'green, I think'
    response = graph.ask('q4')
    assert response.success and 'none of Red' in response.message and not response.result_json


def test_planning_goes_first_while_long_questions_are_asked_all_the_time(asking):
    # 60 passes of 5 ms do not fit into pauses of 0.25 s.
    model = TalkingModel(passes=60)
    graph = asking(model, questions__rate=10.0, questions__tasks=['q5'])
    graph.until(lambda: int(graph.value('interrupted') or 0) > 2)
    before = len(graph.seen.answered)
    asked = model.planned
    graph.until(lambda: model.planned > asked + 8)
    assert len(graph.seen.answered) > before
    assert int(graph.value('asked')) > int(graph.value('answered'))
    waits = [
        latency.duration.nanosec / 1e9
        for plan in graph.seen.answered
        for latency in plan.latencies
        if latency.name == 'wait'
    ]
    assert len(waits) == len(graph.seen.answered)
    # Planning waited for single passes at most, so that its answers still come.
    assert graph.seen.value('answers', 'model refused') == '0'
    print(f'planning waited {max(waits):.4f} s at most')


def test_a_planner_that_leaves_no_pause_asks_nothing_and_says_so(asking):
    graph = asking(TalkingModel(passes=1, seconds=0.2), max_rate=0.0)
    graph.until(lambda: graph.model.planned > 4)
    response = graph.ask('q5', timeout=1)
    assert not response.success and 'lower max_rate' in response.message
    assert not graph.model.prompts


@pytest.mark.parametrize(
    ('task', 'fields', 'said'),
    [
        ('q2', {}, 'at least one'),
        ('q3', {}, 'ask q6 before'),
        ('q8', {}, "no task 'q8'"),
        ('free', {}, 'needs its text'),
        ('q6', {'navigation_command': 'fly'}, 'one of go straight'),
    ],
)
def test_what_cannot_be_asked_is_told_to_the_caller(asking, task, fields, said):
    response = asking().ask(task, **fields)
    assert not response.success and said in response.message


def test_a_failing_model_is_told_and_planning_goes_on(asking):
    answers = {**ANSWERS, 'q5': ModelError('no more words')}
    graph = asking(TalkingModel(answers=answers), questions__rate=10.0, questions__tasks=['q5'])
    response = graph.ask('q5')
    assert not response.success and response.message == 'no more words'
    graph.until(lambda: graph.seen.answered and int(graph.value('failed') or 0) > 1)
    assert not graph.answers


def test_who_waits_hears_that_the_planner_is_deactivated(asking):
    graph = asking(TalkingModel(passes=1, seconds=0.2), max_rate=0.0)
    graph.until(lambda: graph.model.planned > 4)
    future = graph.client.call_async(Ask.Request(task='q5'))
    graph.until(lambda: graph.value('waiting') == '1')
    graph.planner.trigger_deactivate()
    graph.until(future.done)
    assert 'not active' in future.result().message
    graph.planner.trigger_activate()
    graph.until(graph.client.service_is_ready)


def test_the_recorded_command_is_asked_with(asking, rig):
    graph = asking()
    publisher = rig.node.create_publisher(String, '/planner/input/navigation_command', 10)
    rig.until(lambda: publisher.get_subscription_count() > 0)
    publisher.publish(String(data='turn right'))
    graph.until(lambda: "is 'turn right'" in graph.ask('q6').prompt)


def test_questions_of_a_server_have_a_connection_of_their_own(rig):
    server = StandIn(text=straight())
    try:
        given = {'model__name': 'chat_server', 'model__url': server.url, 'max_rate': 4.0}
        given |= {'questions__enabled': True, 'questions__rate': 10.0}
        _, seen = rig.planner(questions__tasks=['q4'], **given)
        car, answers = Car(rig.node), []
        rig.node.create_subscription(QuestionAnswer, '/planner/output/answers', answers.append, 10)
        rig.heard(car)
        rig.until(lambda: seen.answered and len(answers) > 1, car)
        assert server.connections >= 2
        # What it says of a light is a way.
        assert not answers[0].understood and answers[0].answer == straight()
        words = [each for each in server.questions if 'stop' not in each]
        assert {each['max_tokens'] for each in words} == {96}
    finally:
        server.close()


def test_models_that_know_no_words_are_refused(rig):
    planner, seen = rig.planner(questions__enabled=True)
    rig.until(lambda: 'state' in seen.diagnostics)
    assert seen.diagnostics['state'].level == DiagnosticStatus.ERROR
    assert 'answers no questions in words' in seen.diagnostics['state'].message


def test_nobody_is_asked_unless_that_is_enabled(rig):
    planner, _ = rig.planner()
    names = [name for name, _ in rig.node.get_service_names_and_types()]
    assert '/planner/ask' not in names
    assert isinstance(planner, PlannerNode)
