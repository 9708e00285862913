# SPDX-License-Identifier: Apache-2.0
"""Time-indexed pictures and ego states → the newest synchronized Observation, or why not yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from impromptu_vla_ros.core.ego import EgoHistory
from impromptu_vla_ros.core.navigation import COMMANDS
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Acceleration,
    CameraImage,
    InputError,
    NavigationCommand,
    NotReady,
    Observation,
    Odometry,
    Steering,
    Velocity,
)
from impromptu_vla_ros.core.timeline import Timeline

# Older pictures can no longer be asked about, whatever their rate.
FRAME_SPAN = 5.0

# Of commands only the newest counts, and the one before it for a picture that is older.
COMMANDS_KEPT = 64

Sample = CameraImage | Odometry | Acceleration | Steering | Velocity | NavigationCommand


@dataclass(frozen=True)
class BufferLimits:
    """
    Hold what counts as synchronized and as fresh.

    `camera_tolerance`: seconds between the first camera's picture and another's. `max_age`:
    seconds after which an input is stale, and by which it may lie ahead of the clock.
    `frames`: pictures kept per camera.
    """

    camera_tolerance: float = 0.06
    max_age: float = 1.0
    frames: int = 8


class ObservationBuffer:
    """
    Gather samples in any order and rate; hand out each newest synchronized observation once.

    Pictures stay encoded. After a jump of the clock back (a bag that loops, a simulation that
    restarts) everything is forgotten and it starts anew; `resets` counts that.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        spacing: float,
        states: tuple[int, int],
        limits: BufferLimits | None = None,
        wheelbase: float = 2.79,
    ) -> None:
        self._limits = limits or BufferLimits()
        self._spacing = spacing
        self._least, self._most = states
        self.frames: dict[str, Timeline[CameraImage]] = {
            camera: Timeline(camera, FRAME_SPAN, self._limits.frames) for camera in cameras
        }
        self.ego = EgoHistory(spacing * (self._most - 1), wheelbase)
        self.commands: Timeline[NavigationCommand] = Timeline(
            'navigation_command', FRAME_SPAN, COMMANDS_KEPT
        )
        self.resets = 0
        self._used = 0

    def observe(self, sample: Sample) -> None:
        """Insert one sample; raise InputError for one without stamp or that nobody knows."""
        if isinstance(sample, CameraImage):
            if sample.camera not in self.frames:
                raise InputError(f'camera {sample.camera!r} is none of {list(self.frames)}')
            jumped = self.frames[sample.camera].add(sample)
        elif isinstance(sample, NavigationCommand):
            if sample.command not in COMMANDS:
                raise InputError(f'no command {sample.command!r}: one of {", ".join(COMMANDS)}')
            jumped = self.commands.add(sample)
        else:
            jumped = self.ego.add(sample)
        if jumped:
            self.reset()
            self.observe(sample)

    def reset(self) -> None:
        """Forget every sample, as after a jump of the clock."""
        self.resets += 1
        self._used = 0
        for frames in self.frames.values():
            frames.clear()
        self.ego.clear()
        self.commands.clear()

    def skews(self, camera: str, since: int) -> list[tuple[int, float]]:
        """
        Return how far a camera's pictures are from the first camera's, by its stamps, s.

        Each stamp (ns) is of a picture of the first camera after `since`, + where the other
        camera's nearest picture is later.
        """
        first, timeline = next(iter(self.frames.values())), self.frames[camera]
        newest = timeline.newest
        if newest is None:
            return []
        images = [i for i in first if since < i.stamp <= newest.stamp]
        pairs = [(image.stamp, timeline.nearest(image.stamp)) for image in images]
        return [(at, (near.stamp - at) / NANOSECONDS) for at, near in pairs if near is not None]

    def take(self, now: int, cameras: Sequence[str] = ()) -> Observation | NotReady:
        """
        Return the newest observation that was not handed out yet, or why there is none.

        `now` in ns is the clock of the stamps; the reason given is the newest picture's. Some
        `cameras` may be enough, all if none is named.
        """
        first, *others = frames = [self.frames[camera] for camera in cameras or self.frames]
        missing = self._missing_or_stale(now, frames)
        if missing is not None:
            return missing
        reason: NotReady | None = None
        for image in reversed(list(first)):
            if image.stamp <= self._used:
                break
            found = self._observation(image, others)
            if isinstance(found, Observation):
                self._used = image.stamp
                return found
            reason = reason or found
        return reason or NotReady('used', first.name, 'the newest picture was asked about already')

    def _missing_or_stale(
        self, now: int, frames: Sequence[Timeline[CameraImage]]
    ) -> NotReady | None:
        inputs: tuple[Timeline[CameraImage] | Timeline[Odometry], ...]
        inputs = (*frames, self.ego.odometry)
        for timeline in inputs:
            newest = timeline.newest
            if newest is None:
                return NotReady('missing', timeline.name, 'no message yet: is its topic remapped?')
            age = (now - newest.stamp) / NANOSECONDS
            if age > self._limits.max_age:
                return NotReady('stale', timeline.name, f'newest message is {age:.2f} s old')
            if age < -self._limits.max_age:
                ahead = f'newest message is {-age:.2f} s ahead of the clock'
                return NotReady('ahead', timeline.name, ahead)
        return None

    def _observation(
        self, image: CameraImage, others: Sequence[Timeline[CameraImage]]
    ) -> Observation | NotReady:
        images = [image]
        for timeline in others:
            nearest = timeline.nearest(image.stamp)
            apart = abs(nearest.stamp - image.stamp) / NANOSECONDS if nearest else math.inf
            if nearest is None or apart > self._limits.camera_tolerance:
                return NotReady(
                    'skewed',
                    timeline.name,
                    f'nearest picture is {apart:.3f} s from {image.camera}, '
                    f'{self._limits.camera_tolerance:.3f} s allowed',
                )
            images.append(nearest)
        found = self.ego.states(image.stamp, self._spacing, self._least, self._most)
        if isinstance(found, NotReady):
            return found
        states, anchor, frame_id = found
        told, _ = self.commands.around(image.stamp)
        command = told.command if told is not None else ''
        return Observation(image.stamp, tuple(images), states, anchor, frame_id, command)
