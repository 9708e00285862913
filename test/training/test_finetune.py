# SPDX-License-Identifier: Apache-2.0
"""A real checkpoint is fine-tuned, cut off, gone on with, and merged; here a tiny one."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.models import ModelError, create_model
from impromptu_vla_ros.training.tuning import finetune, lora
from impromptu_vla_ros.training.tuning.finetune import Settings, Source
from impromptu_vla_ros.training.tuning.recordings import recorded_turns
from impromptu_vla_ros.training.tuning.turns import Turns, padded, worded

for library in ('torch', 'transformers', 'peft'):
    pytest.importorskip(library, reason='needs the extra impromptu_vla_ros[train]')

ROOT = Path(__file__).parents[2]
TINY = Source(str(ROOT / 'test' / 'data' / 'tiny_planner'))
# Small pictures: 12 tokens each.
DIALECT = replace(DIALECTS['kitti'], most_pixels=112 * 84)
FEW = Settings(rank=4, alpha=8, steps=4, batch=2, accumulation=1, rate=0.01, every=2)


@pytest.fixture(scope='module')
def turns():
    with Bag(ROOT / 'demo' / 'driving') as bag:
        found = recorded_turns(bag, DIALECT)
    return Turns(found.learned[:4], found.held[:1])


@pytest.fixture(scope='module')
def tuned(turns, tmp_path_factory):
    """Return the folder of a checkpoint tuned in one go, and its losses."""
    losses = []
    out = tmp_path_factory.mktemp('tuned') / 'tiny_finetune'
    finetune.run(FEW, TINY, turns, DIALECT, out, lambda _, loss: losses.append(loss))
    return out, losses


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / 'model.safetensors')


def test_it_learns_and_says_so(tuned):
    out, losses = tuned
    assert len(losses) == FEW.steps
    assert np.mean(losses[2:]) < np.mean(losses[:2])
    lines = [json.loads(line) for line in (out / 'training/training.jsonl').open()]
    assert [line['step'] for line in lines] == [1, 2, 3, 4]
    assert [line['loss'] for line in lines] == losses
    assert [line['rate'] for line in lines] == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    assert [line.get('held', 0.0) > 0.0 for line in lines] == [False, True, False, True]


def test_what_was_cut_off_ends_as_if_it_was_not(turns, tuned, tmp_path):
    def cut(step, _):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune.run(FEW, TINY, turns, DIALECT, tmp_path, cut)
    assert not (tmp_path / 'config.json').exists()
    finetune.run(FEW, TINY, turns, DIALECT, tmp_path)
    for name in ('model.safetensors', 'training/training.jsonl', 'config.json'):
        assert (tmp_path / name).read_bytes() == (tuned[0] / name).read_bytes(), name
    with pytest.raises(ModelError, match='another plan'):
        finetune.run(replace(FEW, rate=0.02), TINY, turns, DIALECT, tmp_path)


def test_only_the_language_model_changes(tuned):
    before, after = weights(Path(TINY.checkpoint)), weights(tuned[0])
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed and all(name.endswith('_proj.weight') for name in changed)
    assert not any('visual' in name for name in changed)


def test_the_merged_checkpoint_answers_as_its_adapters_do(turns, tuned):
    import torch
    from tokenizers import Tokenizer

    learner = finetune.Learner(FEW, TINY, turns, DIALECT)
    state = tuned[0] / 'training/state.safetensors'
    parts = {'adapter': learner.parts.adapter}
    assert finetune.load_state(state, parts, [learner.optimizer], learner.plan) == 4
    model = create_model('transformers', checkpoint=str(tuned[0]), device='cpu')
    tokenizer = Tokenizer.from_file(str(tuned[0] / 'tokenizer.json'))
    words = [worded(turns.held[0], DIALECT, tokenizer)]
    with torch.no_grad():
        said = [
            float(finetune.answer_loss(network, words))
            for network in (learner.parts.network, model.engine.network)
        ]
    assert said[0] == pytest.approx(said[1], rel=1e-4)


def test_the_dialect_of_the_new_checkpoint_is_told_beside_it(tuned):
    out = tuned[0]
    assert load_dialect(str(out / 'dialect.json'), str(out), '', 1) == DIALECT
    assert {path.name for path in out.iterdir()} == {
        *('config.json', 'dialect.json', 'generation_config.json', 'model.safetensors'),
        *('tokenizer.json', 'training'),
    }


def test_a_step_is_the_same_however_it_is_cut(turns):
    cuts = [replace(FEW, batch=b, accumulation=2 // b) for b in (1, 2)]
    learners = [finetune.Learner(cut, TINY, turns, DIALECT) for cut in cuts]
    losses = [learner.step(0)['loss'] for learner in learners]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_vision_tower_can_be_tuned_and_activations_recomputed(turns):
    settings = replace(FEW, vision=True, batch=1, recompute=True)
    learner = finetune.Learner(settings, TINY, turns, DIALECT)
    learner.step(0)
    plain = finetune.Learner(replace(settings, recompute=False), TINY, turns, DIALECT)
    plain.step(0)
    trained = dict(learner.parts.adapter.named_parameters())
    assert {'visual' in name for name in trained} == {True, False}
    for name, weight in plain.parts.adapter.named_parameters():
        np.testing.assert_allclose(trained[name].detach(), weight.detach(), atol=1e-6)
        assert 'lora_B' not in name or float(weight.detach().abs().max()) > 0.0, name


def test_half_precision_is_tuned_by_adapters_in_single(turns):
    learner = finetune.Learner(replace(FEW, dtype='bf16', batch=1), TINY, turns, DIALECT)
    assert np.isfinite(learner.step(0)['loss'])
    kinds = {str(weight.dtype) for _, weight in learner.parts.adapter.named_parameters()}
    assert kinds == {'torch.float32'}
    merged = learner.parts.merged()
    assert {str(weight.dtype) for weight in merged.parameters()} == {'torch.bfloat16'}


def test_the_answer_alone_counts_and_each_lesson_once_an_epoch(turns):
    learner = finetune.Learner(replace(FEW, batch=1), TINY, turns, DIALECT)
    seen = [number for step in range(8) for number in learner._numbers(step)]
    assert sorted(seen[:4]) == sorted(seen[4:]) == [0, 1, 2, 3]
    words = [worded(turn, DIALECT, learner.tokenizer) for turn in turns.learned[:2]]
    batch = padded(words)
    for row, turn in enumerate(turns.learned[:2]):
        ids = batch.ids[row, batch.said[row]].tolist()
        said = learner.tokenizer.decode(ids, skip_special_tokens=False)
        assert said == turn.answer + '<|im_end|>'


def test_a_missing_library_is_named_with_its_extra(monkeypatch, turns, tmp_path):
    def absent(name):
        raise ImportError(f'No module named {name!r}')

    monkeypatch.setattr(lora, 'import_module', absent)
    with pytest.raises(ModelError, match=r'peft.*impromptu_vla_ros\[train\]'):
        finetune.run(FEW, TINY, turns, DIALECT, tmp_path)
    assert importlib.import_module('peft')


def test_nothing_to_learn_and_numbers_that_cannot_be_are_errors(tmp_path):
    with pytest.raises(ModelError, match='nothing to learn'):
        finetune.run(FEW, TINY, Turns(), DIALECT, tmp_path)
    with pytest.raises(ModelError, match='rank is 0'):
        Settings(rank=0)
