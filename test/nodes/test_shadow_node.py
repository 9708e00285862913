# SPDX-License-Identifier: Apache-2.0
"""The shadow over real DDS: what it says and snips when plans and drive part, or all fails."""

import json
import math
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')

import autoware_interfaces
import launch_stand_in
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rig import PATIENCE, SPEED, Car, time_of
from std_msgs.msg import String
from test_snippets import read

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.structs import Plan, Pose
from impromptu_vla_ros.msg import DrivingPlan
from impromptu_vla_ros.nodes.shadow_node import ShadowNode

ROOT = Path(__file__).resolve().parents[2]
MODULE = 'impromptu_vla_ros.nodes.shadow_node'
AROUND = 1.5
PICTURES = 'input/camera/front/image/compressed'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'

# A shadow on a machine that takes no file larger than 20 kB any more.
SMALL_DISK = f"""
import resource, sys
from {MODULE} import ShadowNode, main

class OnSmallDisk(ShadowNode):
    def __init__(self, **options):
        super().__init__(**options)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

sys.modules[{MODULE!r}].ShadowNode = OnSmallDisk
sys.exit(main())
"""


def plan(stamp, x, y=0.0, tier='fresh', frame='odom'):
    """Return a plan straight ahead from there at the car's speed."""
    times = np.arange(53) * 0.1
    zeros = np.zeros(53)
    poses = np.column_stack([x + SPEED * times, zeros + y, zeros])
    return Plan(
        stamp, frame, times, poses, zeros + SPEED, zeros, zeros, zeros + math.nan, 53, tier, (),
        stamp, Pose(x, y, 0.0), frame, 'answer', 'nuscenes',
    )  # fmt: skip


class Followed(Car):
    """
    A car with its planner, another planner and a further sensor.

    It drives to `y` at 3 m/s, as no localization jumps; plans stay at 0, the others at `other`.
    """

    def __init__(self, rig, name='/shadow', reference=PathMessage):
        self._node, self.steps = rig.node, 0
        self.y = self.other = self.now_y = 0.0
        publisher = rig.node.create_publisher
        self.odometry = publisher(Odometry, f'{name}/input/odometry', qos_profile_sensor_data)
        self.plan = publisher(DrivingPlan, f'{name}/input/plan', 1)
        self.reference = publisher(reference, f'{name}/input/reference', 1)
        self.sensor = publisher(String, '/sensor', 10)
        self.text = 'x'
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.latched = publisher(String, '/latched', latched)
        self.latched.publish(String(data='once'))

    def state(self, stamp):
        message = super().state(stamp)
        message.pose.pose.position.y = self.now_y
        return message

    def step(self, stamp=None):
        stamp = self.now()
        self.steps += 1
        self.now_y += max(-0.15, min(0.15, self.y - self.now_y))
        self.odometry.publish(self.state(stamp))
        self.sensor.publish(String(data=self.text))
        if self.steps % 2:
            self.plan.publish(messages.driving_plan_message(plan(stamp, self.x(stamp)), 'a', {}))
            self.reference.publish(self.course(stamp))

    def course(self, stamp):
        return messages.path_message(plan(stamp, self.x(stamp), self.other))


@pytest.fixture
def shadow(rig, tmp_path):
    """Return a function that starts a shadow in this process, quick and with short snippets."""
    nodes = []

    def shadow(**parameters):
        given = {
            'compare.horizon': 0.5,
            'snippet.folder': str(tmp_path / 'snippets'),
            'snippet.around': AROUND,
            'snippet.topics': ['auto', '/sensor', '/latched'],
            **{name.replace('__', '.'): value for name, value in parameters.items()},
        }
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = ShadowNode(context=rig.context, parameter_overrides=overrides)
        rig.executor.add_node(node)
        nodes.append(node)
        return node, rig.seen('/shadow')

    yield shadow
    for node in nodes:
        rig.executor.remove_node(node)
        node.close()


def compared(node, against='driven'):
    return node.summary()[against]['compared']


