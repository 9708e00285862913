# SPDX-License-Identifier: Apache-2.0
"""Who drives and takes lessons: led astray now and then, and told each time what was right."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.driving import overlap
from impromptu_vla_ros.core.motion import moved
from impromptu_vla_ros.core.structs import Answer, FloatArray, Pose, Query
from impromptu_vla_ros.evaluation.driving.expert import View
from impromptu_vla_ros.evaluation.driving.sight import Instant
from impromptu_vla_ros.images import with_pixels
from impromptu_vla_ros.models import Model
from impromptu_vla_ros.models.preprocessing import BICUBIC, model_size, resize_as_trained
from impromptu_vla_ros.training.lessons.cells import cells
from impromptu_vla_ros.training.lessons.direct_stage import DirectStage
from impromptu_vla_ros.training.lessons.strangers import Stranger, stranger
from impromptu_vla_ros.training.lessons.tutor import Tutor, seen

# Between two pictures that are kept, s; how many lessons with another speed are added to each,
# and how many with pictures from beside the car: so far aside, m, and turned, rad. In this share
# of those somebody is there who is not.
BETWEEN, IMAGINED = (0.25, 0.55), 0.3
BESIDE, SIDE, TURNED, STRANGE = 2, 1.3, 0.12, 0.6
# Where nothing happens pictures are kept so many times more rarely: where one stays where one is
# (m), or nobody is seen and the right way is straight on (m) with about the speed of now (m/s).
DULL, STAYS, STRAIGHT, SAME = 3.0, 0.1, 0.4, 0.7
QUALITY = 92  # of the pictures, whose colours are kept at full size
# By which lot somebody is led astray at a question, some five a second, and for how long, s.
OFTEN, ASTRAY = 0.06, (0.5, 2.0)
# The way aside is gone within this time, s.
ASIDE_WITHIN = 2.0


@dataclass(frozen=True)
class Detour:
    """How an answer is changed: `left` (m) aside, `turned` (rad), `faster` in time; all by lot."""

    until: float
    left: float = 0.0
    turned: float = 0.0
    faster: float = 1.0

    def applied(self, points: FloatArray, times: FloatArray) -> FloatArray:
        """Return waypoints (n, 2) at these times (n,), changed."""
        way, known = np.vstack([[0.0, 0.0], points]), np.append(0.0, times)
        step = way[-1] - way[-2]
        beyond = np.maximum(self.faster * times - known[-1], 0.0) / (known[-1] - known[-2])
        changed = np.column_stack(
            [np.interp(self.faster * times, known, way[:, axis]) for axis in (0, 1)]
        )
        changed += beyond[:, None] * step
        c, s = np.cos(self.turned), np.sin(self.turned)
        changed = changed @ np.array([[c, s], [-s, c]])
        # Who does not move on does not move aside.
        share = np.clip(times / ASIDE_WITHIN, 0.0, 1.0) * np.clip(changed[-1, 0] / 8.0, 0.0, 1.0)
        changed[:, 1] += self.left * share**2 * (3.0 - 2.0 * share)
        return np.asarray(changed)


def detour(now: float, random: Generator) -> Detour:
    """Return a detour that begins now, s."""
    until, lot = now + random.uniform(*ASTRAY), random.random()
    if lot < 0.5:
        return Detour(until, left=random.uniform(-1.3, 1.3))
    if lot < 0.7:
        return Detour(until, turned=random.uniform(-0.1, 0.1))
    return Detour(until, faster=random.uniform(0.5, 1.4))


class Pupil:
    """
    A Model between loop and driver: notes questions, pictures and what the tutor says to them.

    The driver's answers are followed, now and then with a detour if `strays`. One who `looks`
    is shown each picture.
    """

    def __init__(
        self,
        driver: Model,
        stage: DirectStage,
        tutor: Tutor,
        dialect: Dialect,
        random: Generator,
        strays: bool = True,
        looks: bool = False,
    ) -> None:
        self._driver, self._stage, self._tutor = driver, stage, tutor
        self._dialect, self._random = dialect, random
        self._strays, self._looks = strays, looks
        self._due, self._detour, self._lost = random.uniform(0.0, BETWEEN[0]), Detour(-1.0), False
        self.jpegs: list[bytes] = []
        self.near: list[NDArray[np.float32]] = []
        self.lessons: list[tuple[str, str, int]] = []

    def answer(self, query: Query) -> Answer:
        """Return the driver's answer, perhaps with a detour, and take a lesson if one is due."""
        stage, now = self._stage, self._stage.time
        taken = now >= self._due
        pixels = stage.picture() if self._looks or taken else None
        if self._looks and pixels is not None:
            query = replace(query, images=(with_pixels(query.images[0], pixels),))
        answer = self._driver.answer(query)
        self._lost = self._lost or not self._tutor.teaches(stage.scene.odometry.pose)
        if taken and pixels is not None and not self._lost:
            dull = self._learn(query.prompt, pixels)
            self._due = now + self._random.uniform(*BETWEEN) * (DULL if dull else 1.0)
        return self._led_astray(answer, now) if self._strays else answer

    def _learn(self, prompt: str, pixels: NDArray[np.uint8]) -> bool:
        """Take lessons from a picture; return whether it is a dull one."""
        stage, picture = self._stage, len(self.jpegs)
        scene = stage.scene
        players = tuple(stage.players)
        whole = Instant(stage.time, scene.odometry, scene.acceleration.ax, players).view
        view = seen(whole)
        answer = self._tutor.answer(view)
        self._keep(pixels, view)
        self.lessons.append((prompt, answer, picture))
        if self._random.random() < IMAGINED:
            self.lessons.append((*self._tutor.imagined(view, self._random), picture))
        for _ in range(BESIDE):
            self._learn_beside(whole)
        return self._dull(answer, view)

    def _learn_beside(self, view: View) -> None:
        """Take a lesson of who came to a place beside the car, unless somebody is there."""
        side, turned = self._random.uniform(-SIDE, SIDE), self._random.uniform(-TURNED, TURNED)
        beside = Pose(0.0, float(side), float(turned))
        there = replace(view, pose=moved(view.pose, beside))
        boxes = [player.box for player in self._stage.players]
        box = self._stage.ego.box(there.pose)
        if any(overlap(box, one) for one in boxes) or not self._tutor.teaches(there.pose):
            return
        more: list[Stranger] = []
        if self._random.random() < STRANGE:
            one = stranger(self._tutor.onward, self._tutor.along(there.pose), self._random)
            if not any(overlap(one.box, other) for other in [box, *boxes]):
                more, there = [one], with_stranger(there, one)
        there = seen(there)
        self._keep(self._stage.picture(beside, more), there)
        lesson = self._tutor.imagined(there, self._random)
        self.lessons.append((*lesson, len(self.jpegs) - 1))

    def _keep(self, pixels: NDArray[np.uint8], view: View) -> None:
        self.jpegs.append(packed(pixels, self._dialect))
        self.near.append(cells(view.pose, view.others[:, 0], view.sizes))

    def _dull(self, answer: str, view: View) -> bool:
        points = codec.decode_trajectory(self._dialect, answer).points
        pace = (points[-1, 0] - points[0, 0]) / (self._dialect.spacing * (len(points) - 1))
        straight = bool(np.abs(points[:, 1]).max() < STRAIGHT and abs(pace - view.speed) < SAME)
        stays = view.speed < STAYS and float(points[-1, 0]) < STAYS
        return stays or (straight and not len(view.others))

    def _led_astray(self, answer: Answer, now: float) -> Answer:
        if now > self._detour.until + 1.0 and self._random.random() < OFTEN:
            self._detour = detour(now, self._random)
        if now > self._detour.until:
            return answer
        points = codec.decode_trajectory(self._dialect, answer.text).points
        times = self._dialect.spacing * np.arange(1.0, len(points) + 1.0)
        changed = self._detour.applied(points, times)
        return Answer(codec.encode_trajectory(self._dialect, changed))


def with_stranger(view: View, one: Stranger) -> View:
    """Return the view with somebody more in it."""
    others = np.concatenate([view.others, one.foreseen[None]])
    return replace(view, others=others, sizes=np.concatenate([view.sizes, [one.size]]))


def packed(pixels: NDArray[np.uint8], dialect: Dialect) -> bytes:
    """Return a picture, RGB (height, width, 3), as the model will see it, as JPEG."""
    picture = resize_as_trained(pixels, dialect.image_filter, dialect.most_pixels)
    picture = picture.resize(model_size(*picture.size), BICUBIC)
    data = io.BytesIO()
    picture.save(data, 'JPEG', quality=QUALITY, subsampling=0)
    return data.getvalue()
