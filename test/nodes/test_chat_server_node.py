# SPDX-License-Identifier: Apache-2.0
"""A planner that asks a chat server, over ROS: what the server does to the plans, and after."""

import signal
import socket
import sys

import pytest

pytest.importorskip('rclpy')

from chat_stand_in import StandIn, straight
from rig import Car, captured

from impromptu_vla_ros.msg import DrivingPlan

FRESH, STOPPING = DrivingPlan.TIER_FRESH, DrivingPlan.TIER_STOPPING
TIMEOUT = 0.4


@pytest.fixture
def server():
    """Return a server that answers what a car at 10 m/s does, straight ahead."""
    server = StandIn(text=straight())
    yield server
    server.close()


def driving(rig, url):
    """Return a car that drives, and what is seen of the planner that asks at `url`."""
    _, seen = rig.planner(model__name='chat_server', model__url=url, model__timeout=TIMEOUT)
    car = Car(rig.node)
    rig.heard(car)
    fresh(rig, seen, car)
    return car, seen


def fresh(rig, seen, car):
    """Drive until several answers in a row are followed."""
    before = len(captured(seen.plans))
    rig.until(lambda: len(captured(seen.plans)) > before + 3 and seen.tier == FRESH, car)


def fallen(rig, seen, car, words):
    """Drive until the last answer is too old, by way of all tiers, and the reason is told."""
    seen.plans.clear()
    rig.until(lambda: seen.tier == STOPPING, car)
    tiers = list(dict.fromkeys(plan.tier for plan in seen.plans))
    assert tiers == [FRESH, DrivingPlan.TIER_HELD, STOPPING]

    def told():
        return words in getattr(seen.diagnostics.get('answers'), 'message', '')

    rig.until(told, car)


def hang(handler):
    """Say nothing until the server is told to go on."""
    handler.server.stalled.wait(20.0)
    handler.close_connection = True


def drip(handler):
    """Answer a byte now and then."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n')
    while not handler.server.stalled.wait(0.05):
        handler.wfile.write(b' ')


def lie(handler):
    """Answer as another model."""
    reply = handler.server.reply(handler.server.questions[-1])
    handler.send(200, reply | {'model': '7B_AD'})


def vanish(handler):
    """Close the connection in the middle of an answer."""
    handler.send(200, b'{"model', length=99)
    handler.close_connection = True


FAULTS = {
    # Said by the model: a planner that gave up first would say "no answer within".
    'hangs': (hang, 'no answer from'),
    'drips': (drip, 'no answer from'),
    'fails': (lambda handler: handler.send(500, b'out of memory'), 'HTTP 500: out of memory'),
    'lies': (lie, "answers as '7B_AD'"),
    'is malformed': (lambda handler: handler.send(200, b'{"choi'), 'malformed JSON'),
    'dies in its answer': (vanish, 'cannot talk with'),
}


def test_every_fault_lets_the_plans_fall_through_the_tiers_and_come_back(rig, server):
    car, seen = driving(rig, server.url)
    assert seen.answered[-1].answer == straight()
    for fault, words in FAULTS.values():
        server.fault = fault
        fallen(rig, seen, car, words)
        server.fault = None
        fresh(rig, seen, car)
    assert seen.value('state', 'state') == 'active'


def test_a_server_that_is_killed_is_asked_again_when_it_is_back(rig, start):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    command = [sys.executable, 'test/chat_stand_in.py', str(port)]
    process = start(command)
    url = process.stdout.readline().strip()
    car, seen = driving(rig, url)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    fallen(rig, seen, car, 'cannot talk with')
    assert start(command).stdout.readline().strip() == url
    fresh(rig, seen, car)


def test_without_its_server_the_planner_says_so_and_can_try_again(rig, server):
    server.health = 503
    planner, seen = rig.planner(model__name='chat_server', model__url=server.url)
    rig.until(lambda: 'state' in seen.diagnostics)
    assert 'answers HTTP 503' in seen.diagnostics['state'].message
    server.health = 200
    planner.start()
    rig.until(lambda: seen.value('state', 'state') == 'active')
    assert seen.value('state', 'self-test') == 'a known question was answered in the dialect'


def test_another_checkpoint_than_the_parameters_is_refused(rig, server):
    _, seen = rig.planner(
        model__name='chat_server', model__url=server.url, model__checkpoint='3B_AD'
    )
    rig.until(lambda: 'state' in seen.diagnostics)
    assert 'start it with that' in seen.diagnostics['state'].message
