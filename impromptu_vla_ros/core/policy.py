# SPDX-License-Identifier: Apache-2.0
"""
Which plan is published now: from a young answer, an ageing one, or a stop; tiers by age.

An answer is taken when it comes, if the guard finds nothing; from then on only the clock
decides. A stop once begun goes on as it began until an answer is taken again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from impromptu_vla_ros.core import guard, motion
from impromptu_vla_ros.core.guard import Limits
from impromptu_vla_ros.core.pace import at_own_pace
from impromptu_vla_ros.core.paths import Stop, TimedPath, braking, nearest, straight
from impromptu_vla_ros.core.retiming import Motion, retime
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import NANOSECONDS, EgoNow, FloatArray, Plan, Pose

# A picture may be stamped this many seconds ahead of the clock: that of a simulation ticks late.
AHEAD = 0.2

# A car this much faster than its stop, m/s, has not begun to brake as the stop wants it.
UNBRAKED = 0.8

FRESH, HELD, STOPPING, STANDING = 'fresh', 'held', 'stopping', 'standing'


@dataclass(frozen=True)
class Ages:
    """How long an answer is followed, from its capture time on."""

    fresh: float = setting(1.5, 'A younger answer is fresh.', unit='s', limits=(0.05, 10.0))
    held: float = setting(
        3.0,
        'An answer this old is followed no more: the car stops.',
        'Beyond it the scene is another one.',
        unit='s',
        limits=(0.05, 10.0),
    )
    horizon_left: float = setting(
        1.0,
        "Less of the model's own horizon left, and the car stops.",
        'What lies beyond it is extrapolated.',
        unit='s',
        limits=(0.0, 5.0),
    )


@dataclass(frozen=True)
class Followed:
    """
    What is followed: a path that began at `anchor` in `frame_id` at `stamp`.

    `told` is the plan it was made of, None where it is a stop; `stop` is then the stop's tier.
    `horizon` is the seconds of it that the model itself spoke of. Where it is gone at another
    pace than the answer's, `marks` tells how far along the answer's rows lie, m; `slowed` is after
    how many seconds it brakes because the model is unsure.
    """

    path: TimedPath
    stamp: int
    anchor: Pose
    frame_id: str
    horizon: float
    told: Plan | None = None
    stop: str | None = None
    marks: FloatArray | None = None
    slowed: float | None = None

    def elapsed(self, now: int) -> float:
        """Return the seconds since the path began."""
        return (now - self.stamp) / NANOSECONDS

    @property
    def paced(self) -> bool:
        """Tell whether the ego goes this way at its own pace."""
        return self.told is not None and self.stamp != self.told.capture_stamp

    def age(self, now: int) -> float:
        """Return the seconds since the picture was taken, or since the stop began."""
        taken = self.told.capture_stamp if self.told is not None else self.stamp
        return (now - taken) / NANOSECONDS

    def since(self, now: int) -> dict[str, float]:
        """Return the seconds since it goes at its own pace, and brakes unsure, where it does."""
        elapsed = self.elapsed(now)
        return {
            **({'own_pace': elapsed} if self.paced else {}),
            **({'unsure': elapsed - self.slowed} if self.slowed is not None else {}),
        }

    def answered_marks(self) -> FloatArray | None:
        """Return how far along its path the answer's rows lie, m; None for a stop."""
        if self.marks is not None or self.told is None:
            return self.marks
        return self.path.distance(self.told.times)

    def deviations(self, seconds: FloatArray) -> FloatArray:
        """
        Return the answer's deviations, (n,) m, these seconds after the path began; NaN if untold.

        At another pace than the answer's they are those of the places, as it comes there.
        """
        if self.told is None:
            return np.full(len(seconds), math.nan)
        if self.marks is None:
            at, known = seconds, self.told.times
        else:
            at, known = self.path.distance(seconds) - float(self.path.marks[0]), self.marks
        # A row at the very end is of it, however it was rounded.
        return np.asarray(np.interp(at - 1e-6, known, self.told.deviations, right=math.nan))


