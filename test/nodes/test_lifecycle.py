# SPDX-License-Identifier: Apache-2.0
"""Transitions by the lifecycle services: what fails says why, and can be tried again."""

import json

import pytest

pytest.importorskip('rclpy')

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rig import Car, captured

from impromptu_vla_ros.core.dialects import DIALECTS, dialect_to_json

T = Transition


class Manager:
    """A lifecycle manager of one planner."""

    def __init__(self, rig, name='/planner'):
        self._rig = rig
        self._change = rig.node.create_client(ChangeState, f'{name}/change_state')
        self._get = rig.node.create_client(GetState, f'{name}/get_state')
        rig.until(lambda: self._change.service_is_ready() and self._get.service_is_ready())

    def __call__(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self._call(self._change, request).success

    @property
    def state(self):
        return self._call(self._get, GetState.Request()).current_state.id

    def _call(self, client, request):
        future = client.call_async(request)
        self._rig.until(future.done)
        return future.result()


def test_all_transitions(rig):
    _, seen = rig.planner(active=False)
    manager, car = Manager(rig), Car(rig.node)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    rig.reported(seen, 1)
    assert seen.value('state', 'state') == 'unconfigured'
    assert manager(T.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_INACTIVE
    rig.reported(seen, 1)
    assert seen.value('state', 'state') == 'inactive'
    assert car.cameras['front'].get_subscription_count() == 0
    for _ in range(2):
        assert manager(T.TRANSITION_ACTIVATE)
        rig.heard(car)
        seen.plans.clear()
        rig.until(lambda: len(captured(seen.plans)) > 1, car)
        assert manager(T.TRANSITION_DEACTIVATE)
        rig.until(lambda: car.cameras['front'].get_subscription_count() == 0, car)
        count = len(seen.plans)
        rig.reported(seen, 1)
        assert len(seen.plans) == count
    assert manager(T.TRANSITION_CLEANUP)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    assert manager(T.TRANSITION_CONFIGURE)
    assert manager(T.TRANSITION_ACTIVATE)
    assert manager(T.TRANSITION_ACTIVE_SHUTDOWN)
    assert manager.state == State.PRIMARY_STATE_FINALIZED


def test_a_failed_configuration_says_why_and_can_be_repeated(rig, tmp_path):
    answers = tmp_path / 'answers.jsonl'
    _, seen = rig.planner(active=False, model__name='recorded', model__answers=str(answers))
    manager = Manager(rig)
    assert not manager(T.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    rig.until(lambda: str(answers) in seen.diagnostics['state'].message)
    assert seen.diagnostics['state'].level == seen.diagnostics['state'].ERROR
    answers.write_text(json.dumps({'stamp': 1, 'answer': ''}) + '\n')
    assert manager(T.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_INACTIVE
    rig.until(lambda: seen.diagnostics['state'].level == seen.diagnostics['state'].OK)


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ({'model__name': 'transformers'}, 'needs model.checkpoint'),
        ({'model__name': 'transformers', 'model__checkpoint': '/no/3B_AD_finetune'}, ''),
        ({'model__name': 'recorded'}, 'needs model.answers'),
        ({'dialect': 'navsim'}, 'parameter cameras lacks front_right, front_left'),
        ({'dialect': 'klingon'}, "dialect 'klingon' is not known"),
        ({'dialect': '/no/such/dialect.json'}, 'cannot be read'),
        ({'model__checkpoint': '/models/mine'}, 'its dialect is unknown'),
    ],
)
def test_what_cannot_be_loaded_is_named(rig, given, words):
    planner, seen = rig.planner(**given)
    if given.get('model__checkpoint', '').endswith('finetune'):
        # Which of the two is missed first depends on what is installed.
        words = ('no checkpoint at', 'needs torch')
    rig.reported(seen, 1)
    state = seen.diagnostics['state']
    assert state.level == state.ERROR
    assert any(word in state.message for word in ([words] if isinstance(words, str) else words))
    assert seen.value('state', 'state') == 'unconfigured'


def test_a_dialect_comes_from_a_file(rig, tmp_path):
    path = tmp_path / 'mine.json'
    path.write_text(dialect_to_json(DIALECTS['kitti']))
    _, seen = rig.planner(dialect=str(path))
    rig.reported(seen, 1)
    assert seen.value('state', 'dialect') == 'kitti'
    assert seen.value('state', 'fingerprint') == DIALECTS['kitti'].fingerprint


def test_an_unexpected_error_fails_the_transition_only(rig, monkeypatch):
    def broken(_):
        raise OSError('disk on fire')

    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', broken)
    _, seen = rig.planner()
    rig.until(lambda: 'state' in seen.diagnostics)
    assert seen.diagnostics['state'].message == 'OSError: disk on fire'
    monkeypatch.undo()
    assert Manager(rig)(T.TRANSITION_CONFIGURE)
