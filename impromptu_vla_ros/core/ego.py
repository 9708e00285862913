# SPDX-License-Identifier: Apache-2.0
"""The ego's history from what the user has: odometry alone, better with acceleration, steering."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.ego_jumps import PoseJumps, leap
from impromptu_vla_ros.core.ego_signals import SLOPE, EgoSignals
from impromptu_vla_ros.core.ego_watch import EgoWatch
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Acceleration,
    EgoNow,
    EgoState,
    NotReady,
    Odometry,
    Pose,
    Steering,
    Velocity,
)
from impromptu_vla_ros.core.timeline import SNAP, Timeline

# Poses farther apart than this are a gap, not something to interpolate over.
MAX_GAP = 0.5
# Without odometry for longer the ego is somewhere else than predicted.
LONGEST_PREDICTION = 0.5


class EgoHistory:
    """
    Answer where the ego was and how it moved, from stamped samples in any order and rate.

    Only samples up to the first one at or after the asked stamp are used, so that the same
    drive gives the same states whenever it is asked. What `watch` distrusts at that stamp is
    derived from the poses.
    """

    def __init__(self, span: float, wheelbase: float = 2.79) -> None:
        keep = span + 2.0 * SLOPE + 2.0
        self.odometry: Timeline[Odometry] = Timeline('odometry', keep, 5000)
        self.acceleration: Timeline[Acceleration] = Timeline('acceleration', keep, 5000)
        self.steering: Timeline[Steering] = Timeline('steering', keep, 5000)
        self.watch = EgoWatch(wheelbase)
        self.signals = EgoSignals(self.odometry, self.acceleration, self.steering, self.watch)
        self._jumps = PoseJumps()

    def clear(self) -> None:
        """Forget every sample."""
        self.watch.clear()
        self._jumps.clear()
        self.odometry.clear()
        self.acceleration.clear()
        self.steering.clear()

    def add(self, sample: Odometry | Acceleration | Steering | Velocity) -> bool:
        """Insert one sample; return True if the clock jumped back."""
        if isinstance(sample, Velocity):
            return self.watch.add(sample)
        if isinstance(sample, Odometry):
            self._find_leap(sample)
            jumped = self.odometry.add(sample)
        elif isinstance(sample, Acceleration):
            jumped = self.acceleration.add(sample)
        else:
            jumped = self.steering.add(sample)
        return self.watch.add(sample) or jumped

    def _find_leap(self, sample: Odometry) -> None:
        newest = self.odometry.newest
        if newest is None:
            return
        if newest.frame_id != sample.frame_id:
            self.odometry.counts['frame changed'] += 1
            self.odometry.clear()
            return
        if not 0 < sample.stamp - newest.stamp <= MAX_GAP * NANOSECONDS:
            return
        change = leap(newest, sample, lambda: self.signals.velocity_of_poses(newest.stamp)[::2])
        if change is not None:
            self.odometry.counts['pose jumped'] += 1
            self._jumps.note(sample.stamp, change)
            self.odometry.rewrite(lambda old: replace(old, pose=motion.moved(change, old.pose)))

    def take_change(self) -> Pose | None:
        """
        Return what maps poses from before to poses of now, once, if the odometry jumped.

        A localization that corrects itself moves the whole past with it: the car did not jump.
        """
        return self._jumps.take()

    @property
    def contradicted(self) -> bool:
        """Return whether the newest poses jump to and fro, so that none can be trusted."""
        return self._jumps.many(self.odometry.newest)

    def pose(self, stamp: int) -> Pose | None:
        """Return the interpolated pose, None outside the history or inside a gap."""
        before, after = self.odometry.around(stamp)
        if before is None or after is None or after.stamp - before.stamp > MAX_GAP * NANOSECONDS:
            return None
        width = after.stamp - before.stamp
        fraction = (stamp - before.stamp) / width if width else 0.0
        return motion.interpolate(before.pose, after.pose, fraction)

    def predict(self, now: int) -> EgoNow | None:
        """
        Return the ego at `now` (ns), None where the odometry ends too long before or begins after.

        From the newest sample on it keeps its turn rate and acceleration.
        """
        newest = self.odometry.newest
        if newest is None or now - newest.stamp > LONGEST_PREDICTION * NANOSECONDS:
            return None
        # Stamps may lie a little ahead of the clock: then the ego at `now` is in the history.
        start = min(now, newest.stamp)
        before = self.pose(start)
        if before is None:
            return None
        vx, _, yaw_rate = self.signals.velocity(start, start)
        ax, _ = self.signals.acceleration(start, start, vx, yaw_rate)
        known = [value if math.isfinite(value) else 0.0 for value in (vx, yaw_rate, ax)]
        ahead = (now - start) / NANOSECONDS
        x, y, yaw = motion.rollout(known[0], known[1], known[2], [ahead])[0]
        (outer,) = motion.from_frame(before, [[x, y]])
        pose = Pose(float(outer[0]), float(outer[1]), motion.wrap(before.yaw + float(yaw)))
        speed = known[0] + known[2] * ahead
        return EgoNow(pose, speed if speed * known[0] > 0.0 else 0.0, known[2])

    def states(
        self, stamp: int, spacing: float, least: int, most: int
    ) -> tuple[tuple[EgoState, ...], Pose, str] | NotReady:
        """
        Return the states on the grid that ends at `stamp`, the anchor pose and its frame.

        At most `most` states, oldest first, as far back as the poses reach without a gap;
        NotReady where they are fewer than `least` or do not reach `stamp` yet.
        """
        newest = self.odometry.newest
        if newest is None:
            return NotReady('missing', 'odometry', 'no message yet: is the topic remapped?')
        if newest.stamp < stamp - SNAP:
            late = (stamp - newest.stamp) / NANOSECONDS
            return NotReady('waiting', 'odometry', f'ends {late:.3f} s before the picture')
        anchor = self.pose(stamp)
        if anchor is None:
            return NotReady('short', 'odometry', 'no pose at the time of the picture')
        states: list[EgoState] = []
        for index in range(most):
            at = stamp - round(index * spacing * NANOSECONDS)
            pose = self.pose(at)
            if pose is None or (states and self._gap(at, at + round(spacing * NANOSECONDS))):
                break
            states.append(self._state(at, stamp, pose, anchor))
        if len(states) < least:
            have, need = spacing * (len(states) - 1), spacing * (least - 1)
            return NotReady('short', 'odometry', f'{have:.1f} s of history, {need:.1f} s needed')
        return tuple(reversed(states)), anchor, newest.frame_id

    def _gap(self, start: int, end: int) -> bool:
        stamps = [s.stamp for s in self.odometry.between(start, end)]
        widest = max(np.diff([start, *stamps, end]))
        return bool(widest > MAX_GAP * NANOSECONDS)

    def _state(self, at: int, last: int, pose: Pose, anchor: Pose) -> EgoState:
        vx, vy, yaw_rate = self.signals.velocity(at, last)
        ax, ay = self.signals.acceleration(at, last, vx, yaw_rate)
        return EgoState(
            t=(at - last) / NANOSECONDS,
            pose=motion.relative_to(anchor, pose),
            vx=vx,
            vy=vy,
            ax=ax,
            ay=ay,
            yaw_rate=yaw_rate,
            tire_angle=self.signals.tire_angle(at, last),
        )
