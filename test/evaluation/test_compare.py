# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla compare`: pairs by hand, the gate, faults, and the same bytes again."""

import json
import re
from dataclasses import asdict, replace

import made_up_drive
import numpy as np
import pytest
import recordings as made

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.paired import Interval, Resampling
from impromptu_vla_ros.core.structs import NANOSECONDS, Answer, Pose
from impromptu_vla_ros.evaluation.anchors import Anchor, Anchors, read_anchors, write_anchors
from impromptu_vla_ros.evaluation.comparing import gate, sides
from impromptu_vla_ros.evaluation.comparing.comparison import Measured, compare
from impromptu_vla_ros.evaluation.comparing.sides import CompareError, Results, Spec
from impromptu_vla_ros.evaluation.driving.case import Case, keep
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models import Model
from impromptu_vla_ros.models.kinematic import KinematicModel

HOW = Resampling()


def anchor(second, off, count=6):
    """Return an anchor whose plan is `off` m beside the driven path at each waypoint."""
    times = 0.5 * np.arange(1, count + 1)
    driven = np.column_stack([8.0 * times, 0.0 * times])
    stamp = round(second * NANOSECONDS)
    return Anchor(stamp, stamp, Pose(8.0 * second, 0.0, 0.0), np.full(count, float(off)),
                  driven + [0.0, off], driven)  # fmt: skip


def replayed(offs, name='bag', drive='the same', frames=()):
    found = [anchor(1.5 + 0.5 * k, off) for k, off in enumerate(offs) if off is not None]
    return Anchors(name, 'model', 'nuscenes', 0, drive, {one.stamp: one for one in found},
                   dict(frames), why='refused: so')  # fmt: skip


def results(*recordings, name='side'):
    return Results(name, {each.name: each for each in recordings})


def test_differences_are_of_anchors_that_both_have():
    a = results(replayed([1.0, 2.0, None, 4.0, 1.0], frames=[(1, True), (2, True), (3, True)]))
    b = results(replayed([2.0, 2.0, 9.0, 3.0, None], frames=[(1, False), (2, True), (4, True)]))
    found = compare(a, b, 10.0, HOW)
    l2 = found.measures['l2_3s']
    # Of 1 → 2, 2 → 2 and 4 → 3.
    assert (l2.a, l2.b, l2.pairs) == (7 / 3, 7 / 3, 3)
    assert found.measures['l2_mean_3s'].difference == 0.0
    unanswered = found.measures['unanswered']
    assert (unanswered.a, unanswered.b, unanswered.pairs) == (0.0, 0.5, 2)
    assert 'l2_5s' not in found.measures


def test_anchors_near_each_other_are_one_part():
    a, b = results(replayed([1.0] * 37)), results(replayed([1.5] * 37))
    # Anchors lie from 1.5 to 19.5 s.
    parts = {block: compare(a, b, block, HOW).measures['l2_3s'] for block in (0.0, 2.0, 10.0)}
    assert {block: of.clusters for block, of in parts.items()} == {0.0: 1, 2.0: 10, 10.0: 2}
    assert parts[2.0].interval == Interval(0.5, 0.5)
    assert parts[10.0].interval is None


def test_a_fifth_second_counts_where_both_have_it():
    five, three = replayed([]), replayed([])
    five.found[5] = anchor(1.5, 1.0, 10)
    three.found[5] = anchor(1.5, 2.0, 6)
    assert 'l2_5s' in compare(results(five), results(five), 10.0, HOW).measures
    mixed = compare(results(five), results(three), 10.0, HOW)
    assert 'l2_5s' not in mixed.measures and mixed.measures['l2_3s'].difference == 1.0


def test_other_recordings_are_told_apart():
    with pytest.raises(CompareError, match='nothing in common: city against country'):
        compare(results(replayed([1.0], 'city')), results(replayed([1.0], 'country')), 10.0, HOW)
    other = replayed([1.0], drive='another')
    with pytest.raises(CompareError, match="called 'bag' of A and B are not of the same drive"):
        compare(results(replayed([1.0])), results(other), 10.0, HOW)
    with pytest.raises(CompareError, match='no anchor .* B on bag: refused: so'):
        compare(results(replayed([1.0])), results(replayed([None])), 10.0, HOW)


