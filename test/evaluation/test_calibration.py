# SPDX-License-Identifier: Apache-2.0
"""Deviations against errors, first by draws whose calibration is known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from impromptu_vla_ros import cli
from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.confidence import waypoint_deviations
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.structs import NANOSECONDS, Digits, Pose
from impromptu_vla_ros.core.told import told_plan
from impromptu_vla_ros.evaluation.calibration import (
    SHARES,
    Judged,
    calibration_error,
    covered,
    fitted_scale,
    judge,
    numbers,
    page,
    table,
)
from impromptu_vla_ros.evaluation.replay import ReplayResult

TINY = Path(__file__).parents[1] / 'data' / 'tiny_planner'


def drawn(factor=1.0, count=20_000):
    """Return waypoints whose errors are `factor` times what their deviations say."""
    random = np.random.default_rng(5)
    deviations = random.uniform(0.1, 3.0, count)
    errors = factor * deviations[:, None] * random.normal(size=(count, 2))
    return Judged(deviations, np.hypot(*errors.T), np.repeat(0.5 * np.arange(1, 11), count // 10))


def test_calibrated_draws_are_found_so():
    judged = drawn()
    found = numbers(judged)
    # In the plane 1 - exp(-1/2) and 1 - exp(-2) lie within one and two deviations.
    assert found['within_1_deviation'] == pytest.approx(1.0 - math.exp(-0.5), abs=0.01)
    assert found['within_2_deviations'] == pytest.approx(1.0 - math.exp(-2.0), abs=0.01)
    assert found['scale'] == pytest.approx(1.0, abs=0.02)
    assert found['calibration_error'] < 0.01
    np.testing.assert_allclose(covered(judged), SHARES, atol=0.015)
    assert found['rank_correlation'] > 0.4


@pytest.mark.parametrize('factor', [0.4, 3.0])
def test_a_model_that_is_too_sure_or_too_modest_is_set_right(factor):
    judged = drawn(factor)
    assert fitted_scale(judged) == pytest.approx(factor, rel=0.02)
    assert calibration_error(judged) > 0.2
    found = numbers(judged)
    assert found['calibration_error_scaled'] < 0.01
    assert found['within_1_scaled'] == pytest.approx(0.393, abs=0.01)
    assert f'confidence.scale: {found["scale"]:.2f}' in table(found)


def test_one_waypoint_by_hand():
    # 2 m off where a deviation of 1 m was told: 2/√2 times as far as the mean square says.
    judged = Judged(np.array([1.0]), np.array([2.0]), np.array([0.5]))
    assert fitted_scale(judged) == pytest.approx(math.sqrt(2.0))
    assert numbers(judged)['within_1_deviation'] == 0.0
    assert numbers(judged)['within_2_deviations'] == 1.0


def replayed(deviation_at=None):
    """Return a replay of a car at a steady 5 m/s, with one plan that is 1 m too long at 5 s."""
    stamps = np.arange(0, 12 * NANOSECONDS, NANOSECONDS // 10)
    poses = np.column_stack([5.0 * stamps / NANOSECONDS, 0.0 * stamps, 0.0 * stamps])
    points = np.column_stack([2.6 * np.arange(1, 11), np.zeros(10)])
    text = codec.encode_trajectory(DIALECTS['kitti'], points)
    places = [p for p in range(text.index('y]:'), len(text)) if text[p].isdigit()]
    rows = np.full((len(places), 10), math.log(0.1))
    digits = Digits(np.array(places), rows)
    stamp = 2 * NANOSECONDS
    known = waypoint_deviations(text, digits) if deviation_at else None
    told = told_plan(DIALECTS['kitti'], text, stamp, Pose(10.0, 0.0, 0.0), 'odom', 5.0, known)
    return ReplayResult('', DIALECTS['kitti'], DrivenPath(stamps, poses), (), (), {stamp: told})


def test_waypoints_are_judged_where_the_car_was():
    judged = judge([replayed(True), replayed(True)])
    np.testing.assert_allclose(judged.distances[:10], 0.1 * np.arange(1, 11), atol=1e-9)
    np.testing.assert_allclose(judged.times, np.tile(0.5 * np.arange(1, 11), 2))
    assert (np.diff(judged.deviations[:10]) > 0.0).all()


def test_a_model_that_tells_nothing_is_not_judged():
    found = numbers(judge([replayed()]))
    assert found == {'waypoints': 0}
    assert 'tells nothing' in table(found)
    assert 'tells nothing' in page('t', judge([replayed()]), found)


def test_the_page_shows_the_reliability():
    judged = drawn(2.0)
    found = numbers(judged)
    html = page('Calibration <of> a model', judged, found)
    assert html.count('<svg viewBox="0 0') == 3
    assert 'share that does' in html and '&lt;of&gt;' in html
    told = html.partition('id="summary">')[2].partition('</script>')[0]
    assert json.loads(told) == found


def test_a_command_that_finds_nothing_says_so(data, tmp_path, capsys):
    bag = str(data / 'bags' / 'kitti_raw_queue_stop')
    arguments = ['calibrate', bag, '--model', 'kinematic', '--out', str(tmp_path)]
    assert cli.main(arguments) == 1
    assert 'nothing to calibrate' in capsys.readouterr().err


def test_a_trained_model_is_calibrated_on_real_drives(data, tmp_path, capsys):
    pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[torch]')
    pytest.importorskip('transformers', reason='needs the extra impromptu_vla_ros[torch]')
    if not TINY.is_dir():
        pytest.skip('there is no tiny checkpoint yet')
    bag = str(data / 'bags' / 'kitti_raw_queue_stop')
    given = ['--checkpoint', str(TINY), '--dialect', 'kitti', '--device', 'cpu']
    assert cli.main(['calibrate', bag, *given, '--out', str(tmp_path)]) == 0
    found = json.loads((tmp_path / 'summary.json').read_text())
    assert found['waypoints'] > 100
    assert found['calibration_error_scaled'] < found['calibration_error'] + 0.05
    assert 'confidence.scale' in capsys.readouterr().out
