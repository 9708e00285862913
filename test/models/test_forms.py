# SPDX-License-Identifier: Apache-2.0
"""The form of answers in tokens, with Qwen's own vocabulary."""

import re
from random import Random

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import answer_template, encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.forms import TemplateForm

NAMES = ('nuscenes', 'navsim', 'kitti')


@pytest.fixture(scope='module')
def forms(tokenizer):
    return {name: TemplateForm(answer_template(DIALECTS[name]), tokenizer) for name in NAMES}


def answers(name, count=200):
    random = np.random.default_rng(0)
    for _ in range(count):
        scale = random.choice([0.0, 0.3, 5.0, 60.0, 400.0])
        points = random.normal(0.0, scale, (DIALECTS[name].waypoints, 2))
        yield encode_trajectory(DIALECTS[name], points.clip(-999.0, 999.0))


@pytest.mark.parametrize('name', NAMES)
def test_the_tokenizers_own_spelling_of_every_answer_is_a_way(forms, tokenizer, name):
    for text in answers(name):
        form = forms[name]
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert ids[: len(form.header)] == form.header
        walk = form.walk()
        for token in ids[len(form.header) :]:
            assert token in walk.allowed()
            assert walk.take(token)
        assert not walk.allowed()


@pytest.mark.parametrize('name', NAMES)
def test_every_way_has_the_form_and_the_tokenizers_spelling(forms, tokenizer, name):
    form, template = forms[name], answer_template(DIALECTS[name])
    for seed in range(100):
        random, walk, written = Random(seed), form.walk(), []
        while allowed := walk.allowed():
            written.append(random.choice(allowed))
            assert walk.take(written[-1])
        text = template.header + tokenizer.decode(written)
        assert re.fullmatch(template.pattern, text)
        assert tokenizer.encode(text, add_special_tokens=False).ids == [*form.header, *written]


def test_a_walk_refuses_and_stays(forms):
    walk = forms['kitti'].walk()
    before = walk.allowed()
    assert walk.take(before[0])
    assert walk.allowed() != before
    assert not walk.take(before[0])
    assert walk.allowed() != before


def test_digits_are_in_their_order(forms, tokenizer):
    assert [tokenizer.decode([k]) for k in forms['kitti'].digits] == list('0123456789')


def test_a_tokenizer_of_several_digits_is_refused():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ['<PLANNING>', '1', '23', '0.05', ']']
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, ']'))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ModelError):
        TemplateForm(answer_template(DIALECTS['kitti']), tokenizer)