def result(scenario, seed, passed, model='kinematic', **changes):
    score = made_up_drive.score(passed, **changes)
    return {'case': asdict(Case(scenario, seed, model)), 'score': score}


def drove(passed, model='kinematic'):
    drives = [result('curve', seed, ok, model) for seed, ok in enumerate(passed)]
    return Results(model, {}, sides.drives_of(drives, model))


def test_drives_are_paired_by_scenario_and_seed():
    found = compare(drove([True] * 8, 'expert'), drove([False] * 6 + [True]), 10.0, HOW)
    failed = found.measures['failed']
    assert (failed.a, failed.b, failed.pairs) == (0.0, 6 / 7, 7)
    assert failed.p == 2 / 64
    assert found.measures['ncap'].difference == pytest.approx(-4.0 * 6 / 7)
    assert found.measures['completion'].interval.high < 0.0
    assert not found.pairs and 'l2_3s' not in found.measures


def test_drives_of_two_settings_or_not_made_are_refused():
    two = [result('curve', 0, True), result('curve', 0, True, 'expert')]
    with pytest.raises(CompareError, match='several settings: expert, 0 s; kinematic, 0 s'):
        sides.drives_of(two, 'here')
    broken = {**result('curve', 3, True), 'error': 'no server'}
    with pytest.raises(CompareError, match='1 of 2 drives of here .*curve, seed 3.* no server'):
        sides.drives_of([result('curve', 0, True), broken], 'here')


def measured(low, high, p=None):
    return Measured(1.0, 1.0 + 0.5 * (low + high), 50, 50, Interval(low, high), p)


@pytest.mark.parametrize(
    'condition, within, strict, failed',
    [
        ('l2_3s > 0', (0.1, 0.3), False, True),
        ('l2_3s>0.2', (0.1, 0.3), False, False),
        ('l2_3s>0.2', (0.1, 0.3), True, True),
        ('l2_3s > 0.3', (0.1, 0.3), True, False),
        ('l2_3s > 0', (-0.1, 0.3), False, False),
        ('ncap < -0.5', (-2.0, -0.6), False, True),
        ('ncap < -0.5', (-0.6, 0.6), False, False),
        ('ncap < -0.5', (-0.6, 0.6), True, True),
        ('ncap < -0.5', (-0.4, 0.6), True, False),
        ('failed > .1', (0.2, 0.6, 0.01), False, True),
        ('failed > .1', (0.2, 0.6, 0.06), False, False),
    ],
)
def test_the_gate_fails_what_is_surely_worse(condition, within, strict, failed):
    wanted = gate.parse(condition)
    (judged,) = gate.judge({wanted.measure: measured(*within)}, [wanted], 0.95, strict)
    assert judged.failed is failed


def test_too_few_parts_fail_only_the_strict_gate():
    few = {'l2_3s': replace(measured(0.0, 0.0), interval=None, clusters=2)}
    assert [gate.judge(few, [], 0.95, strict)[0].failed for strict in (False, True)] == [
        False,
        True,
    ]


@pytest.mark.parametrize('text', ['', 'l2_3s', 'l2_3s >', 'speed > 1', 'l2_3s >= 1', '> 1'])
def test_conditions_that_are_none_are_refused(text):
    with pytest.raises(CompareError, match='no condition like'):
        gate.parse(text)


def test_a_condition_on_what_was_not_measured_is_refused():
    with pytest.raises(CompareError, match='nothing tells of ncap; measured were l2_3s'):
        gate.judge({'l2_3s': measured(0.0, 1.0)}, [gate.parse('ncap < 0')], 0.95, False)


