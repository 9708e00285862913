# SPDX-License-Identifier: Apache-2.0
"""The real node over DDS, fed with a recording: as good as offline, and clear when it fails."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import recordings as made

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.process import ChildProcess
from impromptu_vla_ros.evaluation.replay import replay
from impromptu_vla_ros.evaluation.report import NodeReport
from impromptu_vla_ros.evaluation.run import Options, evaluate
from impromptu_vla_ros.models import create_model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ros(monkeypatch):
    """Skip without ROS 2; keep other tests' graphs apart."""
    pytest.importorskip('rclpy', reason='live replay needs ROS 2')
    pytest.importorskip('impromptu_vla_ros.msg', reason='the messages are not built')


@pytest.mark.timeout(90)
def test_live_answers_every_frame_as_offline_does(ros, data):
    for _ in range(2):  # a machine that is busy with something else gets a second chance
        with Bag(data / 'bags' / 'kitti_odo06') as bag:
            summary = evaluate(bag, Options(live=True)).summary
        if summary['frames']['planned_share'] >= 0.95:
            break
    assert summary['mode'] == 'live'
    assert summary['frames']['planned_share'] >= 0.95
    assert summary['comparison']['share_of_offline'] >= 0.95
    assert summary['comparison']['max_pose_difference'] <= 1e-6
    assert summary['anchors']['coverage'] == 1.0
    assert summary['counts']['asked'] == summary['counts']['answered'] >= 49
    assert summary['l2_pointwise']['constant_velocity'] == pytest.approx(
        {'1': 0.06, '2': 0.19, '3': 0.29}, abs=0.10
    )


@pytest.mark.timeout(90)
def test_raw_pictures_and_another_dialect_go_live_too(ros, tmp_path):
    with Bag(made.write(tmp_path / 'bag', made.drive(4.0))) as bag:
        summary = evaluate(bag, Options(live=True, rate=4.0, dialect='kitti')).summary
    assert summary['rate'] == 4.0
    assert summary['dialect'] == 'kitti'
    assert summary['comparison']['share_of_offline'] >= 0.8
    assert summary['comparison']['max_pose_difference'] <= 1e-6


@pytest.mark.timeout(90)
def test_a_yaw_rate_in_left_handed_degrees_is_distrusted_alike_live_and_offline(ros, tmp_path):
    rows = made.drive(10.0)
    for _, topic, message in rows:
        if topic == made.ODOMETRY:
            message.twist.twist.angular.z *= -180.0 / math.pi
    with Bag(made.write(tmp_path / 'bag', rows)) as bag:
        offline = replay(bag, Planner(DIALECTS['nuscenes']), create_model('kinematic'))
        comparison = evaluate(bag, Options(live=True, rate=4.0)).summary['comparison']
    # The plans turn the wrong way at first, and with the car once the poses have shown it.
    turns = [float(plan.poses[-1, 2] - plan.poses[0, 2]) for plan in offline.plans.values()]
    assert turns[-1] == pytest.approx(3.0 * made.YAW_RATE, abs=0.05)
    assert abs(turns[0] - 3.0 * made.YAW_RATE) > 0.5
    # The first ones are refused by the guard, and so not seen live.
    right = [abs(turn - 3.0 * made.YAW_RATE) < 0.05 for turn in turns]
    assert comparison['share_of_offline'] >= 0.8 * sum(right) / len(right) > 0.3
    assert comparison['max_pose_difference'] <= 1e-6


@pytest.mark.timeout(90)
def test_a_node_that_cannot_be_configured_is_one_clear_error(ros, tmp_path):
    from impromptu_vla_ros.evaluation import live

    options = live.LiveOptions(parameters={'model.name': 'recorded', 'model.answers': '/nowhere'})
    with (
        Bag(made.write(tmp_path / 'bag', made.drive(2.0))) as bag,
        pytest.raises(live.LiveError, match='cannot be configured: .*/nowhere'),
    ):
        live.play(bag, DIALECTS['nuscenes'], options)


@pytest.mark.timeout(90)
def test_a_node_that_dies_shows_its_last_words(ros, tmp_path):
    from impromptu_vla_ros.evaluation import live

    options = live.LiveOptions(parameters={'max_rate': 'often'})
    with (
        Bag(made.write(tmp_path / 'bag', made.drive(2.0))) as bag,
        pytest.raises(live.LiveError, match='ended with code 2: .*max_rate'),
    ):
        live.play(bag, DIALECTS['nuscenes'], options)


def alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_a_child_is_ended_even_if_it_ignores_sigint(tmp_path, monkeypatch):
    (tmp_path / 'stubborn.py').write_text(
        'import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n'
        'print("listening", flush=True)\ntime.sleep(60)\n'
    )
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setattr('impromptu_vla_ros.evaluation.process.PATIENCE', 0.2)
    with ChildProcess('stubborn', []) as child:
        while child.last_words() != 'listening':
            assert child.exit_code is None
            time.sleep(0.02)
    assert child.exit_code == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != 'linux', reason='the kernel must offer it')
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path):
    code = (
        'import time; from impromptu_vla_ros.evaluation.process import ChildProcess\n'
        'child = ChildProcess("http.server", ["--bind", "127.0.0.1", "0"])\n'
        'print(child._child.pid, flush=True); time.sleep(60)\n'
    )
    parent = subprocess.Popen(
        [sys.executable, '-c', code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    assert alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(name, level=b'\0', message='', **values):
    pairs = [SimpleNamespace(key=k.replace('_', ' '), value=str(v)) for k, v in values.items()]
    return SimpleNamespace(
        name=f'/planner: {name}', level=level, message=message, values=pairs, ERROR=b'\2'
    )


def report(*statuses):
    stamp = SimpleNamespace(sec=3, nanosec=5)
    return NodeReport.of(SimpleNamespace(header=SimpleNamespace(stamp=stamp), status=statuses))


def test_the_node_s_report_is_read_by_what_it_holds():
    found = report(
        status('state', state='active'),
        status('front', topic='/a', refused=2, last_refused_front='no jpeg'),
        status('answers', picture_refused=0, answer_refused=1, last_refused_answer='too short'),
        status('plans', asked=9, answered=6, refused=1, failed=1),
    )
    assert found.stamp == 3_000_000_005
    assert found.counts == {
        'asked': 9, 'answered': 6, 'refused': 1, 'failed': 1, 'skipped': 2
    }  # fmt: skip
    assert found.open_questions == 1
    assert found.reasons == {
        'front, the last one: no jpeg': 2,
        'answer, the last one: too short': 1,
    }
    failed = report(status('state', b'\2', 'no checkpoint', state='unconfigured'))
    assert failed.failure == 'no checkpoint'
