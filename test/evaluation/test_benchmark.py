# SPDX-License-Identifier: Apache-2.0
"""The benchmark on a network of random weights: what it tells, and what it refuses."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.drafting import MotionDraft
from impromptu_vla_ros.evaluation.benchmark import machine, shapes, ways
from impromptu_vla_ros.evaluation.benchmark.schedule import Schedule, read_schedule, replayed
from impromptu_vla_ros.models.decoding import NumpyRows
from impromptu_vla_ros.models.prompting import Prompt

sys.path.insert(0, str(Path(__file__).parents[1]))
EXTRA = 'needs the extra impromptu_vla_ros[torch,test]'
DRIVE = Path(__file__).parents[2] / 'demo' / 'driving'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    for library in ('torch', 'transformers', 'dashscope'):
        pytest.importorskip(library, reason=EXTRA)
    from tiny_qwen import build_tiny_checkpoint

    return build_tiny_checkpoint(tmp_path_factory.mktemp('benchmark') / 'tiny')


def benchmark(*arguments):
    usual = ['--threads', '1', '--device', 'cpu', '--dialect', 'nuscenes', '--most-tokens', '30']
    return cli.main(['benchmark', *usual, *map(str, arguments)])


@pytest.fixture(scope='module')
def told(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp('out')
    schedule = out / 'schedule.json'
    code = benchmark(checkpoint, '--quick', '--out', out, '--save-schedule', schedule)
    return code, json.loads((out / 'summary.json').read_text()), out


def test_all_ways_are_measured_alike(told):
    code, summary, _ = told
    assert code == 0
    assert [way['way'] for way in summary['ways']] == [
        'generate',
        'token by token',
        'jump-forward',
        'first draft',
        'drafts',
    ]
    for way in summary['ways']:
        assert way['answers'] == 2
        assert set(way['stages_s']) >= {'preprocess', 'prefill', 'decode'}
        assert 0 < way['stages_s']['decode']['p50'] <= way['whole_s']['p95']
        assert sum(way['passes']['histogram'].values()) == 2
        assert way['tokens_per_s'] > 0
        if way['lossless']:
            assert way['identical'] == way['as_first'] == 2
    generate, plain, jumps, *_ = summary['ways']
    assert generate['times_faster'] == 1.0
    assert generate['passes'] == plain['passes']
    assert jumps['passes']['mean'] < plain['passes']['mean']
    assert summary['machine']['processor']
    assert summary['threads'] == 1


def test_the_page_holds_the_same_numbers(told):
    _, summary, out = told
    html = (out / 'index.html').read_text()
    within = html.partition('id="summary">')[2].partition('</script>')[0]
    assert json.loads(within) == summary
    assert '<polyline class="line plan"' in html


def test_a_saved_schedule_is_replayed(told, monkeypatch, tmp_path, capsys):
    """On a shape as small as the tests'."""
    _, summary, out = told
    monkeypatch.setitem(shapes.TEXT, '0.5B', (64, 2, 4, 2, 128, 151936, True))
    monkeypatch.setitem(shapes.VISION, '0.5B', (32, 2, 2, 64, (1,)))
    schedule = out / 'schedule.json'
    arguments = '--shape', '0.5B', '--schedule', schedule, '--out', tmp_path, '--questions', 2
    assert benchmark(*arguments) == 0
    said = capsys.readouterr().out
    assert 'REPLAY on random weights of the shape 0.5B' in said
    told = json.loads((tmp_path / 'summary.json').read_text())
    generate, replay = told['ways']
    assert replay['identical'] is None
    assert replay['tokens'] == generate['tokens']
    assert set(map(int, replay['passes']['histogram'])) <= set(read_schedule(schedule).passes)