def said(seen, status='comparison'):
    """Return what a status says, an empty text before the first report."""
    return seen.diagnostics[status].message if status in seen.diagnostics else ''


def written(tmp_path):
    return sorted(path.parent for path in tmp_path.glob('snippets/*/disagreement.json'))


def swerved(rig, node, car, seconds=2.0 * AROUND):
    """Drive well, beside the plans for a moment, and well again until a snippet is there."""
    rig.until(
        lambda: compared(node) > 5 and node.snipping.recorder.ring.seconds > 2.0 * AROUND, car
    )
    car.y = 2.0
    rig.until(lambda: node.snipping.summary()['events'], car)
    car.y = 0.0
    rig.until(lambda: node.snipping.summary()['snippets'], car)
    more = compared(node) + round(10 * seconds)
    rig.until(lambda: compared(node) > more, car)


def test_agreement_snips_nothing(rig, shadow, tmp_path):
    node, seen = shadow()
    rig.until(lambda: compared(node) > 20, Followed(rig))
    rig.reported(seen)
    assert seen.diagnostics['comparison'].message == 'well'
    assert seen.value('comparison', 'mean lateral error (driven)') == '0.000 m'
    assert seen.value('comparison', 'disagreed (driven)') == '0'
    assert not written(tmp_path) and node.snipping.summary()['events'] == 0


def test_a_swerve_is_snipped_once(rig, shadow, tmp_path):
    node, seen = shadow()
    swerved(rig, node, Followed(rig))
    (path,) = written(tmp_path)
    story = json.loads((path / 'disagreement.json').read_text())
    assert {each['measure'] for each in story['worst']} >= {'lateral'}
    assert story['disagreements'] > 1
    rows = read(path)
    assert all(abs(time - story['stamp']) <= AROUND * 1e9 for time, *_ in rows)
    # The planner is the observer here, and listens to diagnostics.
    assert {row[1:3] for row in rows} - {('/diagnostics', DIAGNOSTICS)} == {
        ('/shadow/input/odometry', 'nav_msgs/msg/Odometry'),
        ('/shadow/input/plan', 'impromptu_vla_ros/msg/DrivingPlan'),
        ('/sensor', 'std_msgs/msg/String'),
        ('/latched', 'std_msgs/msg/String'),
    }
    # What was said once, before all of this, is said at its beginning.
    (latched,) = [row for row in rows if row[1] == '/latched']
    assert latched[3].data == 'once' and latched[0] == story['asked']['start']
    # It reaches from before the swerve to behind it.
    (ys,) = [[row[3].pose.pose.position.y for row in rows if 'odometry' in row[1]]]
    assert ys[0] == ys[-1] == 0.0 and max(ys) > 1.0
    plans = [messages.plan_from_message(row[3]) for row in rows if 'plan' in row[1]]
    assert {(each.answer, len(each.times), each.tier) for each in plans} == {
        ('answer', 53, 'fresh')
    }
    rig.reported(seen)
    assert seen.value('snippets', 'written') == '1'
    assert 'the driven path' in seen.value('comparison', 'last disagreement')


def test_another_planner_is_heard(rig, shadow, tmp_path):
    node, seen = shadow(reference__type='path', snippet__folder='')
    car = Followed(rig)
    rig.until(lambda: compared(node, 'reference') > 3, car)
    assert node.summary()['reference']['disagreed'] == 0
    car.other = 3.0
    rig.until(lambda: node.summary()['reference']['disagreed'], car)
    assert node.summary()['driven']['disagreed'] == 0
    rig.reported(seen)
    last = seen.value('comparison', 'last disagreement')
    assert last.startswith('lateral: 3.00 m right of the other planner')
    assert 'snippets' not in seen.diagnostics and not list(tmp_path.iterdir())


