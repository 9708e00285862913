# SPDX-License-Identifier: Apache-2.0
"""The committed tiny planner: it loads, keeps the form, drives on and stops at a red light."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pruned_tokenizer import SPECIAL, conversations
from tiny_drives import make_lesson, paint

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import CameraImage
from impromptu_vla_ros.models import create_model

CHECKPOINT = Path(__file__).parents[1] / 'data' / 'tiny_planner'
EXTRA = 'needs the extra impromptu_vla_ros[torch]'
# The dialect nano is of later, and of another model.
DRIVING = sorted(name for name, d in DIALECTS.items() if d.deployable and name != 'nano')
# No seed of the training, which are pairs.
SEED = 1000
# What the committed weights do not do well enough yet; more training is the remedy.
MISCOUNTS = pytest.mark.xfail(reason='writes a point too many in dialect nuscenes at times')
# On average over 3 s, m; going on with the speed of another drive is 15 m off.
FARTHEST = 5.0


@pytest.fixture(scope='module')
def model():
    for library in ('torch', 'transformers'):
        pytest.importorskip(library, reason=EXTRA)
    return create_model('transformers', checkpoint=str(CHECKPOINT), device='cpu')


@pytest.fixture(scope='module')
def pruned():
    tokenizers = pytest.importorskip('tokenizers', reason=EXTRA)
    return tokenizers.Tokenizer.from_file(str(CHECKPOINT / 'tokenizer.json'))


def asked(lesson, random, red, width=112, height=84):
    """Return a lesson's query with a picture of that size."""
    pixels = paint(random, width, height, red)
    image = CameraImage('front', 1, 'rgb8', pixels.reshape(-1), height, width, 3 * width)
    return replace(lesson.query, images=(image,))


def test_it_is_small_and_whole():
    files = {path.name: path.stat().st_size for path in CHECKPOINT.iterdir()}
    assert set(files) == {
        'config.json',
        'generation_config.json',
        'model.safetensors',
        'tokenizer.json',
    }
    assert sum(files.values()) < 5_000_000
    penalty = json.loads((CHECKPOINT / 'generation_config.json').read_text())
    assert penalty['repetition_penalty'] == 1.05


@pytest.mark.parametrize('name', DRIVING)
def test_its_tokens_are_those_of_the_whole_tokenizer(tokenizer, pruned, name):
    random = np.random.default_rng(SEED)
    for text in conversations(random, DIALECTS[name], 40):
        ours = pruned.encode(text, add_special_tokens=False)
        theirs = tokenizer.encode(text, add_special_tokens=False)
        assert ours.tokens == theirs.tokens
        assert pruned.decode(ours.ids, skip_special_tokens=False) == text


def test_its_special_tokens_are_one_token_each(pruned):
    for text in SPECIAL:
        assert pruned.encode(text, add_special_tokens=False).tokens == [text]


@pytest.mark.parametrize('name', ['kitti', pytest.param('nuscenes', marks=MISCOUNTS)])
def test_it_drives_on_as_drivers_do(model, name):
    dialect, off = DIALECTS[name], []
    for seed in range(6):
        random = np.random.default_rng(SEED + seed)
        lesson = make_lesson(random, dialect)
        query = asked(lesson, random, red=False)
        text = model.answer(query).text
        assert re.fullmatch(query.template.pattern, text)
        said, driven = (decode_trajectory(dialect, t).points for t in (text, lesson.driven))
        off.append(np.hypot(*(said - driven).T)[:6])
    assert np.mean(off) < FARTHEST


@MISCOUNTS
@pytest.mark.parametrize('states', [1, 2, 6])
def test_it_keeps_the_form_after_short_histories(model, states):
    random = np.random.default_rng(SEED)
    query = asked(make_lesson(random, DIALECTS['nuscenes'], states), random, red=False)
    assert re.fullmatch(query.template.pattern, model.answer(query).text)


@pytest.mark.parametrize('size', [(112, 84), (672, 392)])
def test_it_stops_for_a_red_light_only(model, size):
    dialect, right = DIALECTS['kitti'], 0
    seeds = [seed for seed in range(SEED, SEED + 20) if _moves(dialect, seed)][:4]
    for seed in seeds:
        for red in (False, True):
            random = np.random.default_rng(seed)
            lesson = make_lesson(random, dialect)
            text = model.answer(asked(lesson, random, red, *size)).text
            end, driven, stopped = (
                decode_trajectory(dialect, t).points[-1]
                for t in (text, lesson.driven, lesson.stopped)
            )
            braked = np.hypot(*(end - stopped)) < np.hypot(*(end - driven))
            right += braked == red
    assert right >= 7


def _moves(dialect, seed):
    """Return whether stopping would be far from what was driven."""
    lesson = make_lesson(np.random.default_rng(seed), dialect)
    ends = (
        decode_trajectory(dialect, text).points[-1] for text in (lesson.driven, lesson.stopped)
    )
    return np.hypot(*np.subtract(*ends)) > 10.0
