# SPDX-License-Identifier: Apache-2.0
"""Data sets in LLaMA-Factory's and ShareGPT's JSON, and the command that learns from them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impromptu_vla_ros import cli
from impromptu_vla_ros.evaluation.prompts import RecordError
from impromptu_vla_ros.training.tuning.sharegpt import dataset_turns
from impromptu_vla_ros.training.tuning.turns import pixels

ROOT = Path(__file__).parents[2]
TINY = ROOT / 'test' / 'data' / 'tiny_planner'


def record(number, picture, **changes):
    messages = [
        {'role': 'user', 'content': f'What is {number}? <image>'},
        {'role': 'assistant', 'content': f'It is {number}.'},
    ]
    return {'id': f'r{number}', 'images': [picture], 'messages': messages, **changes}


def written(path, records):
    path.write_text(json.dumps(records))
    return path


@pytest.fixture
def picture(tmp_path):
    Image.new('RGB', (40, 30), (10, 200, 30)).save(tmp_path / 'a.png')
    return 'a.png'


def test_records_become_lessons_and_the_last_tenth_is_held_out(tmp_path, picture):
    turns = dataset_turns(written(tmp_path / 'x.json', [record(k, picture) for k in range(20)]))
    assert [len(turns.learned), len(turns.held)] == [18, 2]
    assert turns.held[1].prompt == 'What is 19? <image>'
    assert turns.held[1].answer == 'It is 19.'
    np.testing.assert_array_equal(pixels(turns.learned[0].pictures[0])[0, 0], [10, 200, 30])


def test_the_other_names_of_the_format_and_jsonl_are_read(tmp_path, picture):
    said = [('system', 'You are a helpful assistant.'), ('human', '<image>?'), ('gpt', 'No.')]
    spoken = [{'from': who, 'value': text} for who, text in said]
    row = json.dumps({'images': picture, 'conversations': spoken})
    path = tmp_path / 'x.jsonl'
    path.write_text(f'{row}\n{row}\n')
    assert [turn.answer for turn in dataset_turns(path).learned] == ['No.', 'No.']


@pytest.mark.parametrize(
    ('changes', 'why'),
    [
        ({'images': []}, 'record r0 has 0 pictures'),
        ({'messages': 2 * record(0, '')['messages']}, 'more than one question'),
        ({'messages': [{'role': 'tool', 'content': ''}]}, "KeyError\\('tool'"),
    ],
)
def test_records_of_another_form_are_refused(tmp_path, picture, changes, why):
    path = written(tmp_path / 'x.json', [record(0, picture, **changes)])
    with pytest.raises(RecordError, match=why):
        dataset_turns(path)


def test_missing_pictures_are_one_error_with_its_remedy(tmp_path, picture, capsys):
    pytest.importorskip('peft', reason='needs the extra impromptu_vla_ros[train]')
    rows = [record(0, picture), record(1, 'b.png'), record(2, 'c.png')]
    path = written(tmp_path / 'x.json', rows)
    out = tmp_path / 'out'
    arguments = ['train', '--checkpoint', TINY, '--dataset', path, '--out', out]
    assert cli.main([*map(str, arguments), '--dialect', 'kitti']) == 2
    said = capsys.readouterr().err
    assert said.startswith('impromptu-vla: 2 of the 3 pictures that')
    assert 'b.png first: give the folder their paths begin in with --pictures' in said
    assert said.count('\n') == 1 and not out.exists()


def test_the_command_learns_from_a_recording_and_a_data_set(tmp_path, picture, capsys):
    for library in ('torch', 'transformers', 'peft'):
        pytest.importorskip(library, reason='needs the extra impromptu_vla_ros[train]')
    rows = [record(k, picture) for k in range(3)]
    question = 'Provided are the <image>.'
    rows = [
        {**row, 'messages': [{'role': 'user', 'content': question}, row['messages'][1]]}
        for row in rows
    ]
    (tmp_path / 'sets').mkdir()
    path = written(tmp_path / 'sets/x.json', rows)
    out = tmp_path / 'tiny'
    arguments = [
        *('train', '--checkpoint', TINY, '--dialect', 'nuscenes', '--most-pixels', 9408),
        *('--recordings', ROOT / 'demo/walking', '--dataset', path, '--pictures', tmp_path),
        *('--out', out, '--steps', 1, '--accumulation', 1, '--rank', 2),
    ]
    assert cli.main([*map(str, arguments)]) == 0
    said = capsys.readouterr().out
    assert 'dialect nuscenes: 11 lessons to learn, 2 held out; 1 steps of 1' in said
    assert f'--checkpoint {out} --dialect {out}/dialect.json' in said
    assert (out / 'config.json').is_file()


def test_without_anything_to_learn_from_the_command_says_so(tmp_path, capsys):
    arguments = ['train', '--checkpoint', str(TINY), '--out', str(tmp_path)]
    assert cli.main(arguments) == 2
    assert 'give --recordings or --dataset' in capsys.readouterr().err
