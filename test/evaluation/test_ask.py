# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla ask`: pictures and recordings in, answers typed out, through a real server."""

import json
import re
from pathlib import Path

import pytest
import recordings as made
from chat_stand_in import NAME, Oracle

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS

ANSWERS = {
    'vulnerable': (
        'Yes, I see a pedestrian located 12 meters ahead of me and 3 meters to the left.'
    ),
    'dynamic objects': '<DYNAMIC OBJECTS>Object 1: KEEP, STRAIGHT\n</DYNAMIC OBJECTS>',
    'traffic light that': 'red',
    'plan for the next': '<SPEED PATH PLAN>DECELERATE, LEFT_TURN\n</SPEED PATH PLAN>',
    'future waypoints': encode_trajectory(DIALECTS['kitti'], [(4.0 * k, 0.0) for k in range(10)]),
}


@pytest.fixture
def server():
    server = Oracle(ANSWERS)
    yield server
    server.close()


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    rows = made.drive(3.0, made.jpeg_picture)
    return made.write(tmp_path_factory.mktemp('ask') / 'circle', rows)


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / 'street.jpg'
    file.write_bytes(bytes(made.jpeg_picture(0.0).data))
    return file


def ask(server, source, out, *arguments):
    """Return the exit code and what was answered, by task."""
    given = ['--model', 'chat_server', '--url', server.url, '--dialect', 'kitti', '--json', out]
    code = cli.main(['ask', *map(str, [source, *given, *arguments])])
    return code, json.loads(out.read_text())


def test_all_seven_are_asked_of_a_recording(server, bag, tmp_path, capsys):
    given = '--object', 'car,12.5,-3.5,5.2', '--command', 'turn left', '--time', '2'
    code, records = ask(server, bag, tmp_path / 'a.json', *given)
    found = {record['task']: record for record in records}
    assert code == 0
    assert list(found) == ['q6', 'q1', 'q2', 'q3', 'q4', 'q5', 'q7']
    assert all(record['seconds'] >= 2.0 for record in records)
    assert found['q1']['answer']['users'] == [{'kind': 'pedestrian', 'ahead': 12, 'left': 3}]
    assert 'car, 12 meters ahead, 3 meters to the right, speed of 5 m/s.' in found['q2']['prompt']
    assert found['q2']['answer']['objects'] == [{'number': 1, 'speed': 'KEEP', 'path': 'STRAIGHT'}]
    # What the recording tells: 8 m/s, or a little less; what q6 decided: to decelerate and turn.
    told = r"current speed is [78] m/s, and the navigation command is 'turn left', your"
    assert re.search(told, found['q3']['prompt'])
    assert 'is to decelerate and turn left. Based' in found['q3']['prompt']
    assert found['q3']['answer'] == {'understood': True, 'text': 'A road.'}
    assert found['q4']['answer']['understood'] is False and found['q4']['predict'] == 'red'
    assert found['q6']['answer'] == {
        'understood': True,
        'speed': 'DECELERATE',
        'path': 'LEFT_TURN',
    }
    assert found['q7']['answer']['points'][3] == [12.0, 0.0]
    said = capsys.readouterr().out
    assert 'NOT UNDERSTOOD: it is none of Red' in said and 'q6 meta plan' in said


def test_free_questions_ask_a_server_for_no_form(server, picture, tmp_path):
    code, records = ask(server, picture, tmp_path / 'a.json', '--question', 'What is there?')
    (question,) = server.questions
    assert code == 0 and records[0]['answer']['text'] == 'A road.'
    assert records[0]['prompt'] == '<FRONT VIEW>:\n<image>\nWhat is there?'
    assert not {'stop', 'structured_outputs', 'logprobs'} & set(question)
    assert question['model'] == NAME


def test_several_times_of_a_recording(server, bag, tmp_path):
    _, some = ask(server, bag, tmp_path / 'a.json', '--task', 'q4', '--time', '1.6,2.4')
    assert [record['seconds'] for record in some] == pytest.approx([1.6, 2.4], abs=0.21)
    _, every = ask(server, bag, tmp_path / 'b.json', '--task', 'q4', '--every', '0.5')
    times = [record['seconds'] for record in every]
    assert len(times) >= 3
    assert len({int(time / 0.5) for time in times}) == len(times)
    assert len({record['id'] for record in every}) == len(every)


def test_more_views_are_shown_where_they_are_given(server, picture, tmp_path):
    more = '--view', f'back={picture}', '--speed', '3.9', '--command', 'go straight'
    _, records = ask(server, picture, tmp_path / 'a.json', '--task', 'q6', *more)
    assert records[0]['prompt'].startswith(
        '<FRONT VIEW>:\n<image>\n<BACK VIEW>:\n<image>\nYour current speed is 3 m/s'
    )


