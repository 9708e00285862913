# SPDX-License-Identifier: Apache-2.0
"""`ask` and `evaluate qa` on real pictures and a real drive; what they write stays."""

import json
from pathlib import Path

import pytest

from impromptu_vla_ros import cli

pytest.importorskip('torch')
ROOT = Path(__file__).resolve().parents[2]
MODEL = '--checkpoint', ROOT / 'test' / 'data' / 'tiny_planner', '--threads', '1'


def ask(source, out, *arguments):
    assert cli.main([*map(str, ['ask', source, *MODEL, '--json', out, *arguments])]) == 0
    return json.loads(out.read_text())


def test_six_views_of_a_keyframe(data, artefacts):
    folder = data / 'nuscenes_frames' / 'bevdet_sample0'
    views = [
        part
        for view in ('front_right', 'front_left', 'back', 'back_left', 'back_right')
        for part in ('--view', f'{view}={folder / f"CAM_{view.upper()}.jpg"}')
    ]
    said = '--task', 'q4,q6', '--speed', '4', '--command', 'go straight', '--most-tokens', '2'
    out = artefacts('ask_keyframe') / 'answers.json'
    light, plan = ask(folder / 'CAM_FRONT.jpg', out, '--dialect', 'nuscenes', *views, *said)
    assert light['prompt'].count('<image>') == 2 and plan['prompt'].count('<image>') == 6
    assert plan['prompt'].index('FRONT RIGHT') < plan['prompt'].index('BACK LEFT')
    assert not light['answer']['understood'] and not plan['answer']['understood']


def test_a_recorded_drive_scored_by_itself(data, artefacts):
    out = artefacts('ask_drive')
    bag = data / 'bags' / 'kitti_odo00'
    said = '--dialect', 'nuscenes', '--task', 'q7,q6', '--time', '3', '--command', 'turn left'
    way, plan = ask(bag, out / 'answers.json', *said)
    assert (way['task'], plan['task']) == ('q7', 'q6')
    assert 'at 0.5-second intervals' in way['prompt'] and "'turn left'" in plan['prompt']
    rows = [
        {
            'id': each['id'],
            'images': [],
            'messages': [
                {'role': 'user', 'content': each['prompt']},
                {'role': 'assistant', 'content': each['predict']},
            ],
        }
        for each in (way, plan)
    ]
    right = out / 'right.json'
    right.write_text(json.dumps(rows))
    scored = ['evaluate', 'qa', out / 'answers.json', right, '--out', out / 'scores']
    assert cli.main([*map(str, scored)]) == 0
    summary = json.loads((out / 'scores' / 'summary.json').read_text())
    assert summary['unanswered'] == 0 and set(summary['corrected']) == {'q6', 'q7'}
    if way['answer']['understood']:
        assert summary['corrected']['q7']['l2_3s'] == 0.0
