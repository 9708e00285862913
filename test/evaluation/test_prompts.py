# SPDX-License-Identifier: Apache-2.0
"""`check-prompts` on files as the authors release them."""

import json
from pathlib import Path

import pytest

from impromptu_vla_ros.core.dialects import dialect_from_json
from impromptu_vla_ros.evaluation import prompts

GOLDEN = json.loads((Path(__file__).parents[1] / 'data' / 'golden.json').read_text())
NUSCENES = [case for case in GOLDEN if case['dialect'] == 'nuscenes']


def record(case, **changes):
    said = {**case, **changes}
    return {
        'id': 'x',
        'images': ['CAM_FRONT.jpg'],
        'messages': [
            {'role': 'user', 'content': said['prompt']},
            {'role': 'assistant', 'content': said['answer']},
        ],
    }


def test_a_training_file_passes_and_its_dialect_can_be_used(tmp_path, capsys):
    train, dialect = tmp_path / 'nuscenes_train.json', tmp_path / 'dialect.json'
    train.write_text(json.dumps([record(case) for case in NUSCENES]))
    assert prompts.check_files([train], dialect) == 0
    assert f'nuscenes: {len(NUSCENES)} identical' in capsys.readouterr().out
    assert dialect_from_json(dialect.read_text()).name == 'nuscenes'


def test_one_changed_byte_fails_and_is_shown(tmp_path, capsys):
    train = tmp_path / 'train.jsonl'
    changed = NUSCENES[0]['prompt'].replace('images.Provided', 'images. Provided')
    rows = [record(NUSCENES[1]), record(NUSCENES[0], prompt=changed)]
    train.write_text('\n'.join(map(json.dumps, rows)))
    assert prompts.check_files([train], None) == 1
    shown = capsys.readouterr().out
    assert '1 DIFFERENT' in shown
    assert 'images. Provided' in shown


def test_question_files_are_read_with_their_answers(tmp_path, capsys):
    kitti = next(case for case in GOLDEN if case['dialect'] == 'kitti')
    question = tmp_path / 'clip_7.q7_question.txt'
    question.write_text(kitti['prompt'])
    (tmp_path / 'clip_7.q7_answer.txt').write_text(kitti['answer'])
    assert prompts.check_files([question], None) == 0
    assert '(worded alike: kitti, idd)' in capsys.readouterr().out


def test_other_questions_are_skipped_and_alone_are_no_pass(tmp_path, capsys):
    train = tmp_path / 'q4.json'
    train.write_text(json.dumps([record(NUSCENES[0], prompt='Is the light red?')]))
    assert prompts.check_files([train], None) == 1
    assert 'no trajectory record found' in capsys.readouterr().out


@pytest.mark.parametrize('text', ['', '{"a": 1}', '[1, 2]', 'not json', '[{"messages": [{}]}]'])
def test_a_file_without_records_is_one_clear_error(tmp_path, text):
    path = tmp_path / 'file.json'
    path.write_text(text)
    if not text:
        assert not prompts.check_records(prompts.read_records(path)).passed
        return
    with pytest.raises(prompts.RecordError, match='holds no training records'):
        list(prompts.read_records(path))


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(prompts.RecordError, match='cannot read'):
        list(prompts.read_records(tmp_path / 'none.json'))