@pytest.mark.timeout(400)  # it may have to build the messages
def test_autowares_trajectory_is_heard(rig, shadow):
    if not autoware_interfaces.importable():
        autoware_interfaces.use(autoware_interfaces.build())
    from autoware_planning_msgs.msg import Trajectory

    from impromptu_vla_ros.autoware_messages import trajectory_message

    class Untimed(Followed):
        """Autoware's planners leave time_from_start at 0."""

        def course(self, stamp):
            message = trajectory_message(plan(stamp, self.x(stamp), self.other), 2.79)
            for point in message.points:
                point.time_from_start.sec = point.time_from_start.nanosec = 0
            return message

    node, _ = shadow(reference__type='trajectory', snippet__folder='')
    car = Untimed(rig, reference=Trajectory)
    car.other = -2.0
    rig.until(lambda: node.summary()['reference']['disagreed'], car)
    assert node.summary()['last'].startswith('lateral: 2.00 m left of the other planner')
    assert node.summary()['reference']['mean_lateral_m'] == 2.0


def test_a_path_without_times_is_said(rig, shadow):
    class Unstamped(Followed):
        def course(self, stamp):
            message = super().course(stamp)
            for pose in message.poses:
                pose.header.stamp = time_of(stamp)
            return message

    node, seen = shadow(reference__type='path', snippet__folder='')
    car = Unstamped(rig)
    rig.until(lambda: compared(node) > 5 and 'says no times' in said(seen), car)
    assert compared(node, 'reference') == 0


def test_a_real_planner_is_recorded_with_what_it_listens_to(rig, tmp_path):
    planner, seen = rig.planner()
    car = Car(rig.node)
    remaps = ('~/input/plan:=/planner/output/plan', '~/input/odometry:=/planner/input/odometry')
    arguments = [argument for remap in remaps for argument in ('-r', remap)]
    given = {
        'compare.horizon': 0.5,
        'snippet.folder': str(tmp_path),
        'reference.type': 'path',
    }
    watched = rig.seen('/shadow')
    node = ShadowNode(
        context=rig.context,
        cli_args=['--ros-args', *arguments],
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
    )
    rig.executor.add_node(node)
    rig.until(lambda: seen.answered and compared(node) > 5, car)
    topics = {f'/planner/{name}' for name in ('input/odometry', 'output/plan', PICTURES)}
    rig.until(lambda: topics <= set(node.snipping.recorder.topics), car)
    # What nobody publishes is not subscribed to.
    assert not [topic for topic in node.snipping.recorder.topics if 'steering' in topic]
    assert node.summary()['driven']['mean_lateral_m'] < 0.1
    rig.until(lambda: said(watched) == 'no courses came on /shadow/input/reference', car)
    rig.executor.remove_node(node)
    node.close()


def test_a_burst_stays_within_the_buffer(rig, shadow):
    node, seen = shadow(snippet__buffer=0.1)
    car = Followed(rig)
    rig.until(lambda: '/sensor' in node.snipping.recorder.topics, car)
    car.text = 'x' * 20_000
    rig.until(lambda: node.snipping.recorder.ring.evicted > 50, car)
    assert 0 < node.snipping.recorder.ring.size <= 0.1e6
    rig.reported(seen)
    assert int(seen.value('recording', 'dropped for snippet.buffer')) > 50


def test_a_type_without_definition_is_said_and_the_rest_goes_on(
    rig, shadow, tmp_path, monkeypatch
):
    node, seen = shadow()
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    car = Followed(rig)
    rig.until(lambda: '/sensor' in node.snipping.recorder.refused, car)
    rig.reported(seen)
    assert '/sensor: no definition of std_msgs/msg/String' in seen.diagnostics['recording'].message
    car.y = 2.0
    rig.until(lambda: node.snipping.summary()['snippets_failed'], car)
    rig.reported(seen)
    assert 'nothing was recorded' in seen.diagnostics['snippets'].message
    assert node.snipping.recorder.topics == [] and not written(tmp_path)


def test_a_folder_that_cannot_be_is_said_and_the_rest_goes_on(rig, shadow, tmp_path):
    (tmp_path / 'file').write_text('')
    node, seen = shadow(snippet__folder=str(tmp_path / 'file' / 'x'))
    car = Followed(rig)
    rig.until(lambda: node.snipping.recorder.ring.seconds > 0.5, car)
    car.y = 2.0
    rig.until(lambda: node.snipping.summary()['snippets_failed'], car)
    rig.reported(seen)
    assert 'Not a directory; free space or change' in seen.diagnostics['snippets'].message
    more = compared(node) + 5
    rig.until(lambda: compared(node) > more, car)


