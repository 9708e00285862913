# SPDX-License-Identifier: Apache-2.0
"""Training: the tower is transformers' own, the loss falls, a stopped run goes on as if not."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_up_lessons import NANO, SMALL, made_up_drive

torch = pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[train]')
pytest.importorskip('transformers', reason='needs the extra impromptu_vla_ros[train]')
tokenizers = pytest.importorskip('tokenizers', reason='needs the extra impromptu_vla_ros[train]')

from impromptu_vla_ros.training.nano import halves, trainer  # noqa: E402
from impromptu_vla_ros.training.nano.language import Language  # noqa: E402
from impromptu_vla_ros.training.nano.network import make_network, reader_and_writer  # noqa: E402
from impromptu_vla_ros.training.nano.plan import Phase  # noqa: E402
from impromptu_vla_ros.training.nano.pool import split  # noqa: E402
from impromptu_vla_ros.training.nano.tower import features  # noqa: E402

TOKENIZER = Path(trainer.__file__).parents[2] / 'nano' / 'tokenizer.json'


@pytest.fixture(scope='module')
def tokenizer():
    return tokenizers.Tokenizer.from_file(str(TOKENIZER))


@pytest.fixture(scope='module')
def pools():
    random = np.random.default_rng(0)
    return split([made_up_drive(random) for _ in range(4)], 0.25, NANO)


def weights_of(network):
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


@pytest.mark.parametrize('halved', [False, True])
def test_many_pictures_at_once_are_seen_as_by_transformers(tokenizer, monkeypatch, halved):
    monkeypatch.setattr(halves, '_supported', lambda: halved)
    tower = make_network(tokenizer, SMALL.size, 3).model.visual
    # Of a picture both frames of a patch are the same.
    values = torch.randn(3, 180, 3, 1, 196).expand(-1, -1, -1, 2, -1).flatten(2)
    grid = (1, 10, 18)
    with torch.no_grad():
        found = features(tower, values, grid).flatten(0, 1)
        wanted = tower(values.flatten(0, 1), torch.tensor([grid] * 3))
    wanted = getattr(wanted, 'pooler_output', wanted)
    off = 0.02 * float(wanted.abs().max()) if halved else 1e-5
    torch.testing.assert_close(found, wanted, atol=off, rtol=1e-5)


@pytest.mark.parametrize('first', [0, 4])
@pytest.mark.parametrize('halved', [False, True])
def test_a_batch_is_read_as_by_transformers(tokenizer, monkeypatch, halved, first):
    monkeypatch.setattr(halves, '_supported', lambda: halved)
    model = make_network(tokenizer, replace(SMALL.size, layers=3), 3).model.language_model
    embedded = torch.randn(2, 9, SMALL.size.hidden)
    positions = torch.randint(0, 40, (3, 2, 9))
    with torch.no_grad():
        language = Language(model, embedded, positions, first)
        found = [language.halfway, *language.end()]
        wanted = model(
            inputs_embeds=embedded,
            position_ids=positions,
            use_cache=False,
            output_hidden_states=True,
        ).hidden_states[2:]
    for one, other in zip([found[0], found[2]], [wanted[0], wanted[1]]):
        off = 0.02 * float(other.abs().max()) if halved else 1e-5
        torch.testing.assert_close(one, other[:, first:], atol=off, rtol=1e-5)
    torch.testing.assert_close(found[1], language.halfway, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize('bias', [False, True])
def test_a_halved_mlp_learns_as_the_whole_one(tokenizer, monkeypatch, bias):
    network = make_network(tokenizer, SMALL.size, 3).model
    part = network.visual.blocks[0].mlp if bias else network.language_model.layers[0].mlp
    assert (part.gate_proj.bias is not None) == bias
    given = torch.randn(2, 9, part.gate_proj.in_features, requires_grad=True)
    learned = [given, *part.parameters()]
    weights, found = torch.randn(2, 9, part.down_proj.out_features), []
    for halved in (False, True):
        monkeypatch.setattr(halves, '_supported', lambda halved=halved: halved)
        made = halves.gated(part, given)
        found.append([made, *torch.autograd.grad((made * weights).sum(), learned)])
    for one, other in zip(*found):
        torch.testing.assert_close(
            other, one, atol=0.03 * float(one.detach().abs().max()), rtol=0.0
        )


@pytest.mark.parametrize('apart', [False, True])
def test_halved_attention_learns_as_the_whole_one(monkeypatch, apart):
    random = torch.Generator().manual_seed(1)
    given = [torch.randn(6, 2, 9, 8, generator=random, requires_grad=True) for _ in range(3)]
    together = torch.ones(9, 9).tril().bool() if apart else None
    weights, found = torch.randn(6, 2, 9, 8, generator=random), []
    for halved in (False, True):
        monkeypatch.setattr(halves, '_supported', lambda halved=halved: halved)
        loss = (halves.attention(*given, together) * weights).sum()
        found.append([loss, *torch.autograd.grad(loss, given)])
    for exact, near in zip(*found):
        assert (exact - near).norm() < 0.02 * exact.norm() + 0.05


def names():
    return [phase.name for phase in SMALL.phases]


def planned(name, steps, batch):
    changed = Phase(name, steps, batch)
    phases = tuple(changed if phase.name == name else phase for phase in SMALL.phases)
    return replace(SMALL, phases=phases)


def learned(name, tokenizer, pools, out, plan=SMALL):
    return trainer.learn(name, plan, NANO, tokenizer, *pools, out)


def test_a_stopped_training_goes_on_to_the_same_weights(tokenizer, pools, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, 'SAVE', 1)
    *before, last = names()
    for name in before:
        learned(name, tokenizer, pools, tmp_path)
    shutil.copytree(tmp_path, tmp_path / 'stopped', ignore=shutil.ignore_patterns('stopped'))
    whole = learned(last, tokenizer, pools, tmp_path)
    step = trainer.Learner.step

    def stopped(self, number, batch):
        if number == 2:
            raise KeyboardInterrupt
        return step(self, number, batch)

    monkeypatch.setattr(trainer.Learner, 'step', stopped)
    with pytest.raises(KeyboardInterrupt):
        learned(last, tokenizer, pools, tmp_path / 'stopped')
    monkeypatch.setattr(trainer.Learner, 'step', step)
    resumed = learned(last, tokenizer, pools, tmp_path / 'stopped')
    torch.testing.assert_close(weights_of(resumed), weights_of(whole), atol=0.0, rtol=0.0)
    (line,) = (tmp_path / 'stopped' / f'{last}.jsonl').read_text().splitlines()
    assert json.loads(line)['step'] == 3


def test_each_phase_learns_its_parts_and_begins_with_what_was_learned(tokenizer, pools, tmp_path):
    with pytest.raises(ValueError, match='looking.safetensors holds nothing: that is learned fir'):
        learned('practising_1', tokenizer, pools, tmp_path)
    untrained = make_network(tokenizer, SMALL.size, SMALL.seed)
    # What is kept, at no share of the rate, stays as it was.
    plan = replace(SMALL, kept=0.0)
    looked, *later = (learned(name, tokenizer, pools, tmp_path, plan) for name in names())

    def parts(network):
        reader, writer = reader_and_writer(network.model.language_model)
        return {'tower': network.model.visual, 'reader': reader, 'writer': writer}

    def changed(one, other):
        pairs = zip(parts(one).items(), parts(other).values())
        return {name for (name, a), b in pairs if not torch.equal(weights_of(a), weights_of(b))}

    assert changed(untrained, looked) == {'tower'}
    reads, writes = {'tower', 'reader'}, {'reader', 'writer'}
    found = [changed(*pair) for pair in pairwise([looked, *later])]
    assert found == [reads, reads, writes, {'tower'}, {'reader'}, {'writer'}]


def test_a_state_of_another_plan_is_refused(tokenizer, pools, tmp_path):
    learned('looking', tokenizer, pools, tmp_path)
    # What comes later does not matter.
    learned('looking', tokenizer, pools, tmp_path, planned('reading', 9, 4))
    with pytest.raises(ValueError, match='of another plan'):
        learned('looking', tokenizer, pools, tmp_path, replace(SMALL, seed=9))


def test_whole_prompts_come_more_and_more_often():
    phase = Phase('reading', 4, 24, whole=(0.0, 1.0), whole_batch=12)
    assert phase.form(2, 0.4) == (True, 12) and phase.form(2, 0.6) == (False, 24)
    assert Phase('reading', 4, 24).form(3, 0.0) == (False, 24)


def test_each_step_has_lessons_with_pictures_and_of_numbers_alone(tokenizer, pools):
    plan = replace(planned('reading', 2, 8), counted=0.25)
    made = next(trainer.Learner('reading', plan, NANO, tokenizer, pools[0]).batches(0))
    assert {kind: (share, len(batch.ids)) for kind, (share, batch) in made.items()} == {
        '': (0.75, 6),
        'counted_': (0.25, 2),
    }


def test_where_the_line_is_becomes_where_to_go(tokenizer, pools):
    plan = planned('looking', 90, 16)
    learner = trainer.Learner('looking', plan, NANO, tokenizer, pools[0])
    steps = zip(range(plan.phase('looking').steps), learner.batches(0))
    losses = [learner.step(step, batch)['looks'] for step, batch in steps]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])


def test_products_in_bfloat16_and_their_gradients_are_nearly_those_in_float32():
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(64, 32), torch.randn(5, 7, 64, requires_grad=True)

    def found(forward):
        layer.zero_grad()
        y = forward(x)
        (along_x,) = torch.autograd.grad(y.square().sum(), x, retain_graph=True)
        y.square().sum().backward()
        return y.detach(), along_x, layer.weight.grad.clone(), layer.bias.grad.clone()

    for half, whole in zip(found(lambda x: halves._linear(layer, x)), found(layer)):
        assert (half - whole).norm() < 0.01 * whole.norm()
