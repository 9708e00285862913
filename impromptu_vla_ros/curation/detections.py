# SPDX-License-Identifier: Apache-2.0
"""Recorded detections (vision_msgs/Detection3DArray): who was seen where, and who goes where."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.camera import TRAINED_FOV, project
from impromptu_vla_ros.core.metrics import DrivenPath
from impromptu_vla_ros.core.question_answers import VULNERABLE, RoadUser, road_user
from impromptu_vla_ros.core.questions import (
    OBJECTS_WITHIN,
    VULNERABLE_WITHIN,
    SeenObject,
    SpeedPath,
)
from impromptu_vla_ros.core.structs import NANOSECONDS, CameraModel, FloatArray, InputError, Pose
from impromptu_vla_ros.curation.clips import LEAD, TAIL
from impromptu_vla_ros.curation.labels import PLANNED, SPACING, speed_path
from impromptu_vla_ros.curation.order import Piece
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.messages import nanoseconds

StampArray = NDArray[np.int64]

# What detectors call those whom the questions know by another word.
KINDS: Mapping[str, str] = {
    **{kind: kind for kind in (*VULNERABLE, 'car', 'truck', 'bus', 'trailer', 'van')},
    **{
        'person': 'pedestrian',
        'human': 'pedestrian',
        'bike': 'bicycle',
        'motorbike': 'motorcycle',
    },
    **{'rider': 'cyclist', 'vehicle': 'car', 'lorry': 'truck', 'tram': 'bus'},
}
# A detection this near a picture, s, is of its instant; between two of a track farther apart, s,
# nobody knows where it was. Speeds are over the last half second.
NEAR, GAP, PAST = 0.1, 0.6, 0.5
# Slower than so many m/s nobody knows where a thing is headed by its track.
HEADED = 0.5
# Of a person the chest is looked for in the picture, m over the ground.
CHEST = 1.0


@dataclass(frozen=True)
class Track:
    """Where one object was: `places` (n, 2) m in the odometry's frame at `stamps` (n,) in ns."""

    name: str
    kind: str
    stamps: StampArray
    places: FloatArray

    def at(self, stamps: StampArray) -> FloatArray:
        """Return the places (n, 2) at stamps in ns, NaN where the track does not know."""
        times, known = (stamps - self.stamps[0]).astype(float), self.stamps - self.stamps[0]
        x, y = (np.interp(times, known, axis, np.nan, np.nan) for axis in self.places.T)
        after = np.clip(np.searchsorted(known, times), 1, max(1, len(known) - 1))
        if len(known) > 1:
            gap = (known[after] - known[after - 1]) / NANOSECONDS > GAP
            x[gap], y[gap] = np.nan, np.nan
        return np.column_stack([x, y])


@dataclass(frozen=True)
class Scene:
    """Who was tracked around a piece, and when somebody looked, ns; `camera` None: none known."""

    tracks: tuple[Track, ...]
    stamps: tuple[int, ...]
    camera: CameraModel | None = None

    def looked(self, stamp: int) -> int | None:
        """Return when somebody looked nearest to a stamp, None if nobody did near enough."""
        nearest = min(self.stamps, key=lambda each: abs(each - stamp), default=None)
        close = nearest is not None and abs(nearest - stamp) <= NEAR * NANOSECONDS
        return nearest if close else None

    def vulnerable(self, here: Pose, stamp: int) -> list[RoadUser]:
        """Return the vulnerable road users of q1 at a stamp with detections, nearest first."""
        seen = [
            (x, road_user(track.kind, x, y))
            for track in self.tracks
            if track.kind in VULNERABLE
            for x, y in [self._place(track, here, stamp)]
            if self._visible(x, y, VULNERABLE_WITHIN)
        ]
        return [user for _, user in sorted(seen, key=lambda each: each[0])]

    def objects(self, here: Pose, stamp: int) -> list[tuple[SeenObject, SpeedPath]]:
        """Return the objects of q2 whose past and future are known, and what each then did."""
        found = []
        for track in self.tracks:
            x, y = self._place(track, here, stamp)
            moved = _moved(track, stamp)
            if not self._visible(x, y, OBJECTS_WITHIN) or moved is None:
                continue
            speed, poses = moved
            does = speed_path(poses)
            if does is not None:
                found.append((SeenObject(track.kind, x, y, speed), does))
        return sorted(found, key=lambda each: each[0].ahead)

    def _place(self, track: Track, here: Pose, stamp: int) -> tuple[float, float]:
        if not np.isin(stamp, track.stamps):
            return math.nan, math.nan
        x, y = motion.to_frame(here, track.at(np.array([stamp])))[0]
        return float(x), float(y)

    def _visible(self, x: float, y: float, within: float) -> bool:
        if not 0.0 < x < within:
            return False
        if self.camera is None:
            return abs(math.atan2(y, x)) < 0.5 * TRAINED_FOV
        return bool(project(self.camera, [[x, y, CHEST]])[1][0])


