# SPDX-License-Identifier: Apache-2.0
"""Recordings cut into clips at 2 Hz: 1.5 s of past, the pictures, and where the car then went."""

from __future__ import annotations

import io
import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.buffer import Sample
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    FloatArray,
    InputError,
    NotReady,
    Odometry,
    Query,
    Trajectory,
)
from impromptu_vla_ros.curation.order import Order, Piece
from impromptu_vla_ros.evaluation.bag import SAMPLES, Bag
from impromptu_vla_ros.evaluation.replay import driven_path
from impromptu_vla_ros.evaluation.topics import CAMERAS, BagError
from impromptu_vla_ros.images import COMPRESSED, decode
from impromptu_vla_ros.training.tuning.recordings import driven

# One clip of each half second, by the stamps' own clock: wherever a piece begins.
EVERY = round(0.5 * NANOSECONDS)
# What a piece hears before it begins, s, so that the ego and its signals are known; and behind
# its end: labels look 6 s ahead, and a message may be late.
LEAD, TAIL = 10.0, 8.0
# The instants around a clip, s: its past, its future, and a second more for the command.
STEPS = 0.5 * np.arange(-3, 13)
NOW = 3
# Raw pictures are kept as JPEG of this quality, with all of their colour.
QUALITY = 95


@dataclass(frozen=True, eq=False)
class Clip:
    """
    One clip: what the planner asks at a stamp, and what is right.

    `query` has the pictures, compressed, and q7's prompt; `way` (n, 2) m is its right answer in
    the dialect's frame and point. `poses` (16, 3) x, y, yaw are base_link's at `STEPS`, in its
    frame of then, NaN where unknown. `speed` is m/s as known then; `command` is the navigation
    command recorded, '' if there is none.
    """

    stamp: int
    query: Query
    way: FloatArray
    poses: FloatArray
    speed: float
    command: str


@dataclass(frozen=True, eq=False)
class Cut:
    """
    What a piece was cut into: its clips, in order, and the way driven around it.

    `frame_id` is the odometry's; `frames` of the first camera were seen; `skipped` counts what
    is no clip by its reason; `error` says why the piece ended early, '' if it did not.
    """

    clips: tuple[Clip, ...]
    path: DrivenPath | None
    frame_id: str
    frames: int
    skipped: Counter[str]
    error: str


@dataclass
class _Heard:
    """What was heard of a piece, message by message; an ask has its speed and command."""

    asked: list[tuple[Query, float, str]] = field(default_factory=list)
    odometry: list[Odometry] = field(default_factory=list)
    leaps: list[int] = field(default_factory=list)
    frames: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def cut(bag: Bag, order: Order, piece: Piece) -> Cut:
    """Return the clips of a piece; what cannot be read to its end is cut as far as that goes."""
    heard, error, path = _Heard(), '', None
    try:
        _hear(bag, order, piece, heard)
    except BagError as problem:
        error = str(problem)
    made: list[Clip] = []
    if heard.asked and len(heard.odometry) > 1:
        path = driven_path(heard.odometry)
        for query, speed, command in heard.asked:
            try:
                made.append(_clip(order, path, heard.leaps, query, speed, command))
            except InputError as problem:
                heard.skipped[str(problem)] += 1
    frame_id = heard.odometry[-1].frame_id if heard.odometry else ''
    return Cut(tuple(made), path, frame_id, heard.frames, heard.skipped, error)


