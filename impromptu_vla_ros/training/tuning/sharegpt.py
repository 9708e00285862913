# SPDX-License-Identifier: Apache-2.0
"""Lessons from a data set in LLaMA-Factory's or ShareGPT's JSON, as the paper trains on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from impromptu_vla_ros.evaluation.prompts import RecordError, rows_of
from impromptu_vla_ros.models.chat import IMAGE_MARK, SYSTEM
from impromptu_vla_ros.training.tuning.turns import HELD, Turn, Turns

# Who speaks, by the names that the two formats have for it.
SPEAKERS = {
    **{'system': 'system', 'user': 'user', 'assistant': 'assistant'},
    **{'human': 'user', 'gpt': 'assistant'},
}


def dataset_turns(path: Path, pictures: Path | None = None) -> Turns:
    """
    Return the lessons of a JSON or JSONL file; its last tenth is held out.

    A record has `images`, paths relative to the folder `pictures` (default: the file's own), and
    `messages` of `role` and `content` or `conversations` of `from` and `value`: one question, one
    answer. Raise RecordError for another file, and where a picture is missing.
    """
    folder = path.parent if pictures is None else pictures
    try:
        turns = [_turn(name, row, folder) for name, row in _rows(path)]
    except OSError as error:
        raise RecordError(f'cannot read {path}: {error.strerror}') from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = error if isinstance(error, RecordError) else repr(error)
        raise RecordError(
            f'{path} holds no lessons ({why}): give a JSON or JSONL file of images and messages '
            'with role and content'
        ) from error
    _check_pictures(path, turns, folder)
    first = len(turns) - round(HELD * len(turns))
    return Turns(tuple(turns[:first]), tuple(turns[first:]))


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in enumerate(rows_of(path.read_text(encoding='utf-8'))):
        yield str(row.get('id', number)), row


def _turn(name: str, row: Mapping[str, Any], folder: Path) -> Turn:
    if 'messages' in row:
        spoken = [(each['role'], each['content']) for each in row['messages']]
    else:
        spoken = [(each['from'], each['value']) for each in row['conversations']]
    said = {SPEAKERS[who]: text for who, text in spoken}
    if len(said) != len(spoken) or said.pop('system', SYSTEM) != SYSTEM:
        raise RecordError(f'record {name} is more than one question and its answer')
    images = row.get('images', [])
    images = [images] if isinstance(images, str) else images
    if said['user'].count(IMAGE_MARK) != len(images):
        raise RecordError(f'record {name} has {len(images)} pictures, and other {IMAGE_MARK}s')
    return Turn(said['user'], said['assistant'], tuple(folder / image for image in images))


def _check_pictures(path: Path, turns: list[Turn], folder: Path) -> None:
    named = dict.fromkeys(picture for turn in turns for picture in turn.pictures)
    missing = [picture for picture in named if isinstance(picture, Path) and not picture.is_file()]
    if missing:
        raise RecordError(
            f'{len(missing)} of the {len(named)} pictures that {path} names are missing, '
            f'{missing[0]} first: give the folder their paths begin in with --pictures'
        )
