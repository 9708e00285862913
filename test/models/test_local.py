# SPDX-License-Identifier: Apache-2.0
"""Constrained answers of random weights, whose own words are nonsense."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import answer_template, decode_trajectory
from impromptu_vla_ros.core.confidence import answer_deviations
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.drafting import MotionDraft
from impromptu_vla_ros.models import create_model
from impromptu_vla_ros.models.local import Decoding, LocalModel

torch = pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[torch]')
transformers = pytest.importorskip('transformers', reason='as above')
PLANNER = Path(__file__).resolve().parent.parent / 'data' / 'tiny_planner'


@pytest.fixture(scope='module')
def free(tmp_path_factory):
    """Weights of no training at all, in the shape and with the words of the tiny planner."""
    folder = shutil.copytree(PLANNER, tmp_path_factory.mktemp('random') / 'planner')
    torch.manual_seed(0)
    network = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig.from_pretrained(folder)
    )
    for weight in network.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    network.save_pretrained(folder)
    return create_model('transformers', checkpoint=str(folder), device='cpu')


@pytest.fixture(scope='module')
def bound(free):
    return LocalModel(free.engine, free.tokenizer, Decoding(constrained=True))


def asked(query, dialect, seed, drafted):
    motion = np.random.default_rng(seed).normal(0.0, 20.0, (DIALECTS[dialect].waypoints, 2))
    draft = MotionDraft(DIALECTS[dialect], motion) if drafted else None
    template = answer_template(DIALECTS[dialect])
    return replace(query(dialect, seed=seed), template=template, draft=draft)


@pytest.mark.parametrize('dialect', ['nuscenes', 'kitti'])
@pytest.mark.parametrize('seed', range(6))
def test_every_answer_has_the_form_and_the_draft_no_say(bound, query, dialect, seed):
    drafted, alone = (bound.answer(asked(query, dialect, seed, way)) for way in (True, False))
    assert re.fullmatch(answer_template(DIALECTS[dialect]).pattern, alone.text)
    assert len(decode_trajectory(DIALECTS[dialect], alone.text).points)
    assert drafted.text == alone.text
    # Tokens that the form leaves no choice of cost no pass.
    header = len(bound.tokenizer.encode(answer_template(DIALECTS[dialect]).header).ids)
    assert len(alone.accepted) < alone.tokens - header


def test_without_the_form_there_is_none(free, query):
    text = free.answer(asked(query, 'kitti', 0, True)).text
    assert not re.search(answer_template(DIALECTS['kitti']).points, text)


def test_where_the_digits_are(bound, query):
    answer = bound.answer(asked(query, 'kitti', 1, True))
    written = [answer.text[place] for place in answer.digits.places]
    listed = answer.text[len(answer_template(DIALECTS['kitti']).header) :]
    assert written == re.findall(r'[0-9]', listed)[-len(written) :]
    assert answer.digits.log_probabilities.shape == (len(written), 10)
    # Of the digits that could have been, the likeliest were written; 0 0 would begin no number.
    best = answer.digits.log_probabilities.argmax(axis=1)
    assert np.mean([int(digit) == most for digit, most in zip(written, best)]) > 0.8


def test_a_free_answer_matches_its_pattern(bound, query):
    pytest.importorskip('llguidance', reason='needs the extra impromptu_vla_ros[guidance]')
    plan = '(ACCELERATE|KEEP|STOP)(, (LEFT|RIGHT|STRAIGHT))?'
    assert re.fullmatch(plan, bound.answer(replace(query(), pattern=plan)).text)
    assert bound.answer(query()).tokens > 8


def test_samples_have_the_form_and_are_the_same_again(free, bound, query):
    drawing = LocalModel(free.engine, free.tokenizer, Decoding(constrained=True, samples=3))
    first, again = (drawing.answer(asked(query, 'kitti', 2, drafted)) for drafted in (True, False))
    assert first.text == bound.answer(asked(query, 'kitti', 2, True)).text
    assert first.samples == again.samples
    assert len({first.text, *first.samples}) == 4
    for text in first.samples:
        assert re.fullmatch(answer_template(DIALECTS['kitti']).pattern, text)
    assert np.isfinite(answer_deviations(DIALECTS['kitti'], first, 1.0)).all()


def test_nothing_is_drawn_beside_an_answer_without_form(free, query):
    drawing = LocalModel(free.engine, free.tokenizer, Decoding(samples=3, most_tokens=24))
    assert drawing.answer(asked(query, 'kitti', 2, True)).samples == ()
