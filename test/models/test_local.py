# SPDX-License-Identifier: Apache-2.0
"""Constrained answers of random weights, whose own words are nonsense."""

import re
from dataclasses import replace

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import answer_template, decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.drafting import MotionDraft
from impromptu_vla_ros.models import create_model
from impromptu_vla_ros.models.local import Decoding, LocalModel

pytest.importorskip('transformers', reason='needs the extra impromptu_vla_ros[torch]')


@pytest.fixture(scope='module')
def free(tiny_checkpoint):
    return create_model('transformers', checkpoint=str(tiny_checkpoint), device='cpu')


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
