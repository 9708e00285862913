# SPDX-License-Identifier: Apache-2.0
"""
The CARLA bridge over DDS, against a real world: its messages, in lockstep and real time.

With `-m carla --carla-host HOST` the same tests meet a real server.
"""

import io
import math
import subprocess
import sys
from time import monotonic

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('carla', reason="CARLA's client is not installed")

from bridged import NAME, OUT, bridged
from carla_servers import actors, second, server
from diagnostic_msgs.msg import DiagnosticStatus
from PIL import Image as Picture
from rclpy.parameter import Parameter
from rig import time_of
from served import LIMIT, environment
from std_srvs.srv import SetBool

from impromptu_vla_ros import messages, sensor_messages
from impromptu_vla_ros.core.camera import horizontal_fov, rotation_from_quaternion
from impromptu_vla_ros.core.ego_check import check_ego
from impromptu_vla_ros.msg import DriveCommand
from impromptu_vla_ros.nodes.controller_node import ControllerNode
from impromptu_vla_ros.nodes.declaring import ParameterError

__all__ = ['bridged', 'server']

LOCKSTEP = {'mode': 'lockstep', 'command_timeout': 5.0}


# What it publishes


@pytest.mark.parametrize('side', [1.0, -1.0], ids=['left', 'right'])
def test_a_circle_in_messages(bridged, side):
    """Units, signs and axes: the planner's own check has nothing against what comes."""
    bridge = bridged(**LOCKSTEP)
    bridge.command = 0.0, 2.0
    bridge.frames(60)
    bridge.command = 0.2 * side, 0.4
    bridge.frames(160)
    heard = bridge.heard
    odometry = [bridge.odometry(message) for message in heard['odometry']][60:]
    accelerations = [messages.acceleration_from_message(one) for one in heard['acceleration']]
    steering = [messages.steering_from_message(one) for one in heard['steering']]
    found = check_ego(odometry, accelerations, steering, bridge.node.client.chassis.wheelbase)
    assert [one for one in found if one.level != 'info'] == []
    assert math.copysign(1.0, bridge.last.yaw_rate) == side
    assert steering[-1].tire_angle == pytest.approx(0.2 * side, abs=0.03)
    assert heard['odometry'][-1].child_frame_id == 'base_link'


def test_a_picture_has_the_stamp_of_its_odometry(bridged):
    bridge = bridged(rig__raw=True, **LOCKSTEP)
    bridge.command = 0.0, 1.0
    bridge.frames(20)
    bridge.until(lambda: len(bridge.heard['jpeg']) >= 20)
    stamps = {
        name: [messages.nanoseconds(one.header.stamp) for one in bridge.heard[name]]
        for name in ('odometry', 'acceleration', 'steering', 'jpeg', 'raw', 'info')
    }
    for name in stamps:
        assert stamps[name][:19] == stamps['odometry'][:19], name
    clock = [messages.nanoseconds(one.clock) for one in bridge.heard['clock']]
    assert clock[:19] == stamps['odometry'][:19]
    assert np.diff(stamps['odometry']) == pytest.approx(50e6, abs=2e3)


def test_pictures_and_their_calibration(bridged):
    bridge = bridged(rig__raw=True, **LOCKSTEP)
    bridge.command = 0.0, 0.0
    bridge.frames(3)
    bridge.until(lambda: all(bridge.heard[name] for name in ('jpeg', 'raw', 'info')))
    jpeg, raw, info = (bridge.heard[name][0] for name in ('jpeg', 'raw', 'info'))
    matrix, width, height = messages.camera_matrix_from_message(info)
    assert (width, height) == (160, 90) == (raw.width, raw.height)
    assert math.degrees(horizontal_fov(matrix, width)) == pytest.approx(70.0)
    picture = Picture.open(io.BytesIO(bytes(jpeg.data)))
    assert (jpeg.format, picture.mode, picture.size) == ('jpeg', 'RGB', (160, 90))
    # Red and blue are where they belong.
    pixels = np.frombuffer(bytes(raw.data), np.uint8).reshape(90, 160, 4)
    assert np.abs(np.asarray(picture, int) - pixels[..., 2::-1]).mean() < 4.0
    assert jpeg.header.frame_id == info.header.frame_id == 'front_optical_frame'


def test_names_of_presets(bridged):
    bridge = bridged(preset='autoware', rig__name='front_three')
    names = dict(bridge.node.get_topic_names_and_types())
    for topic in (
        '/sensing/camera/CAM_FRONT/image_raw/compressed',
        '/sensing/camera/CAM_FRONT_LEFT/camera_info',
        '/localization/kinematic_state',
        '/localization/acceleration',
    ):
        assert topic in names


def test_names_of_the_ros_bridge(bridged):
    bridge = bridged(preset='carla_ros_bridge', base_frame='ego_vehicle')
    names = dict(bridge.node.get_topic_names_and_types())
    assert '/carla/ego_vehicle/rgb_front/image/compressed' in names
    assert '/carla/ego_vehicle/odometry' in names


