# SPDX-License-Identifier: Apache-2.0
"""Cases from the released nuScenes JSON: prompts and right answers, as the models were trained."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.codec import ZOE_STEERING_RATIO, ZOE_WHEELBASE, AnswerError
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.records import parse_prompt
from impromptu_vla_ros.core.structs import NANOSECONDS, FloatArray
from impromptu_vla_ros.evaluation.nuscenes.can_bus import Signals
from impromptu_vla_ros.evaluation.nuscenes.cases import (
    STEPS,
    UNKNOWN,
    Case,
    Skipped,
    rollout,
)
from impromptu_vla_ros.evaluation.prompts import RecordError, rows_of

# The capture time in µs, in the names of nuScenes' pictures.
_TIME = re.compile(r'__(\d{16})\.\w+$')
# Who moved less, m in half a second, tells no heading.
STILL = 0.05


def record_cases(
    path: Path, dialect: Dialect, pictures: Path | None = None
) -> Iterator[Case | Skipped]:
    """
    Yield a case for each trajectory record of a JSON or JSONL file, or why it is none.

    `pictures` is the folder in which the records' paths begin, by default the file's own. The
    authors replaced clips without a whole future by others, which come twice for that: the
    second one is skipped. Raise RecordError where the file is no such JSON.
    """
    folder = path.parent if pictures is None else pictures
    seen: set[int] = set()
    for number, row in enumerate(_rows(path)):
        case = _case(row, number, dialect, folder, path)
        if isinstance(case, Case) and case.stamp in seen:
            case = Skipped('repeated record', f'record {case.name}')
        elif isinstance(case, Case):
            seen.add(case.stamp)
        yield case


def _rows(path: Path) -> Iterator[Any]:
    try:
        yield from rows_of(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise RecordError(f'cannot read {path}: {error.strerror}') from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f'{path} is no whole JSON ({error}): fetch it again') from error


def _case(row: Any, number: int, dialect: Dialect, folder: Path, path: Path) -> Case | Skipped:
    try:
        name, images = str(row.get('id', number)), row.get('images', [])
        said = {turn['role']: turn['content'] for turn in row['messages']}
        prompt, answer = said['user'], said['assistant']
        if not (isinstance(prompt, str) and isinstance(answer, str)):
            raise TypeError('contents that are no text')
        files = [images] if isinstance(images, str) else list(map(str, images))
        states = parse_prompt(prompt)
    except (LookupError, TypeError, AttributeError) as error:
        raise RecordError(
            f'record {number} of {path} has no images, or no messages of user and assistant '
            f'({error!r})'
        ) from error
    try:
        driven = codec.decode_trajectory(dialect, answer).points[:STEPS]
    except AnswerError as error:
        return Skipped(f'no trajectory of dialect {dialect.name}', f'record {name}: {error}')
    if not states or len(files) != len(dialect.cameras):
        return Skipped(f'no question of dialect {dialect.name}', f'record {name}')
    before, signals = _before(states), _signals(states[-1])
    return Case(
        name=name,
        scene='',
        stamp=_stamp(files[0], number),
        prompt=prompt,
        rolled=rollout(dialect, signals, before),
        before=before,
        driven=np.asarray(driven, float),
        pictures=tuple(zip(dialect.cameras, (folder / file for file in files), strict=True)),
        point_ahead=dialect.reference_ahead,
    )


def _stamp(file: str, number: int) -> int:
    found = _TIME.search(file)
    return int(found[1]) * 1000 if found else (number + 1) * NANOSECONDS


def _before(states: list[codec.PromptState]) -> FloatArray:
    """Return the pose half a second ago; its yaw is that of an arc through both positions."""
    if len(states) < 2:
        return UNKNOWN
    x, y = states[-2].x, states[-2].y
    yaw = 2.0 * math.atan2(-y, -x) if x < -STILL else 0.0
    return np.array([x, y, yaw])


def _signals(state: codec.PromptState) -> Signals:
    bend = math.tan(state.steering / ZOE_STEERING_RATIO) / ZOE_WHEELBASE
    yaw_rate = state.vx * bend
    return Signals(state.vx, state.vy, state.ax, state.ay, yaw_rate, state.steering)