def test_an_answer_that_is_not_the_greedy_one_is_a_failure(
    checkpoint, tmp_path, monkeypatch, capsys
):
    decoded = ways._decoded

    def lying(model, *adapt):
        answer = decoded(model, *adapt)

        def other(query):
            run = answer(query)
            return replace(run, tokens=run.tokens[:-1])

        return other if adapt == (ways._drafted_once,) else answer

    monkeypatch.setattr(ways, '_decoded', lying)
    assert benchmark(checkpoint, '--questions', 1, '--out', tmp_path) == 1
    said = capsys.readouterr()
    assert 'first draft: 1 of 1 answers are not those of generate' in said.err
    assert json.loads((tmp_path / 'summary.json').read_text())['ways'][3]['identical'] == 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'nothing to measure: name a CHECKPOINT, --onnx FOLDER or --shape'),
        (['--shape', '0.5B'], '--shape 0.5B needs --schedule FILE'),
        (['--shape', '9B', '--schedule', '{schedule}'], "no shape '9B': one of 0.5B, 3B, 7B"),
        (['--shape', '3B', '--schedule', '/nowhere.json'], 'holds no schedule'),
        (['{checkpoint}', '--recordings', '/nowhere'], '/nowhere'),
        (['{checkpoint}', '--dtype', 'fp8'], "no dtype 'fp8'"),
    ],
)
def test_what_is_missing_is_said(arguments, message, checkpoint, told, tmp_path, capsys):
    places = {'checkpoint': checkpoint, 'schedule': told[2] / 'schedule.json'}
    given = [each.format(**places) for each in arguments]
    assert benchmark(*given, '--out', tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count('\n') == 0


class Noise:
    """An engine that keeps count of what it is fed."""

    def __init__(self):
        self.length, self.fed = 0, []

    def encode(self, picture):
        return picture

    def prefill(self, ids, features, positions, rows=1):
        self.length = 0
        return self._read(len(ids), rows)

    def extend(self, ids, positions):
        return self._read(len(ids), len(ids))

    def truncate(self, length):
        self.length = min(self.length, length)

    def _read(self, count, rows):
        self.length += count
        self.fed.append(count)
        return NumpyRows(np.zeros((rows, 128), np.float32))


def test_a_replay_does_exactly_the_passes_of_the_schedule(tmp_path):
    prompt = Prompt(np.arange(30), np.tile(np.arange(30), (3, 1)), ())
    schedule = Schedule('by hand', 8, 10, ((12, 1, 9, 5),))
    engine = Noise()
    run = replayed(engine, prompt, schedule, schedule.answers[0])
    assert run.accepted == (12, 1, 9, 5)
    # The prompt with header and window; then the newest token with a window, as far as it goes.
    assert engine.fed == [30 + 18, 1 + 8, 1 + 8, 1 + 5]
    # All that was written but for the newest, and the rest of the last window.
    assert engine.length == 30 + 21 + 6
    schedule.write(tmp_path / 'deep' / 's.json')
    assert read_schedule(tmp_path / 'deep' / 's.json') == schedule


def test_some_answers_are_spread_over_few_and_many_passes():
    schedule = Schedule('', 8, 0, tuple((1,) * n for n in (9, 1, 5, 3, 7)))
    assert [len(each) for each in schedule.some(1)] == [5]
    assert [len(each) for each in schedule.some(2)] == [3, 7]


def test_the_shapes_are_those_that_are_said():
    transformers = pytest.importorskip('transformers', reason=EXTRA)
    import torch

    counts = {}
    for name in shapes.TEXT:
        with torch.device('meta'):
            network = transformers.Qwen2_5_VLForConditionalGeneration(
                transformers.Qwen2_5_VLConfig(**shapes.config_of(name))
            )
        counts[name] = sum(each.numel() for each in network.parameters()) / 1e9
    assert counts == {
        '0.5B': pytest.approx(0.563, abs=1e-3),
        '3B': pytest.approx(3.755, abs=1e-3),
        '7B': pytest.approx(8.292, abs=1e-3),
    }
    prompt = shapes.random_prompt()
    assert (prompt.ids == shapes.PICTURE_ID).sum() == prompt.pictures[0].tokens == 336


def test_a_draft_that_is_never_drafted_again():
    points = np.array([[1.0 * k, 0.0] for k in range(1, 11)])
    draft = ways.OnlyOnce(MotionDraft(DIALECTS['nuscenes'], points))
    first = draft.continued('')
    assert first.count('[') == 11
    header = first[: first.index(' [1.')]
    # The first number was another one, with a digit more: the rest stays as it was.
    assert draft.continued(f'{header} [1.25, 0.1') == first.replace('[1.0, 0.0]', '[1.25, 0.1]', 1)
    assert draft.continued(first) == first


def test_the_power_of_a_jetson_and_of_a_processor(tmp_path):
    chip = tmp_path / 'sys/class/hwmon/hwmon3'
    chip.mkdir(parents=True)
    for name, text in {
        'name': 'ina3221',
        'in1_label': 'VDD_IN',
        'in1_input': '19000',
        'curr1_input': '1000',
        'in2_label': 'VDD_CPU_GPU_CV',
        'in2_input': '19000',
        'curr2_input': '300',
    }.items():
        (chip / name).write_text(text + '\n')
    assert machine._sensor(tmp_path)() == 19.0
    (chip / 'in1_label').write_text('VDD_GPU_SOC')
    assert machine._sensor(tmp_path)() == pytest.approx(24.7)

    zone = tmp_path / 'rapl/sys/class/powercap/intel-rapl:0'
    zone.mkdir(parents=True)
    (zone / 'energy_uj').write_text('5000000')
    watts = machine._sensor(tmp_path / 'rapl')
    (zone / 'energy_uj').write_text('9000000')
    assert watts() > 0.0
    (zone / 'energy_uj').write_text('100')
    assert watts() is None
    assert machine._sensor(tmp_path / 'nothing') is None


def test_the_peak_of_the_memory_is_seen():
    memory = machine.Memory()
    most = memory.peak(lambda: np.ones(8_000_000))
    if most is None:
        pytest.skip('this system does not tell the peak of a memory')
    assert 60e6 < most < 80e6
    assert memory.peak(lambda: None) < 8e6
