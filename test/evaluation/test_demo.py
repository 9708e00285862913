# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla demo`: real processes over DDS in the kinematic world, and what kills them."""

import os
import signal
import subprocess
import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
pytest.importorskip('carla', reason="CARLA's client is not installed")
pytest.importorskip('msgpack')
pytest.importorskip('psutil')

import psutil

from impromptu_vla_ros import cli
from impromptu_vla_ros.evaluation import demo
from impromptu_vla_ros.evaluation.driving.case import Case, finished
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.live import RosMissing
from impromptu_vla_ros.evaluation.live_drive import LiveDrive

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
SCENARIO = 'stopped_car'


def drive(out):
    chosen = ['--world', 'kinematic', '--model', 'expert', '--scenario', SCENARIO]
    return cli.main(['demo', *chosen, '--out', str(out)])


def files(out):
    """Return the folder of the files, and the record."""
    (folder,) = [path for path in out.iterdir() if path.is_dir()]
    return folder, Record.load(folder / f'{SCENARIO}-0.npz')


def children():
    """Return what is left; the tracker of multiprocessing stays as long as Python does."""
    found = psutil.Process().children(recursive=True)
    return [one for one in found if 'resource_tracker' not in ' '.join(one.cmdline())]


def kill_when_driving(monkeypatch, chosen):
    """Kill the process that `chosen` picks as soon as the car drives, and wait for its end."""
    run = LiveDrive.run

    def killing(live, on_time):
        left = [chosen(live)]

        def look(time):
            on_time(time)
            if time > 4.0 and left:
                os.kill(left.pop(), signal.SIGKILL)

        return run(live, look)

    monkeypatch.setattr(LiveDrive, 'run', killing)


def test_it_drives_to_the_goal_and_leaves_nothing_but_its_page(tmp_path, capfd):
    assert drive(tmp_path) == 0
    said = capfd.readouterr().out
    assert 'it sees the state of the world, not the pictures' in said
    assert 'goal reached' in said and said.splitlines()[-1] == f'page: {tmp_path}/index.html'
    folder, record = files(tmp_path)
    assert np.allclose(np.diff(record.times), 0.05, atol=0.002)
    assert record.pictures.sum() >= 0.3 * len(record.stamps)
    assert len(list((folder / f'{SCENARIO}-0').glob('*.jpg'))) == record.pictures.sum()
    # All that was said on the topics: a command for each odometry, plans at 10 Hz, answers;
    # but for what a machine that is busy with something else cannot do in real time.
    assert (record.modes == 'following').mean() > 0.8
    assert len(record.plans) >= 0.3 * len(record.stamps)
    assert len(record.told) == len(record.answers) > 10
    ages = (record.told[:, 2] - record.told[:, 0]) * 1e-9
    # A plan begins half a step before it is published.
    assert ages.min() >= 0.449, 'answers come no sooner than their latency'
    # The expert sees the world's state by the pictures' stamps, and foresees a car that stands.
    case = Case(SCENARIO, latency=0.5, pictures=True, over=demo.OVER)
    result = finished(case, tmp_path)
    score, times = result['score'], result['times']
    assert score['model_error'] < 0.05
    # What the answers cost: an expert has no stages but these.
    assert set(times['stages']) == {'decode_images', 'planning'}
    assert times['stages']['decode_images'][0] < times['stages']['planning'][0]
    assert 0.0 < times['real_time_factor'] < 1.1 and times['peak_memory'] > 10.0
    assert 'real-time factor' in said and 'planning' in said
    assert score['passed'] and score['freshness'] > 0.8
    html = (tmp_path / 'index.html').read_text()
    assert '<video class="drive"' in html and 'privileged expert' in html
    assert f'What {times["answers"]} answers cost' in html
    assert children() == []


def test_a_killed_world_ends_the_drive_with_its_name(tmp_path, capfd, monkeypatch):
    kill_when_driving(monkeypatch, lambda live: live.server.pid)
    assert drive(tmp_path) == 2
    assert 'impromptu-vla: the world ended' in capfd.readouterr().err
    assert children() == []


def test_without_its_planner_the_car_brakes_to_a_stand(tmp_path, capfd, monkeypatch):
    kill_when_driving(monkeypatch, lambda live: live.children['planner'].pid)
    assert drive(tmp_path) == 2
    said = capfd.readouterr().err
    assert 'the planner ended with code -9' in said and 'stopped' in said
    _, record = files(tmp_path)
    assert record.ego[:, 3].max() > 3.0
    assert abs(record.ego[-1, 3]) < 0.1
    assert record.modes[-1] == 'braking'
    assert children() == []


def running(process):
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_ctrl_c_ends_all_processes():
    command = [sys.executable, '-m', 'impromptu_vla_ros.cli', 'demo']
    command += ['--world', 'kinematic', '--model', 'expert']
    # A parent in the background would hand down to ignore SIGINT.
    started = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        end = monotonic() + PATIENCE
        while len(ours := psutil.Process(started.pid).children(recursive=True)) < 4:
            assert started.poll() is None and monotonic() < end
            sleep(0.05)
        started.send_signal(signal.SIGINT)
        assert started.wait(PATIENCE) == 130, started.stderr.read()
        # Orphans whose end nobody asks for stay as zombies.
        while left := [process for process in ours if running(process)]:
            assert monotonic() < end, left
            sleep(0.05)
    finally:
        started.kill()
        started.wait()


def test_without_ros_it_drives_in_lockstep(tmp_path, capfd, monkeypatch):
    def missing():
        raise RosMissing('no ROS here')

    monkeypatch.setattr(demo, 'require_ros', missing)
    assert drive(tmp_path) == 0
    said = capfd.readouterr()
    assert 'NOT OVER ROS 2: no ROS here' in said.err and 'passed' in said.out
    assert (tmp_path / 'index.html').exists()


def test_a_box_without_its_model_is_one_line_before_anything_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('impromptu_vla_ros.models.nano.files', lambda _: tmp_path)
    monkeypatch.setattr(demo, '_driven', None)
    assert cli.main(['demo', '--model', 'nano', '--out', str(tmp_path / 'out')]) == 2
    assert 'nano is not in this installation' in capsys.readouterr().err


def test_a_world_that_does_not_start_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('METADRIVE_VENV', str(tmp_path))
    chosen = ['--world', 'metadrive', '--model', 'expert', '--out', str(tmp_path / 'out')]
    assert cli.main(['demo', *chosen]) == 2
    assert 'make it with scripts/metadrive.sh' in capsys.readouterr().err


def test_what_it_cannot_do(tmp_path, capsys):
    def told(**given):
        values = {'scenario': SCENARIO, 'seed': 0, 'world': 'kinematic', 'model': 'expert'}
        values |= {'latency': 0.5, 'threads': 0, 'out': str(tmp_path), **given}
        with pytest.raises(ValueError) as error:
            demo.run(Namespace(**values))
        return str(error.value)

    assert 'one of straight' in told(scenario='moon')
    assert 'only `impromptu-vla drive`' in told(scenario='dropped_frames')