class Policy:
    """
    Decide at every tick what is published.

    `offer` it each answer's path, and ask `current` at a fixed rate. `refused` are the
    violations of the last answer that was not taken.
    """

    def __init__(
        self, limits: Limits | None = None, ages: Ages | None = None, stop: Stop | None = None
    ) -> None:
        self.refused: tuple[str, ...] = ()
        self._limits = limits or Limits()
        self._ages = ages or Ages()
        self.stop = stop or Stop()
        self._followed: Followed | None = None

    def offer(self, offered: Followed, now: int, ego: EgoNow | None) -> bool:
        """Take an answer's path if nothing is wrong with it now; return whether it is taken."""
        if ego is None:
            self.refused = ('ego: no odometry, and nobody knows where the answer would begin',)
            return False
        found = self._against(offered, now, ego)
        if found and (own := self._at_own_pace(offered, now, ego)) is not None:
            offered, found = own, ()
        if self._tier_of(offered, now) is None:
            age = offered.age(now)
            why = 'too old to be followed' if age > 0.0 else 'ahead of the clock: synchronize them'
            found = (f'age: {age:.2f} s, {why}', *found)
        self.refused = found
        if not found:
            self._followed = offered
        return not found

    def current(self, now: int, stamp: int, ego: EgoNow | None, frame_id: str) -> Plan | None:
        """
        Return what is to be published at `now`, None where nothing is known at all.

        It begins at `stamp` (both in ns), where `ego` is in `frame_id`; None where the odometry
        is lost: then the car is taken to be where the plan wants it.
        """
        if self._followed is not None and frame_id and self._followed.frame_id != frame_id:
            self._followed = None  # another frame begins: what lies in the old one is nowhere
        followed = self._followed
        if followed is None:
            if ego is None:
                return None
            followed = self._straight_stop(stamp, ego, frame_id)
        if self._tier_of(followed, now) is None:
            followed = self._stop_along(followed, stamp, ego)
        planned, place = _retimed(followed, stamp, ego)
        if followed.told is not None and guard.violations(planned, place, self._limits):
            own = self._at_own_pace(followed, stamp, place)
            followed = own or self._stop_along(followed, stamp, place)
            planned = _retimed(followed, stamp, ego)[0]
        faster = place.speed - float(planned.speeds[0]) > UNBRAKED
        if followed.told is None and (planned.offset > self._limits.jump or faster):
            # Somebody else drives, or it does not brake: the stop begins anew, from the car.
            followed = self._stop_along(followed, stamp, place)
            planned = _retimed(followed, stamp, ego)[0]
            if planned.offset > self._limits.start:  # no path is known from here
                followed = self._straight_stop(stamp, place, followed.frame_id)
                planned = _retimed(followed, stamp, ego)[0]
        self._followed = followed
        found = guard.violations(planned, place, self._limits)
        return _plan(followed, planned, self._tier_of(followed, now) or STANDING, stamp, found)

    def rebase(self, change: Pose) -> None:
        """Move what is followed with its frame, after a jump: `change` maps old poses to new."""
        if self._followed is not None:
            anchor = motion.moved(change, self._followed.anchor)
            self._followed = replace(self._followed, anchor=anchor)

    def forget(self) -> None:
        """Follow nothing, as after a jump of the clock."""
        self._followed = None

    def _tier_of(self, followed: Followed, now: int) -> str | None:
        """Return the tier by age, None where it may be followed no more."""
        if followed.told is None:
            return followed.stop
        age = followed.age(now)
        # A way to a stand needs no horizon: whoever stands there stays.
        stands = followed.path.rates[-1] == 0.0
        left = math.inf if stands else followed.horizon - followed.elapsed(now)
        if age < -AHEAD or age > self._ages.held or left < self._ages.horizon_left:
            return None
        return FRESH if age < self._ages.fresh else HELD

    def _stop_along(self, followed: Followed, now: int, ego: EgoNow | None) -> Followed:
        """Return the way to a stop along what was followed, from where the car is."""
        place = ego or _expected(followed, followed.elapsed(now))
        point = motion.to_frame(followed.anchor, [[place.pose.x, place.pose.y]])[0]
        start = nearest(followed.path, point)
        path = braking(followed.path, start, place.speed, place.acceleration, self.stop)
        stop = followed.stop or STOPPING
        return Followed(path, now, followed.anchor, followed.frame_id, 0.0, stop=stop)

    def _straight_stop(self, now: int, ego: EgoNow, frame_id: str) -> Followed:
        path = braking(straight(), 0.0, ego.speed, ego.acceleration, self.stop)
        return Followed(path, now, ego.pose, frame_id, 0.0, stop=STANDING)

    def _against(self, offered: Followed, now: int, ego: EgoNow) -> tuple[str, ...]:
        """Return what is wrong with following an answer from now on."""
        planned = _retimed(offered, now, ego)[0]
        return guard.violations(planned, ego, self._limits, self._step(offered, now))

    def _at_own_pace(self, followed: Followed, stamp: int, ego: EgoNow) -> Followed | None:
        """
        Return the same way from where the ego is on, begun at `stamp` with its own speed.

        None where that cannot be driven either, or where it is the answer that is wrong.
        """
        wanted = _expected(followed, followed.elapsed(stamp))
        if guard.violations(_retimed(followed, stamp, wanted)[0], wanted, self._limits):
            return None
        point = motion.to_frame(followed.anchor, [[ego.pose.x, ego.pose.y]])[0]
        start = nearest(followed.path, point)
        path = at_own_pace(followed.path, start, ego.speed, ego.acceleration)
        own = replace(
            followed,
            path=path,
            stamp=stamp,
            horizon=path.horizon,
            marks=followed.answered_marks(),
            slowed=None if followed.slowed is None else 0.0,
        )
        return None if self._against(own, stamp, ego) else own

    def _step(self, offered: Followed, now: int) -> float:
        """Return how far, in m, an answer's path lies now from the answer followed so far."""
        followed = self._followed
        if followed is None or followed.told is None:
            return 0.0
        old, new = (_expected(each, each.elapsed(now)).pose for each in (followed, offered))
        return math.hypot(new.x - old.x, new.y - old.y)


