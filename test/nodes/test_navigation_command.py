# SPDX-License-Identifier: Apache-2.0
"""Where the route leads: heard on a topic, said in the prompt, and named in the plan."""

import pytest

pytest.importorskip('rclpy')

from rig import Car, SimulatedCar
from std_msgs.msg import String

from impromptu_vla_ros.core.structs import Answer

TOPIC = '/planner/input/navigation_command'


class Listening:
    """Answer with the rollout, and keep the prompts."""

    def __init__(self):
        self.prompts = []

    def answer(self, query):
        """Return the rollout."""
        self.prompts.append(query.prompt)
        return Answer(query.rollout)


@pytest.fixture
def model(monkeypatch):
    model = Listening()
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    return model


def says(model, command):
    return bool(model.prompts) and model.prompts[-1].endswith(
        f"The navigation command is '{command}'.\n"
    )


@pytest.mark.parametrize('kind', [Car, SimulatedCar])
def test_the_prompt_says_the_command_and_an_unknown_one_is_refused(rig, model, kind):
    _, seen = rig.planner(dialect='nano', use_sim_time=kind is SimulatedCar)
    car = kind(rig.node)
    rig.heard(car)
    commands = rig.node.create_publisher(String, TOPIC, 1)
    rig.until(lambda: commands.get_subscription_count() == 1)
    # Nobody says anything: straight on, and nothing is missing.
    rig.until(lambda: seen.answered and says(model, 'go straight'), car)
    rig.until(lambda: seen.value('navigation_command', 'command'), car)
    assert seen.value('navigation_command', 'command').startswith('go straight: nobody')
    assert seen.diagnostics['navigation_command'].level == b'\x00'
    commands.publish(String(data='turn left'))
    rig.until(lambda: seen.answered[-1].navigation_command == 'turn left', car)
    assert says(model, 'turn left')
    commands.publish(String(data='fly'))
    refused = "no command 'fly': one of go straight"
    rig.until(
        lambda: refused in seen.value('navigation_command', 'last refused navigation_command'), car
    )
    assert refused in seen.diagnostics['navigation_command'].message
    rig.until(lambda: len(seen.answered) > 30, car)
    assert says(model, 'turn left')
    assert seen.value('navigation_command', 'command') == 'turn left'


def test_a_dialect_without_commands_hears_none(rig, model):
    _, seen = rig.planner(dialect='kitti')
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    assert not rig.node.count_subscribers(TOPIC)
    assert seen.answered[-1].navigation_command == ''


def test_of_two_commands_within_a_tick_the_later_one_counts(rig, model):
    planner, seen = rig.planner(dialect='nano', use_sim_time=True)
    car = SimulatedCar(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    for command in ('turn left', 'turn right'):
        planner._drive.on_message('navigation_command', String(data=command))
    rig.until(lambda: seen.answered[-1].navigation_command == 'turn right', car)
    assert says(model, 'turn right')
