# SPDX-License-Identifier: Apache-2.0
"""A model card's tables from made-up summaries, by hand."""

import json
from dataclasses import asdict

import pytest

from impromptu_vla_ros import cli
from impromptu_vla_ros.evaluation.driving.card import Share, card, markdown
from impromptu_vla_ros.evaluation.driving.case import Case
from impromptu_vla_ros.evaluation.driving.inputs import BEYOND
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS


def result(scenario, seed, model, passed, **case):
    return {
        'case': asdict(Case(scenario, seed, model, **case)),
        'score': {'passed': passed, 'failures': []},
    }


def made_up():
    """Four seeds of a bend, where kinematic fails three, and two of a straight road."""
    return [
        *(result('curve', 100 + k, 'kinematic', k == 0) for k in range(4)),
        *(result('curve', 100 + k, 'nano', k != 3) for k in range(4)),
        *(result('curve', 100 + k, 'nano', k == 0, sees='other') for k in range(4)),
        *(result('curve', 100 + k, 'nano', k == 1, sees='mirrored') for k in range(4)),
        *(result('curve', 100 + k, 'nano', k < 2, latency=0.5) for k in range(4)),
        *(result('straight', 100 + k, 'kinematic', True) for k in range(2)),
        *(result('straight', 100 + k, 'nano', True) for k in range(2)),
        # These do not count: not held out, and laid on arrival.
        result('curve', 0, 'nano', True),
        result('curve', 103, 'nano', True, retiming=False),
    ]


def test_wilsons_interval_is_as_tabulated():
    # Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662, 0 of 20 up to 0.1611.
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Share(0, 20).interval == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert Share(0, 0).interval == (0.0, 1.0)


def test_drives_are_counted_by_scenario_and_by_how_they_are_driven():
    data = card(made_up(), 'nano')
    assert data['seeds'] == [100, 101, 102, 103]
    rows = {name: {way: (one['passed'], one['of']) for way, one in row.items()}
            for name, row in data['scenarios'].items()}  # fmt: skip
    assert list(rows) == ['straight', 'curve']
    assert rows['curve'] == {
        'nano': (3, 4), 'nano, 0.5 s late': (2, 4), 'kinematic': (1, 4), 'expert': (0, 0),
    }  # fmt: skip
    assert (data['in_reach']['nano']['passed'], data['in_reach']['nano']['of']) == (5, 6)
    assert data['in_reach']['nano']['share'] == pytest.approx(5 / 6)


def test_the_ablation_counts_the_drives_that_kinematic_fails():
    found = card(made_up(), 'nano')['ablation']
    counted = {sees: (one['passed'], one['of']) for sees, one in found['in_reach'].items()}
    assert counted == {
        'right': (2, 3), 'other': (0, 3), 'mirrored': (1, 3),
        'black': (0, 0), 'no_history': (0, 0),
    }  # fmt: skip
    assert found['bends'] == found['in_reach']
    assert found['scenarios']['straight']['right']['of'] == 0


def test_what_is_beyond_the_inputs_is_shown_and_not_counted():
    name = next(iter(BEYOND))
    data = card([*made_up(), result(name, 100, 'nano', False)], 'nano')
    assert data['in_reach']['nano']['of'] == 6 and data['all']['nano']['of'] == 7
    assert name not in data['ablation']['scenarios']
    assert f'- {name}: {BEYOND[name]}' in markdown(data)
    assert set(BEYOND) < set(SCENARIOS)


def test_the_markdown_says_shares_with_their_intervals():
    lines = markdown(card(made_up(), 'nano')).splitlines()
    assert '| scenario | nano | nano, 0.5 s late | kinematic | expert |' in lines
    assert '| curve | 3/4 | 2/4 | 1/4 | – |' in lines
    assert '| **all of these** | 2/3 = 67% (21%–94%) | 0/3 = 0% (0%–56%) |' in '\n'.join(lines)


def test_a_drive_that_was_not_made_counts_as_none():
    broken = {'case': asdict(Case('curve', 100, 'nano')), 'error': 'no server'}
    data = card([broken, result('curve', 101, 'nano', True)], 'nano')
    assert data['not_driven'] == 1 and data['all']['nano']['of'] == 1
    assert '1 drives were not made.' in markdown(data)


def test_the_command_joins_summaries(tmp_path, capsys):
    files = [tmp_path / f'{k}.json' for k in range(2)]
    for k, file in enumerate(files):
        file.write_text(json.dumps({'results': made_up()[k::2]}))
    assert cli.main(['card', *map(str, files), '--out', str(tmp_path)]) == 0
    assert json.loads((tmp_path / 'card.json').read_text()) == card(made_up(), 'nano')
    assert (tmp_path / 'card.md').read_text() in capsys.readouterr().out
    files[0].write_text('{}')
    assert cli.main(['card', str(files[0])]) == 2
    files[0].write_text(json.dumps({'results': [result('curve', 0, 'nano', True)]}))
    assert cli.main(['card', str(files[0])]) == 2
    assert 'held out' in capsys.readouterr().err
