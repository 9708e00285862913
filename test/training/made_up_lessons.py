# SPDX-License-Identifier: Apache-2.0
"""Lessons of no world: a white line tells where to go, the prompt how fast."""

import io

import numpy as np
from PIL import Image

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.training.lessons.cells import TOKENS
from impromptu_vla_ros.training.lessons.files import Drive
from impromptu_vla_ros.training.nano.network import Size
from impromptu_vla_ros.training.nano.plan import Phase, Plan

NANO = DIALECTS['nano']
TINY = Size(
    hidden=32,
    intermediate=64,
    layers=2,
    heads=2,
    kv_heads=1,
    vision_hidden=16,
    vision_intermediate=32,
    vision_depth=2,
    vision_heads=2,
)
SMALL = Plan(
    (
        Phase('looking', 2, 4),
        Phase('reading', 2, 4, whole=(0.0, 1.0), whole_batch=2),
        Phase('practising_1', 1, 4, whole=(1.0, 1.0), whole_batch=2),
        Phase('writing_1', 1, 4, whole=(1.0, 0.0), whole_batch=2),
        Phase('looking_2', 1, 4, drives=('leaving',)),
        Phase('practising_2', 1, 4, whole=(1.0, 1.0), whole_batch=2, kept=('tower',)),
        Phase('writing_2', 3, 4, whole=(1.0, 0.0), whole_batch=2, kept=('reader',)),
    ),
    size=TINY,
)


def made_up_drive(random, count=12, kind='made up'):
    """Return lessons whose answer lies `off` m aside, where the line is in the picture."""
    jpegs, prompts, answers = [], [], []
    for _ in range(count):
        off, speed = random.uniform(-2.0, 2.0), random.uniform(1.0, 15.0)
        jpegs.append(picture(off))
        past = [PromptState(-0.5 * k * speed, 0.0, speed, 0.0, 0.0, 0.0) for k in (2, 1, 0)]
        prompts.append(codec.encode_prompt(NANO, past, command='turn left'))
        times = 0.5 * np.arange(1.0, 7.0)
        points = np.column_stack([speed * times, off * (1.0 - np.exp(-times))])
        answers.append(codec.encode_trajectory(NANO, points))
    return Drive(kind, tuple(jpegs), tuple(prompts), tuple(answers), np.arange(count), near(count))


def near(count):
    """Return that there is somebody 10 m ahead in one token's part of each picture."""
    return np.tile(np.where(np.arange(TOKENS) == 22, 10.0, 0.0).astype(np.float32), (count, 1))


def picture(off):
    """Return a JPEG of a road with a line `off` m left of the middle."""
    pixels = np.full((140, 252, 3), 90, np.uint8)
    middle = int(126 - 40 * off)
    pixels[70:, max(0, middle - 6) : middle + 6] = 240
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, 'JPEG', quality=92)
    return data.getvalue()
