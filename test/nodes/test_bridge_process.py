# SPDX-License-Identifier: Apache-2.0
"""The CARLA bridge as `ros2 run` starts it: whatever ends it, nothing stays in the world."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('carla', reason="CARLA's client is not installed")


sys.path.insert(0, str(Path(__file__).parents[1] / 'worlds'))

import carla
from carla_servers import actors, second, server
from served import LIMIT, Served, serving

__all__ = ['server']

pytestmark = pytest.mark.timeout(60)


@contextmanager
def bridge_process(port, *more):
    """Start the bridge; at the end none of its processes may be left."""
    given = (f'server.port:={port}', 'server.timeout:=2.0', 'rig.width:=160', *more)
    arguments = [part for one in given for part in ('-p', one)]
    process = subprocess.Popen(
        [sys.executable, '-m', 'impromptu_vla_ros.nodes.carla_bridge', '--ros-args', *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT)


def told_by(process, words):
    """Read a process's output until it says something; return that line."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return line
    raise AssertionError(f'{words!r} was not said: {"".join(lines)}')


def node_of(process):
    """Return the process of the node."""
    (node,) = psutil.Process(process.pid).children()
    return node


def gone(process):
    """Wait for a process to be gone."""
    psutil.wait_procs([process], LIMIT)
    return not process.is_running()


def until(condition):
    """Wait for something to become true."""
    end = monotonic() + LIMIT
    while not condition():
        assert monotonic() < end, 'it did not come true'
        sleep(0.01)


def kinds(world):
    """Return our vehicles and sensors in a world that goes by itself."""
    assert not world.get_settings().synchronous_mode
    world.wait_for_tick(LIMIT)
    found = [actor.type_id for actor in actors(world, '*')]
    return [kind for kind in found if kind.startswith(('vehicle', 'sensor'))]


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_nothing_behind(server, how):
    with bridge_process(server.port) as process:
        told_by(process, 'in the world')
        node = node_of(process)
        process.send_signal(how)
        said, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, said
        assert gone(node)
    with second(server) as world:
        assert kinds(world) == []


def test_a_node_that_is_killed_is_cleared_up_after_and_starts_again(server):
    with bridge_process(server.port) as process, second(server) as world:
        told_by(process, 'in the world')
        before = {actor.id for actor in actors(world, '*')}
        node = node_of(process)
        node.kill()
        assert 'somebody killed it' in told_by(process, 'the node died by SIGKILL')
        line = told_by(process, 'cleared the world up')
        assert 'braked ego_vehicle, destroyed its 1 camera(s), destroyed it, restored' in line
        told_by(process, 'starts the node again (1 of 2)')
        told_by(process, 'in the world')
        after = actors(world, '*')
        ours = [actor for actor in after if actor.type_id.startswith(('vehicle', 'sensor'))]
        assert len(ours) == 2 and not before & {actor.id for actor in ours}
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, said
        assert kinds(world) == []


def test_an_adopted_car_is_braked_and_stays(server):
    """Three crashes in a row are too many."""
    with second(server) as world:
        kind = world.get_blueprint_library().filter('vehicle.tesla.model3')[0]
        kind.set_attribute('role_name', 'hero')
        hero = world.spawn_actor(kind, world.get_map().get_spawn_points()[1])
        try:
            with bridge_process(server.port, 'ego.role:=hero', 'ego.blueprint:=""') as process:
                for _ in range(3):
                    told_by(process, 'in the world')
                    node = node_of(process)
                    until(lambda: 0.0 < hero.get_control().brake < 1.0)  # it drives
                    node.suspend()
                    hero.apply_control(carla.VehicleControl(throttle=1.0))
                    node.kill()
                    told_by(process, 'braked hero, destroyed its 1 camera(s), restored')
                told_by(process, 'it gives up')
                assert process.wait(LIMIT) == 128 + signal.SIGKILL
            assert kinds(world) == ['vehicle.tesla.model3']
            assert hero.get_control().brake == 1.0
        finally:
            hero.destroy()


def test_who_watches_is_killed(server):
    """The node ends in good order then."""
    with bridge_process(server.port) as process, second(server) as world:
        told_by(process, 'in the world')
        node = node_of(process)
        process.kill()
        assert gone(node)
        assert kinds(world) == []


def test_a_server_of_another_version_ends_it():
    other = Served('-m', 'impromptu_vla_ros.worlds.serve', '--client', '0.9.15')
    try:
        with bridge_process(other.port) as process:
            said, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 2
        assert 'pip install carla==0.9.15' in said
    finally:
        other.process.kill()
        other.process.wait(LIMIT)


GARBAGE = """
import sys
from impromptu_vla_ros import cli
from impromptu_vla_ros.worlds.protocol import payloads

payloads.SENSES['sensor.camera.rgb'] = lambda actor, episode: iter([b'garbage' * 100])
sys.exit(cli.main(['world', *sys.argv[1:]]))
"""


def test_pictures_of_garbage(tmp_path):
    """CARLA's own code ends the node: it is said why, and the world is as before."""
    file = tmp_path / 'garbage.py'
    file.write_text(GARBAGE)
    with serving(str(file), '--map', 'circuit') as served:
        served.host = '127.0.0.1'
        with bridge_process(served.port, 'rig.timeout:=0.3') as process:
            said, _ = process.communicate(timeout=2 * LIMIT)
        assert process.returncode > 128
        assert said.count("CARLA's client crashed") == 3
        assert said.count('cleared the world up: braked ego_vehicle') == 3
        assert 'it gives up' in said
        with second(served) as world:
            assert kinds(world) == []
        assert served.process.poll() is None
