# SPDX-License-Identifier: Apache-2.0
"""The pictures of a drive's film: what the camera saw, the scene from above, and the numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.camera import project
from impromptu_vla_ros.core.driving import Box
from impromptu_vla_ros.core.structs import CameraModel, FloatArray, Plan, Pose
from impromptu_vla_ros.drawing import TIER_COLOURS, draw_parts
from impromptu_vla_ros.evaluation.driving.birdseye import (
    DRIVEN,
    EGO,
    OTHER,
    Land,
    font,
    from_above,
)

# px: the height of both pictures, the width from above where it is alone, and the bar on top,
# where no browser lays its controls.
HEIGHT, ALONE, BAR = 396, 704, 60
KEY = 'dot: 0.5 s; dashed: beyond what the model said; wall: stop'
PAPER, INK, QUIET, ALARM = (22, 27, 34), (238, 241, 245), (154, 166, 182), (226, 60, 40)


@dataclass(frozen=True, eq=False)
class Moment:
    """
    One instant of a drive.

    `ego` is base_link and `outline` the ego's; `speed` in m/s, `acceleration` in m/s², `steering`
    the road-wheel angle in rad, + = left. `driven` (n, 2) is the way so far. `picture` is the
    JPEG of the camera; `alarm` says what must not have happened.
    """

    time: float
    ego: Pose
    outline: Box
    others: Sequence[Box]
    driven: FloatArray
    speed: float
    acceleration: float
    steering: float
    plan: Plan | None = None
    picture: bytes | None = None
    alarm: str = ''


def film_picture(
    moment: Moment, land: Land, camera: CameraModel | None, ahead: float
) -> Image.Image:
    """
    Return one picture of the film, of even size; without a camera's the scene from above alone.

    `camera` is None where nobody knows where it sits: then nothing is drawn into its picture.
    `ahead` is how far before base_link a stopping plan's wall stands, m.
    """
    seen = _camera(moment, camera, ahead) if moment.picture is not None else None
    size = (ALONE if seen is None else HEIGHT, HEIGHT)
    scene = from_above(
        land,
        size,
        moment.ego,
        moment.outline,
        moment.others,
        moment.plan,
        moment.driven,
        ahead,
    )
    left = 0 if seen is None else seen.width + 4
    whole = Image.new('RGB', (left + size[0], HEIGHT + BAR), PAPER)
    if seen is not None:
        whole.paste(seen, (0, BAR))
    whole.paste(scene, (left, BAR))
    _bar(whole, moment)
    return whole


def _camera(moment: Moment, camera: CameraModel | None, ahead: float) -> Image.Image:
    picture = Image.open(io.BytesIO(moment.picture or b'')).convert('RGB')
    width = 2 * round(0.5 * HEIGHT * picture.width / picture.height)
    picture = picture.resize((width, HEIGHT), Image.Resampling.BILINEAR)
    if camera is not None and moment.plan is not None:
        scale = np.array([width / camera.width, HEIGHT / camera.height])

        def place(points: FloatArray) -> FloatArray:
            there = np.column_stack([motion.to_frame(moment.ego, points[:, :2]), points[:, 2]])
            return project(camera, there)[0] * scale

        draw_parts(picture, moment.plan, place, ahead)
    return picture


def _bar(whole: Image.Image, moment: Moment) -> None:
    draw = ImageDraw.Draw(whole)
    x, top = 12, 6
    for text, colour, width in _numbers(moment):
        draw.text((x, top), text, fill=colour, font=font(17))
        x += width
    if moment.alarm:
        draw.rectangle((0, BAR, whole.width - 1, whole.height - 1), outline=ALARM, width=5)
        middle = (whole.width // 2, BAR + 24)
        left, up, right, down = draw.textbbox(middle, moment.alarm, font=font(20), anchor='mm')
        draw.rectangle((left - 10, up - 6, right + 10, down + 6), fill=ALARM)
        draw.text(middle, moment.alarm, fill=INK, font=font(20), anchor='mm')
    x, line = 12, BAR - 14
    for name, colour in _legend():
        draw.rectangle((x, line - 3, x + 13, line + 4), fill=colour)
        draw.text((x + 18, line), name, fill=QUIET, font=font(13), anchor='lm')
        x += 18 + round(draw.textlength(name, font=font(13))) + 14
    draw.text(
        (x, line), KEY if whole.width > ALONE else '', fill=QUIET, font=font(13), anchor='lm'
    )


def _numbers(moment: Moment) -> list[tuple[str, tuple[int, int, int], int]]:
    """Return texts with their colours and widths: they stay where they are as numbers change."""
    degrees = math.degrees(moment.steering)
    side = '' if abs(degrees) < 0.05 else ' left' if degrees > 0.0 else ' right'
    texts = [
        (f'{moment.time:.1f} s', QUIET, 66),
        (f'{moment.speed:.1f} m/s', INK, 92),
        (f'{moment.acceleration:+.1f} m/s^2', INK, 112),
        (f'steers {abs(degrees):.1f}°{side}', INK, 168),
    ]
    if moment.plan is None:
        return [*texts, ('no plan', ALARM, 0)]
    age = moment.plan.ages.get('answer', math.nan)
    old = f', answer {age:.1f} s old' if math.isfinite(age) else ''
    return [*texts, (f'plan {moment.plan.tier}{old}', TIER_COLOURS[moment.plan.tier], 0)]


def _legend() -> list[tuple[str, tuple[int, int, int]]]:
    tiers = [(f'{name} plan', colour) for name, colour in TIER_COLOURS.items()]
    return [*tiers, ('ego', EGO), ('driven', DRIVEN), ('others', OTHER)]
