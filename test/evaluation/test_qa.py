# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla evaluate qa`: files in, both ways' numbers out."""

import json

import pytest

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.codec import PromptState, encode_prompt, encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.questions import WORDINGS, ask_description, ask_light, ask_plan

NUSCENES = DIALECTS['nuscenes']
WAY = encode_trajectory(NUSCENES, [(3.0 * k, 0.1 * k) for k in range(6)])
PLAN = '<SPEED PATH PLAN>KEEP, STRAIGHT\n</SPEED PATH PLAN>'
RECORDS = [
    ('light', ask_light(WORDINGS['others']).prompt, 'Red', 'Red'),
    ('light 2', ask_light(WORDINGS['nuscenes']).prompt, 'None', 'I see None.'),
    ('plan', ask_plan(3.0, 'go straight', ['front']).prompt, PLAN, 'KEEP, LEFT_TURN'),
    ('scene', ask_description().prompt, 'A road.', 'A street.'),
    ('way', encode_prompt(NUSCENES, [PromptState(0.0, 0.0)]), WAY, WAY),
    ('other', 'Who are you?', 'Nobody.', 'A car.'),
]


@pytest.fixture
def files(tmp_path):
    references = tmp_path / 'right.json'
    rows = [
        {
            'id': name,
            'images': [],
            'messages': [
                {'role': 'user', 'content': prompt},
                {'role': 'assistant', 'content': right},
            ],
        }
        for name, prompt, right, _ in RECORDS
    ]
    references.write_text(json.dumps(rows))
    predictions = tmp_path / 'said.json'
    said = [{'id': name, 'predict': text} for name, *_, text in reversed(RECORDS)]
    predictions.write_text(json.dumps(said))
    return predictions, references


def evaluate(predictions, references, out):
    code = cli.main(['evaluate', 'qa', str(predictions), str(references), '--out', str(out)])
    return code, json.loads((out / 'summary.json').read_text())


def test_both_ways_are_named_and_told(files, tmp_path, capsys):
    code, summary = evaluate(*files, tmp_path / 'out')
    assert code == 0
    assert (summary['records'], summary['unanswered'], summary['other_questions']) == (5, 0, 1)
    assert summary['in_words_not_scored'] == {'q5': 1}
    assert summary['paper']['q4'] == {'accuracy': 1.0, 'count': 2}
    light = {'accuracy': 0.5, 'unparsed': 1, 'unscored': 0, 'count': 2}
    assert summary['corrected']['q4'] == light
    assert summary['paper']['q6']['speed'] == 0.0
    assert (summary['corrected']['q6']['speed'], summary['corrected']['q6']['path']) == (1.0, 0.0)
    assert summary['corrected']['q7']['l2_3s'] == 0.0
    said = capsys.readouterr().out
    assert "paper: as the paper's scorer counts" in said and 'corrected: places' in said
    html = (tmp_path / 'out' / 'index.html').read_text()
    assert 'Not understood: 1 of 5' in html and 'I see None.' in html and 'q4 traffic' in html


def test_answers_without_id_are_matched_by_their_order(files, tmp_path):
    by_id = evaluate(*files, tmp_path / 'one')[1]
    rows = [json.dumps({'predict': text, 'meta_info': {}}) for *_, text in RECORDS]
    files[0].write_text('\n'.join(rows))
    assert evaluate(*files, tmp_path / 'two')[1] == by_id
    files[0].write_text('\n'.join(rows[1:]))
    assert cli.main(['evaluate', 'qa', *map(str, files)]) == 2


def test_answers_that_are_missing_are_counted_and_wrong(files, tmp_path):
    files[0].write_text(json.dumps([{'id': 'light', 'predict': 'Red'}, {'id': 'way'}]))
    _, summary = evaluate(*files, tmp_path / 'out')
    assert summary['unanswered'] == 3
    assert summary['corrected']['q4']['accuracy'] == 0.5
    assert summary['corrected']['q7']['unparsed'] == 1


@pytest.mark.parametrize(
    ('which', 'text', 'said'),
    [
        (0, '[', 'holds no answers'),
        (0, '[{"id": "light"}]', 'there is no predict'),
        (0, '[{"id": "x", "predict": "Red"}]', 'no id of'),
        (0, '[{"id": "x", "predict": 3}]', 'predict is no text'),
        (0, '[3]', 'holds no answers'),
        (1, '[{}]', 'holds no training records'),
        (1, '{"messages": []}', 'holds no training records'),
    ],
)
def test_files_of_another_kind_are_one_line(files, capsys, which, text, said):
    files[which].write_text(text)
    assert cli.main(['evaluate', 'qa', *map(str, files)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_an_id_that_comes_twice_is_refused(files, capsys):
    rows = json.loads(files[1].read_text())
    files[1].write_text(json.dumps([*rows, rows[0]]))
    assert cli.main(['evaluate', 'qa', *map(str, files)]) == 2
    assert "an id twice: 'light'" in capsys.readouterr().err
