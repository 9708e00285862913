# SPDX-License-Identifier: Apache-2.0
"""Lessons of made-up driving as the tensors that the tiny planner learns from."""

from dataclasses import dataclass

import numpy as np
from tiny_drives import make_lesson, paint

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.models.chat import END_OF_TURN, IMAGE_PAD
from impromptu_vla_ros.models.positions import following
from impromptu_vla_ros.models.preprocessing import to_patches
from impromptu_vla_ros.models.prompting import tokenized

LESSONS = 16
# Pictures' width and height in pixels: most are small since they are cheap.
SMALL = ((56, 56), (84, 56), (84, 84), (112, 84), (140, 84), (168, 112))
LARGE = ((640, 360), (672, 392), (1242, 375), (480, 270))
LARGE_SHARE = 0.05
RED_SHARE = 0.3
SHORT_SHARE = 0.35
# What stands between a prompt's history and its answer.
TURN = f'{END_OF_TURN}\n<|im_start|>assistant\n'
# What ends a point: it is weighed, for an answer with a point too many is none.
POINT_ENDS = ('],', ']</')


@dataclass(frozen=True)
class Stage:
    """What is learned from step `begin` on: shares of the steps, and how point ends weigh."""

    begin: int
    whole: float
    kitti: float = 0.5
    end_weight: float = 3.0


def make_batch(random, tokenizer, stage):
    """
    Return token ids (b, n), positions (3, b, n), weights (b, n), patches and their grids.

    Unless the prompts are whole, all words but the newest state and the points are left out, and
    their positions stay free: what is learned of numbers and pictures holds between them too,
    and costs a fifth. The weight of a token is how much it counts that those before foretell it.
    """
    whole = random.random() < stage.whole
    dialect = DIALECTS['kitti' if random.random() < stage.kitti else 'nuscenes']
    states = dialect.max_states
    if random.random() < SHORT_SHARE:
        states = int(random.integers(dialect.min_states, states + 1))
    large = random.random() < LARGE_SHARE
    sizes = LARGE if large else SMALL
    size = sizes[random.integers(len(sizes))]
    rows = []
    for _ in range(LESSONS // (1 + whole) // (1 + large)):
        lesson, red = make_lesson(random, dialect, states), random.random() < RED_SHARE
        picture = to_patches(paint(random, *size, red))
        row = make_row(tokenizer, lesson, red, picture, whole, stage.end_weight)
        rows.append((*row, picture))
    shape = len(rows), max(len(ids) for ids, *_ in rows)
    ids = np.full(shape, tokenizer.token_to_id('<|endoftext|>'))
    positions = np.zeros((3, *shape), np.int64)
    weights = np.zeros(shape, np.float32)
    for place, row in enumerate(rows):
        span = slice(len(row[0]))
        ids[place, span], positions[:, place, span], weights[place, span] = row[:3]
    values = np.concatenate([picture.values for *_, picture in rows])
    return ids, positions, weights, values, np.array([picture.grid for *_, picture in rows])


def make_row(tokenizer, lesson, red, picture, whole, end_weight):
    """Return the ids (n,), positions (3, n) and weights (n,) of one lesson."""

    def length(text):
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    query = lesson.query
    prompt = tokenized(query.prompt, [picture], tokenizer)
    told = tokenizer.encode(lesson.answer(red) + END_OF_TURN, add_special_tokens=False).ids
    ids = np.concatenate([prompt.ids, told])
    positions = np.hstack([prompt.positions, following(prompt.positions, len(told))])
    answer = len(prompt.ids)
    ends = np.isin(told, [tokenizer.token_to_id(end) for end in POINT_ENDS])
    weights = np.concatenate([np.zeros(answer), np.where(ends, end_weight, 1.0)])
    if whole:
        return ids, positions, weights
    first = answer - length(query.prompt[query.prompt.rindex('(t-') :]) - length(TURN)
    # The header's last token stays, for the first point to follow; it follows nothing itself.
    header = answer + length(query.template.header) - 1
    weights[header] = 0.0
    kept = ids == tokenizer.token_to_id(IMAGE_PAD)
    kept[first:] = True
    kept[answer:header] = False
    return ids[kept], positions[:, kept], weights[kept]
