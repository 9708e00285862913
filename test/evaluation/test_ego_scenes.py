# SPDX-License-Identifier: Apache-2.0
"""Ego motion without pictures: a circle by formula, and files that are none."""

import json
import math

import numpy as np
import pytest

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.ego_scenes import EgoScene, evaluate
from impromptu_vla_ros.evaluation.topics import BagError

RADIUS, SPEED = 40.0, 8.0


@pytest.fixture
def scenes(tmp_path):
    for name, turn in (('left', 1.0), ('right', -1.0)):
        lines = ['t_s,x_m,y_m,yaw_rad']
        for k in range(81):
            yaw = turn * SPEED / RADIUS * 0.1 * k
            place = RADIUS * math.sin(abs(yaw)), turn * RADIUS * (1.0 - math.cos(yaw))
            lines.append(','.join(map(repr, (0.1 * k, *place, yaw))))
        (tmp_path / f'{name}.csv').write_text('\n'.join(lines) + '\n')
    return tmp_path


def test_poses_give_velocities_and_every_half_second_is_pictured(scenes):
    scene = EgoScene(scenes / 'left.csv', ('front',))
    samples = [scene.sample(one) for one in scene.messages(())]
    pictures = [one for one in samples if hasattr(one, 'camera')]
    assert np.diff([one.stamp for one in pictures]).tolist() == [500_000_000] * 16
    assert set(pictures[0].pixels.flat) == {128}
    middle = [one for one in samples if not hasattr(one, 'camera')][40]
    assert (middle.vx, middle.vy) == pytest.approx((SPEED, 0.0), abs=0.01)
    assert middle.yaw_rate == pytest.approx(SPEED / RADIUS, abs=1e-6)


def test_on_a_circle_only_the_constant_velocity_errs(scenes):
    found = evaluate(scenes, 'kinematic', {}, DIALECTS['nano'], 2.79)
    assert found['anchors'] == {'all': 16, 'planned': 16, 'coverage': 1.0}
    wide = found['l2_pointwise']
    assert wide['plan']['3'] < 0.05 and wide['constant_turn_rate']['3'] < 0.05
    # A chord behind it points half a second's half turn aside: 24 m ahead after 3 s.
    assert 6.0 < wide['constant_velocity']['3'] < 9.0
    assert found['l2_cumulative_mean']['plan']['3'] < wide['plan']['3'] + 1e-9
    assert [scene['name'] for scene in found['scenes']] == ['left', 'right']


def test_the_command_writes_what_it_says(scenes, tmp_path, capsys):
    out = tmp_path / 'out'
    assert cli.main(['replay', str(scenes), '--ego-scenes', '--out', str(out)]) == 0
    assert json.loads((out / 'summary.json').read_text())['mode'] == 'grey pictures'
    assert 'constant turn rate' in capsys.readouterr().out


def test_what_is_no_scene_is_refused(tmp_path):
    with pytest.raises(BagError, match='has no scenes'):
        evaluate(tmp_path, 'kinematic', {}, DIALECTS['nano'], 2.79)
    file = tmp_path / 'one.csv'
    for text in (
        '',
        'a,b\n1,2\n',
        't_s,x_m,y_m,yaw_rad\n0,0,0,0\n',
        't_s,x_m,y_m,yaw_rad\n0,0,x,0\n',
    ):
        file.write_text(text)
        with pytest.raises(BagError, match='is no scene'):
            EgoScene(file, ('front',))
