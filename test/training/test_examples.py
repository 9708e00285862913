# SPDX-License-Identifier: Apache-2.0
"""Lessons as tensors: what is kept of a cut prompt, what is left out by lot, the same by seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_lessons import NANO, made_up_drive

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.motion import rollout
from impromptu_vla_ros.core.navigation import COMMANDS
from impromptu_vla_ros.core.records import parse_command, parse_prompt
from impromptu_vla_ros.training.nano import examples, rows
from impromptu_vla_ros.training.nano.batches import (
    Form,
    asked,
    make_batch,
    make_counted,
)
from impromptu_vla_ros.training.nano.counting import counted
from impromptu_vla_ros.training.nano.examples import Dropout
from impromptu_vla_ros.training.nano.pool import HAPPENING, TURNING, pooled, split

tokenizers = pytest.importorskip('tokenizers', reason='needs tokenizers')
TOKENIZER = Path(examples.__file__).parents[2] / 'nano' / 'tokenizer.json'


@pytest.fixture(scope='module')
def tokenizer():
    return tokenizers.Tokenizer.from_file(str(TOKENIZER))


@pytest.fixture(scope='module')
def pool():
    return pooled([made_up_drive(np.random.default_rng(0))], NANO)


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
    # The token before each of a number's is told which one it is.
    of = batch.written[0]
    assert (np.unique(of) == np.arange(-1, 12)).all()
    along, aside = (text_of(tokenizer, batch.ids[0][1:][of[:-1] == k]) for k in (2, 3))
    assert along + aside == points.split('],')[1] + '],'
    assert along.endswith(',') and not aside.count('[')
    assert of[batch.asked[0]] == 0 and (of[: batch.asked[0]] == -1).all()
    # What is kept lies where it lay.
    kept = {tuple(column) for column in batch.positions[:, 0].T}
    assert kept <= {tuple(column) for column in whole.positions[:, 0].T}
    assert batch.positions[:, 0, -1].tolist() == whole.positions[:, 0, -1].tolist()


def test_the_history_is_left_out_by_lot(pool):
    drive, random = pool.drives[0], np.random.default_rng(0)

    def taken(dropout):
        return examples.example(random, NANO, drive.prompts[0], drive.answers[0], dropout)

    (state,) = parse_prompt(taken(Dropout(1.0, 1.0, 0.0, 0.0, 0.0)).prompt)
    assert np.isnan(state.vx)
    whole = taken(Dropout(0.0, 0.0, 0.0, 0.0, 0.0))
    assert whole.prompt == drive.prompts[0]
    assert parse_command(whole.prompt) == 'turn left'
    off = taken(Dropout(0.0, 0.0, 1.0, 0.0, 0.0))
    before, now = (parse_prompt(each.prompt) for each in (whole, off))
    assert [len(before), before[-1].vx] == [len(now), now[-1].vx]
    assert (now[-1].x, now[-1].y) == (0.0, 0.0)
    assert all(a.ay != b.ay for a, b in zip(before, now))
    assert before[0].y != now[0].y
    assert off.answer == whole.answer


def test_wrong_points_lie_nearer_to_straight_on_and_are_not_learned(tokenizer, pool):
    right = codec.decode_trajectory(NANO, pool.drives[0].answers[0]).points
    found = examples.misled(np.random.default_rng(0), right, 4.0, 3)
    straight = np.array([4.0, 0.0]) * np.arange(1, 7)[:, None]
    assert (found[3:] == right[3:]).all() and (found[:3] != right[:3]).any()
    along = np.sum((found - right)[:3] * (straight - right)[:3]) / np.sum(
        (straight - right)[:3] ** 2
    )
    assert 0.0 < along < 1.0

    dropout = Dropout(0.0, 0.0, 0.0, 1.0, 0.0)
    batch = make_batch(np.random.default_rng(1), pool, NANO, [0], dropout, tokenizer, Form.CUT)
    learned = text_of(tokenizer, batch.ids[0][batch.weights[0] > 0.0])
    points = pool.drives[0].answers[0].partition(': ')[2].split(' [')
    assert (batch.points[0] == right).all()
    assert learned.strip() == '[' + ' ['.join(points[1:][-learned.count('[') :]) + '<|im_end|>'


def test_in_a_mirror_left_is_right(tokenizer, pool):
    prompt, answer = pool.drives[0].prompts[0], pool.drives[0].answers[0]
    turned = examples.mirrored(NANO, prompt, answer)
    assert parse_command(turned[0]) == 'turn right'
    back = examples.mirrored(NANO, *turned)
    assert (back[0].replace('-0.0,', '0.0,'), back[1]) == (prompt, answer)
    points = [codec.decode_trajectory(NANO, each).points for each in (answer, turned[1])]
    np.testing.assert_array_equal(points[1], points[0] * [1.0, -1.0])
    always = Dropout(0.0, 0.0, 0.0, 0.0, 1.0)
    batch = make_batch(np.random.default_rng(0), pool, NANO, [0], always, tokenizer, Form.CUT)
    np.testing.assert_array_equal(batch.points[0], points[1])
    assert batch.told[0][10:15].tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]


def test_a_teacher_says_the_answers_to_pictures(tokenizer, pool):
    blind = replace(
        pool.drives[0], jpegs=(), picture=0 * pool.drives[0].picture - 1, near=np.zeros((0, 45))
    )
    both, asked = pooled([pool.drives[0], blind], NANO), []

    def teacher(batch):
        asked.append(batch)
        return np.tile([[1.0, -0.001]], (2, 6, 1))

    told = NANO, [3, 15], None, tokenizer, Form.CUT, teacher
    batch = make_batch(np.random.default_rng(0), both, *told)
    taught, own = (
        text_of(tokenizer, ids[weights > 0.0]) for ids, weights in zip(batch.ids, batch.weights)
    )
    assert taught.count('[1.00, 0.00]') == 6
    assert (batch.points[0] == [1.0, -0.001]).all()
    assert own.startswith(' ' + blind.answers[3].partition(': ')[2])
    assert (asked[0].values == batch.values).all() and (asked[0].told == batch.told).all()


def test_lessons_in_which_more_happens_are_drawn_more_often(pool):
    drive = pool.drives[0]
    blind = replace(drive, jpegs=(), picture=0 * drive.picture - 1, near=drive.near[:0])
    both = pooled([drive, blind], NANO)
    random = np.random.default_rng(0)
    assert (both.drawn(random, 200, pictured=True) < len(drive.prompts)).all()
    counts = np.bincount(both.drawn(random, 20000, pictured=False), minlength=len(both))
    np.testing.assert_allclose(counts / 20000, both.weights / both.weights.sum(), atol=0.02)
    lowest, highest = TURNING * np.array(HAPPENING)
    assert both.weights.min() >= lowest and both.weights.max() <= highest
    onward = [prompt.replace('turn left', 'go straight') for prompt in drive.prompts]
    less = pooled([replace(drive, prompts=tuple(onward))], NANO)
    np.testing.assert_allclose(TURNING * less.weights, both.weights[: len(onward)])


def test_what_is_counted_goes_on_as_its_prompt_says(tokenizer):
    random = np.random.default_rng(0)
    for _ in range(50):
        prompt, answer = counted(random, NANO)
        state = parse_prompt(prompt)[-1]
        turn_rate = state.ay / max(state.vx, 0.01)
        reckoned = rollout(state.vx, turn_rate, state.ax, 0.5 * np.arange(1, 7))[:, :2]
        points = codec.decode_trajectory(NANO, answer).points
        # As far as two decimals of speed and accelerations tell.
        if state.vx > 0.5:
            np.testing.assert_allclose(points, reckoned, atol=0.15)
        assert parse_command(prompt) in COMMANDS
    batch = make_counted(random, NANO, 3, tokenizer)
    assert tokenizer.token_to_id('<|image_pad|>') not in batch.ids
    assert (batch.written[np.arange(3), batch.asked] == 0).all()


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
        np.random.default_rng(0), pooled([blind], NANO), NANO, [0, 1], None, tokenizer, Form.CUT
    )
    assert batch.values.shape == (2, 180, 1176)
    assert batch.told[0][7] == 1.0
    assert not batch.near.any()


def test_what_is_asked_ends_where_the_answer_begins(tokenizer, pool):
    given = NANO, [3], None, tokenizer, Form.CUT
    batch = asked(make_batch(np.random.default_rng(0), pool, *given))
    assert text_of(tokenizer, batch.ids[0]).endswith('assistant\n]:')
    assert not batch.weights.any()


def test_what_is_counted_is_a_cut_lesson_without_its_picture(tokenizer, pool):
    cut, alone = (
        make_batch(np.random.default_rng(0), pool, NANO, [3], None, tokenizer, form)
        for form in (Form.CUT, Form.COUNTED)
    )
    pad = tokenizer.token_to_id('<|image_pad|>')
    assert alone.ids[0].tolist() == [each for each in cut.ids[0].tolist() if each != pad]
    assert text_of(tokenizer, alone.ids[0][alone.asked]) == ']:'


def test_tens_weigh_more_than_centimetres():
    pieces = [' [', '1', '2', '.', '3', '4', ',', ' -', '0', '.', '5', '6', '],', ' [', '7']
    wanted = [1, 2, 2, 2, 2, 0.25, 1, 1, 2, 2, 2, 0.25, 3, 1, 2]
    assert rows.importance(pieces).tolist() == wanted


def test_of_each_kind_the_last_drives_are_held_out():
    random = np.random.default_rng(0)
    drives = [made_up_drive(random, 2, kind) for kind in 'ab' for _ in range(10)]
    train, held = split(drives, 0.2, NANO)
    assert [drive.kind for drive in held.drives] == ['a', 'a', 'b', 'b']
    assert (len(train), len(held)) == (32, 8)
