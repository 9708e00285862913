# SPDX-License-Identifier: Apache-2.0
"""Lessons from recordings: what the planner asks along them, and the path driven afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from impromptu_vla_ros.core import codec, motion
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.ego import MAX_GAP
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    CameraImage,
    FloatArray,
    InputError,
    NotReady,
    Odometry,
    Pose,
    Query,
    Trajectory,
)
from impromptu_vla_ros.evaluation.bag import SAMPLES
from impromptu_vla_ros.evaluation.replay import Recording, driven_path
from impromptu_vla_ros.evaluation.topics import CAMERAS, BagError
from impromptu_vla_ros.images import COMPRESSED, decode, with_pixels
from impromptu_vla_ros.models.preprocessing import resize_as_trained
from impromptu_vla_ros.training.tuning.turns import HELD, Turn, Turns

# One lesson in so many s; pictures at 2 Hz come that late now and then.
EVERY, LATE = 0.5, 0.05


def recorded_turns(bag: Recording, dialect: Dialect, vehicle: Vehicle | None = None) -> Turns:
    """
    Return the lessons of a recording: a question every 0.5 s, and where the car then went.

    Where the whole way is not known, or no car could have driven it, there is none. The last
    tenth is held out, and what is learned ends before that begins; nothing is of a recording too
    short for that. Raise BagError for one without what the dialect needs, or whose clock jumped
    back.
    """
    planner = Planner(dialect, vehicle)
    odometry: list[Odometry] = []
    queries = list(_questions(bag, planner, odometry))
    if planner.buffer.resets:
        raise BagError('the clock of the recording jumped back: cut it in two there')
    path = driven_path(odometry)
    asked = [(query, driven(path, dialect, query.stamp)) for query in queries]
    turns = [
        (query.stamp, Turn(query.prompt, codec.encode_trajectory(dialect, way), query.images))
        for query, way in asked
        if way is not None and not codec.implausibilities(Trajectory(way, dialect.spacing))
    ]
    first = len(turns) - round(HELD * len(turns))
    held = [turn for _, turn in turns[first:]]
    # Else the end of what is learned would be the beginning of what is held out.
    border = turns[first][0] - round(dialect.horizon * NANOSECONDS) if held else None
    learned = [turn for stamp, turn in turns[:first] if border is None or stamp <= border]
    if not learned:
        return Turns(tuple(turn for _, turn in turns))
    return Turns(tuple(learned), tuple(held))


def driven(path: DrivenPath, dialect: Dialect, stamp: int) -> FloatArray | None:
    """
    Return where the dialect's point went after a stamp, (waypoints, 2) m in its frame of then.

    None where the path ends before, or has a gap in it.
    """
    times = dialect.spacing * (np.arange(dialect.waypoints) + dialect.first_waypoint)
    stamps = stamp + np.round(np.append(0.0, times) * NANOSECONDS).astype(np.int64)
    x, y, yaw = poses = path.at(stamps).T
    if not np.isfinite(poses).all() or _gap(path, stamp, int(stamps[-1])):
        return None
    here = Pose(x[0], y[0], yaw[0])
    places = motion.to_frame(here, np.column_stack([x, y])[1:])
    return motion.point_ahead(np.column_stack([places, yaw[1:] - yaw[0]]), dialect.reference_ahead)


def _gap(path: DrivenPath, start: int, end: int) -> bool:
    first = int(np.searchsorted(path.stamps, start, 'right')) - 1
    last = int(np.searchsorted(path.stamps, end))
    return bool(np.diff(path.stamps[first : last + 1]).max() > MAX_GAP * NANOSECONDS)


def _questions(bag: Recording, planner: Planner, odometry: list[Odometry]) -> Iterator[Query]:
    """Yield what the planner asks, and gather all odometry on the way."""
    cameras = planner.dialect.cameras
    bag.require([*cameras, 'odometry'])
    offset, due = bag.clock_offset(), 0
    parts = [part for part in SAMPLES if part not in CAMERAS or part in cameras]
    for recorded in bag.messages(parts):
        try:
            sample = bag.sample(recorded)
            planner.observe(sample)
        except InputError:
            continue
        if isinstance(sample, Odometry):
            odometry.append(sample)
        query = planner.ask(recorded.time - offset)
        if not isinstance(query, NotReady) and query.stamp >= due:
            due = query.stamp + round((EVERY - LATE) * NANOSECONDS)
            yield replace(query, images=tuple(_kept(image, query) for image in query.images))


def _kept(image: CameraImage, query: Query) -> CameraImage:
    """Return a picture as it is kept: one of raw pixels no larger than it is learned from."""
    if image.encoding in COMPRESSED:
        return image
    pixels = resize_as_trained(decode(image).pixels, query.filter_name, query.most_pixels)
    return with_pixels(image, np.asarray(pixels))
