# SPDX-License-Identifier: Apache-2.0
"""One run of the simulator: its requests in, waypoints out; the history is held here alone."""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.core.structs import EgoState, InputError, Observation, Pose, Query
from impromptu_vla_ros.core.told import relative_poses
from impromptu_vla_ros.evaluation.ncap.request import Request
from impromptu_vla_ros.models import Model, ModelError, respond

# The simulator takes six, 0.5 s apart; a seventh ends its run.
MOST_WAYPOINTS = 6
# Its last waypoint nearer than 1 m lets the simulator's stopping controller brake.
STOP = ((0.0, 0.0),) * MOST_WAYPOINTS

PLAN, UNREADABLE, FAILED, REFUSED = 'plan', 'unreadable answer', 'no answer', 'refused request'

LOG = logging.getLogger('impromptu_vla.ncap')


@dataclass(frozen=True)
class Reply:
    """
    What the simulator is answered.

    `waypoints` (n, 2) m of the rear axle, 1 to 6, x ahead and y left, 0.5 s apart. `kind` tells a
    model that plans to stand (`plan`) from a stop because there is no plan; `reason` says why, or
    what is implausible about the plan.
    """

    kind: str
    reason: str = ''
    waypoints: tuple[tuple[float, float], ...] = STOP
    details: dict[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Return it for JSON; the simulator reads the first two."""
        return {
            'trajectory': [list(point) for point in self.waypoints],
            'aux_outputs': {},
            'kind': self.kind,
            'reason': self.reason,
            **self.details,
        }


@dataclass(frozen=True)
class Moment:
    """The ego at one request: `timestamp` in µs, m, rad and s."""

    timestamp: int
    pose: Pose
    speed: float
    yaw_rate: float
    ax: float
    ay: float


class Run:
    """
    Answer the requests of one run, in a dialect.

    The states of the prompt are those of the requests themselves, as the training set's are those
    of keyframes: some 0.5 s apart, and said to be that.
    """

    def __init__(self, dialect: Dialect, model: Model) -> None:
        self._dialect = dialect
        self._model = model
        self._planner: Planner | None = None
        self._moments: deque[Moment] = deque(maxlen=dialect.max_states)

    def infer(self, request: Request) -> Reply:
        """Return the answer to a request: a stop, with its reason, where there is no plan."""
        try:
            query = self.ask(request)
            answer = respond(self._model, query)
            assert self._planner is not None
            told = self._planner.tell(query, answer, query.stamp)
            poses = relative_poses(told)[1 : 1 + MOST_WAYPOINTS, :2]
            if not np.isfinite(poses).all():
                raise AnswerError('a waypoint is too large for a number')
        except InputError as error:
            return Reply(REFUSED, str(error))
        except ModelError as error:
            return Reply(FAILED, str(error))
        except AnswerError as error:
            return Reply(UNREADABLE, str(error), details={'answer': answer.text[:2000]})
        # Far from the world's origin the rest is rounding: a stop shall be one.
        waypoints = tuple((x, y) for x, y in (np.round(poses, 6) + 0.0).tolist())
        return Reply(PLAN, '; '.join(told.violations), waypoints, {'states': len(self._moments)})

    def ask(self, request: Request) -> Query:
        """Return the question of a request; raise InputError for one that cannot be used."""
        self._add(request)
        images = tuple(request.picture(camera) for camera in self._dialect.cameras)
        if self._planner is None:
            self._planner = Planner(at_lidar(self._dialect, request.lidar_ahead))
        stamp, command = images[0].stamp, request.navigation
        seen = Observation(stamp, images, self._states(), request.pose, 'world', command)
        return self._planner.ask_about(seen)

    def _add(self, request: Request) -> None:
        newest = self._moments[-1] if self._moments else None
        seconds = (request.timestamp - newest.timestamp) / 1e6 if newest else math.nan
        spacing = self._dialect.spacing
        if newest is not None and not 0.5 * spacing < seconds < 1.5 * spacing:
            LOG.warning('a step of %.2f s: the history begins anew', seconds)
            self._moments.clear()
            newest = None
        speed, yaw_rate = request.speed, request.yaw_rate
        ax, ay = float(request.canbus[7]), float(request.canbus[8])
        if request.automatic:
            # The simulator's are of the vehicle's centre, with the pull of a turn to the outside,
            # and no pull to the side at all.
            ax = (speed - newest.speed) / seconds if newest is not None else ax
            ay = speed * yaw_rate
        self._moments.append(Moment(request.timestamp, request.pose, speed, yaw_rate, ax, ay))

    def _states(self) -> tuple[EgoState, ...]:
        oldest, anchor = self._moments[0], self._moments[-1].pose
        # Closed loop begins with three states: a dialect of four would else brake first.
        spacing, lacking = self._dialect.spacing, self._dialect.min_states - len(self._moments)
        times = [-spacing * k for k in range(lacking, 0, -1)]
        before = motion.rollout(oldest.speed, oldest.yaw_rate, 0.0, times).tolist()
        moments = [replace(oldest, pose=motion.moved(oldest.pose, Pose(*p))) for p in before]
        moments += self._moments
        return tuple(
            EgoState(
                t=-spacing * (len(moments) - 1 - index),
                pose=motion.relative_to(anchor, moment.pose),
                vx=moment.speed,
                vy=0.0,  # a rear axle does not slide
                ax=moment.ax,
                ay=moment.ay,
                yaw_rate=moment.yaw_rate,
                tire_angle=math.nan,
            )
            for index, moment in enumerate(moments)
        )


def at_lidar(dialect: Dialect, ahead: float) -> Dialect:
    """Return the dialect with the lidar of a simulated car, where it speaks of a lidar's way."""
    if dialect.reference_point != 'LIDAR_TOP':
        return dialect
    if not 0.0 <= ahead <= 5.0:
        raise InputError(f'lidar2ego has the lidar {ahead:.2f} m ahead of the rear axle')
    return replace(dialect, reference_ahead=ahead)
