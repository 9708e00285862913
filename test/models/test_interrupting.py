# SPDX-License-Identifier: Apache-2.0
"""Answers of a real engine that are given up, or bounded, by what their query says."""

from dataclasses import replace
from pathlib import Path

import pytest

from impromptu_vla_ros.models import InterruptedAnswer, create_model

pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[torch]')
PLANNER = Path(__file__).resolve().parent.parent / 'data' / 'tiny_planner'


@pytest.fixture(scope='module')
def model():
    return create_model('transformers', checkpoint=str(PLANNER), device='cpu', threads=1)


def after(count):
    """Return what says True from the call after `count` others on."""
    left = iter([False] * count)
    return lambda: next(left, True)


def test_an_answer_is_given_up_between_two_passes_and_the_next_is_whole(model, query):
    asked = replace(query('nuscenes'), most_tokens=12)
    whole = model.answer(asked)
    assert whole.tokens == 12
    # A picture, the prompt, and eleven more tokens.
    patient = model.answer(replace(asked, interrupted=after(13)))
    assert patient.text == whole.text
    for passes in (0, 1, 2, 12):
        with pytest.raises(InterruptedAnswer):
            model.answer(replace(asked, interrupted=after(passes)))
    assert model.answer(asked).text == whole.text


def test_no_query_lengthens_what_the_model_bounds(query):
    short = create_model('transformers', checkpoint=str(PLANNER), device='cpu', most_tokens=3)
    assert short.answer(replace(query('nuscenes'), most_tokens=12)).tokens == 3
