# SPDX-License-Identifier: Apache-2.0
"""Lessons as tensors: what is kept of a cut prompt, what is left out by lot, the same by seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_lessons import NANO, made_up_drive

from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.records import parse_command, parse_prompt
from impromptu_vla_ros.training import examples
from impromptu_vla_ros.training.batches import Form, make_batch, pooled, split
from impromptu_vla_ros.training.examples import Dropout

tokenizers = pytest.importorskip('tokenizers', reason='needs tokenizers')
TOKENIZER = Path(examples.__file__).parents[1] / 'nano' / 'tokenizer.json'


@pytest.fixture(scope='module')
def tokenizer():
    return tokenizers.Tokenizer.from_file(str(TOKENIZER))


@pytest.fixture(scope='module')
def pool():
    return pooled([made_up_drive(np.random.default_rng(0))])


def text_of(tokenizer, ids):
    return tokenizer.decode(list(ids), skip_special_tokens=False)


def test_told_numbers_by_hand():
    states = [
        PromptState(-10.0, 1.0, 9.0, 0.0, 0.0, 0.0),
        PromptState(-5.0, 0.5, 9.5, 0.0, 0.0, 0.0),
        PromptState(0.0, 0.0, 10.0, 0.0, 1.0, -2.0),
    ]
    found = examples.told(states, 'turn right')
    known, command = [1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0, 0.0]
    wanted = [1.0, 0.5, -1.0, -0.5, 0.5, -1.0, 1.0, *known, *command, 1.0, 1.0]
    np.testing.assert_allclose(found, wanted)
    assert len(found) == examples.TOLD
    assert found[examples.SPEED] == 1.0


def test_without_signals_the_speed_is_told_by_the_places():
    states = [PromptState(-4.0, 0.0), PromptState(0.0, 0.0)]
    assert examples.told(states, 'go straight')[examples.SPEED] == pytest.approx(0.8)


def test_a_whole_row_is_the_prompt_with_its_answer(tokenizer, pool):
    batch = make_batch(np.random.default_rng(0), pool, NANO, [3], None, tokenizer, Form.WHOLE)
    drive = pool.drives[0]
    text = text_of(tokenizer, batch.ids[0])
    assert drive.prompts[3].partition('<image>')[2] in text
    assert text.endswith(drive.answers[3] + '<|im_end|>')
    counted = text_of(tokenizer, batch.ids[0][batch.weights[0] > 0.0])
    assert counted == drive.answers[3] + '<|im_end|>'


def test_a_cut_row_keeps_picture_newest_state_command_and_points(tokenizer, pool):
    batch = make_batch(np.random.default_rng(0), pool, NANO, [3], None, tokenizer, Form.CUT)
    whole = make_batch(np.random.default_rng(0), pool, NANO, [3], None, tokenizer, Form.WHOLE)
    drive = pool.drives[0]
    text = text_of(tokenizer, batch.ids[0]).replace('<|image_pad|>', '')
    newest = drive.prompts[3][drive.prompts[3].index('t-0.0s)') :]
    points = drive.answers[3].partition(': ')[2]
    assert text == f'{newest}<|im_end|>\n<|im_start|>assistant\n]: {points}<|im_end|>'
    assert text_of(tokenizer, batch.ids[0][batch.weights[0] > 0.0]) == f' {points}<|im_end|>'
    # What is kept lies where it lay.
    kept = {tuple(column) for column in batch.positions[:, 0].T}
    assert kept <= {tuple(column) for column in whole.positions[:, 0].T}
    assert batch.positions[:, 0, -1].tolist() == whole.positions[:, 0, -1].tolist()


def test_the_history_is_left_out_by_lot(pool):
    drive, random = pool.drives[0], np.random.default_rng(0)

    def taken(dropout):
        return examples.example(random, NANO, drive.prompts[0], drive.answers[0], dropout)

    (state,) = parse_prompt(taken(Dropout(1.0, 1.0, 0.0)).prompt)
    assert np.isnan(state.vx)
    whole = taken(Dropout(0.0, 0.0, 0.0))
    assert whole.prompt == drive.prompts[0]
    assert parse_command(whole.prompt) == 'turn left'
    off = taken(Dropout(0.0, 0.0, 1.0))
    before, now = (parse_prompt(each.prompt) for each in (whole, off))
    assert [len(before), before[-1].vx] == [len(now), now[-1].vx]
    assert (now[-1].x, now[-1].y) == (0.0, 0.0)
    assert all(a.ay != b.ay for a, b in zip(before, now))
    assert before[0].y != now[0].y
    assert off.answer == whole.answer


def test_the_same_seed_gives_the_same_batch(tokenizer, pool):
    first, second = (
        make_batch(np.random.default_rng(7), pool, NANO, [1, 2], Dropout(), tokenizer, Form.CUT)
        for _ in range(2)
    )
    assert (first.values == second.values).all()
    assert (first.ids == second.ids).all()


def test_a_lesson_without_picture_shows_nothing(tokenizer):
    drive = made_up_drive(np.random.default_rng(1), 2)
    blind = replace(drive, jpegs=(), picture=np.array([-1, -1]), near=drive.near[:0])
    batch = make_batch(
        np.random.default_rng(0), pooled([blind]), NANO, [0, 1], None, tokenizer, Form.ASKED
    )
    assert batch.values.shape == (2, 180, 1176)
    assert batch.told[0][7] == 1.0
    assert not batch.near.any()


def test_what_is_asked_ends_where_the_first_point_follows(tokenizer, pool):
    batch = make_batch(np.random.default_rng(0), pool, NANO, [3], None, tokenizer, Form.ASKED)
    cut = make_batch(np.random.default_rng(0), pool, NANO, [3], None, tokenizer, Form.CUT)
    assert batch.ids[0].tolist() == cut.ids[0][: cut.asked[0] + 1].tolist()
    assert text_of(tokenizer, batch.ids[0][-1:]) == ']:'


def test_tens_weigh_more_than_centimetres():
    pieces = [' [', '1', '2', '.', '3', '4', ',', ' -', '0', '.', '5', '6', '],', ' [', '7']
    wanted = [1, 2, 2, 2, 1, 0.25, 1, 1, 2, 2, 1, 0.25, 3, 1, 2]
    assert examples.importance(pieces).tolist() == wanted


def test_of_each_kind_the_last_drives_are_held_out():
    random = np.random.default_rng(0)
    drives = [made_up_drive(random, 2, kind) for kind in 'ab' for _ in range(10)]
    train, held = split(drives, 0.2)
    assert [drive.kind for drive in held.drives] == ['a', 'a', 'b', 'b']
    assert (len(train), len(held)) == (32, 8)
