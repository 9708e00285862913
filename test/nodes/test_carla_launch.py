# SPDX-License-Identifier: Apache-2.0
"""carla.launch.py: a world, the bridge, the planner and the controller, and who hears whom."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import launch_stand_in
import pytest

pytest.importorskip('rclpy')

from nav_msgs.msg import Odometry
from rig import Rig

from impromptu_vla_ros.messages import odometry_from_message

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'carla.launch.py'


def commands(**arguments):
    """Return the command lines by executable."""
    nodes = launch_stand_in.nodes(LAUNCH_FILE, **arguments)
    return {Path(node.command[0]).name: ' '.join(node.command) for node in nodes}


def test_what_it_starts():
    found = commands(host='10.0.0.7', port='2500', engaged='true', camera_rig='front_three')
    assert set(found) == {'carla_bridge', 'controller', 'planner'}
    for part in ('server.host:="10.0.0.7"', 'server.port:=2500', 'rig.name:="front_three"'):
        assert f'-p {part}' in found['carla_bridge']
    for part in (
        '-p engaged:=true',
        '-p trigger:="odometry"',
        '-r ~/input/plan:=planner/output/plan',
        '-r ~/output/command:=carla_bridge/input/command',
    ):
        assert part in found['controller']
    for part in (
        '-p use_sim_time:=true',
        '-r ~/input/odometry:=carla_bridge/output/odometry',
        '-r ~/input/navigation_command:=carla_bridge/output/navigation_command',
        '-r ~/input/camera/front_left/image:=carla_bridge/output/camera/front_left/image',
    ):
        assert part in found['planner']


@pytest.mark.parametrize('name', ['kinematic', 'builtin'])
def test_a_world_of_ours_beside(name):
    world = commands(world=name, map='town', port='2500', world_python='python')['python']
    assert world.endswith('serve --world kinematic --port 2500 --end-with-parent --map town')


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ({'world': 'flat'}, 'take carla, kinematic, metadrive'),
        ({'world': 'kinematic', 'host': '10.0.0.7'}, 'this machine only'),
        ({'rig': 'carla'}, 'camera_rig'),
    ],
)
def test_what_cannot_be(arguments, words):
    with pytest.raises(ValueError, match=words):
        commands(**arguments)


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def test_it_plans_in_our_world(tmp_path):
    """The model in the box, which is the default, answers to what the bridge sends."""
    pytest.importorskip('carla', reason="CARLA's client is not installed")
    pytest.importorskip('onnxruntime', reason='pip install "impromptu_vla_ros[onnx,test]"')
    nodes = launch_stand_in.nodes(
        LAUNCH_FILE,
        world='kinematic', map='circuit', engaged='true', port=str(free_port()),
        world_python=sys.executable, mode='realtime',
    )  # fmt: skip
    started = []
    rig = Rig()
    heard, plans = [], rig.seen('/planner')
    rig.node.create_subscription(Odometry, '/carla_bridge/output/odometry', heard.append, 10)
    log = (tmp_path / 'log').open('w+')
    try:
        for node in nodes:
            started.append(
                subprocess.Popen(
                    node.command, env={**os.environ, **node.environment},
                    stdout=log, stderr=subprocess.STDOUT,
                )
            )  # fmt: skip
        rig.until(lambda: plans.answered and heard, patience=60.0)
        assert odometry_from_message(heard[-1]).frame_id == 'map'
        for process in reversed(started):
            process.send_signal(signal.SIGINT)
            assert process.wait(20.0) == 0, log.read()
    finally:
        for process in started:
            process.kill()
            process.wait(20.0)
        log.close()
        rig.close()
