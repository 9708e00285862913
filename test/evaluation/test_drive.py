# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla drive` in lockstep with the real carla client, against the kinematic world."""

import json
import os
import signal

import numpy as np
import pytest

pytest.importorskip('carla')
pytest.importorskip('msgpack')

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.evaluation.driving import stage, worker
from impromptu_vla_ros.evaluation.driving.case import Case
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.team import Crew

EXPERT = ('--scenario', 'ncap_frontal', '--jobs', '2')


def drive(out, *arguments):
    code = cli.main(['drive', '--no-page', '--out', str(out), *map(str, arguments)])
    return code, json.loads((out / 'summary.json').read_text())


def scored(summary):
    return [
        {**result['score'], 'name': result['case']['scenario'], 'model': result['case']['model']}
        for result in summary['results']
    ]


@pytest.fixture(scope='module')
def driven(tmp_path_factory):
    out = tmp_path_factory.mktemp('driven')
    models = ('--model', 'expert,kinematic')
    return out, *drive(out, '--scenario', 'ncap_frontal,ncap_side', *models, '--jobs', 2)


def test_the_expert_passes_where_the_kinematic_baseline_collides(driven):
    _, code, summary = driven
    assert code == 0
    found = {(one['model'], one['name']): one for one in scored(summary)}
    assert found['expert', 'ncap_frontal']['passed']
    assert found['expert', 'ncap_frontal']['ncap'] == 5.0
    hit = found['kinematic', 'ncap_frontal']
    assert not hit['passed'] and hit['collision'] and hit['ncap'] < 4.0
    assert hit['failures'][0].startswith('hit frontal at')
    settings = summary['settings']
    assert settings['expert, 0 s']['passed'] == 2
    assert settings['expert, 0 s']['neuroncap'] == 5.0


def test_both_maps_agree_on_where_the_road_is(driven):
    _, _, summary = driven
    assert all(one['map_agreement'] == 1.0 for one in scored(summary))


def test_who_knows_all_errs_by_a_rounding_only(driven):
    _, _, summary = driven
    expert = next(one for one in scored(summary) if one['model'] == 'expert')
    assert expert['model_error'] < 0.02
    assert expert['retiming_error'] < 0.1
    assert expert['controller_ahead'] < 0.2


def test_a_drive_is_the_same_again(driven, tmp_path):
    first, *_ = driven
    drive(tmp_path, *EXPERT)
    again, before = (
        Record.load(out / 'expert-0_s' / 'ncap_frontal-0.npz') for out in (tmp_path, first)
    )
    assert np.array_equal(again.stamps, before.stamps)
    assert np.abs(again.ego - before.ego).max() < 1e-6
    assert np.array_equal(again.answers, before.answers)


def test_what_is_finished_is_not_driven_again(driven, capsys):
    out, _, summary = driven
    kept = sorted(out.glob('*/*.npz'))
    times = [path.stat().st_mtime_ns for path in kept]
    file = out / 'expert-0_s' / 'ncap_side-0.json'
    file.write_text(json.dumps({**json.loads(file.read_text()), 'key': 'of an older version'}))
    code, again = drive(out, '--scenario', 'ncap_frontal,ncap_side', '--model', 'expert,kinematic')
    changed = [path.stem for path, time in zip(kept, times) if path.stat().st_mtime_ns != time]
    assert code == 0
    assert changed == ['ncap_side-0']
    assert scored(again) == scored(summary)
    assert 'ncap_frontal' in capsys.readouterr().out


def test_latency_is_felt_and_laying_on_arrival_too(tmp_path):
    _, summary = drive(
        tmp_path, *EXPERT[:1], 'curve', '--latency', 1.0, '--retiming', 'both', '--jobs', 2
    )
    timed, naive = scored(summary)
    assert timed['freshness'] < 0.6
    # An answer laid on arrival turns a second too late, and leaves the road.
    assert timed['passed'] and not naive['passed']
    assert timed['retiming_error'] < 0.3 < 1.0 < naive['retiming_error']


def test_cameras_see_when_they_are_asked_to(tmp_path):
    _, summary = drive(tmp_path, '--scenario', 'ncap_side', '--pictures')
    pictures = list((tmp_path / 'expert-0_s' / 'ncap_side-0').glob('*.jpg'))
    record = Record.load(tmp_path / 'expert-0_s' / 'ncap_side-0.npz')
    assert scored(summary)[0]['passed']
    assert len(pictures) == record.pictures.sum() > 40


class Killer:
    """A model that ends the server at its third answer."""

    def __init__(self, server):
        self.server, self.answers = server, 0

    def answer(self, query):
        self.answers += 1
        if self.answers == 3:
            os.kill(self.server().pid, signal.SIGKILL)
        return Answer(query.rollout)


def test_a_server_that_dies_is_told_of_and_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, 'TIMEOUT', 2.0)
    crew = worker.Worker(tmp_path)
    killer = Killer(lambda: crew._server[1])
    monkeypatch.setattr(worker, 'create_model', lambda name: killer)
    try:
        died = crew.drive(Case('straight', model='kinematic'))
        assert 'ServerSilent' in died['error']
        assert 'the server had ended' in died['error']
        assert 'score' in crew.drive(Case('ncap_frontal', model='kinematic'))
    finally:
        crew.close()


def test_a_worker_that_dies_is_told_of_and_replaced(tmp_path):
    crew = Crew(tmp_path)
    try:
        assert 'error' in crew.drive(Case('straight', world='flat'))
        os.kill(crew._process.pid, signal.SIGKILL)
        crew._process.wait(10.0)
        assert 'the worker ended with -9' in crew.drive(Case('ncap_frontal'))['error']
        assert 'score' in crew.drive(Case('ncap_frontal'))
    finally:
        crew.close()


def test_a_failure_is_in_the_table_and_in_the_exit_code(tmp_path, capsys):
    code, summary = drive(tmp_path, '--scenario', 'straight', '--world', 'flat')
    assert code == 1
    assert summary['settings']['expert, 0 s, flat']['failed_to_drive'] == 1
    assert "there is no world 'flat'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [(('--scenario', 'moon'), 'roundabout'), (('--model', 'oracle'), 'transformers')],
)
def test_what_does_not_exist_is_answered_with_what_does(arguments, said, capsys):
    assert cli.main(['drive', *arguments]) == 2
    assert said in capsys.readouterr().err


def test_nobody_listening_is_told_with_a_remedy(tmp_path, capsys):
    arguments = ('--scenario', 'straight', '--host', '127.0.0.1', '--port', 1)
    code, _ = drive(tmp_path, *arguments)
    assert code == 1
    assert 'nobody listens at 127.0.0.1:1' in capsys.readouterr().out