def _hear(bag: Bag, order: Order, piece: Piece, heard: _Heard) -> None:
    """Ask once each half second; raise BagError for a recording that cannot be read on."""
    planner, used = Planner(order.dialect, Vehicle(order.wheelbase)), set[int]()
    first, *_ = cameras = order.dialect.cameras
    offset = bag.clock_offset()
    parts = [part for part in SAMPLES if part not in CAMERAS or part in cameras]
    begin, end = piece.start - round(LEAD * NANOSECONDS), piece.stop + round(TAIL * NANOSECONDS)
    for recorded in bag.messages(parts, begin, end):
        inside = piece.start <= recorded.time < piece.stop
        heard.frames += inside and recorded.part == first
        try:
            sample = bag.sample(recorded)
            if recorded.part == first and sample.stamp // EVERY in used:
                continue
            _observe(planner, sample, heard)
        except InputError as problem:
            heard.skipped[str(problem)] += inside
            continue
        if planner.buffer.resets:
            raise BagError(f'the clock of {bag.path} jumped back: cut it in two there')
        query = planner.ask(recorded.time - offset)
        if isinstance(query, NotReady) or query.stamp // EVERY in used:
            continue
        used.add(query.stamp // EVERY)
        if inside:
            _note(planner, query, heard)


def _observe(planner: Planner, sample: Sample, heard: _Heard) -> None:
    counts = planner.buffer.ego.odometry.counts
    leapt = counts['pose jumped']
    planner.observe(sample)
    if isinstance(sample, Odometry):
        heard.odometry.append(sample)
        if counts['pose jumped'] > leapt:
            heard.leaps.append(sample.stamp)


def _note(planner: Planner, query: Query, heard: _Heard) -> None:
    """Keep a question, with its pictures compressed; count one that has none."""
    try:
        query = replace(query, images=tuple(map(compressed, query.images)))
    except InputError as problem:
        heard.skipped[str(problem)] += 1
        return
    told, _ = planner.buffer.commands.around(query.stamp)
    speed = planner.buffer.ego.signals.velocity(query.stamp, query.stamp)[0]
    heard.asked.append((query, speed, told.command if told is not None else ''))


def compressed(image: CameraImage) -> CameraImage:
    """Return a picture as JPEG or PNG: as it was recorded, if that is one."""
    if image.encoding in COMPRESSED:
        return image
    buffer = io.BytesIO()
    pixels = decode(image).pixels
    Image.fromarray(pixels).save(buffer, 'JPEG', quality=QUALITY, subsampling=0)
    return replace(image, encoding='jpeg', data=buffer.getvalue())


def _clip(
    order: Order, path: DrivenPath, leaps: list[int], query: Query, speed: float, command: str
) -> Clip:
    """Return the clip of a question; raise InputError where there is none."""
    dialect, stamp = order.dialect, query.stamp
    way = driven(path, dialect, stamp)
    if way is None:
        raise InputError(f'the way of the next {dialect.horizon:g} s is not known')
    poses = around(path, stamp)
    leap = bisect_left(leaps, stamp + round(STEPS[0] * NANOSECONDS))
    if leap < len(leaps) and leaps[leap] <= stamp + round(dialect.horizon * NANOSECONDS):
        raise InputError('the localization jumped on the way')
    if wrong := codec.implausibilities(Trajectory(way, dialect.spacing)):
        raise InputError(f'no car drives so: it {wrong[0].split()[0]}')
    if order.paper_compatible:
        query = replace(query, prompt=_leaking(order, poses))
        speed = float(np.hypot(*poses[NOW + 1, :2])) / dialect.spacing
    return Clip(stamp, query, way, poses, speed, command)


def around(path: DrivenPath, stamp: int) -> FloatArray:
    """Return base_link's poses (16, 3) at STEPS around a stamp, in its frame of then."""
    outer = path.at(stamp + np.round(STEPS * NANOSECONDS).astype(np.int64))
    here = path.pose(stamp)
    places = motion.to_frame(here, outer[:, :2])
    return np.column_stack([places, outer[:, 2] - here.yaw])


def _leaking(order: Order, poses: FloatArray) -> str:
    """Return q7's prompt as the paper's generators made it: speeds are steps to what came."""
    states = [PromptState(x, y) for x, y, _ in poses[: NOW + 1]]
    if not math.isfinite(states[0].x):
        raise InputError('the way of the past 1.5 s is not known')
    return codec.encode_prompt(order.dialect, states, poses[NOW + 1 : NOW + 3, :2])
