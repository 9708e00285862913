# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the CARLA bridge's world: each is told, and the car brakes."""

import signal
from time import monotonic

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('carla', reason="CARLA's client is not installed")

from bridged import NAME, bridged
from carla_servers import actors, own_server, second, server
from diagnostic_msgs.msg import DiagnosticStatus
from served import LIMIT

from impromptu_vla_ros.msg import DriveCommand

__all__ = ['bridged', 'server']


def test_a_server_killed_and_restarted(bridged):
    with own_server() as first:
        bridge = bridged(first, speed=2.0)
        bridge.frames(5)
        first.process.kill()
        first.process.wait(LIMIT)
        bridge.told('world', 'nobody listens')
        with own_server(first.port):
            bridge.frames(5)
            bridge.until(lambda: len(bridge.heard['jpeg']) > 5)
            bridge.told('world', 'well', DiagnosticStatus.OK)


def test_a_server_that_hangs_and_goes_on(bridged):
    """Ten seconds: it is told meanwhile, and what was commanded before or then is not obeyed."""
    with own_server() as server:
        bridge = bridged(server)
        bridge.command = 0.0, 3.0
        bridge.until(lambda: bridge.heard['odometry'] and bridge.last.vx > 4.0)
        server.process.send_signal(signal.SIGSTOP)
        end = monotonic() + 10.0
        bridge.told('world', 'time-out')
        before = bridge.last
        go = DriveCommand(mode=DriveCommand.MODE_FOLLOWING, acceleration=3.0)
        while monotonic() < end:
            bridge._commands.publish(go)
            bridge.rig.executor.spin_once(timeout_sec=0.05)
        server.process.send_signal(signal.SIGCONT)
        bridge.command = None
        speeds = [one.vx for one in bridge.frames(10)]
        assert speeds[0] < before.vx and np.all(np.diff(speeds) <= 0.0)
        assert 'the world was lost' in bridge.node._why or 'no command came' in bridge.node._why
        bridge.told('world', 'well', DiagnosticStatus.OK)
        with second(server) as world:
            (car,) = actors(world, 'vehicle.*', lambda: bridge.frames(1))
            assert car.get_control().brake > 0.3
            assert len(actors(world, 'sensor.camera.*')) == 1
        bridge.until(lambda: abs(bridge.last.vx) < 0.05)
        bridge.command = 0.0, 3.0
        bridge.until(lambda: bridge.last.vx > 1.0)


def test_no_server_at_all(bridged):
    with own_server() as server:
        pass
    bridge = bridged(server)
    bridge.told('world', 'start CARLA')


def test_an_ego_destroyed_is_spawned_again(bridged, server):
    bridge = bridged()
    bridge.frames(3)
    with second(server) as world:
        world.get_actor(bridge.node.client.ego.actor.id).destroy()
    bridge.until(lambda: bridge.node._counts['connections lost'])
    bridge.frames(3)
    bridge.told('world', 'well', DiagnosticStatus.OK)


def test_an_ego_destroyed_ends_the_bridge_if_it_shall(bridged, server):
    bridge = bridged(ego__when_gone='exit')
    bridge.frames(3)
    with second(server) as world:
        world.get_actor(bridge.node.client.ego.actor.id).destroy()
    bridge.until(lambda: bridge.node.failed)
    assert 'no more' in bridge.node.failed


def test_a_camera_destroyed_is_named(bridged, server):
    bridge = bridged(rig__timeout=0.3, rig__name='front_three')
    bridge.frames(3)
    with second(server) as world:
        world.get_actor(bridge.node.client.cameras['front_left'].id).destroy()
    bridge.told('cameras', 'camera front_left is silent')
    pictures = len(bridge.heard['jpeg'])
    bridge.frames(3)
    bridge.until(lambda: len(bridge.heard['jpeg']) > pictures)  # the others go on


def test_another_who_ticks_is_named(bridged, server):
    bridge = bridged()
    bridge.frames(3)
    with second(server) as world:
        for _ in range(3):
            world.tick()
    bridge.told('world', 'another client ticks this world too')
    bridge.told('world', 'well', DiagnosticStatus.OK)


def test_a_command_that_is_none(bridged):
    bridge = bridged(command_timeout=5.0)
    bridge.frames(3)
    bridge._commands.publish(DriveCommand(mode=77))
    bridge.told('commands', 'cannot be read: mode is 77', DiagnosticStatus.WARN)


def test_two_who_command_are_told(bridged):
    bridge = bridged()
    bridge.rig.node.create_publisher(DriveCommand, f'{NAME}/input/command', 10)
    bridge.told('commands', '2 publish', DiagnosticStatus.WARN)


def test_who_only_looks_on_drives_nothing(bridged, server):
    bridge = bridged(ego__drive=False)
    bridge.command = 0.0, 3.0
    bridge.frames(20)
    bridge.told('commands', 'it only looks on', DiagnosticStatus.OK)
    assert abs(bridge.last.vx) < 0.05
