# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, one line for each known error, files where they are said to be."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import recordings as made

from impromptu_vla_ros import cli
from impromptu_vla_ros.evaluation import live

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    rows = made.drive(7.0, made.jpeg_picture)
    rows.append((made.at(0.0), '/camera/front/camera_info', made.camera_info()))
    return made.write(tmp_path_factory.mktemp('recordings') / 'circle', rows)


def replay(bag, out, *arguments):
    code = cli.main(['replay', str(bag), '--out', str(out), *map(str, arguments)])
    return code, json.loads((out / 'summary.json').read_text())


def test_replay_prints_its_numbers_and_where_they_lie(bag, tmp_path, capsys):
    extra = tmp_path / 'numbers.json'
    code, summary = replay(bag, tmp_path / 'out', '--json', extra)
    said = capsys.readouterr().out
    assert code == 0
    assert json.loads(extra.read_text()) == summary
    assert summary['name'] == 'circle'
    assert summary['frames'] == {'seen': 34, 'planned': 34, 'planned_share': 1.0}
    assert summary['anchors']['coverage'] == 1.0
    for words in ('point-wise L2 [m]', 'cumulative mean L2 [m]', 'constant velocity'):
        assert words in said
    assert f'{summary["l2_pointwise"]["constant_velocity"]["3"]:.2f}' in said
    assert str(tmp_path / 'out' / 'index.html') in said


def test_recorded_answers_give_the_same_score(bag, tmp_path):
    answers = tmp_path / 'answers.jsonl'
    _, first = replay(bag, tmp_path / 'one', '--record', answers)
    assert len(answers.read_text().splitlines()) == 34
    arguments = ['--model', 'recorded', '--answers', answers]
    _, second = replay(bag, tmp_path / 'two', *arguments)
    for key in ('l2_pointwise', 'l2_cumulative_mean', 'anchors', 'counts', 'frames'):
        assert first[key] == second[key]
    # Recording again starts a fresh file, and never the one that is read.
    _, _ = replay(bag, tmp_path / 'one', '--record', answers)
    assert len(answers.read_text().splitlines()) == 34
    assert cli.main(['replay', str(bag), *map(str, arguments), '--record', str(answers)]) == 2
    assert len(answers.read_text().splitlines()) == 34


def test_dialects_topics_and_latency_reach_the_replay(bag, tmp_path):
    _, kitti = replay(bag, tmp_path / 'kitti', '--dialect', 'kitti')
    assert list(kitti['l2_pointwise']['plan']) == ['1', '2', '3', '5']
    assert kitti['dialect'] == 'kitti'
    _, chosen = replay(bag, tmp_path / 'topic', '--topic', f'front={made.FRONT}')
    assert chosen['frames']['planned'] == 34
    _, slow = replay(bag, tmp_path / 'slow', '--latency', '1.0')
    assert 5 <= slow['frames']['planned'] <= 8
    assert slow['anchors']['coverage'] < 1.0
    assert slow['baselines_where_planned'] != {
        key: slow[key] for key in ('l2_pointwise', 'l2_cumulative_mean')
    }


def errors(capsys, *arguments):
    code = cli.main(list(map(str, arguments)))
    said = capsys.readouterr().err.strip()
    assert code == 2
    assert said.startswith('impromptu-vla: ')
    assert '\n' not in said
    return said


def test_known_errors_are_one_line_and_exit_with_2(bag, tmp_path, capsys):
    assert 'does not exist' in errors(capsys, 'replay', tmp_path / 'nowhere')
    assert 'no topic /x' in errors(capsys, 'replay', bag, '--topic', 'odometry=/x')
    assert 'not known' in errors(capsys, 'replay', bag, '--dialect', 'klingon')
    assert 'navsim' in errors(capsys, 'replay', bag, '--checkpoint', '/x/7B_AD', '--dialect', 'x')
    assert "no model 'gpt'" in errors(capsys, 'replay', bag, '--model', 'gpt')
    assert 'no recorded answers' in errors(
        capsys, 'replay', bag, '--model', 'recorded', '--answers', tmp_path / 'none.jsonl'
    )
    assert 'cannot be written' in errors(
        capsys, 'replay', bag, '--out', tmp_path, '--json', tmp_path / 'no' / 'file.json'
    )
    assert 'no demo recordings' in errors(capsys, 'replay-demo', '--recordings', tmp_path)
    assert 'cannot read' in errors(capsys, 'check-prompts', tmp_path / 'none.json')


def test_live_without_ros_says_what_is_missing(bag, capsys, monkeypatch):
    def import_module(name):
        raise ImportError(f'No module named {name!r}')

    monkeypatch.setattr(live, 'import_module', import_module)
    said = errors(capsys, 'replay', bag, '--live')
    assert "No module named 'rclpy'" in said
    assert 'make build' in said


def test_nothing_planned_is_a_failure_with_its_reason(bag, tmp_path, capsys):
    answers = tmp_path / 'answers.jsonl'
    answers.write_text('{"stamp": 1, "answer": "of another bag"}\n')
    code, summary = replay(bag, tmp_path, '--model', 'recorded', '--answers', answers)
    assert code == 1
    assert 'nothing was planned: ' in capsys.readouterr().err
    assert summary['l2_pointwise']['plan']['3'] is None
    assert summary['counts']['failed'] == 34
    assert (tmp_path / 'index.html').exists()


@pytest.mark.parametrize(
    'arguments',
    [[], ['replay'], ['fly'], ['replay', 'x', '--topic', 'front'], ['replay', 'x', '--rate', '0']],
)
def test_a_wrong_command_line_explains_itself(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert 'usage: impromptu-vla' in capsys.readouterr().err


def test_help_is_there_at_once():
    command = [sys.executable, '-m', 'impromptu_vla_ros.cli', '--help']
    times = []
    for _ in range(3):
        started = time.monotonic()
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        times.append(time.monotonic() - started)
    assert {'replay', 'demo', 'check-prompts'} <= set(said.stdout.split())
    # 0.1 s on an idle machine; a loaded one shall not fail it.
    assert min(times) < 1.0


def test_help_imports_nothing_heavy():
    code = (
        'import sys; from impromptu_vla_ros import cli; cli._parser(); '
        'print({"numpy", "PIL", "rosbags", "rclpy", "matplotlib"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == 'set()'