def test_a_side_is_named_by_model_checkpoint_options_and_dialect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = 'transformers:org/name,subfolder=3B,threads=4@nuscenes'
    assert sides.parse(said) == Spec(
        said,
        'transformers',
        {'checkpoint': 'org/name', 'subfolder': '3B', 'threads': 4},
        'nuscenes',
    )
    url = 'http://127.0.0.1:8000/v1'
    assert sides.parse(f'chat_server:{url}').options == {'url': url}
    assert sides.parse('recorded:a.jsonl').options == {'path': str(tmp_path / 'a.jsonl')}
    assert sides.parse('kinematic').dialect == 'auto'
    assert sides.parse('out/kinematic') is None
    with pytest.raises(CompareError, match='dtype.* is not OPTION=VALUE'):
        sides.parse('onnx:graphs,dtype')
    with pytest.raises(CompareError, match='ends with @'):
        sides.parse('kinematic@')


def test_a_checkpoint_that_was_written_anew_is_another_side(tmp_path):
    (tmp_path / 'weights').write_text('one')
    spec = sides.parse(f'onnx:{tmp_path}')
    before = spec.key()
    assert before == sides.parse(f'onnx:{tmp_path}').key()
    (tmp_path / 'weights').write_text('other')
    assert spec.key() != before


def test_anchors_are_read_as_they_were_written(tmp_path):
    written = replayed([1.0, 2.0], frames=[(7, True), (8, False)])
    written.found[1_500_000_000].plan[-1] = np.nan
    write_anchors(tmp_path / 'anchors.json', written)
    read = read_anchors(tmp_path / 'anchors.json')
    assert read.frames == {7: True, 8: False} and list(read.found) == list(written.found)
    for stamp, one in written.found.items():
        assert read.found[stamp].pose == one.pose
        for name in ('l2', 'plan', 'driven'):
            np.testing.assert_array_equal(getattr(read.found[stamp], name), getattr(one, name))
    whole = (tmp_path / 'anchors.json').read_text()
    for broken in (whole[:-40], '{}', '[]', whole.replace('anchors 1', 'anchors 2'), ''):
        (tmp_path / 'anchors.json').write_text(broken)
        with pytest.raises(BagError, match='no anchors of a replay .*: replay the recording'):
            read_anchors(tmp_path / 'anchors.json')


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    rows = made.drive(9.0, made.jpeg_picture)
    rows.insert(0, (made.at(0.0), '/camera/front/camera_info', made.camera_info()))
    return made.write(tmp_path_factory.mktemp('recorded') / 'circle', rows)


def compared(capsys, out, *arguments):
    """Return the exit code, the summary and what was said."""
    code = cli.main(['compare', *map(str, arguments), '--out', str(out)])
    said = capsys.readouterr()
    path = out / 'summary.json'
    summary = json.loads(path.read_text()) if code < 2 else None
    return code, summary, said.out + said.err


def answers_of(out):
    """Return the only file of answers below a folder."""
    (path,) = out.glob('sides/*/circle/answers.jsonl')
    return path


def aside(path, other):
    """Write the answers with 1 m added to the left of every waypoint from the fourth on."""
    number = r'(\[\s*-?[\d.]+\s*,\s*)(-?[\d.]+)'
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        points = re.findall(number, row['answer'])
        for k, (ahead, left) in enumerate(points):
            moved = f'{ahead}{float(left) + (k >= 3):+.2f}'
            row['answer'] = row['answer'].replace(f'{ahead}{left}', moved, 1)
    other.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    return other


