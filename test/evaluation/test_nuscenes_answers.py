# SPDX-License-Identifier: Apache-2.0
"""What a nuScenes evaluation keeps, skips and goes on from; the released JSON; ego motion."""

import json
import shutil

import made_up_nuscenes as made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.evaluation.ego_scenes import EgoScene, pooled
from impromptu_vla_ros.evaluation.nuscenes import asking
from impromptu_vla_ros.evaluation.nuscenes.asking import Skips, ask_all
from impromptu_vla_ros.evaluation.nuscenes.cases import Case, Skipped, scene_cases
from impromptu_vla_ros.evaluation.nuscenes.ego import ego_cases
from impromptu_vla_ros.evaluation.nuscenes.records import record_cases
from impromptu_vla_ros.evaluation.nuscenes.run import Asked, evaluate, gather
from impromptu_vla_ros.evaluation.nuscenes.scenes import read_scenes
from impromptu_vla_ros.evaluation.nuscenes.score import GRID, score
from impromptu_vla_ros.evaluation.nuscenes.tables import NuscenesError
from impromptu_vla_ros.evaluation.prompts import RecordError
from impromptu_vla_ros.evaluation.score import score as replay_score
from impromptu_vla_ros.models import ModelError, create_model

NUSCENES = DIALECTS['nuscenes']
FILES = ('answers.jsonl', 'asked.json', 'summary.json', 'index.html')


@pytest.fixture
def root(tmp_path):
    return made.write(tmp_path / 'root', cameras=('CAM_FRONT',), size=(16, 8))


@pytest.fixture
def cases(root):
    return gather(scene_cases(root, read_scenes(root), NUSCENES))[0]


class Failing:
    """Answer so many questions, then fail in a given way; count the questions."""

    def __init__(self, answers, error):
        self.asked, self._answers, self._error = 0, answers, error

    def answer(self, query):
        self.asked += 1
        if self.asked > self._answers:
            raise self._error
        return Answer(query.rollout)


def command(root, out, *more):
    return cli.main(['evaluate', 'nuscenes', str(root), '--out', str(out), *more])


def asked_of(cases, model, folder, skips=None):
    return ask_all(cases, NUSCENES, model, folder / 'answers.jsonl', skips or Skips(), int)


