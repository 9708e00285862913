# SPDX-License-Identifier: Apache-2.0
"""
The trained tiny checkpoint along real drives: drafts change no token, and save most passes.

In the ordinary ring a few questions, and many of them in the soak.
"""

from pathlib import Path

import pytest

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.benchmark.measuring import Measured, summarize
from impromptu_vla_ros.evaluation.benchmark.questions import questions, spread
from impromptu_vla_ros.evaluation.benchmark.ways import DRAFTS, GENERATE, PLAIN, ways
from impromptu_vla_ros.models import create_model
from impromptu_vla_ros.models.decoding import read
from impromptu_vla_ros.models.prompting import prepare

PLANNER = Path(__file__).parents[1] / 'data' / 'tiny_planner'
BAGS = ('kitti_odo00', 'kitti_odo06', 'kitti_raw_queue_stop')
DIALECT_NAMES = ('kitti', 'nuscenes')
FEW, SOME, MANY = 16, 64, 200
# Of ten points: the measure.
MOST_PASSES = 20
# Of logits of single precision that are about 10, and the share of answers with such a tie.
ROUNDING, MOST_TIES = 2e-5, 0.02


@pytest.fixture(scope='module')
def planner():
    for library in ('torch', 'transformers'):
        pytest.importorskip(library, reason='needs the extra impromptu_vla_ros[torch]')
    if not PLANNER.is_dir():
        pytest.skip(f'no trained checkpoint in {PLANNER}: python test/train_tiny_planner.py')
    return create_model('transformers', checkpoint=str(PLANNER), device='cpu')


@pytest.fixture(scope='module')
def graphs(planner, tmp_path_factory):
    """Return a function that makes a model of exported graphs."""
    for library in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(library, reason='needs the extra impromptu_vla_ros[export]')
    from impromptu_vla_ros.models.export import export_checkpoint
    from impromptu_vla_ros.models.onnx_engine import open_graphs
    from impromptu_vla_ros.models.onnx_sessions import Device

    def exported(weights):
        folder = tmp_path_factory.mktemp(weights)
        manifest = export_checkpoint(str(PLANNER), folder, weights)
        return open_graphs(folder, manifest, Device('cpu', threads=1))

    return exported


@pytest.fixture(scope='module')
def asked(data):
    """Return all questions along the recorded drives, by dialect."""
    folders = [data / 'bags' / name for name in BAGS]
    found = {
        name: [query for path in folders for query in questions(path, DIALECTS[name])]
        for name in DIALECT_NAMES
    }
    assert all(len(queries) >= MANY // 2 for queries in found.values())
    return found


def runs(model, name, queries):
    """Return what one way of a model answers."""
    way = next(way for way in ways('', model, exact=True) if way.name == name)
    return Measured(way, [way.answer(query) for query in queries])


def hold(model, greedy, drafted, queries, most_passes=MOST_PASSES):
    """
    Hold the answers with drafts against the greedy ones: every token, and few passes.

    Products of other sizes round otherwise. Where two tokens are as likely but for that, either
    may be chosen: rare, and never more than a step of rounding apart.
    """
    summary = summarize([greedy, drafted])[1]
    assert summary['passes']['mean'] <= most_passes
    ties = [
        near_tie(model, query, a.tokens, b.tokens)
        for query, a, b in zip(queries, greedy.runs, drafted.runs)
        if a.tokens != b.tokens
    ]
    assert all(apart < ROUNDING for apart in ties)
    assert len(ties) <= max(1, MOST_TIES * len(queries))


def near_tie(model, query, one, other):
    """Return how far apart the logits are of the first tokens that differ."""
    place = next(k for k, (a, b) in enumerate(zip(one, other)) if a != b)
    prompt = prepare(query, model.tokenizer)
    features = [model.engine.encode(picture) for picture in prompt.pictures]
    rows = read(model.engine, prompt, features, one[:place])
    sure = rows.log_probabilities([place], (one[place], other[place]))[0]
    return abs(sure[0] - sure[1])


@pytest.fixture(scope='module')
def few(planner, asked):
    """Return some questions of each dialect, and what `generate` answers."""
    queries = [query for name in DIALECT_NAMES for query in spread(asked[name], FEW // 2)]
    return queries, runs(planner, GENERATE, queries)


def test_the_answers_are_those_of_generate(planner, few):
    queries, greedy = few
    hold(planner, greedy, runs(planner, DRAFTS, queries), queries)


@pytest.mark.timeout(300)
def test_the_answers_of_the_graphs_are_those_of_generate(planner, graphs, few):
    queries, greedy = few
    hold(planner, greedy, runs(graphs('fp32'), DRAFTS, queries), queries)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_answer_is_that_of_generate(planner, graphs, asked):
    model = graphs('fp32')
    for name in DIALECT_NAMES:
        queries = spread(asked[name], MANY // 2)
        greedy = runs(planner, GENERATE, queries)
        hold(planner, greedy, runs(planner, DRAFTS, queries), queries)
        hold(planner, greedy, runs(model, DRAFTS, queries), queries)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize('weights', ['int8', 'int4'])
def test_every_answer_of_coarser_graphs_is_their_own_greedy_one(graphs, asked, weights):
    model = graphs(weights)
    for name in DIALECT_NAMES:
        queries = spread(asked[name], SOME // 2)
        greedy = runs(model, PLAIN, queries)
        # Coarse weights lose the thread more often, and then accept little.
        hold(model, greedy, runs(model, DRAFTS, queries), queries, 2 * MOST_PASSES)
