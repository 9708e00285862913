# SPDX-License-Identifier: Apache-2.0
"""The page of a run tells of every drive, and needs no file beside it."""

import json
import re

import made_up_drive
import pytest

from impromptu_vla_ros import cli
from impromptu_vla_ros.evaluation.driving import figures
from impromptu_vla_ros.evaluation.driving.birdseye import painted_land
from impromptu_vla_ros.evaluation.driving.case import Case, keep
from impromptu_vla_ros.evaluation.driving.page import Drive, page, summary
from impromptu_vla_ros.evaluation.driving.report import from_above, write_page
from impromptu_vla_ros.evaluation.driving.times import Times
from impromptu_vla_ros.worlds.maps import MAPS

SUMMARY = {
    'passed': 2,
    'drives': 4,
    'collision_rate': 0.25,
    'neuroncap': None,
    'completion': 1.0,
    'freshness': 0.9,
}


TIMES = Times({'encode': (0.0125, 0.02), 'planning': (0.05, 0.08)}, 33, 1.0, 150.0)


def drive(name, family='road', passed=True, **changes):
    given = {'record': made_up_drive.record(), **changes}
    return Drive(name, 'expert, 0 s', family, made_up_drive.score(passed), **given)


@pytest.fixture(scope='module')
def html():
    record = made_up_drive.record()
    whole = from_above(record, painted_land(MAPS['straight'](), record.ego[:, :2]))
    return page(
        'Driven <here>',
        'lead',
        [
            drive('straight', film='<video></video>', whole=whole, times=TIMES),
            drive('curve', passed=False),
            drive('cut_in', 'traffic'),
            drive('not_shown', 'traffic', record=None),
        ],
        {'expert, 0 s': SUMMARY},
        ['no encoder', ''],
    )


def test_what_answers_cost_is_told_where_it_was_measured(html):
    assert html.count('answers cost') == 1 and 'What 33 answers cost' in html
    assert '<td>encode</td><td>12.5 ms, 95 % within 20.0 ms</td>' in html
    assert '<td>planner, at most</td><td>150 MB</td>' in html
    assert '"peak_memory": 150.0' in html


def test_every_drive_is_there(html):
    for name in ('straight', 'curve', 'cut_in'):
        assert f'<section id="expert,_0_s/{name}">' in html
        assert f'href="#expert,_0_s/{name}"' in html
    assert html.count('✓ passed') == 5 and html.count('✗ failed') == 2  # in table and title
    assert '<td>not_shown</td>' in html and 'id="expert,_0_s/not_shown"' not in html
    assert 'hit parked at 6.0 m/s' in html
    for text in ('Driven &lt;here&gt;', 'no encoder', '<video></video>'):
        assert text in html


def test_families_have_their_means(html):
    road, traffic = re.findall(r'<tr class="family">.*?</tr>', html)
    assert '1 of 2' in road and '2 of 2' in traffic
    # NCAP of 5 and 1, completion of 1 and 0.5; nobody knows the error along.
    assert re.findall(r'data-value="([^"]*)">([^<]*)<', road)[:2] == [
        ('3.0', '3.0'),
        ('0.75', '75'),
    ]
    assert 'data-value="None">–' in road


def test_nothing_is_fetched(html):
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(source.startswith(('#', 'data:')) for source in sources)
    assert not re.search(r'https?:|url\(|@import', html)


def test_the_numbers_lie_in_the_page(html):
    data = re.search(r'<script type="application/json" id="summary">(.*?)</script>', html)
    drives = json.loads(data[1])
    assert [drive['name'] for drive in drives] == ['straight', 'curve', 'cut_in', 'not_shown']
    assert drives[0]['setting'] == 'expert, 0 s'
    assert drives[1]['failures'] == ['hit parked at 6.0 m/s']


def test_the_tiers_are_those_followed():
    # 2 s of plans: fresh before 1.0 s, stopping from then on.
    assert figures.tier_spans(made_up_drive.record()) == [('fresh', 20), ('stopping', 21)]
    assert figures.tier_spans(made_up_drive.record(plans=False)) == [('', 41)]


def test_a_page_of_a_drive_without_plans():
    made = drive('x', record=made_up_drive.record(plans=False))
    html = page('t', 'l', [made], {'expert, 0 s': SUMMARY})
    assert 'Nothing to draw' in html  # of the age of answers there were none
    assert summary([made])[0]['name'] == 'x'


@pytest.fixture
def folder(tmp_path):
    """Return a run of three drives: one with pictures, one that hit something, one that broke."""
    for scenario, passed in (('straight', True), ('stopped_car', False)):
        case = Case(scenario, pictures=passed)
        keep(case, tmp_path, {'family': 'road', 'score': made_up_drive.score(passed)})
        stem = case.folder(tmp_path) / case.name
        made_up_drive.record(seconds=0.3).save(stem.with_suffix('.npz'))
        if passed:
            stem.mkdir()
            (stem / '00000.jpg').write_bytes(made_up_drive.jpeg())
    broken = Case('curve', latency=0.5)
    keep(broken, tmp_path, {'error': 'the server had ended'})
    # Of a try before it, that came further.
    made_up_drive.record().save(broken.folder(tmp_path) / f'{broken.name}.npz')
    return tmp_path


@pytest.mark.timeout(240)
def test_a_runs_folder_becomes_a_page(folder):
    html = write_page(folder).read_text()
    assert (
        len(re.findall(r'<(?:video|img) class="drive"[^>]*src="data:(?:video|image)/', html)) == 4
    )
    for text in ('straight-0', 'stopped_car-0', 'curve-0', 'the server had ended'):
        assert text in html
    data = re.search(r'<script type="application/json" id="summary">(.*?)</script>', html)
    drives = json.loads(data[1])
    assert [(d['name'], d['passed']) for d in drives] == [
        ('straight-0', True),
        ('stopped_car-0', False),
        ('curve-0', False),
    ]
    assert '1 <small>of 2</small>' in html and '0 <small>of 1</small>' in html


def test_a_folder_without_drives_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f'no results of drives in {tmp_path}'):
        write_page(tmp_path)


@pytest.mark.timeout(240)
def test_a_drive_ends_with_its_page(tmp_path):
    pytest.importorskip('carla')
    pytest.importorskip('msgpack')
    assert cli.main(['drive', '--out', str(tmp_path), '--scenario', 'ncap_frontal']) == 0
    html = (tmp_path / 'index.html').read_text()
    assert '<section id="expert,_0_s/ncap_frontal-0">' in html
    assert len(list((tmp_path / 'expert-0_s').glob('ncap_frontal-0.*'))) == 3
