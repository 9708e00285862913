# SPDX-License-Identifier: Apache-2.0
"""Graphs compared with their checkpoint, in metres, and by the command line."""

import json

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.made_up import made_up_questions
from impromptu_vla_ros.evaluation.parity import Said, compare, drift
from impromptu_vla_ros.models import create_model

KITTI = DIALECTS['kitti']
WAY = np.stack([np.arange(1.0, KITTI.waypoints + 1), np.zeros(KITTI.waypoints)], axis=1)


def answer(points):
    return encode_trajectory(KITTI, points)


def test_drift_is_the_mean_distance_of_the_waypoints():
    shifted = WAY + [0.0, 0.3]
    shifted[0] = WAY[0]
    expected = 0.3 * (len(WAY) - 1) / len(WAY)
    assert drift(KITTI, answer(WAY), answer(shifted)) == pytest.approx(expected)


def test_an_answer_that_cannot_be_read_stands_still():
    assert drift(KITTI, answer(WAY), 'no trajectory') == pytest.approx(WAY[:, 0].mean())


def test_nothing_is_known_where_the_checkpoint_says_nothing():
    assert drift(KITTI, 'no trajectory', answer(WAY)) is None
    assert drift(KITTI, 'no trajectory', 'no trajectory') == 0.0


def test_a_report_counts_what_was_said():
    logits = np.eye(4)[[0, 1, 2]]
    other = logits.copy()
    other[2] = [0.0, 0.0, 0.9, 0.95]
    source = [Said(answer(WAY), (), logits), Said(answer(WAY)), Said('none')]
    graphs = [Said(answer(WAY), (), other), Said(answer(WAY + [0.0, 1.0])), Said('nothing')]
    report = compare(KITTI, source, graphs, 'sum', recorded=True)
    assert report.logit_difference == pytest.approx(0.95)
    assert report.argmax_agreement == pytest.approx(2 / 3)
    assert report.equal_texts == pytest.approx(1 / 3)
    assert report.parsed == report.parsed_source == pytest.approx(2 / 3)
    assert (report.drift, report.most_drift) == (pytest.approx(0.5), pytest.approx(1.0))


@pytest.mark.parametrize('dialect', ['nuscenes', 'navsim'])
def test_made_up_questions_are_questions_and_always_the_same(dialect):
    first, again = (made_up_questions(DIALECTS[dialect], 3) for _ in range(2))
    assert [each.prompt for each in first] == [each.prompt for each in again]
    assert len({each.prompt for each in first}) == 3
    assert all(each.prompt.count('<image>') == len(each.images) for each in first)


def test_the_command_exports_and_compares(tiny_checkpoint, tiny_graphs, graphs, capsys):
    """On a folder whose graphs are there already, only the report is made."""
    from impromptu_vla_ros.cli import main

    options = ['--dialect', 'nuscenes', '--count', '1', '--threads', '1']
    assert main(['export', str(tiny_checkpoint), str(graphs), *options]) == 0
    assert '1 made-up questions: logits differ by' in capsys.readouterr().out
    told = json.loads((graphs / 'parity.json').read_text())
    assert told['logit_difference'] <= 1e-4
    assert (told['argmax_agreement'], told['equal_texts'], told['drift']) == (1.0, 1.0, 0.0)
    model = create_model('onnx', checkpoint=str(graphs), threads=1, most_tokens=4)
    assert model.engine.length == 0


def test_what_cannot_be_is_said_before_the_export(tiny_checkpoint, tmp_path, capsys):
    from impromptu_vla_ros.cli import main

    out = tmp_path / 'out'
    given = ['export', str(tiny_checkpoint), str(out)]
    assert main([*given, '--dialect', 'nuscenes', '--device', 'tensorrt']) == 2
    assert 'device tensorrt asked for' in capsys.readouterr().err
    assert main(given) == 2
    assert 'set dialect to one of' in capsys.readouterr().err
    assert not out.exists()


def test_the_dialect_of_graphs_is_their_checkpoints(graphs):
    from impromptu_vla_ros.dialect_choice import load_dialect

    manifest = json.loads((graphs / 'manifest.json').read_text())
    named = {**manifest, 'source': 'organization/3B_AD'}
    (graphs / 'manifest.json').write_text(json.dumps(named))
    assert load_dialect('auto', str(graphs), '', 1).name == 'kitti'