def test_an_interrupted_run_goes_on_to_the_same_bytes(root, cases, tmp_path):
    assert command(root, tmp_path / 'whole') == 0
    (tmp_path / 'cut').mkdir()
    model = Failing(3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        asked_of(cases, model, tmp_path / 'cut')
    path = tmp_path / 'cut' / 'answers.jsonl'
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    # As if it had been killed amid a line.
    path.write_bytes(b''.join(lines[:2]) + lines[2][:40])
    assert command(root, tmp_path / 'cut') == 0
    for name in FILES:
        assert (tmp_path / 'cut' / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes()


def test_what_is_answered_is_not_asked_again_and_order_is_the_cases(cases, tmp_path):
    first = Failing(4, ModelError('gone'))
    skips = Skips()
    said = asked_of(cases, first, tmp_path, skips)
    assert (len(said), skips.counts['the model failed']) == (4, 2)
    reordered = [*cases[4:], *cases[:4]]
    second = Failing(99, None)
    asked_of(reordered, second, tmp_path)
    assert second.asked == 2
    path = tmp_path / 'answers.jsonl'
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row['sample'] for row in rows] == [case.name for case in reordered]
    # The same file answers as a recording.
    recorded = create_model('recorded', path=str(path))
    (tmp_path / 'again').mkdir()
    assert asked_of(cases, recorded, tmp_path / 'again') == asked_of(cases, second, tmp_path)


def test_answers_to_other_questions_are_asked_anew(cases, tmp_path):
    path = tmp_path / 'answers.jsonl'
    asked_of(cases, Failing(99, None), tmp_path)
    path.write_text(path.read_text().replace('"prompt": "', '"prompt": "0'))
    again = Failing(99, None)
    asked_of(cases, again, tmp_path)
    assert again.asked == len(cases)
    path.write_text('{"who": "somebody else"}\n')
    with pytest.raises(NuscenesError, match='other lines than answers'):
        asked_of(cases, again, tmp_path)


def test_a_folder_is_of_one_run(root, tmp_path, capsys):
    assert command(root, tmp_path / 'out') == 0
    assert command(root, tmp_path / 'out', '--dialect', 'nano') == 2
    assert 'holds the answers to another run' in capsys.readouterr().err


def test_missing_and_broken_pictures_are_counted(root, tmp_path):
    pictures = sorted((root / 'samples' / 'CAM_FRONT').glob('*.jpg'))
    pictures[0].unlink()
    pictures[1].write_bytes(pictures[1].read_bytes()[:100])
    assert command(root, tmp_path / 'out') == 0
    found = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    skipped = found['skipped']
    assert (skipped['missing picture']['count'], skipped['broken picture']['count']) == (1, 1)
    assert 's1-0' in skipped['missing picture']['first'] and str(pictures[1]) in str(skipped)
    assert found['cases']['planned'] == found['cases']['all'] - 2 == 4


def test_a_camera_that_the_tables_lack_leaves_nothing(tmp_path, capsys):
    root = made.write(tmp_path / 'root', cameras=('CAM_FRONT_LEFT',), size=(8, 8))
    assert command(root, tmp_path / 'out') == 2
    assert '6 × no picture in the tables' in capsys.readouterr().err


def test_a_model_that_keeps_failing_ends_the_run(cases, tmp_path, monkeypatch):
    monkeypatch.setattr(asking, 'MOST_FAILURES', 3)
    model = Failing(1, ModelError('the server is gone'))
    with pytest.raises(ModelError, match='3 questions running failed: the server is gone'):
        asked_of(cases, model, tmp_path)
    assert model.asked == 4


def test_a_full_disk_is_one_clear_error(cases, tmp_path, monkeypatch):
    class Full(Failing):
        def answer(self, query):
            monkeypatch.setattr(asking, '_line', full)
            return super().answer(query)

    def full(row):
        raise OSError(28, 'No space left on device')

    with pytest.raises(NuscenesError, match='No space left .* goes on from there'):
        asked_of(cases, Full(9, None), tmp_path)


def test_answers_without_a_trajectory_are_in_no_mean(cases, tmp_path):
    class Half(Failing):
        def answer(self, query):
            said = super().answer(query).text
            return Answer(said if self.asked % 2 else 'Keep left.')

    asked = Asked('half', {}, NUSCENES, 'made up')
    found, result = evaluate(cases, Skips(), asked, Half(99, None), tmp_path)
    assert found['skipped']['an answer without a trajectory']['count'] == 3
    assert found['cases']['planned'] == 3
    assert np.isnan(result.distances['plan'].rows).all(axis=1).tolist() == [False, True] * 3


# --- the released JSON


def record(name, points, at=0, prompt=None, **changes):
    user = prompt or (
        'You have <image>. (t-0.5s) [-4.0, 0.0], Acceleration: X 0.0, Y 0.0 m/s^2, Velocity: 8.0 '
        'm/s, Steering angle: 0.0 (positive: left turn, negative: right turn), (t-0.0s) '
        '[0.0, 0.0], Acceleration: X 0.0, Y 0.0 m/s^2, Velocity: 8.0 m/s, Steering angle: 0.0 '
        '(positive: left turn, negative: right turn)\n'
    )
    return {
        'id': name,
        'images': [f'nuscenes/samples/CAM_FRONT/x__CAM_FRONT__{made.START + at}.jpg'],
        'messages': [
            {'role': 'user', 'content': user},
            {'role': 'assistant', 'content': encode_trajectory(NUSCENES, points)},
        ],
        **changes,
    }


def conversation(user, assistant, **fields):
    said = [('user', user), ('assistant', assistant)]
    return {'messages': [{'role': who, 'content': what} for who, what in said], **fields}


DRIVEN = np.array([[3, 0], [5, 0], [6, 0], [6, 0], [6, 0], [6, 0]], float)


def test_records_are_asked_verbatim_and_scored_by_hand(tmp_path):
    path = tmp_path / 'test.json'
    told = [record('a', DRIVEN), record('a', DRIVEN), record('b', DRIVEN + [0, 3], at=1)]
    told += [record('c', DRIVEN, at=2, prompt='What is this <image>?')]
    told[3]['messages'][1]['content'] = 'A <CAR>.'
    path.write_text(json.dumps(told))
    folder = tmp_path / 'nuscenes' / 'samples' / 'CAM_FRONT'
    folder.mkdir(parents=True)
    for row in told:
        (folder / row['images'][0].rpartition('/')[2]).write_bytes(made.jpeg((16, 8), 3))
    assert command(path, tmp_path / 'out') == 0
    found = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert found['skipped']['repeated record']['count'] == 1
    assert found['skipped']['no trajectory of dialect nuscenes']['count'] == 1
    # The plan goes on with 8 m/s: 1, 3, 6, 10, 14, 18 m off, and 3 m aside for the second.
    aside = np.hypot([1, 3, 6, 10, 14, 18], 3)
    pointwise, cumulative = found['l2_pointwise']['plan'], found['l2_cumulative_mean']['plan']
    assert pointwise['3'] == pytest.approx((18 + aside[5]) / 2, abs=1e-6)
    assert cumulative['3'] == pytest.approx((52 / 6 + aside.mean()) / 2, abs=1e-6)
    assert found['collision_pointwise']['plan']['3'] is None
    assert found['l2_pointwise']['constant_velocity'] == pointwise
    first = next(iter(record_cases(path, NUSCENES)))
    assert first.prompt == told[0]['messages'][0]['content']
    assert first.stamp == made.START * 1000


def test_steering_and_positions_of_a_record_tell_how_it_goes_on(tmp_path):
    bent = record('a', DRIVEN)
    bent['messages'][0]['content'] = bent['messages'][0]['content'].replace(
        'angle: 0.0', 'angle: 2.0'
    )
    path = tmp_path / 'one.jsonl'
    path.write_text(json.dumps(bent) + '\n')
    (case,) = record_cases(path, NUSCENES)
    assert case.rolled[-1][1] > 3.0
    assert case.before.tolist() == [-4.0, 0.0, 0.0]


@pytest.mark.parametrize('text', ['', '[{"id": 1', '{"messages": 1}\n', '[1]', '[{"images": []}]'])
def test_broken_records_are_one_clear_error(tmp_path, capsys, text):
    path = tmp_path / 'broken.json'
    path.write_text(text)
    assert command(path, tmp_path / 'out') == 2
    assert capsys.readouterr().err.count('\n') == 1


@settings(max_examples=30, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(['id', 'images', 'messages', 'role', 'content']), inner, max_size=4
            )
        ),
        max_leaves=10,
    )
)
def test_any_json_is_cases_skips_or_a_record_error(tmp_path_factory, told):
    path = tmp_path_factory.getbasetemp() / 'any.json'
    path.write_text(json.dumps([told]))
    try:
        found = list(record_cases(path, NUSCENES))
    except RecordError:
        return
    assert all(isinstance(each, Case | Skipped) for each in found)
    for each in found:
        if isinstance(each, Case):
            assert encode_trajectory(NUSCENES, each.rolled)


