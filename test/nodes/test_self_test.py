# SPDX-License-Identifier: Apache-2.0
"""A known question on configure: an answer that is none fails it, or is warned of."""

import pytest

pytest.importorskip('rclpy')

from lifecycle_msgs.msg import State, Transition
from rig import Car
from test_lifecycle import Manager

from impromptu_vla_ros.core.structs import Answer


class Babbling:
    """A model that writes no trajectory until it is mended."""

    def __init__(self):
        self.mended = False

    def answer(self, query):
        return Answer(query.rollout if self.mended else 'The road is clear.')


@pytest.fixture
def model(monkeypatch):
    model = Babbling()
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    return model


def test_a_model_that_speaks_no_dialect_fails_and_can_be_configured_once_it_does(rig, model):
    _, seen = rig.planner(active=False)
    manager = Manager(rig)
    assert not manager(Transition.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    rig.until(lambda: 'self-test' in seen.diagnostics['state'].message)
    state = seen.diagnostics['state']
    assert state.level == state.ERROR
    assert "no trajectory in dialect 'nuscenes'" in state.message
    assert 'The road is clear.' in state.message and 'model.self_test:=warn' in state.message
    model.mended = True
    assert manager(Transition.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_INACTIVE
    rig.until(lambda: seen.diagnostics['state'].level == state.OK)
    assert seen.value('state', 'self-test') == 'a known question was answered in the dialect'


def test_it_can_be_a_warning(rig, model):
    _, seen = rig.planner(model__self_test='warn')
    rig.reported(seen)
    state = seen.diagnostics['state']
    assert state.level == state.WARN
    assert "no trajectory in dialect 'nuscenes'" in seen.value('state', 'self-test')
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: int(seen.value('answers', 'parse failures') or 0) > 0, car)
    assert seen.value('answers', 'dialect') == 'nuscenes'
    model.mended = True
    rig.until(lambda: seen.answered, car)


def test_recorded_answers_are_not_tested_and_it_says_why(rig, tmp_path):
    answers = tmp_path / 'answers.jsonl'
    answers.write_text('{"stamp": 1, "answer": ""}\n')
    _, seen = rig.planner(model__name='recorded', model__answers=str(answers))
    rig.reported(seen)
    assert seen.value('state', 'self-test').startswith('not made')
