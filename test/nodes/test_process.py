# SPDX-License-Identifier: Apache-2.0
"""The executable and the launch file: they start by themselves, plan, and end cleanly."""

import importlib.util
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

import launch_stand_in
from rig import PATIENCE, Car

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'planner.launch.py'
MODULE = 'impromptu_vla_ros.nodes.planner_node'

# What `ros2 launch` does with a launch file, where there is one.
RUN_LAUNCH_FILE = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource

given = [tuple(argument.split(':=', 1)) for argument in sys.argv[2:]]
source = AnyLaunchDescriptionSource(sys.argv[1])
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=given)])
)
sys.exit(service.run())
"""

# A planner whose model hangs from its first real question on.
HANGING = f"""
import sys, time
from impromptu_vla_ros.nodes import loading
from {MODULE} import main

class Hanging:
    def answer(self, query):
        time.sleep(3600.0)

loading.load_model = lambda _: Hanging()
loading.self_test = lambda *_: ''
sys.exit(main())
"""


def ended(child, number):
    """Send a signal; return the exit code and all that was printed."""
    child.send_signal(number)
    output, _ = child.communicate(timeout=PATIENCE)
    return child.returncode, output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_it_starts_plans_and_ends_cleanly(rig, start, number):
    given = ['-p', 'autostart:=true', '-p', 'model.name:=kinematic']
    child = start([sys.executable, '-m', MODULE, '--ros-args', *given])
    seen, car = rig.seen(), Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    code, output = ended(child, number)
    assert code == 0 and 'Traceback' not in output, output
    assert 'model kinematic, dialect nuscenes' in output


def test_a_hanging_model_does_not_hold_up_the_end(rig, start):
    child = start([sys.executable, '-c', HANGING, '--ros-args', '-p', 'autostart:=true', '-p',
                   'model.timeout:=0.5'])  # fmt: skip
    seen, car = rig.seen(), Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.value('answers', 'model refused') == '1', car)
    code, output = ended(child, signal.SIGTERM)
    assert code == 0 and 'Traceback' not in output, output


def test_a_failed_autostart_lives_on(rig, start):
    given = ['-p', 'autostart:=true', '-p', 'model.name:=recorded']
    child = start([sys.executable, '-m', MODULE, '--ros-args', *given])
    seen = rig.seen()
    rig.until(lambda: seen.reports > 1)
    assert 'needs model.answers' in seen.diagnostics['state'].message
    assert child.poll() is None
    code, output = ended(child, signal.SIGINT)
    assert code == 0 and 'not configured: model.name:=recorded needs model.answers' in output


def test_a_wrong_parameter_is_one_line(start):
    child = start([sys.executable, '-m', MODULE, '--ros-args', '-p', 'max_rate:=2'])
    output, _ = child.communicate(timeout=PATIENCE)
    assert child.returncode == 2
    assert output.count('\n') == 1 and 'max_rate takes double' in output


def launched(start, **arguments):
    """Start the launch file: with launch_ros where it is, else the command it resolves to."""
    if importlib.util.find_spec('launch_ros'):
        given = [f'{name}:={value}' for name, value in arguments.items()]
        return start([sys.executable, '-c', RUN_LAUNCH_FILE, str(LAUNCH_FILE), *given])
    (node,) = launch_stand_in.nodes(LAUNCH_FILE, **arguments)
    return start(node.command, node.environment)


def test_the_launch_file_starts_a_planner_that_plans(rig, start):
    child = launched(
        start, namespace='car', rig='autoware', odometry='/odometry', output_frame='base_link',
        model='kinematic',
    )  # fmt: skip
    seen = rig.seen('/car/planner')
    car = Car(rig.node, '/car/planner')
    car.cameras = {
        'front': rig.node.create_publisher(
            type(car.picture(1)), '/sensing/camera/CAM_FRONT/image_raw/compressed', 1
        )
    }
    car.odometry = rig.node.create_publisher(type(car.state(1)), '/odometry', 1)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    assert seen.plans[0].header.frame_id == 'base_link'
    code, output = ended(child, signal.SIGINT)
    assert code == 0 and 'Traceback' not in output, output


def test_the_arguments_reach_the_command_line():
    (node,) = launch_stand_in.nodes(
        LAUNCH_FILE,
        model='transformers',
        checkpoint='/models/3B_AD_finetune',
        cameras='front,front_left,front_right',
        rig='carla',
        use_sim_time='true',
        autostart='false',
        steering='/steering',
    )
    command = ' '.join(node.command)
    for part in (
        'planner --ros-args -r __node:=planner',
        f'--params-file {ROOT}/config/planner.param.yaml --params-file {ROOT}/config/carla',
        '-p model.name:="transformers" -p model.checkpoint:="/models/3B_AD_finetune"',
        '-p cameras:=["front", "front_left", "front_right"]',
        '-p autostart:=false -p use_sim_time:=true',
        '-r ~/input/camera/front/image:=/carla/ego_vehicle/rgb_front/image',
        '-r ~/input/steering:=/steering',
    ):
        assert part in command
    assert '__ns' not in command and 'dialect' not in command


def test_the_profile_is_set_unless_one_is(monkeypatch):
    names = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
    for name in names:
        monkeypatch.delenv(name, raising=False)
    ours = str(ROOT / 'config' / 'fastdds.xml')
    (node,) = launch_stand_in.nodes(LAUNCH_FILE)
    assert node.environment == dict.fromkeys(names, ours)
    (node,) = launch_stand_in.nodes(LAUNCH_FILE, fastdds_profile='')
    assert node.environment == {}
    monkeypatch.setenv(names[0], '/mine.xml')
    (node,) = launch_stand_in.nodes(LAUNCH_FILE)
    assert node.environment == {}


def test_an_unknown_rig_is_refused():
    with pytest.raises(ValueError, match='rig:=tesla is not known'):
        launch_stand_in.nodes(LAUNCH_FILE, rig='tesla')