# --- ego motion


def test_ego_scenes_are_scored_as_the_replay_scores_them(data):
    folder = data / 'nuscenes_mini_ego'
    cases, skips = gather(ego_cases(folder, NUSCENES))
    assert (len(cases), skips.counts) == (213, {})
    found = score(cases, {case.stamp: rolled(case) for case in cases}, NUSCENES, skips)
    paths = [
        DrivenPath.of(s.sample for s in EgoScene(path, ()).messages(()))
        for path in sorted(folder.glob('*.csv'))
    ]
    old = pooled([replay_score(path, {}, 3.0) for path in paths])
    seconds = (1, 2, 3)
    for name in ('constant_velocity', 'constant_turn_rate'):
        for mean in ('pointwise', 'cumulative_mean'):
            # Here of LIDAR_TOP, there of the rear axle.
            was = getattr(getattr(old, name), mean)(seconds)
            assert getattr(found.distances[name], mean)(seconds) == pytest.approx(was, abs=0.03)
    # Without measured signals the kinematic model knows what the constant turn rate does.
    assert found.distances['plan'].pointwise([3])[0] == pytest.approx(
        found.distances['constant_turn_rate'].pointwise([3])[0], abs=0.03
    )


def test_the_scenes_make_a_page(data, artefacts):
    out = artefacts('evaluate_nuscenes')
    assert command(data / 'nuscenes_mini_ego', out) == 0
    found = json.loads((out / 'summary.json').read_text())
    assert found['cases']['planned'] == 213 and (out / 'index.html').is_file()


def test_a_folder_of_ego_motion_has_grey_pictures(tmp_path):
    lines = ['t_s,x_m,y_m,yaw_rad', *(f'{0.1 * k},{0.8 * k},0,0' for k in range(60))]
    (tmp_path / 'straight.csv').write_text('\n'.join(lines) + '\n')
    assert command(tmp_path, tmp_path / 'out') == 0
    found = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert found['l2_pointwise']['plan']['3'] == pytest.approx(0.0, abs=0.01)
    assert found['l2_pointwise']['stand_still']['3'] == pytest.approx(24.0)


@pytest.mark.slow
def test_baselines_of_the_boreas_drive(data, tmp_path):
    ego = data / 'boreas_ego' / 'boreas-2021-08-05-13-34' / 'ego.csv'
    shutil.copy(ego, tmp_path)
    cases = list(ego_cases(tmp_path, DIALECTS['nano']))[::4]
    found = score(cases, {}, DIALECTS['nano'], Skips())
    assert len(cases) == 558
    seconds = (1, 2, 3)
    turn_rate = found.distances['constant_turn_rate'].pointwise(seconds)
    assert turn_rate == pytest.approx((0.49, 1.68, 3.59), abs=0.01)
    # Those of the recorded data go on along the heading; ours along the mean velocity, which in
    # bends points a little behind.
    velocity = found.distances['constant_velocity'].pointwise(seconds)
    assert velocity == pytest.approx((0.57, 1.94, 4.06), abs=0.15)
    ahead = [2.0 * np.hypot(*case.before[:2]) * GRID for case in cases]
    off = [np.hypot(*(np.column_stack([x, 0 * x]) - c.driven).T) for x, c in zip(ahead, cases)]
    assert np.mean(off, axis=0)[1::2] == pytest.approx((0.57, 1.94, 4.06), abs=0.01)


def rolled(case):
    return encode_trajectory(NUSCENES, case.rolled)
