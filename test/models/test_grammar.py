# SPDX-License-Identifier: Apache-2.0
"""The general form, by llguidance itself, with Qwen's own vocabulary."""

import re
import sys
from random import Random

import pytest

from impromptu_vla_ros.core.codec import answer_template
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.forms import TemplateForm
from impromptu_vla_ros.models.grammar import Grammar

pytest.importorskip('llguidance', reason='needs the extra impromptu_vla_ros[guidance]')
END = 151645
PLAN = '(ACCELERATE|KEEP|STOP)(, (LEFT|RIGHT|STRAIGHT))?'


@pytest.fixture(scope='module')
def grammar(tokenizer):
    return Grammar(tokenizer, END)


@pytest.mark.parametrize('seed', range(20))
def test_every_way_matches_and_may_end(grammar, tokenizer, seed):
    random, walk, written = Random(seed), grammar.walk(PLAN), []
    while END not in (allowed := walk.allowed()) or random.random() < 0.5:
        choices = [token for token in allowed if token != END]
        if not choices:
            break
        written.append(random.choice(choices))
        assert walk.take(written[-1])
    assert re.fullmatch(PLAN, tokenizer.decode(written))


def test_it_refuses_and_stays(grammar, tokenizer):
    walk = grammar.walk(PLAN)
    stop, left = (tokenizer.encode(text).ids for text in ('STOP', ', LEFT'))
    before = walk.allowed()
    assert not walk.take(left[0])
    assert walk.allowed() == before
    assert all(walk.take(token) for token in stop)
    assert END in walk.allowed()


def test_it_agrees_with_the_template(grammar, tokenizer):
    """Both allow the tokenizer's spelling of an answer; the template allows that one only."""
    template = answer_template(DIALECTS['nuscenes'])
    form = TemplateForm(template, tokenizer)
    ours, theirs = form.walk(), grammar.walk(template.points)
    random = Random(1)
    while allowed := ours.allowed():
        assert set(allowed) <= set(theirs.allowed())
        token = random.choice(allowed)
        assert ours.take(token) and theirs.take(token)
    assert list(theirs.allowed()) in ([END], [])


def test_a_pattern_that_is_none(grammar):
    with pytest.raises(ModelError, match='no form can be made of'):
        grammar.walk('(unclosed')


def test_without_the_library(tokenizer, monkeypatch):
    monkeypatch.setitem(sys.modules, 'llguidance', None)
    with pytest.raises(ModelError, match=r"pip install 'impromptu_vla_ros\[guidance\]'"):
        Grammar(tokenizer, END)
