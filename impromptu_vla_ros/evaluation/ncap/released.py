# SPDX-License-Identifier: Apache-2.0
"""
What the authors' released server sends its model, for the same requests, in our own words.

Their repository's inference/server.py of August to October 2025, by which their corrected table
was made. It is here to be compared with, and drives nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from impromptu_vla_ros.core.codec import AXES, POINT_FORMAT
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import FloatArray, Query
from impromptu_vla_ros.evaluation.ncap.request import Request
from impromptu_vla_ros.models.preprocessing import FACTOR, model_size, resize_as_trained

# It shows no more states than this, and says a span that grows with the run all the same.
STATES = 6
HEAD = (
    'You are an autonomous driving agent. You have access to front view camera image <image>, '
    'front left view camera image <image>, front right view camera image <image>. Your task is '
    'to do your best to predict future waypoints for the vehicle over the next 3 timesteps, given '
    "the vehicle's intent inferred from the images.Provided are the previous ego vehicle status "
    'recorded over the last {seconds:.1f} seconds (at 0.5-second intervals). This includes the x '
    f'and y coordinates of the ego vehicle. {AXES} The data is presented in the format '
    f'{POINT_FORMAT}.'
)


@dataclass(frozen=True)
class Message:
    """
    What a model is sent: the text, and the pictures that reach it as `(camera, width, height)`.

    The sizes are those the model sees. `inline` pictures stand where the text marks them, others
    behind it. `decoding` is said in words. `lag` is how old the newest state's speed is, s, and
    `point` whose places the positions are.
    """

    text: str
    pictures: tuple[tuple[str, int, int], ...]
    inline: bool
    decoding: str
    lag: float
    point: str

    @property
    def tokens(self) -> int:
        """Return the tokens that the pictures take."""
        return sum(width * height for _, width, height in self.pictures) // FACTOR**2


@dataclass
class Released:
    """One run of the released server, as it keeps its history."""

    _places: list[FloatArray] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)

    def message(self, request: Request) -> Message:
        """Return what it sends for a request."""
        # The rows say one history, and the lines beside them another: it takes the last places,
        # and the first lines.
        seconds = 0.5 * len(self._lines)
        canbus = request.canbus
        self._places.append(canbus[:3])
        self._lines.append(
            f'Acceleration: X {canbus[7]:.2f}, Y {canbus[8]:.2f} m/s^2, '
            f'Velocity: {np.hypot(canbus[13], canbus[14]):.2f} m/s '
        )
        shown = self._places[-STATES:]
        turn, origin = request.ego2world[:3, :3], request.ego2world[:3, 3]
        rows = []
        for index, (place, line) in enumerate(zip(shown, self._lines, strict=False)):
            x, y, _ = turn.T @ (place - origin)
            rows.append(f'(t-{0.5 * (len(shown) - 1 - index):.1f}s) [{x:.1f}, {y:.1f}], {line}')
        text = (HEAD.format(seconds=seconds) + ', '.join(rows)).rstrip(', ')
        # Three pictures under one key of a dictionary: the last one is left.
        left = request.picture('front_left')
        size = model_size(left.width, left.height)
        decoding = 'drawn at temperature 0.7, the default of its server'
        lag = 0.5 * (len(self._lines) - len(shown))
        return Message(text, (('front_left', *size),), False, decoding, lag, 'rear axle')


def our_message(dialect: Dialect, query: Query) -> Message:
    """Return what is sent for a question of this package's."""
    pictures = []
    for camera, image in zip(dialect.cameras, query.images, strict=True):
        small = resize_as_trained(image.pixels, query.filter_name, query.most_pixels)
        pictures.append((camera, *model_size(*small.size)))
    decoding, point = 'greedy, repetition penalty 1.0', dialect.reference_point
    return Message(query.prompt, tuple(pictures), True, decoding, 0.0, point)
