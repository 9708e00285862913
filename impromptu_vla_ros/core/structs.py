# SPDX-License-Identifier: Apache-2.0
"""
The words of this package as frozen data: shapes, units and frames are stated here once.

Stamps are integer nanoseconds (exact, as in ROS), durations are float seconds. Poses are
planar, x forward, y left, yaw counter-clockwise in radians (REP-103); the ego's point is
`base_link` on the rear axle (REP-105) unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.template import Template

NANOSECONDS = 1_000_000_000

FloatArray = NDArray[np.float64]


class Draft(Protocol):
    """A guess at an answer, in text."""

    def continued(self, written: str) -> str:
        """Return the whole answer as guessed, given what stands written of it already."""
        ...


class InputError(ValueError):
    """Say what is wrong with one input message and what would mend it."""


@dataclass(frozen=True, eq=False)
class CameraImage:
    """
    One picture as it arrived: encoded bytes, or rows of pixels.

    `encoding` is `jpeg` or `png` for compressed data, else a sensor_msgs encoding (`rgb8`,
    `bgr8`, `rgba8`, `bgra8`, `mono8`, …) with `height` rows of `step` bytes. `stamp` is the
    capture time in ns. `data` is any bytes-like object; nothing is copied.
    """

    camera: str
    stamp: int
    encoding: str
    data: Any
    height: int = 0
    width: int = 0
    step: int = 0
    frame_id: str = ''

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """Return the picture as (height, width, 3) RGB; it must be `rgb8` already."""
        if self.encoding != 'rgb8':
            raise InputError(f'picture is {self.encoding}, not rgb8: decode it first')
        rows = np.frombuffer(self.data, np.uint8).reshape(self.height, self.step)
        return rows[:, : 3 * self.width].reshape(self.height, self.width, 3)


@dataclass(frozen=True)
class CameraModel:
    """
    A pinhole camera on the vehicle.

    `matrix` is K (3, 3) in pixels for a picture of `width` × `height`; `rotation` (3, 3) and
    `translation` (3,) take optical coordinates (x right, y down, z ahead) to `base_link` in m.
    """

    matrix: FloatArray
    rotation: FloatArray
    translation: FloatArray
    width: int
    height: int


@dataclass(frozen=True)
class Pose:
    """Hold a planar pose: x, y in m and yaw in rad, in a frame the context names."""

    x: float
    y: float
    yaw: float


@dataclass(frozen=True)
class Odometry:
    """
    One ego pose and velocity.

    `pose` is base_link in `frame_id`; `vx`, `vy` (m/s) and `yaw_rate` (rad/s) are in
    base_link, NaN where the source has none. `stamp` in ns.
    """

    stamp: int
    pose: Pose
    vx: float
    vy: float
    yaw_rate: float
    frame_id: str = 'odom'


@dataclass(frozen=True)
class Acceleration:
    """One measured acceleration of base_link: ax ahead, ay left, m/s². `stamp` in ns."""

    stamp: int
    ax: float
    ay: float


class Velocity(NamedTuple):
    """One measured velocity of base_link: vx ahead, vy left, m/s, yaw_rate rad/s; stamp in ns."""

    stamp: int
    vx: float
    vy: float
    yaw_rate: float


@dataclass(frozen=True)
class Steering:
    """One measured road-wheel angle in rad, + = left. `stamp` in ns."""

    stamp: int
    tire_angle: float


@dataclass(frozen=True)
class NavigationCommand:
    """Where the route leads, from `stamp` (ns) on: one of core.navigation.COMMANDS."""

    stamp: int
    command: str


@dataclass(frozen=True)
class EgoState:
    """
    The ego at one instant, in the frame of the newest state of its history.

    `t` ≤ 0 is seconds before the newest state. vx, vy, ax, ay are along the body axes of that
    instant, in m/s and m/s²; `yaw_rate` in rad/s; `tire_angle` is the road-wheel angle in rad
    (+ = left). Any of them is NaN where it is unknown.
    """

    t: float
    pose: Pose
    vx: float
    vy: float
    ax: float
    ay: float
    yaw_rate: float
    tire_angle: float


@dataclass(frozen=True)
class EgoNow:
    """The ego predicted to an instant: its pose, its speed in m/s, its acceleration in m/s²."""

    pose: Pose
    speed: float
    acceleration: float = 0.0


@dataclass(frozen=True)
class Observation:
    """
    What one answer is asked from: synchronized pictures and the ego's history.

    `images` are in the dialect's order; `states` are oldest first, every 0.5 s, and the last
    lies at the origin. `anchor` is base_link in `frame_id` at `stamp`, the capture time of
    the first picture. `command` is the navigation command then, '' if nobody said one.
    """

    stamp: int
    images: tuple[CameraImage, ...]
    states: tuple[EgoState, ...]
    anchor: Pose
    frame_id: str
    command: str = ''


@dataclass(frozen=True)
class NotReady:
    """
    Why there is no observation now.

    `reason` is one of missing, stale, ahead, skewed, short, waiting, used; `source` names the
    input.
    """

    reason: str
    source: str
    detail: str

    def __str__(self) -> str:
        return f'{self.source} {self.reason}: {self.detail}'


@dataclass(frozen=True, eq=False)
class Query:
    """
    One question to a model.

    `images` are in the order of the `<image>` marks in `prompt`. `rollout` is a kinematic
    prediction in the answer's format. `filter_name` names the picture filter of the
    trainer's first resize step, `most_pixels` is its limit where it is lower than the trained
    one, else 0. `template` is the form of the answer, None for a free one; `draft` guesses it, to
    be verified: it never is an answer. `window` guesses are verified per pass, 0: as the decoder
    likes. `pattern` is a regular expression (Rust's syntax) that a free answer matches if the
    model is bound to forms; empty: any text. `most_tokens` bound the answer where the model's own
    bound is higher, 0: that. A model in this process asks `interrupted` between its passes, and
    gives up where it says True.
    """

    stamp: int
    images: tuple[CameraImage, ...]
    prompt: str
    rollout: str
    filter_name: str = 'nearest'
    template: Template | None = None
    draft: Draft | None = None
    most_pixels: int = 0
    window: int = 0
    pattern: str = ''
    most_tokens: int = 0
    interrupted: Callable[[], bool] | None = None


@dataclass(frozen=True, eq=False)
class Digits:
    """
    How sure a model was of its digits: `places` (d,) in the text, `log_probabilities` (d, 10).

    Column k is the digit k's, in nats, normalized over the whole vocabulary, or by servers over
    what the form allows.
    """

    places: NDArray[np.int64]
    log_probabilities: FloatArray


@dataclass(frozen=True)
class Answer:
    """
    A model's text, with the seconds that each stage took and the tokens it wrote.

    `accepted` are the tokens that each pass of a drafting decoder yielded, the prefill's one
    first; empty where nobody counts. `digits` is None where the model does not tell. `samples`
    are other answers, drawn by their probability.
    """

    text: str
    latencies: Mapping[str, float] = field(default_factory=dict)
    tokens: int = 0
    accepted: tuple[int, ...] = ()
    digits: Digits | None = None
    samples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trajectory:
    """
    Waypoints of base_link, x forward and y left in m, in the ego frame at capture time.

    `points` is (n, 2); waypoint k lies at (k + 1)·`spacing` s after the capture time.
    """

    points: FloatArray
    spacing: float = 0.5

    @property
    def times(self) -> FloatArray:
        """Return the waypoints' seconds after the capture time, (n,)."""
        return np.arange(1.0, len(self.points) + 1.0) * self.spacing


@dataclass(frozen=True)
class Plan:
    """
    A trajectory that may be published, and all that it can be blamed by.

    Rows of the arrays belong to `times` (s after `stamp`): `poses` (n, 3) x, y, yaw in
    `frame_id`; `speeds` (m/s), `accelerations` (m/s²), `yaw_rates` (rad/s) and `deviations`
    (standard deviation of the position in m: of x and of y, their variances' mean; NaN where
    unknown), each (n,). Rows from
    `extended_from` on lie beyond the model's own horizon. `latencies` and `ages` are seconds
    by name. `anchor` is base_link in `anchor_frame_id` at `capture_stamp`. Within the first
    `blend` seconds the plan runs from the ego into the path it follows. `navigation_command` was
    in the prompt, '' where the dialect carries none.
    """

    stamp: int
    frame_id: str
    times: FloatArray
    poses: FloatArray
    speeds: FloatArray
    accelerations: FloatArray
    yaw_rates: FloatArray
    deviations: FloatArray
    extended_from: int
    tier: str
    violations: tuple[str, ...]
    capture_stamp: int
    anchor: Pose
    anchor_frame_id: str
    answer: str
    dialect: str
    latencies: Mapping[str, float] = field(default_factory=dict)
    ages: Mapping[str, float] = field(default_factory=dict)
    blend: float = 0.0
    navigation_command: str = ''


@dataclass(frozen=True)
class ControlCommand:
    """
    What a controller asks of the vehicle at `stamp` (ns).

    `mode` is disengaged, following or braking. `tire_angle` (rad, + = left, of the bicycle
    model) and `tire_rate` (rad/s); `velocity` (m/s) is the target, `acceleration` (m/s²) the
    demand. `tier`, `plan_stamp` and `plan_capture_stamp` are of the plan that is followed, 0
    and standing where there is none; `reason` says why it is not simply followed.
    """

    stamp: int
    mode: str
    tire_angle: float = 0.0
    tire_rate: float = 0.0
    velocity: float = 0.0
    acceleration: float = 0.0
    tier: str = 'standing'
    plan_stamp: int = 0
    plan_capture_stamp: int = 0
    reason: str = ''