def test_the_navigation_command_follows_the_route(bridged, server):
    with second(server) as world:
        world.wait_for_tick(LIMIT)
        chart = world.get_map()
        there = chart.get_waypoint(chart.get_spawn_points()[0].location).next(40.0)[0].transform
    place = f'{there.location.x},{-there.location.y}'
    bridge = bridged(destination=place, **LOCKSTEP)
    bridge.command = 0.0, 0.0
    bridge.until(lambda: bridge.heard['navigation'])
    assert 'straight' in bridge.heard['navigation'][0].data or server.process is None


# Who waits for whom


def test_lockstep_takes_one_step_per_command(bridged):
    bridge = bridged(**LOCKSTEP)
    bridge.until(lambda: bridge.heard['odometry'])
    frame = bridge.node.client.world.get_snapshot().frame
    end = monotonic() + 0.5
    bridge.until(lambda: monotonic() > end)  # nobody answers: the world stands
    assert bridge.node.client.world.get_snapshot().frame == frame
    bridge.command = 0.0, 1.0
    bridge.frames(10)
    bridge.command = None
    frames = bridge.node.client.world.get_snapshot().frame - frame
    assert frames in (10, 11)


def test_a_command_of_another_stamp_does_not_release_the_step(bridged):
    bridge = bridged(**LOCKSTEP)
    bridge.until(lambda: bridge.heard['odometry'])
    before = len(bridge.heard['odometry'])
    stale = DriveCommand(mode=DriveCommand.MODE_FOLLOWING, acceleration=3.0)
    stale.header.stamp = time_of(1)
    bridge._commands.publish(stale)
    bridge.until(lambda: bridge.node._counts['commands of another stamp'])
    assert len(bridge.heard['odometry']) == before


@pytest.mark.parametrize('mode', ['lockstep', 'realtime'])
def test_a_silent_controller_stops_the_car(bridged, server, mode):
    bridge = bridged(mode=mode, command_timeout=0.1, speed=4.0)
    bridge.command = 0.0, 3.0
    bridge.until(lambda: bridge.heard['odometry'] and bridge.last.vx > 3.0)
    bridge.command = None
    bridge.told('commands', 'brakes: no command came for 0.1 s', DiagnosticStatus.WARN)
    bridge.until(lambda: abs(bridge.last.vx) < 0.05)
    with second(server) as world:
        (car,) = actors(world, 'vehicle.*', lambda: bridge.frames(1))
        assert car.get_control().brake > 0.3
        assert car.get_velocity().length() < 0.1
    bridge.command = 0.0, 3.0  # and it goes on when there are commands again
    bridge.until(lambda: bridge.last.vx > 1.0)


@pytest.mark.parametrize('mode', ['lockstep', 'realtime'])
def test_with_the_real_controller(bridged, mode):
    """Engaged without a plan it brakes, with one it would follow; the bridge tells which."""
    bridge = bridged(mode=mode, command_timeout=5.0)
    bridge.rig.node.destroy_publisher(bridge._commands)
    remaps = (f'~/input/odometry:={OUT}/odometry', f'~/output/command:={NAME}/input/command')
    controller = ControllerNode(
        context=bridge.rig.context,
        cli_args=['--ros-args', '-r', remaps[0], '-r', remaps[1]],
        parameter_overrides=[
            Parameter('trigger', value='odometry'),
            Parameter('reliability', value='reliable'),
        ],
    )
    bridge.add(controller)
    bridge.told('commands', 'brakes: the controller is not engaged', DiagnosticStatus.WARN)
    engage = bridge.rig.node.create_client(SetBool, '/controller/engage')
    bridge.until(engage.service_is_ready)
    engage.call_async(SetBool.Request(data=True))
    bridge.told('commands', 'well', DiagnosticStatus.OK)
    assert bridge.frames(20)[-1].stamp > 0


def test_it_rides_along(bridged, server):
    if server.process is None:
        pytest.skip('a real server has a rate of its own')
    bridge = bridged(step=0.0)
    stamps = [one.stamp for one in bridge.frames(10)]
    assert np.all(np.diff(stamps) > 0)
    assert bridge.heard['jpeg']
    with second(server) as world:
        assert not world.get_settings().synchronous_mode


def test_lockstep_needs_a_step(bridged):
    with pytest.raises(ParameterError, match='step must be above 0'):
        bridged(mode='lockstep', step=0.0)


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'rig__name': 'sideways'}, 'front_three'),
        ({'destination': 'home'}, 'write x,y'),
        ({'server__opendrive': '/no/such.xodr'}, 'No such file'),
    ],
)
def test_parameters_that_cannot_be(bridged, parameters, words):
    with pytest.raises(ParameterError, match=words):
        bridged(**parameters)


# Without a server


def test_without_the_client_the_extra_is_named():
    code = (
        'import sys; sys.modules["carla"] = None\n'
        'from impromptu_vla_ros.nodes.bridge_node import main\nsys.exit(main())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment(), capture_output=True, text=True,
        timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 2
    assert 'impromptu_vla_ros[carla]' in done.stderr


def test_a_quaternion_is_its_rotation():
    rng = np.random.default_rng(1)
    for _ in range(50):
        rotation = rotation_from_quaternion(*rng.normal(size=4))
        again = rotation_from_quaternion(*sensor_messages.quaternion_from_rotation(rotation))
        assert again == pytest.approx(rotation, abs=1e-9)