def test_a_worse_side_fails_and_the_page_shows_where(bag, tmp_path, capsys):
    code, same, said = compared(capsys, tmp_path / 'same', 'kinematic', 'kinematic', '--bag', bag)
    assert code == 0 and same['measures']['l2_3s']['difference'] == 0.0
    assert same['worst'] == [] and 'passed  l2_3s > 0' in said
    worse = aside(answers_of(tmp_path / 'same'), tmp_path / 'worse.jsonl')
    out = tmp_path / 'worse'
    sides_ = ('kinematic', f'recorded:{worse}')
    code, summary, said = compared(capsys, out, *sides_, '--bag', bag, '--block', 1)
    assert code == 1 and 'FAILED  l2_3s > 0' in said
    found = summary['measures']
    assert found['l2_1s']['difference'] == pytest.approx(0.0, abs=0.01)
    assert found['l2_3s']['difference'] == pytest.approx(1.0, abs=0.15)
    assert found['l2_3s']['low'] > 0.8 and found['l2_3s']['clusters'] == 6
    assert summary['recordings']['circle']['pairs'] == found['l2_3s']['pairs'] == 10
    assert summary['worst'][0]['difference'] == max(w['difference'] for w in summary['worst'])
    html = (out / 'index.html').read_text()
    assert html.count('<polyline class="path a"') == len(summary['worst']) == 3
    assert 'Gate: B failed' in html and not re.search(r'https?:|url\(|@import', html)
    # Enough is allowed, or the other way round; what was made is taken up by its folder.
    kept = next(out.glob('sides/kinematic-*')), next(out.glob('sides/recorded-*'))
    loose = ('--fail-if', 'l2_3s > 1.5', '--fail-if', 'unanswered > 0')
    code, again, _ = compared(capsys, tmp_path / 'again', *kept, '--block', 1, *loose)
    assert code == 0 and again['measures'] == found
    assert compared(capsys, tmp_path / 'turned', *kept[::-1], '--block', 1)[0] == 0


class Asked:
    """A model that counts, and is interrupted at a question."""

    def __init__(self, until=10**6):
        self.count, self.until = 0, until

    def answer(self, query) -> Answer:
        if self.count == self.until:
            raise KeyboardInterrupt
        self.count += 1
        return KinematicModel().answer(query)


def test_an_interrupted_run_goes_on_to_the_same_bytes(bag, tmp_path, capsys, monkeypatch):
    def run(out, model: Model):
        monkeypatch.setattr(
            'impromptu_vla_ros.evaluation.comparing.running.create_model', lambda *_: model
        )
        return cli.main(['compare', 'kinematic', 'nano', '--bag', str(bag), '--out', str(out)])

    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    asked = Asked()
    assert run(whole, asked) == 0
    assert run(broken, Asked(5)) == 130
    (half,) = broken.glob('sides/*/circle/answers.jsonl')
    half.write_bytes(half.read_bytes()[:-20])
    again = Asked()
    assert run(broken, again) == 0
    assert again.count == asked.count - 4
    files = [path.relative_to(whole) for path in whole.rglob('*') if path.is_file()]
    assert len(files) == 6
    for file in files:
        assert (whole / file).read_bytes() == (broken / file).read_bytes()
    nobody = Asked(0)
    assert run(broken, nobody) == 0
    capsys.readouterr()


def test_replays_that_are_there_are_compared(bag, tmp_path, capsys):
    for name in ('one', 'other'):
        assert cli.main(['replay', str(bag), '--out', str(tmp_path / name)]) == 0
    folders = tmp_path / 'one', tmp_path / 'other'
    code, summary, _ = compared(capsys, tmp_path / 'out', *folders)
    assert code == 0 and summary['a'] == 'one' and summary['measures']['l2_3s']['pairs'] == 10
    code, _, _ = compared(capsys, tmp_path / 'out', folders[0], 'kinematic', '--bag', bag)
    assert code == 0
    (folders[1] / 'anchors.json').write_text('{"kind"')
    code, _, said = compared(capsys, tmp_path / 'out', *folders)
    assert code == 2 and 'no anchors of a replay' in said


