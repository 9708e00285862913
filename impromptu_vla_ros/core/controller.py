# SPDX-License-Identifier: Apache-2.0
"""
The newest plan, read by its stamp, and the ego → what is asked of the vehicle now.

One for all worlds. It trusts no plan: while nothing that can be followed comes it brakes, along
the last path that could be.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.ego import EgoHistory
from impromptu_vla_ros.core.laws import PREVIEW, Pace, SpeedLaw, SteeringLaw
from impromptu_vla_ros.core.paths import Stop
from impromptu_vla_ros.core.planner import Vehicle
from impromptu_vla_ros.core.policy import STANDING, STOPPING
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    ControlCommand,
    EgoNow,
    Odometry,
    Plan,
)
from impromptu_vla_ros.core.timeline import CLOCK_JUMP
from impromptu_vla_ros.core.track import Track, laid
from impromptu_vla_ros.core.trust import Trust, faults

DISENGAGED, FOLLOWING, BRAKING = 'disengaged', 'following', 'braking'
STOPS = (STOPPING, STANDING)

# More, in s, never passes between two commands, whatever the clock says.
LONGEST_STEP = 0.2


@dataclass(frozen=True)
class Errors:
    """How well a plan is followed: m left of it, m behind it, m/s slower than it."""

    cross_track: float
    station: float
    speed: float


@dataclass(frozen=True)
class State:
    """What one command leaves for the next one; `speed` is the ego's, m/s."""

    command: ControlCommand
    pace: Pace
    speed: float = 0.0