def test_what_cannot_be_asked_of_a_picture_says_why(server, picture, tmp_path, capsys):
    code, records = ask(server, picture, tmp_path / 'a.json')
    problems = {r['task']: r['problem'] for r in records if 'problem' in r}
    assert code == 0
    assert set(problems) == {'q2', 'q3', 'q6', 'q7'}
    assert 'give a recording' in problems['q7'] and 'odometry' in problems['q6']
    code, _ = ask(server, picture, tmp_path / 'b.json', '--task', 'q7')
    assert code == 1 and 'nothing was asked' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--model', 'kinematic'], 'answers no questions'),
        (['--task', 'q8'], "no task 'q8'"),
        (['--object', 'car,1'], 'KIND,AHEAD,LEFT,SPEED'),
        (['--decision', 'FLY,STRAIGHT'], 'FLY, STRAIGHT is not one of'),
        (['--view', 'back=nowhere.png'], 'nowhere.png cannot be read'),
    ],
)
def test_bad_options_are_one_line(picture, capsys, arguments, said):
    assert cli.main(['ask', str(picture), '--model', 'chat_server', *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_broken_picture_is_a_problem_of_its_own(server, tmp_path):
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'\xff\xd8\xff')
    code, records = ask(server, broken, tmp_path / 'a.json', '--task', 'q1')
    assert code == 1 and 'truncated or corrupt' in records[0]['problem']


def test_a_recording_that_ends_too_early_is_one_error(server, bag, capsys):
    given = '--model', 'chat_server', '--url', server.url, '--dialect', 'kitti', '--time', '99'
    assert cli.main(['ask', str(bag), *given]) == 2
    assert 'nothing to ask about' in capsys.readouterr().err


def test_a_checkpoint_answers_in_whatever_words_it_has(picture, tmp_path):
    pytest.importorskip('torch')
    checkpoint = Path(__file__).parents[1] / 'data' / 'tiny_planner'
    given = '--checkpoint', checkpoint, '--dialect', 'kitti', '--most-tokens', '8'
    out = tmp_path / 'a.json'
    asked = 'ask', picture, *given, '--threads', '1', '--task', 'q4,q5', '--json', out
    assert cli.main([*map(str, asked)]) == 0
    light, scene = json.loads(out.read_text())
    # It was trained on trajectories only: what it says of a light is no light, and is told so.
    assert not light['answer']['understood'] and light['answer']['text'] == light['predict']
    assert scene['answer']['understood'] and scene['latency_s'] > 0.0


def test_the_questions_of_a_data_set_are_asked_word_by_word(server, picture, tmp_path):
    rows = [
        {'id': 'a', 'images': [picture.name], 'messages': turn('<image>\nIs there a car?')},
        {'id': 'b', 'images': ['gone.jpg'], 'messages': turn('<image>\nIs there a bus?')},
        {'images': [picture.name], 'messages': turn(LIGHT)},
    ]
    dataset = tmp_path / 'questions.json'
    dataset.write_text(json.dumps(rows))
    code, records = ask(server, dataset, tmp_path / 'a.json')
    assert code == 0
    assert [(r['id'], r['task']) for r in records] == [('a', 'free'), ('b', 'free'), ('2', 'q4')]
    assert records[0]['prompt'] == '<image>\nIs there a car?' and 'problem' in records[1]
    assert records[2]['predict'] == 'red' and not records[2]['answer']['understood']
    dataset.write_text('[{"id": 3}]')
    assert cli.main(['ask', str(dataset), '--model', 'chat_server']) == 2


def test_a_run_of_a_data_set_goes_on_to_the_same_bytes(server, picture, tmp_path, capsys):
    rows = [
        {'id': f'{k}', 'images': [picture.name], 'messages': turn(f'<image>\nWhat is {k}?')}
        for k in range(4)
    ]
    dataset, whole, cut = (tmp_path / name for name in ('q.json', 'a.jsonl', 'b.jsonl'))
    dataset.write_text(json.dumps(rows))
    given = '--model', 'chat_server', '--url', server.url, '--dialect', 'kitti', '--json'
    assert cli.main(['ask', str(dataset), *given, str(whole)]) == 0
    lines = whole.read_text().splitlines(keepends=True)
    assert [json.loads(line)['id'] for line in lines] == ['0', '1', '2', '3']
    # It was interrupted in the midst of its third line.
    cut.write_text(''.join(lines[:2]) + lines[2][:30])
    asked = len(server.questions)
    assert cli.main(['ask', str(dataset), *given, str(cut)]) == 0
    assert cut.read_bytes() == whole.read_bytes() and len(server.questions) == asked + 2
    assert cli.main(['ask', str(dataset), *given, str(cut)]) == 0
    assert len(server.questions) == asked + 2
    capsys.readouterr()
    # What the server failed at is asked again, and only that.
    cut.write_text(''.join(lines[:2]))
    server.fault = lambda handler: handler.send(500, {'error': {'message': 'busy'}})
    assert cli.main(['ask', str(dataset), *given, str(cut)]) == 1
    assert cut.read_text() == ''.join(lines[:2])
    server.fault = None
    assert cli.main(['ask', str(dataset), *given, str(cut)]) == 0
    assert cut.read_bytes() == whole.read_bytes()
    capsys.readouterr()
    other = ['--checkpoint', 'another/3B_finetune']
    assert cli.main(['ask', str(dataset), *given, str(cut), *other]) == 2
    assert 'name another file' in capsys.readouterr().err
    cut.write_text('[1]\n')
    assert cli.main(['ask', str(dataset), *given, str(cut)]) == 2


def test_a_full_disk_is_one_line(server, picture, capsys):
    given = '--model', 'chat_server', '--url', server.url, '--dialect', 'kitti'
    for file in ('/dev/full', str(picture.parent / 'no' / 'folder.jsonl')):
        assert cli.main(['ask', str(picture), *given, '--task', 'q1', '--json', file]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert 'cannot be written' in line


LIGHT = (
    "Given the provided forward-facing image <image> from a car's perspective, identify if there "
    "is a traffic light that affects the car's behavior."
)


def turn(question):
    return [{'role': 'user', 'content': question}, {'role': 'assistant', 'content': 'No.'}]
