# SPDX-License-Identifier: Apache-2.0
"""nuScenes open loop on a data root that the test makes: prompts, L2 and collisions by hand."""

import json
import math

import made_up_nuscenes as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.nuscenes.can_bus import read_can_bus
from impromptu_vla_ros.evaluation.nuscenes.cases import NO_FUTURE, Case, scene_cases
from impromptu_vla_ros.evaluation.nuscenes.run import gather
from impromptu_vla_ros.evaluation.nuscenes.scenes import read_scenes
from impromptu_vla_ros.evaluation.nuscenes.tables import NuscenesError, rows


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return made.write(tmp_path_factory.mktemp('nuscenes') / 'root')


def cases(root, dialect='nuscenes', names=()):
    return gather(scene_cases(root, read_scenes(root, names=names), DIALECTS[dialect]))


def evaluated(root, out, *more):
    assert cli.main(['evaluate', 'nuscenes', str(root), '--out', str(out), *more]) == 0
    return json.loads((out / 'summary.json').read_text())


def test_prompts_say_the_history_of_the_lidar_and_the_nearest_can_signals(root):
    found, skips = cases(root)
    assert [case.name for case in found] == ['s1-0', 's1-1', 's1-2', 's1-3', 's2-0', 's2-1']
    assert skips.counts == {NO_FUTURE: 12}
    signals = (
        ', Acceleration: X 0.0, Y 0.25 m/s^2, Velocity: 8.0 m/s, Steering angle: -0.12 '
        '(positive: left turn, negative: right turn)'
    )
    assert found[1].prompt.endswith(
        f'[x, y]:.(t-0.5s) [-4.0, 0.0]{signals}, (t-0.0s) [0.0, 0.0]{signals}\n'
    )
    # Nothing measured: positions only. The rear axle's chord, and the lidar swinging out.
    x = -made.RADIUS * math.sin(0.125) + made.LIDAR_AHEAD * (math.cos(0.125) - 1.0)
    y = made.RADIUS * (1.0 - math.cos(0.125)) - made.LIDAR_AHEAD * math.sin(0.125)
    assert (round(x, 2), round(y, 2)) == (-2.5, 0.04)
    assert found[5].prompt.endswith(f'(t-0.5s) [{x:.1f}, {y:.2f}], (t-0.0s) [0.0, 0.0]\n')


def test_other_dialects_are_asked_at_the_rear_axle_in_their_own_words(root):
    found, _ = cases(root, 'nano')
    assert '(t-0.5s) [-2.49, 0.16]' in found[5].prompt.replace('\n', ' ')
    assert found[0].middle_ahead == pytest.approx(0.5 + made.LIDAR_AHEAD)
    three, skips = cases(root, 'navsim')
    assert [case.name for case in three] == ['s1-3']
    assert len(three[0].pictures) == 3
    assert skips.counts['less history than the dialect takes'] == 5


def test_l2_and_collisions_are_as_calculated_by_hand(root, tmp_path, capsys):
    found = evaluated(root, tmp_path, '--scenes', 'scene-0001')
    # Plans of 4, 8, … 24 m are off from the braking car, by keyframe, m:
    #   0 0 0 1 3 6 · 0 0 1 3 6 10 · 0 1 3 6 10 14 · 1 3 6 10 14 18
    # of which the means are 0.25, 1, 2.5, 5, 8.25, 12 by waypoint.
    assert found['l2_pointwise']['plan'] == {'1': 1.0, '2': 5.0, '3': 12.0, 'mean': 6.0}
    assert found['l2_cumulative_mean']['plan'] == pytest.approx(
        {'1': 0.625, '2': 2.1875, '3': 29 / 6, 'mean': (0.625 + 2.1875 + 29 / 6) / 3}, abs=1e-6
    )
    # Plans reach the parked car at waypoints 5 and 6, 4 and 5, 3 and 4, 2 and 3.
    assert found['collision_pointwise']['plan'] == pytest.approx(
        {'1': 1 / 4, '2': 2 / 4, '3': 1 / 4, 'mean': 1 / 3}, abs=1e-6
    )
    assert found['collision_cumulative_mean']['plan'] == pytest.approx(
        {'1': 1 / 8, '2': 5 / 16, '3': 1 / 3, 'mean': (1 / 8 + 5 / 16 + 1 / 3) / 3}, abs=1e-6
    )
    assert found['collision_pointwise']['stand_still']['3'] == 0.0
    assert found['worst'][0]['sample'] == 's1-3' and found['worst'][0]['hits'] is True
    assert 'collisions [%], cumulative mean' in capsys.readouterr().out
    html = (tmp_path / 'index.html').read_text()
    assert 'and hits somebody' in html and 'data:image/jpeg' in html and 'Ego-MLP' in html