def _moved(track: Track, stamp: int) -> tuple[float, FloatArray] | None:
    """Return an object's speed of the past, m/s, and its poses from now on; None if unknown."""
    times = np.concatenate([[-PAST], SPACING * np.arange(0.0, PLANNED / SPACING + 1.0)])
    places = track.at(stamp + np.round(times * NANOSECONDS).astype(np.int64))
    if not np.isfinite(places).all():
        return None
    steps = np.diff(places, axis=0)
    lengths = np.hypot(*steps.T)
    # Who stands keeps its heading; before it first moved it is headed where it then goes.
    moving = np.flatnonzero(lengths / SPACING > HEADED)
    if len(moving):
        held = np.clip(np.searchsorted(moving, np.arange(len(steps)), 'right') - 1, 0, None)
        yaw = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])[moving[held]])
    else:
        yaw = np.zeros(len(steps))
    here = Pose(float(places[1, 0]), float(places[1, 1]), float(yaw[0]))
    local = motion.to_frame(here, places[1:])
    return float(lengths[0]) / PAST, np.column_stack([local, yaw - yaw[0]])


def scene(
    bag: Bag,
    path: DrivenPath,
    frame: str,
    piece: Piece,
    skipped: Counter[str],
    camera: CameraModel | None,
) -> Scene | None:
    """
    Return who was seen around a piece, None where nothing was recorded.

    Detections are in the base frame, in `frame` (the odometry's), or in one that static
    transforms take to the base frame. What cannot be read is counted in `skipped`.
    """
    if 'detections' not in bag.parts:
        return None
    rows: dict[tuple[str, str], dict[int, tuple[float, float]]] = defaultdict(dict)
    stamps: list[int] = []
    to_base = cache(bag.static_transform)
    begin, end = piece.start - round(LEAD * NANOSECONDS), piece.stop + round(TAIL * NANOSECONDS)
    for recorded in bag.messages(['detections'], begin, end):
        try:
            message = bag.message(recorded)
            stamp = nanoseconds(message.header.stamp)
            taken = _taken(bag, message.header.frame_id, frame, path.pose(stamp), to_base)
        except InputError as error:
            skipped[str(error)] += 1
            continue
        stamps.append(stamp)
        for number, (name, kind, place) in enumerate(_named(message)):
            # Who is not tracked is somebody else in each message.
            rows[name or f'{stamp} {number}', kind][stamp] = taken(place)
    listed = [
        Track(name, kind, np.array(sorted(seen)), np.array([seen[s] for s in sorted(seen)]))
        for (name, kind), seen in sorted(rows.items())
    ]
    return Scene(tuple(listed), tuple(sorted(stamps)), camera)


def _taken(
    bag: Bag, given: str, odometry: str, pose: Pose, to_base: Callable[[str], Any]
) -> Callable[[FloatArray], tuple[float, float]]:
    """Return what takes a place (3,) of the detections' frame into the odometry's frame."""
    if given == odometry:
        return lambda place: (float(place[0]), float(place[1]))
    if not math.isfinite(pose.x):
        raise InputError('detections of a time without odometry')
    edge = (np.eye(3), np.zeros(3)) if given in ('', bag.base_frame) else to_base(given)
    if edge is None:
        raise InputError(
            f'detections are in {given!r}: record the /tf_static that takes it to {bag.base_frame}'
        )
    rotation, translation = edge

    def taken(place: FloatArray) -> tuple[float, float]:
        x, y = motion.from_frame(pose, [(rotation @ place + translation)[:2]])[0]
        return float(x), float(y)

    return taken


def _named(message: Any) -> Iterator[tuple[str, str, FloatArray]]:
    """Yield the tracking id, the kind and the place (3,) of whom the questions have a word for."""
    for each in message.detections:
        hypotheses = [result.hypothesis for result in each.results]
        best = max(hypotheses, key=lambda each: each.score, default=None)
        kind = KINDS.get(best.class_id.strip().lower()) if best is not None else None
        center = each.bbox.center.position
        place = np.array([center.x, center.y, center.z])
        if kind and np.isfinite(place).all():
            yield each.id, kind, place