def started(rig, start, folder, program, *more):
    """Start a shadow as a process; return it, what is seen of it, and a car."""
    given = {'compare.horizon': 0.5, 'snippet.folder': folder, 'snippet.around': AROUND}
    arguments = [f'{name}:={value}' for name, value in given.items()]
    parameters = [part for argument in (*arguments, *more) for part in ('-p', argument)]
    child = start([sys.executable, *program, '--ros-args', *parameters])
    return child, rig.seen('/shadow'), Followed(rig)


def ended(child, number=signal.SIGINT):
    child.send_signal(number)
    output, _ = child.communicate(timeout=PATIENCE)
    return child.returncode, output


def test_a_full_disk_is_said_and_the_node_goes_on(rig, start, tmp_path):
    folder = tmp_path / 'snippets'
    child, seen, car = started(rig, start, folder, ['-c', SMALL_DISK])
    rig.until(lambda: seen.value('comparison', 'disagreed (driven)') == '0', car)
    car.y = 2.0
    rig.until(lambda: seen.value('snippets', 'failed') not in ('', '0'), car)
    assert 'File too large; free space or change' in seen.diagnostics['snippets'].message
    assert not list(folder.iterdir())
    before = int(seen.value('comparison', 'compared (driven)'))
    rig.until(lambda: int(seen.value('comparison', 'compared (driven)')) > before + 5, car)
    code, output = ended(child)
    assert code == 0 and 'Traceback' not in output, output
    # The summary is small enough.
    summary = json.loads((folder / 'summary.json').read_text())
    assert summary['snippets_failed'] >= 1 and summary['snippets'] == []


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_end_writes_what_is_open_and_a_summary(rig, start, tmp_path, number):
    child, seen, car = started(
        rig, start, tmp_path / 'snippets', ['-m', MODULE], 'compare.lateral:=0.5'
    )
    rig.until(lambda: seen.value('recording', 'seconds') > '1', car)
    car.y = 2.0
    rig.until(lambda: seen.value('comparison', 'events') not in ('', '0'), car)
    code, output = ended(child, number)
    assert code == 0 and 'Traceback' not in output, output
    (path,) = written(tmp_path)
    assert read(path)
    summary = json.loads((tmp_path / 'snippets' / 'summary.json').read_text())
    assert summary['snippets'] == [path.name] and summary['driven']['compared'] > 0


def test_a_wrong_parameter_is_one_line(start):
    child = start([sys.executable, '-m', MODULE, '--ros-args', '-p', 'compare.lateral:=0.0'])
    output, _ = child.communicate(timeout=PATIENCE)
    assert child.returncode == 2
    assert output.count('\n') == 1 and 'compare.lateral takes double 0.05 to 50' in output


def test_the_launch_file_starts_both(rig, start, tmp_path):
    nodes = launch_stand_in.nodes(
        ROOT / 'launch' / 'planner.launch.py', namespace='car', odometry='/odometry',
        model='kinematic',
        shadow='true', snippet_folder=str(tmp_path), reference='/other', reference_type='path',
    )  # fmt: skip
    planner, shadow = (start(node.command, node.environment) for node in nodes)
    seen, car = rig.seen('/car/shadow'), Car(rig.node, '/car/planner')
    car.odometry = rig.node.create_publisher(Odometry, '/odometry', qos_profile_sensor_data)
    rig.until(lambda: rig.node.count_subscribers('/other') == 1)
    rig.heard(car, planners=1)
    rig.until(lambda: seen.value('comparison', 'compared (driven)') not in ('', '0'), car)
    rig.until(lambda: '/odometry' in seen.value('recording', 'topics'), car)
    for child in (planner, shadow):
        code, output = ended(child)
        assert code == 0 and 'Traceback' not in output, output
    assert json.loads((tmp_path / 'summary.json').read_text())['driven']['compared'] > 0