def test_trivial_planners_know_the_last_half_second_and_no_more(root, tmp_path):
    found = evaluated(root, tmp_path)
    assert found['cases']['known'] == {
        'plan': 6,
        'stand_still': 6,
        'constant_velocity': 4,
        'constant_turn_rate': 4,
    }
    turning = evaluated(root, tmp_path / 'two', '--scenes', 'scene-0002')
    l2 = turning['l2_pointwise']
    # On a circle the turn rate is nearly all: the lidar's chord only points a little aside.
    assert l2['constant_turn_rate']['3'] < 0.7 < 6.0 < l2['constant_velocity']['3']
    still = 2 * made.RADIUS * math.sin(0.5 * made.SPEED * 3.0 / made.RADIUS)
    assert l2['stand_still']['3'] == pytest.approx(still, abs=made.LIDAR_AHEAD)
    # Whoever hits only whom the driven path hits, hits nobody.
    assert turning['collision_cumulative_mean']['constant_turn_rate']['3'] == 0.0


def test_tables_are_read_in_pieces_and_hold_what_json_does(tmp_path, monkeypatch):
    whole = [{'token': f't{k}', 'text': ']},{"\\ ü' * k} for k in range(40)]
    (tmp_path / 'some.json').write_text(json.dumps(whole, indent=1, ensure_ascii=False))
    for piece in (1, 7, 100, 1 << 20):
        monkeypatch.setattr('impromptu_vla_ros.evaluation.nuscenes.tables.PIECE', piece)
        assert list(rows(tmp_path, 'some')) == whole
    (tmp_path / 'some.json').write_text('[]')
    assert list(rows(tmp_path, 'some')) == []


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (lambda root: table(root, 'sample_data', lambda t: t[: len(t) // 2]), 'truncated'),
        (lambda root: table(root, 'scene', lambda t: t[:-2]), 'truncated'),
        (lambda root: table(root, 'ego_pose', lambda t: '{}'), 'is no table'),
        (lambda root: table(root, 'ego_pose', lambda t: '[]'), 'no LIDAR_TOP with an ego pose'),
        (lambda root: table(root, 'sensor', lambda t: '[7]'), 'not only objects'),
        (lambda root: table(root, 'sample', lambda t: t.replace('timest', 'tim')), 'timestamp'),
        (
            lambda root: table(root, 'ego_pose', lambda t: t.replace('100.0', '"x"')),
            'not numbers',
        ),
        (lambda root: (root / 'v1.0-mini' / 'instance.json').unlink(), 'cannot be read'),
        (lambda root: (root / 'can_bus' / 'scene-0001_pose.json').write_text('[{"ut'), 'CAN bus'),
        (lambda root: (root / 'v1.0-mini').rename(root / 'v2'), 'has no tables'),
        (
            lambda root: (root / 'v1.0-x').mkdir() or table(root, 'scene', str, 'v1.0-x'),
            '--version',
        ),
    ],
)
def test_what_is_broken_gives_one_clear_error(tmp_path, capsys, spoil, said):
    root = made.write(tmp_path / 'root', size=(8, 8))
    spoil(root)
    assert cli.main(['evaluate', 'nuscenes', str(root), '--out', str(tmp_path / 'out')]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1


def table(root, name, change, into='v1.0-mini'):
    text = (root / 'v1.0-mini' / f'{name}.json').read_text()
    (root / into / f'{name}.json').write_text(change(text))


def test_a_scene_that_is_not_there_is_named(root, tmp_path):
    with pytest.raises(NuscenesError, match='no scene scene-0103'):
        read_scenes(root, names=['scene-0103'])
    names = tmp_path / 'val.txt'
    names.write_text('scene-0002\n')
    assert evaluated(root, tmp_path / 'out', '--scenes', str(names))['cases']['all'] == 2


def test_messages_too_far_away_are_none(root):
    can = read_can_bus(root, 'scene-0001')
    assert can.at(made.stamp('s1', 0)).vx == 8.0
    assert math.isnan(can.at(made.START - 1_000_000).vx)
    assert read_can_bus(root, 'scene-0002') is None
    assert isinstance(cases(root)[0][0], Case)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_value_in_any_table_is_cases_or_one_error(small, data):
    table = data.draw(st.sampled_from(sorted(small)))
    rows = json.loads(small[table])
    row = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(sorted(rows[row])))
    odd = [None, [], {}, '', 'x', True, -1, 1e308, float('nan'), [1e308] * 3, [0.0] * 4, [None]]
    rows[row][name] = data.draw(st.sampled_from(odd))
    path = small.folder / f'{table}.json'
    path.write_text(json.dumps(rows))
    try:
        found, _ = cases(small.folder.parent)
        assert all(isinstance(case, Case) for case in found)
    except NuscenesError as error:
        assert str(small.folder.parent) in str(error)
    finally:
        path.write_text(small[table])


class Small(dict):
    """The tables of a small data root, by name, as they shall be."""

    def __init__(self, root):
        self.folder = root / 'v1.0-mini'
        super().__init__({path.stem: path.read_text() for path in self.folder.glob('*.json')})


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp('small') / 'root'
    return Small(made.write(folder, cameras=('CAM_FRONT',), size=(8, 8)))
