# SPDX-License-Identifier: Apache-2.0
"""One command makes a model from nothing, and says where it comes from."""

import json

import pytest
from made_up_lessons import NANO, SMALL

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.evaluation.made_up import made_up_questions
from impromptu_vla_ros.models import create_model
from impromptu_vla_ros.training import recipe
from impromptu_vla_ros.training.lessons.files import lessons_hash

LIBRARIES = ('torch', 'transformers', 'tokenizers', 'onnx', 'onnxscript', 'onnxruntime')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    for name in LIBRARIES:
        pytest.importorskip(name, reason='needs the extras impromptu_vla_ros[train,export]')
    out = tmp_path_factory.mktemp('nano')
    small = recipe.Recipe(1, practice=1, jobs=1, threads=1, weights='fp32', plan=SMALL)
    return recipe.make(small, out, None, 'impromptu-vla train --out nano')


def test_it_says_where_it_comes_from(made):
    told = json.loads((made / recipe.PROVENANCE).read_text())
    assert told['command'] == 'impromptu-vla train --out nano'
    assert told['lessons_sha256'] == lessons_hash(made / 'lessons')
    practice = {name: lessons_hash(made / 'practice' / name) for name in SMALL.rounds}
    assert told['practice_sha256'] == practice and len(set(practice.values())) == len(SMALL.rounds)
    assert told['recipe']['plan']['seed'] == SMALL.seed
    steps = {name: look['step'] for name, look in told['last_looks'].items()}
    assert steps == {phase.name: phase.steps for phase in SMALL.phases}
    driven = {f'drives of {name}' for name in SMALL.rounds}
    assert set(told['seconds']) == {'lessons', 'export', *steps, *driven}


def test_its_graphs_answer_in_the_dialect(made):
    model = create_model('onnx', checkpoint=str(made / 'onnx'), constrained=True, threads=1)
    (query,) = made_up_questions(NANO, 1)
    assert len(decode_trajectory(NANO, model.answer(query).text).points) == 6