def test_drives_that_are_there_are_compared(tmp_path, capsys):
    out = tmp_path / 'drive'
    for model, passed in (('expert', True), ('kinematic', False)):
        for seed in range(6):
            case = Case('straight', seed, model)
            keep(case, out, {'family': 'road', 'score': made_up_drive.score(passed)})
        made_up_drive.record().save(case.folder(out) / f'{case.name}.npz')
    folders = out / 'expert-0_s', out / 'kinematic-0_s'
    code, summary, said = compared(capsys, tmp_path / 'out', *folders)
    assert code == 1 and 'FAILED  failed > 0: +1.000' in said and 'p = 0.031' in said
    assert summary['passed'] == {'a': '6/6 = 100% (61%–100%)', 'b': '0/6 = 0% (0%–39%)'}
    assert summary['drives'][0]['b'] == 'hit parked at 6.0 m/s'
    html = (tmp_path / 'out' / 'index.html').read_text()
    assert html.count('<img class="drive"') == 2  # one drive has records
    (tmp_path / 'file').write_text('')
    code, _, said = compared(capsys, tmp_path / 'file' / 'out', *folders)
    assert code == 2 and 'Not a directory; the same command goes on' in said
    (folders[1] / 'straight-3.json').write_text('{"case": {"scenario"')
    code, _, said = compared(capsys, tmp_path / 'out', *folders)
    assert code == 2 and 'straight-3.json is not whole' in said


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['kinematic', 'kinematic'], 'say on what'),
        (['nowhere', 'kinematic', '--bag', 'BAG'], "'nowhere' is no folder of results"),
        (['kinematic', 'kinematic@martian', '--bag', 'BAG'], "'martian' is not known"),
        (['kinematic,x=1', 'kinematic', '--bag', 'BAG'], "model 'kinematic'"),
        (['kinematic', 'kinematic@navsim', '--bag', 'BAG'], 'has no front_right topic'),
        (['expert', 'kinematic', '--bag', 'BAG'], 'expert sees no recordings'),
        (['kinematic', 'kinematic', '--bag', 'BAG', 'BAG'], "two recordings are called 'circle'"),
        (['kinematic', 'kinematic', '--scenario', 'moon'], "no scenario 'moon'"),
        (['kinematic', 'kinematic', '--bag', 'BAG', '--fail-if', 'x'], 'no condition like'),
        (['kinematic', 'kinematic', '--bag', 'missing'], 'missing'),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(bag, tmp_path, capsys, arguments, said):
    given = [str(bag) if each == 'BAG' else each for each in arguments]
    code, _, text = compared(capsys, tmp_path, *given)
    assert code == 2 and said in text and text.count('\n') == 1


def test_dialects_are_compared_on_a_real_drive(data, artefacts, capsys):
    out = artefacts('compare')
    bag = data / 'bags' / 'kitti_raw_queue_stop'
    sides_ = ('kinematic', 'kinematic@kitti')
    code, summary, said = compared(capsys, out, *sides_, '--bag', bag, '--block', 0.5)
    found = summary['measures']
    assert code == 0 and f'A: kinematic\nB: {sides_[1]}' in said
    # The README's numbers of the baseline.
    assert [round(found[f'l2_{k}s']['a'], 2) for k in (1, 2, 3)] == [0.15, 0.43, 0.65]
    assert found['l2_3s']['low'] < found['l2_3s']['difference'] < found['l2_3s']['high']
    assert '<image href="data:image/jpeg' in (out / 'index.html').read_text()


def test_scenarios_are_driven_once_for_the_same_side(tmp_path, capsys):
    pytest.importorskip('carla')
    pytest.importorskip('msgpack')
    arguments = ('kinematic', 'kinematic', '--scenario', 'ncap_frontal', '--seed', 1)
    code, summary, _ = compared(capsys, tmp_path, *arguments)
    (record,) = tmp_path.glob('sides/*/drives/*/ncap_frontal-1.npz')
    assert code == 0 and summary['drives'][0]['a'].startswith('hit frontal at')
    assert summary['measures']['failed'] == {
        'a': 1.0, 'b': 1.0, 'difference': 0.0, 'pairs': 1, 'clusters': 1, 'p': 1.0,
        'low': pytest.approx(-0.793, abs=1e-3), 'high': pytest.approx(0.793, abs=1e-3),
    }  # fmt: skip
    made_at, page = record.stat().st_mtime_ns, (tmp_path / 'index.html').read_bytes()
    assert compared(capsys, tmp_path, *arguments)[0] == 0
    assert record.stat().st_mtime_ns == made_at
    assert (tmp_path / 'index.html').read_bytes() == page
