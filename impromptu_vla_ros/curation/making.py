# SPDX-License-Identifier: Apache-2.0
"""One piece of a recording → its clips with questions, signs and pictures, as plain data."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from impromptu_vla_ros.core.asking import query
from impromptu_vla_ros.core.camera import ground_points, project
from impromptu_vla_ros.core.codec import AnswerError, decode_trajectory
from impromptu_vla_ros.core.structs import CameraModel, InputError
from impromptu_vla_ros.curation import categories
from impromptu_vla_ros.curation.clips import NOW, Clip, cut
from impromptu_vla_ros.curation.detections import scene
from impromptu_vla_ros.curation.exchanges import Exchange, Known, exchanges
from impromptu_vla_ros.curation.order import Order, Piece
from impromptu_vla_ros.curation.signs import Sign, motion_signs, picture_signs, plan_sign
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.images import decode
from impromptu_vla_ros.models import Model, create_model

# Where a camera of unknown place sits over base_link, m.
CAMERA_HEIGHT = 1.5
# A calibration is of pictures whose sides have the same ratio, but for so much.
SAME_RATIO = 0.02

SUFFIX = {'jpeg': 'jpg', 'png': 'png'}


@dataclass(frozen=True)
class Made:
    """
    What came of a piece: its clips as JSON's kinds of values, and their pictures by file name.

    `frames` were seen, `skipped` counts what is no clip by its reason; `error` is why the
    piece ended early, '' if it did not.
    """

    name: str
    clips: list[dict[str, Any]]
    pictures: Mapping[str, bytes]
    frames: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    error: str = ''


def make(order: Order, piece: Piece) -> Made:
    """Return what comes of a piece; raise ModelError where the model fails."""
    try:
        with order.open(piece.path) as bag:
            return _made(bag, order, piece)
    except BagError as problem:
        return Made(piece.name, [], {}, error=str(problem))


@cache
def _model(name: str, options: tuple[tuple[str, Any], ...]) -> Model | None:
    """Return who looks at pictures, None if nobody; made once per process."""
    return create_model(name, **dict(options)) if name else None


def _made(bag: Bag, order: Order, piece: Piece) -> Made:
    done = cut(bag, order, piece)
    skipped = Counter(done.skipped)
    records: list[dict[str, Any]] = []
    pictures: dict[str, bytes] = {}
    if done.path is not None:
        camera = _camera(bag, done.clips, skipped)
        seen = scene(bag, done.path, done.frame_id, piece, skipped, camera)
        model = _model(order.model, order.model_options)
        for clip in done.clips:
            try:
                decoded = {image.camera: decode(image) for image in clip.query.images}
            except InputError as problem:
                skipped[str(problem)] += 1
                continue
            known = Known(done.path.pose(clip.stamp), seen, decoded, model)
            name, files = _files(piece, clip)
            record = _record(order, clip, known, camera)
            about = {
                'id': name,
                'recording': piece.recording,
                'stamp': clip.stamp,
                'images': dict(zip(order.dialect.cameras, files, strict=True)),
                'recorded': [
                    f'{bag.parts[image.camera].name}@{image.stamp}' for image in clip.query.images
                ],
            }
            records.append({**about, **record})
            pictures.update(files)
    counts = dict(sorted((+skipped).items()))
    return Made(piece.name, records, pictures, done.frames, counts, done.error)


def _camera(bag: Bag, clips: Sequence[Clip], skipped: Counter[str]) -> CameraModel | None:
    """Return the front camera; None, and counted, for a calibration that cannot be its."""
    found = bag.camera(CAMERA_HEIGHT)
    if found is None:
        skipped['camera_info is not calibrated: nothing is drawn'] += 'camera_info' in bag.parts
        return None
    camera, ratio = found[0], found[0].width / found[0].height
    for clip in clips:
        with suppress(InputError):
            picture = decode(clip.query.images[0])
            if abs(picture.width / picture.height / ratio - 1.0) <= SAME_RATIO:
                return camera
            skipped[
                f'camera_info is of {camera.width}x{camera.height} pictures, these are '
                f'{picture.width}x{picture.height}: nothing is drawn'
            ] += 1
            return None
    return None


def _files(piece: Piece, clip: Clip) -> tuple[str, dict[str, bytes]]:
    """
    Return a clip's name, and its pictures by file name.

    The name ends in digits of the first picture: a recording under another name shows by them.
    """
    first = hashlib.sha256(bytes(clip.query.images[0].data)).hexdigest()[:12]
    name = f'{piece.recording}_{clip.stamp}_{first}'
    return name, {
        f'{name}.{image.camera.upper()}.{SUFFIX[image.encoding]}': bytes(image.data)
        for image in clip.query.images
    }


def _record(order: Order, clip: Clip, known: Known, camera: CameraModel | None) -> dict[str, Any]:
    dialect, model = order.dialect, known.model
    answered, missing = exchanges(clip, dialect, known)
    signs = [
        *motion_signs(clip.poses),
        *_plan_signs(order, clip, known),
        *picture_signs(known.pictures[dialect.cameras[0]].pixels),
    ]
    if model is None:
        verdict = categories.guessed(signs)
    else:
        asked = query(categories.QUESTION, known.pictures, dialect)
        answer = model.answer(replace(asked, pattern=categories.PATTERN))
        verdict = categories.seen(answer.text)
    return {
        'category': verdict.category,
        'reason': verdict.reason,
        'signs': [{**asdict(sign), 'value': round(sign.value, 3)} for sign in signs],
        'exchanges': [_exchange(each) for each in answered],
        'missing': missing,
        'way': clip.way.round(3).tolist(),
        'drawn': _drawn(camera, clip),
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    question = exchange.question
    return {
        'task': question.task,
        'prompt': question.prompt,
        'answer': exchange.answer,
        'cameras': list(question.cameras),
        'source': exchange.source,
    }


def _plan_signs(order: Order, clip: Clip, known: Known) -> list[Sign]:
    """Return how far off the model's plan is, or the ego's motion where none is asked."""
    dialect, text = order.dialect, clip.query.rollout
    if order.plans and known.model is not None:
        images = tuple(known.pictures[camera] for camera in dialect.cameras)
        text = known.model.answer(replace(clip.query, images=images)).text
    try:
        plan = decode_trajectory(dialect, text)
    except AnswerError:
        return [Sign('plan', 'the model says no plan', 1.0, 1.0, '')]
    return list(plan_sign(plan.points, clip.way, dialect.spacing))


def _drawn(camera: CameraModel | None, clip: Clip) -> list[list[float]]:
    """Return where the way driven lies in the front picture, in shares of its sides."""
    if camera is None:
        return []
    ahead = clip.poses[NOW:, :2]
    pixels, inside = project(camera, ground_points(ahead[np.isfinite(ahead).all(axis=1)]))
    shares = pixels[inside] / [camera.width, camera.height]
    return [[float(u), float(v)] for u, v in shares.round(4)]
