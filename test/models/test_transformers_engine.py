# SPDX-License-Identifier: Apache-2.0
"""The engine against transformers' own way, with a real Qwen2.5-VL of random weights."""

import copy
import gc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from qwen_reference import greedy, image_processor, logits, positions

from impromptu_vla_ros.core.codec import answer_template
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.evaluation.benchmark.ordinary import generated, network_inputs
from impromptu_vla_ros.models import ModelError, create_model, respond
from impromptu_vla_ros.models.preprocessing import resize_as_trained, to_patches
from impromptu_vla_ros.models.prompting import prepare

torch = pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[torch]')
transformers = pytest.importorskip(
    'transformers', reason='needs the extra impromptu_vla_ros[torch]'
)


class Said:
    def __init__(self, text):
        self._text = text

    def continued(self, written):
        return written + self._text[len(written) :]


def inputs(model, asked):
    return network_inputs(model.engine.network, prepare(asked, model.tokenizer))


def load(checkpoint, **options):
    return create_model(
        'transformers',
        checkpoint=str(checkpoint),
        **{'device': 'cpu', 'most_tokens': 24, **options},
    )


@pytest.fixture(scope='module')
def model(tiny_checkpoint):
    return load(tiny_checkpoint)


def test_pictures_and_text_become_an_answer(model, query):
    answers = [respond(model, query(seed=seed)) for seed in (0, 1, 0)]
    assert answers[0].text
    assert 0 < answers[0].tokens <= 24
    assert list(answers[0].latencies) == [
        'preprocess',
        'encode',
        'prefill',
        'decode',
        'decode_images',
        'model',
    ]
    assert all(seconds >= 0 for seconds in answers[0].latencies.values())
    stages = sum(answers[0].latencies[stage] for stage in list(answers[0].latencies)[:4])
    assert stages <= answers[0].latencies['model']
    assert answers[0].text == answers[2].text


def test_the_picture_reaches_the_network(model, query):
    first, second = (logits(model, inputs(model, query(seed=seed))) for seed in (0, 1))
    assert not torch.equal(first[0, -1], second[0, -1])


