# SPDX-License-Identifier: Apache-2.0
"""Batches of lessons, as tensors: the same ones for the same seed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.navigation import STRAIGHT
from impromptu_vla_ros.core.records import parse_command, parse_prompt
from impromptu_vla_ros.core.structs import CameraImage, FloatArray, Query
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.models.preprocessing import Patches, to_patches
from impromptu_vla_ros.training.lessons.cells import COLUMNS, ROWS, TOKENS
from impromptu_vla_ros.training.lessons.files import NO_PICTURE
from impromptu_vla_ros.training.nano.counting import counted
from impromptu_vla_ros.training.nano.examples import (
    STAYS,
    Dropout,
    Example,
    answered,
    example,
    mirrored,
    told,
)
from impromptu_vla_ros.training.nano.pictures import nothing_seen, varied
from impromptu_vla_ros.training.nano.pool import Pool
from impromptu_vla_ros.training.nano.rows import Row, row

# A lesson, its picture and who is near.
Lesson = tuple[Example, NDArray[np.uint8], NDArray[np.float32]]
# Width and height of a lesson's picture where it has none.
BLANK = 252, 140


@dataclass(frozen=True, eq=False)
class Batch:
    """
    Some lessons: patches `values` (b, n, 1176) on one `grid`, and their numbers.

    `told` (b, 17), `points` (b, waypoints, 2) m, `near` (b, 45) m, 0 for nobody. Of words ids
    (b, m), positions (3, b, m) and weights (b, m), filled up with what does not count, and which
    token the first point follows, `asked` (b,), and of which number of them the one after each
    is, `written` (b, m).
    """

    values: NDArray[np.float32]
    grid: tuple[int, int, int]
    told: FloatArray
    points: FloatArray
    near: NDArray[np.float32]
    ids: IntArray
    positions: IntArray
    weights: NDArray[np.float32]
    asked: IntArray
    written: IntArray


# Returns the waypoints (b, waypoints, 2) m that it would answer.
Teacher = Callable[[Batch], FloatArray]


class Form(Enum):
    """How much of a lesson is read: all, what matters, that without a picture, the picture."""

    WHOLE = 'whole'
    CUT = 'cut'
    COUNTED = 'counted'
    SEEN = 'seen'


def make_batch(
    random: np.random.Generator,
    pool: Pool,
    dialect: Dialect,
    numbers: Sequence[int] | IntArray,
    dropout: Dropout | None,
    tokenizer: Any,
    form: Form,
    teacher: Teacher | None = None,
) -> Batch:
    """
    Return the lessons of these numbers.

    Without a `dropout` they are as they were recorded, to be looked at rather than learned. With
    a `teacher` the answers to pictures are what it says instead of what was driven.
    """
    lessons = [_lesson(random, pool, dialect, int(number), dropout) for number in numbers]
    pictures = _pictures(lessons, dialect)
    if teacher is not None:
        said = teacher(_batch(lessons, pictures, tokenizer, form))
        for place in np.flatnonzero(pool.pictured[numbers]):
            lesson, pixels, near = lessons[place]
            lesson = answered(random, dialect, lesson, said[place], dropout or STAYS)
            lessons[place] = lesson, pixels, near
    return _batch(lessons, pictures, tokenizer, form)


def make_counted(
    random: np.random.Generator, dialect: Dialect, count: int, tokenizer: Any
) -> Batch:
    """Return lessons of numbers alone."""
    grey = np.zeros((BLANK[1], BLANK[0], 3), np.uint8)
    nobody = np.zeros(TOKENS, np.float32)
    lessons = [
        (example(random, dialect, *counted(random, dialect), STAYS), grey, nobody)
        for _ in range(count)
    ]
    return _batch(lessons, _pictures(lessons, dialect), tokenizer, Form.COUNTED)


def make_asked(dialect: Dialect, tokenizer: Any, query: Query) -> Batch:
    """Return a question with one picture as a batch, without its answer."""
    (image,) = query.images
    states, command = parse_prompt(query.prompt), parse_command(query.prompt) or STRAIGHT
    unknown = np.zeros((dialect.waypoints, 2))
    lesson = Example(query.prompt, query.rollout, told(states, command), unknown)
    pictures = [to_patches(image.pixels, query.filter_name, query.most_pixels)]
    nobody = np.zeros(TOKENS, np.float32)
    return asked(_batch([(lesson, image.pixels, nobody)], pictures, tokenizer, Form.WHOLE))


def question(pool: Pool, dialect: Dialect, number: int) -> Query:
    """Return a lesson with a picture as the planner would ask it."""
    which, place = (int(each) for each in pool.index[number])
    drive = pool.drives[which]
    pixels = _pixels(drive.jpegs[int(drive.picture[place])])
    height, width = pixels.shape[:2]
    image = CameraImage('front', 0, 'rgb8', pixels.reshape(-1), height, width, 3 * width)
    template = codec.answer_template(dialect)
    return Query(
        0,
        (image,),
        drive.prompts[place],
        drive.answers[place],
        filter_name=dialect.image_filter,
        template=template,
        most_pixels=dialect.most_pixels,
    )


def asked(batch: Batch) -> Batch:
    """Return the lessons without their answers, or with the beginnings of some."""
    end = int(batch.asked.max()) + 1
    return replace(
        batch,
        ids=batch.ids[:, :end],
        positions=batch.positions[:, :, :end],
        weights=np.zeros_like(batch.weights[:, :end]),
        written=batch.written[:, :end],
    )


def _pictures(lessons: Sequence[Lesson], dialect: Dialect) -> list[Patches]:
    return [
        to_patches(pixels, dialect.image_filter, dialect.most_pixels) for _, pixels, _ in lessons
    ]


def _batch(
    lessons: Sequence[Lesson], pictures: Sequence[Patches], tokenizer: Any, form: Form
) -> Batch:
    rows = [
        _row(tokenizer, lesson, picture, form) for (lesson, *_), picture in zip(lessons, pictures)
    ]
    return Batch(
        np.stack([picture.values for picture in pictures]),
        pictures[0].grid,
        np.array([lesson.told for lesson, *_ in lessons]),
        np.array([lesson.points for lesson, *_ in lessons]),
        np.array([near for *_, near in lessons]),
        *_filled(rows, tokenizer.token_to_id('<|endoftext|>')),
    )


def _lesson(
    random: np.random.Generator,
    pool: Pool,
    dialect: Dialect,
    number: int,
    dropout: Dropout | None,
) -> Lesson:
    which, place = (int(each) for each in pool.index[number])
    drive = pool.drives[which]
    prompt, answer = drive.prompts[place], drive.answers[place]
    picture = int(drive.picture[place])
    if picture == NO_PICTURE:
        # Nothing but the history tells what comes: it stays.
        pixels, missing = nothing_seen(random, BLANK[1], BLANK[0]), STAYS
        near = np.zeros(TOKENS, np.float32)
    else:
        pixels = _pixels(drive.jpegs[picture])
        missing = dropout or STAYS
        pixels = pixels if dropout is None else varied(random, pixels)
        near = drive.near[picture]
        if random.random() < missing.mirrored:
            pixels, near = pixels[:, ::-1], near.reshape(ROWS, COLUMNS)[:, ::-1].ravel()
            prompt, answer = mirrored(dialect, prompt, answer)
    return example(random, dialect, prompt, answer, missing), pixels, near


def _pixels(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=('JPEG',)) as image:
        return np.asarray(image.convert('RGB'))


def _row(tokenizer: Any, lesson: Example, picture: Patches, form: Form) -> Row:
    if form is Form.SEEN:
        none = np.zeros((4, 0), np.int64)
        return Row(none[0], none[1:], np.zeros(0, np.float32), 0, none[0])
    return row(tokenizer, lesson, picture, form is Form.WHOLE, form is not Form.COUNTED)


def _filled(
    rows: list[Row], end: int
) -> tuple[IntArray, IntArray, NDArray[np.float32], IntArray, IntArray]:
    """Return what rows hold, in their order, of all as long as of the longest one."""
    shape = len(rows), max(len(each.ids) for each in rows)
    ids, written = np.full(shape, end, np.int64), np.full(shape, -1, np.int64)
    positions, weights = np.zeros((3, *shape), np.int64), np.zeros(shape, np.float32)
    for place, each in enumerate(rows):
        span = slice(len(each.ids))
        ids[place, span], weights[place, span] = each.ids, each.weights
        positions[:, place, span], written[place, span] = each.positions, each.written
    return ids, positions, weights, np.array([each.asked for each in rows], np.int64), written