def _retimed(followed: Followed, now: int, ego: EgoNow | None) -> tuple[Motion, EgoNow]:
    """Return the motion from now on, and the ego it begins at."""
    elapsed = followed.elapsed(now)
    place = ego or _expected(followed, elapsed)
    return retime(followed.path, followed.anchor, elapsed, place), place


def _expected(followed: Followed, elapsed: float) -> EgoNow:
    """Return the ego as the path wants it, where the odometry does not say."""
    distance = followed.path.distance([elapsed])
    x, y, yaw = followed.path.poses(distance)[0]
    outer = motion.from_frame(followed.anchor, [[x, y]])[0]
    speed, later = followed.path.speed([elapsed, elapsed + 0.1])
    pose = Pose(float(outer[0]), float(outer[1]), motion.wrap(followed.anchor.yaw + float(yaw)))
    return EgoNow(pose, float(speed), float(later - speed) / 0.1)


def _plan(
    followed: Followed, planned: Motion, tier: str, stamp: int, found: tuple[str, ...]
) -> Plan:
    told = followed.told
    left = followed.horizon - followed.elapsed(stamp) if told is not None else -1.0
    own = int(np.searchsorted(planned.times, left + 1e-9, side='right')) if left >= 0.0 else 0
    return Plan(
        stamp=stamp,
        frame_id=followed.frame_id,
        times=planned.times,
        poses=planned.poses,
        speeds=planned.speeds,
        accelerations=planned.accelerations,
        yaw_rates=planned.yaw_rates,
        deviations=followed.deviations(followed.elapsed(stamp) + planned.times),
        extended_from=own,
        tier=tier,
        violations=found,
        capture_stamp=told.capture_stamp if told is not None else 0,
        anchor=followed.anchor,
        anchor_frame_id=followed.frame_id,
        answer=told.answer if told is not None else '',
        dialect=told.dialect if told is not None else '',
        latencies=told.latencies if told is not None else {},
        ages=followed.since(stamp),
        blend=planned.blend,
        navigation_command=told.navigation_command if told is not None else '',
    )