@pytest.mark.parametrize('dialect', ['nuscenes', 'navsim', 'kitti'])
def test_the_input_is_what_transformers_makes(model, tiny_checkpoint, query, dialect):
    """Their tokenizer class and image processor, fed the trainer's pictures; equal logits."""
    asked = query(dialect, width=720, height=405)
    ours = inputs(model, asked)
    pictures = [resize_as_trained(image.pixels) for image in asked.images]
    theirs = dict(image_processor()(images=pictures, return_tensors='pt'))
    text = asked.prompt
    for grid in theirs['image_grid_thw']:
        pads = '<|image_pad|>' * (int(grid.prod()) // 4)
        text = text.replace('<image>', f'<|vision_start|>{pads}<|vision_end|>', 1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint)
    tokenizer.chat_template = (
        '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}'
        '{{ "<|im_start|>assistant\\n" }}'
    )
    conversation = tokenizer.apply_chat_template(
        [
            {'role': 'system', 'content': 'You are a helpful assistant.'},
            {'role': 'user', 'content': text},
        ],
        tokenize=False,
    )
    theirs.update(tokenizer(conversation, add_special_tokens=False, return_tensors='pt'))
    theirs.pop('token_type_ids', None)
    if 'mm_token_type_ids' in ours:
        theirs['mm_token_type_ids'] = (theirs['input_ids'] == 151655).int()
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        assert torch.equal(value.to(theirs[name].dtype), theirs[name]), name
    assert torch.equal(logits(model, ours), logits(model, theirs))


@pytest.mark.parametrize('dialect', ['nuscenes', 'navsim'])
def test_the_positions_are_those_of_pictures(model, query, dialect):
    given = inputs(model, query(dialect))
    ours = torch.from_numpy(prepare(query(dialect), model.tokenizer).positions[:, None])
    assert torch.equal(
        ours, positions(given['input_ids'][0].tolist(), given['image_grid_thw'].tolist())
    )
    assert torch.equal(logits(model, given), logits(model, given, position_ids=ours))
    plain = torch.arange(ours.shape[-1]).expand(3, 1, -1)
    assert not torch.equal(logits(model, given), logits(model, given, position_ids=plain))


@pytest.fixture(scope='module')
def words(tiny_checkpoint):
    return transformers.AutoTokenizer.from_pretrained(tiny_checkpoint)


@pytest.mark.parametrize('dialect', ['nuscenes', 'navsim', 'kitti'])
def test_the_answer_is_that_of_generate(model, query, dialect):
    """Whatever is drafted: of a random network all of it is wrong."""
    draft = Said(query(dialect).rollout)
    asked = replace(query(dialect), draft=draft, template=answer_template(DIALECTS[dialect]))
    end = model.tokenizer.token_to_id('<|im_end|>')
    plain = generated(model.engine.network, prepare(asked, model.tokenizer), end, 24)
    answer = model.answer(asked)
    assert answer.text == model.tokenizer.decode(plain)
    assert sum(answer.accepted) == answer.tokens == 24


@pytest.mark.parametrize('seed', [0, 3])
def test_the_answer_is_greedy(model, query, words, seed):
    asked = query(seed=seed)
    answer = model.answer(asked)
    written = greedy(model, inputs(model, asked), answer.tokens)
    assert words.decode(written, skip_special_tokens=True) == answer.text


def test_the_checkpoints_repetition_penalty_is_not_applied(model, query, words):
    """generation_config.json says 1.05, top_k, temperature and sampling."""
    asked = query()
    given = inputs(model, asked)
    length = given['input_ids'].shape[1]
    penalized = model.engine.network.generate(**given, repetition_penalty=1.05, max_new_tokens=24)[
        0, length:
    ]
    answer = model.answer(asked)
    assert words.decode(greedy(model, given, answer.tokens)) == answer.text
    assert words.decode(penalized.tolist()) != answer.text


def test_no_warnings_of_flags_that_do_not_matter(tiny_checkpoint, query, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        load(tiny_checkpoint).answer(query())
    error = capfd.readouterr().err.lower()
    for word in ('temperature', 'top_k', 'generation', 'pad_token', 'mask', 'deprecated'):
        assert word not in error


def test_it_stops_at_the_end_of_the_turn(tiny_checkpoint, query):
    model = load(tiny_checkpoint)
    asked = query()
    full = model.answer(asked)
    written = greedy(model, inputs(model, asked), full.tokens)
    stop = next(place for place, token in enumerate(written) if token != written[0])
    # Let the head write <|im_end|> where it would have written that other token.
    head = copy.deepcopy(model.engine.network.lm_head)
    weight = head.weight.detach().clone()
    weight[[151645, written[stop]]] = weight[[written[stop], 151645]]
    head.weight = torch.nn.Parameter(weight)
    model.engine.network.lm_head = head
    answer = model.answer(asked)
    assert answer.tokens == stop
    assert full.text.startswith(answer.text)
    assert '<|' not in answer.text


def test_nothing_grows(model, query):
    def tensors():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    for seed in (1, 2):
        model.answer(query(seed=seed))
    before = tensors()
    for seed in range(5):
        model.answer(query('navsim' if seed % 2 else 'nuscenes', seed=seed))
    model.answer(query(seed=2))
    assert tensors() <= before


def test_a_query_without_a_picture(model, query):
    asked = query()
    asked = replace(asked, images=(), prompt=asked.prompt.replace('<image>', 'none'))
    assert 'pixel_values' not in inputs(model, asked)
    assert model.answer(asked).tokens > 0


def test_the_picture_filter_of_the_query_is_used(model, query):
    asked = query(width=1600, height=900)
    for name in ('nearest', 'bicubic'):
        values = inputs(model, replace(asked, filter_name=name))['pixel_values'].numpy()
        assert np.array_equal(values, to_patches(asked.images[0].pixels, name).values)


def test_marks_and_pictures_must_match(model, query):
    asked = query('navsim')
    with pytest.raises(ModelError, match='the prompt has 3 <image> marks and 2 pictures'):
        model.answer(replace(asked, images=asked.images[:2]))


def test_a_picture_of_impossible_shape_stays_an_input_error(model, query, picture):
    with pytest.raises(InputError, match='too elongated'):
        model.answer(replace(query(), images=(picture(300_000, 1),)))


@pytest.mark.parametrize('dtype', ['bf16', 'fp16'])
def test_half_precision(tiny_checkpoint, query, dtype):
    model = load(tiny_checkpoint, dtype=dtype)
    assert next(model.engine.network.parameters()).element_size() == 2
    assert model.answer(query()).tokens > 0


def test_auto_is_single_precision_on_the_cpu(model):
    assert {weight.dtype for weight in model.engine.network.parameters()} == {torch.float32}
    assert not model.engine.network.training


def test_out_of_memory_is_one_clear_error_and_the_model_lives(model, query, monkeypatch):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')

    with monkeypatch.context() as patch:
        patch.setattr(model.engine.network.lm_head, 'forward', full)
        with pytest.raises(ModelError, match='not read: out of memory on cpu; use dtype bf16'):
            model.answer(query())
    assert model.answer(query()).text


def test_other_failures_of_the_library_are_model_errors(model, query, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError('CUDA error: device-side assert triggered')

    monkeypatch.setattr(model.engine.network.lm_head, 'forward', broken)
    with pytest.raises(ModelError, match='prompt not read: CUDA error: device-side'):
        model.answer(query())


@pytest.mark.gpu
def test_cuda(tiny_checkpoint, query):
    model = load(tiny_checkpoint, device='cuda')
    assert next(model.engine.network.parameters()).dtype == torch.bfloat16
    assert model.answer(query()).tokens > 0
