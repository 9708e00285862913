# SPDX-License-Identifier: Apache-2.0
"""The model in the box by its name: here with tiny graphs of random weights in its place."""

import pytest

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.provisions import Wanted, check_provisions
from impromptu_vla_ros.models import ModelError, create_model, nano
from impromptu_vla_ros.nodes import loading
from impromptu_vla_ros.nodes.parameters import ModelParameters, PlannerParameters
from impromptu_vla_ros.self_test import grey_query


@pytest.fixture
def boxed(tiny_graphs, monkeypatch):
    """Put the tiny graphs into the box, though nobody has compared them with a checkpoint."""
    monkeypatch.setattr(nano, 'graphs_folder', lambda: tiny_graphs)
    monkeypatch.setattr('impromptu_vla_ros.models.onnx_engine.check_parity', lambda *_: None)


def test_it_passes_the_self_test_in_its_dialect_where_bound_to_the_form(boxed):
    parameters = PlannerParameters(ModelParameters('nano', threads=1, constrained=True))
    dialect = loading.checked_dialect(parameters)
    assert dialect == DIALECTS['nano']
    model = loading.load_model(parameters.model)
    assert loading.self_test(model, dialect, required=True) == ''
    answer = model.answer(grey_query(dialect))
    assert {'preprocess', 'encode', 'prefill', 'decode'} <= set(answer.latencies)


def test_it_runs_on_the_cpu_unless_told_otherwise(boxed):
    with pytest.raises(ModelError, match='no device'):
        create_model('nano', device='tpu')
    with pytest.raises(ModelError, match="model 'nano': .*checkpoint"):
        create_model('nano', checkpoint='x')


def test_it_has_no_other_weights_than_its_own():
    with pytest.raises(ModelError, match="checkpoint is '3B_AD': set model.name to transformers"):
        loading.load_model(ModelParameters('nano', checkpoint='3B_AD'))


def test_a_box_without_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(nano, 'files', lambda _: tmp_path)
    with pytest.raises(ModelError, match='not in this installation .*: make one'):
        create_model('nano')
    (found,) = check_provisions(Wanted(model='nano'), ['front'])
    assert (found.level, found.what) == ('error', 'model: nano cannot answer')
    assert found.remedy.startswith('make one by impromptu-vla train')


def test_another_dialect_than_its_own_is_refused():
    with pytest.raises(ValueError, match="trained in dialect 'nano'"):
        load_dialect('nuscenes', '', '', 1, 'nano')
    (found, *_) = check_provisions(Wanted('nuscenes', model='nano'), ['front'])
    assert found.what == 'dialect: does not fit'