class Controller:
    """
    Follow plans while engaged, which it is not at first.

    Give it every odometry with `observe` and every plan with `follow`; ask `command` at a
    steady rate. `now` is the clock of the stamps, in ns. `errors` are those of the last
    command, None where no plan was followed.
    """

    def __init__(
        self,
        vehicle: Vehicle | None = None,
        steering: SteeringLaw | None = None,
        speed: SpeedLaw | None = None,
        trust: Trust | None = None,
        stop: Stop | None = None,
        base_frame: str = 'base_link',
    ) -> None:
        self.errors: Errors | None = None
        self.counts: Counter[str] = Counter()
        self._wheelbase = (vehicle or Vehicle()).wheelbase
        self._steering = steering or SteeringLaw()
        self._speed = speed or SpeedLaw()
        self._trust = trust or Trust()
        self._stop = stop or Stop()
        self._base_frame = base_frame
        self._ego = EgoHistory(2.0)
        self._engaged = False
        self._state: State | None = None
        self._plan: Plan | None = None
        self._refused = ''
        self._offered: Track | None = None  # the newest plan, laid into the odometry's frame
        self._track: Track | None = None  # the newest that could be followed

    @property
    def engaged(self) -> bool:
        """Return whether the commands are meant."""
        return self._engaged

    def engage(self, engaged: bool) -> None:
        """Begin to command, or end it."""
        if engaged != self._engaged:
            self._engaged, self._state, self._track = engaged, None, None

    def observe(self, sample: Odometry) -> None:
        """Take one odometry; raise InputError for one that cannot be used."""
        if self._ego.add(sample):
            self.reset()
        if self._track is not None and self._track.plan.frame_id != sample.frame_id:
            self._offered = self._track = None  # where they lie in the new frame nobody knows
        change = self._ego.take_change()
        if change is not None:
            self._offered = self._offered and self._offered.moved(change)
            self._track = self._track and self._track.moved(change)

    def follow(self, plan: Plan) -> None:
        """Take a plan, unless it comes late: after one that was made after it."""
        before = self._plan.stamp if self._plan is not None else 0
        if 0 < before - plan.stamp < CLOCK_JUMP * NANOSECONDS:
            self.counts['late plans'] += 1
            return
        self._plan, self._offered, self._refused = plan, None, faults(plan)

    def refuse(self, reason: str) -> None:
        """Take note of a plan that cannot even be read."""
        self._plan, self._offered, self._refused = None, None, reason

    def reset(self) -> None:
        """Forget all inputs, as after a jump of the clock: only newer ones will be followed."""
        self.counts['clock jumps'] += len(self._ego.odometry) > 0
        self._ego.clear()
        self._plan = self._offered = self._track = None
        self._refused = ''

    def command(self, now: int) -> ControlCommand:
        """Return what is asked of the vehicle at `now`; the same again for the same `now`."""
        if not self._engaged:
            self.errors = None
            return ControlCommand(now, DISENGAGED, reason='not engaged')
        if self._state is not None and now == self._state.command.stamp:
            return self._state.command
        self.errors = None
        if self._state is not None and now < self._state.command.stamp:
            self.reset()
            # What was commanded last goes on from the new time.
            command = replace(self._state.command, stamp=now)
            self._state = replace(self._state, command=command)
        ego = None if self._trust.lost(self._ego, now) else self._ego.predict(now)
        state = self._state or self._begun(now, ego)
        seconds = min((now - state.command.stamp) / NANOSECONDS, LONGEST_STEP)
        objection = self._objection(now, ego)
        if not objection:
            self._track = self._offered
        if objection or ego is None or self._track is None:
            self._state = self._brake(now, state, ego, seconds, objection)
        else:
            self._state = self._follow(now, state, ego, self._track, seconds)
        return self._state.command

    # What may be followed

    def _objection(self, now: int, ego: EgoNow | None) -> str:
        """Return why the newest plan is not followed, nothing if it is."""
        if ego is None:
            return self._trust.lost(self._ego, now)
        if self._plan is None:
            return self._refused or 'no plan yet: is the planner active, and its topic remapped?'
        objection = self._trust.untimely(self._plan, now) or self._refused
        if objection:
            return objection
        if self._offered is None:
            where = self._where(self._plan)
            if isinstance(where, str):
                return where
            self._offered = Track(where)
        return self._trust.misplaced(self._offered, now, ego)

    def _where(self, plan: Plan) -> Plan | str:
        """Return the plan in the odometry's frame, or why that cannot be."""
        newest = self._ego.odometry.newest
        frame_id = newest.frame_id if newest is not None else ''
        if plan.frame_id == frame_id:
            return plan
        if plan.frame_id != self._base_frame:
            return (
                f'the plan is in frame {plan.frame_id!r}, the odometry in {frame_id!r}: take '
                f'both in one, or plans in {self._base_frame!r}'
            )
        then = self._ego.predict(plan.stamp)
        if then is None:
            return f'the plan is in {plan.frame_id!r}, and the ego pose at its stamp is not known'
        return laid(plan, then.pose, frame_id)

    # What is asked

    def _begun(self, now: int, ego: EgoNow | None) -> State:
        """Return the state that takes over from whoever drove before, without a step."""
        newest = self._ego.odometry.newest
        angle, pace, speed = 0.0, Pace(), 0.0
        if ego is not None and newest is not None:
            pace, speed = Pace(acceleration=self._speed.within(ego.acceleration)), ego.speed
            if newest.vx > motion.CURVATURE_SPEED and math.isfinite(newest.yaw_rate):
                angle = math.atan2(self._wheelbase * newest.yaw_rate, newest.vx)
        command = ControlCommand(now, BRAKING, angle, acceleration=pace.acceleration)
        return State(command, pace, speed)

    def _follow(self, now: int, state: State, ego: EgoNow, track: Track, seconds: float) -> State:
        elapsed, delay = track.elapsed(now), self._steering.delay
        _, left = track.nearest(ego.pose.x, ego.pose.y)
        behind = track.behind(ego.pose, elapsed, PREVIEW)
        self.errors = Errors(left, behind, track.speed(elapsed) - ego.speed)
        pace = self._speed.follow(track, ego, elapsed, delay, state.pace, seconds)
        angle, limited = self._steer(state, ego, track, pace, seconds)
        tier = track.plan.tier
        if tier in STOPS:
            mode, reason = BRAKING, f'the plan is a stop ({tier}): no answer holds'
        else:
            mode, reason = FOLLOWING, limited
        return self._said(now, mode, reason, state, angle, pace, ego.speed, seconds)

    def _brake(
        self, now: int, state: State, ego: EgoNow | None, seconds: float, reason: str
    ) -> State:
        # Without odometry the car is as fast as the braking since has left it.
        braked = max(0.0, state.speed + min(state.pace.acceleration, 0.0) * seconds)
        speed = ego.speed if ego is not None else braked
        pace = self._speed.brake(self._stop, speed, state.pace, seconds)
        angle = state.command.tire_angle
        if ego is not None and self._track is not None:
            _, left = self._track.nearest(ego.pose.x, ego.pose.y)
            if abs(left) <= self._trust.start:
                angle, _ = self._steer(state, ego, self._track, pace, seconds)
        return self._said(now, BRAKING, reason, state, angle, pace, speed, seconds)

    def _steer(
        self, state: State, ego: EgoNow, track: Track, pace: Pace, seconds: float
    ) -> tuple[float, str]:
        last = state.command.tire_angle
        if pace.holding:  # wheels are not turned at a stand
            return last, ''
        return self._steering.angle(track, ego, last, self._wheelbase, seconds)

    def _said(
        self,
        now: int,
        mode: str,
        reason: str,
        before: State,
        angle: float,
        pace: Pace,
        speed: float,
        seconds: float,
    ) -> State:
        turned = angle - before.command.tire_angle
        rate = turned / seconds if seconds else 0.0
        command = ControlCommand(now, mode, angle, rate, pace.velocity, pace.acceleration)
        if self._track is not None:
            plan = self._track.plan
            command = replace(
                command,
                tier=plan.tier,
                plan_stamp=plan.stamp,
                plan_capture_stamp=plan.capture_stamp,
            )
        return State(replace(command, reason=reason), pace, speed)
