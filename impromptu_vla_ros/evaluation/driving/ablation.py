# SPDX-License-Identifier: Apache-2.0
"""What a model is given instead of what it needs, to see whether it needs it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from impromptu_vla_ros.core.codec import PromptState, encode_prompt
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.navigation import STRAIGHT
from impromptu_vla_ros.core.records import parse_command
from impromptu_vla_ros.core.structs import NANOSECONDS, Answer, CameraImage, Query
from impromptu_vla_ros.evaluation.driving.loop import PER_PICTURE, START, STEP, Loop, Style
from impromptu_vla_ros.evaluation.driving.scenarios import scenario
from impromptu_vla_ros.evaluation.driving.stage import CarlaStage
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.images import decode, with_pixels
from impromptu_vla_ros.models import Model
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.rigs import Rig

RIGHT, OTHER, MIRRORED, BLACK, NO_HISTORY = 'right', 'other', 'mirrored', 'black', 'no_history'
SEES = (RIGHT, OTHER, MIRRORED, BLACK, NO_HISTORY)

# Flipped, what the right camera sees is on the left.
ACROSS = {'front_left': 'front_right', 'front_right': 'front_left'}


class Given:
    """A Model: `model`, which is asked `change` of each query instead of the query."""

    def __init__(self, model: Model, change: Callable[[Query], Query]) -> None:
        self._model, self._change = model, change

    def answer(self, query: Query) -> Answer:
        """Return the model's answer to what it is given."""
        return self._model.answer(self._change(query))


class Scenery:
    """The pictures of one drive, by camera, in the order they were taken."""

    def __init__(self) -> None:
        self._pictures: dict[str, list[CameraImage]] = {}

    def __call__(self, tick: int, image: CameraImage) -> None:
        """Keep one more, packed without loss: a drive of pixels is a hundred megabytes."""
        data = io.BytesIO()
        Image.fromarray(decode(image).pixels).save(data, 'PNG', compress_level=1)
        packed = replace(image, encoding='png', data=data.getvalue(), height=0, width=0, step=0)
        self._pictures.setdefault(image.camera, []).append(packed)

    def instead(self, query: Query) -> Query:
        """Return the query with what was seen as long after the start; its end begins anew."""
        seconds = (query.stamp - START) / NANOSECONDS
        images = []
        for image in query.images:
            pictures = self._pictures[image.camera]
            other = pictures[round(seconds / (STEP * PER_PICTURE)) % len(pictures)]
            images.append(decode(replace(other, stamp=image.stamp)))
        return replace(query, images=tuple(images))


def ablated(
    sees: str, dialect: Dialect, scenery: Callable[[], Scenery]
) -> Callable[[Model], Model]:
    """
    Return what puts one of `SEES` before a model; `scenery` is called where it is `other`.

    `right` changes nothing. `other`: pictures of another scene, with the right history.
    `mirrored`: flipped left to right. `black`: nothing to be seen. `no_history`: the pictures and
    the command, but neither where the car was nor how fast it is. Raise ValueError for another
    word, and where prompts of the dialect always tell the history.
    """
    if sees == RIGHT:
        return lambda model: model
    if sees == OTHER:
        change = scenery().instead
    elif sees in (MIRRORED, BLACK):
        change = mirrored if sees == MIRRORED else blackened
    elif sees == NO_HISTORY:
        _without_history(dialect, '')  # at once, not in the middle of a drive

        def change(query: Query) -> Query:
            # Its drafts are made of the history: they are verified, but nothing shall be left.
            return replace(query, prompt=_without_history(dialect, query.prompt), draft=None)
    else:
        raise ValueError(f'nobody sees {sees!r}: one of {", ".join(SEES)}')
    return lambda model: Given(model, change)


def mirrored(query: Query) -> Query:
    """Return the query with its pictures flipped left to right, those of the sides swapped."""
    by_name = {image.camera: image for image in query.images}
    sources = [by_name.get(ACROSS.get(image.camera, ''), image) for image in query.images]
    flipped = [
        with_pixels(image, source.pixels[:, ::-1])
        for image, source in zip(query.images, sources, strict=True)
    ]
    return replace(query, images=tuple(flipped))


def blackened(query: Query) -> Query:
    """Return the query with black pictures of the same sizes."""
    black = [with_pixels(image, np.zeros_like(image.pixels)) for image in query.images]
    return replace(query, images=tuple(black))


def _without_history(dialect: Dialect, prompt: str) -> str:
    if dialect.signals == 'forward_difference' or dialect.min_states > 1:
        raise ValueError(
            f'prompts of dialect {dialect.name} always tell the history: leave {NO_HISTORY} out, '
            'or take a dialect that takes one state, such as nano'
        )
    command = parse_command(prompt) or STRAIGHT
    return encode_prompt(dialect, [PromptState(0.0, 0.0)], command=command)


def other_scene(name: str) -> str:
    """
    Return the scenario whose pictures are another scene's for a scenario.

    Straight roads get a bend, everything else an empty straight road: what the pictures show is
    never what is to be done.
    """
    return 'curve' if scenario(name).map == 'straight' else 'straight'


def recorded_scenery(host: str, port: int, name: str, dialect: Dialect, rig: Rig) -> Scenery:
    """Return what the expert sees in a scenario of seed 0; raise CarlaError if a server fails."""
    played, scenery = scenario(name), Scenery()
    network = MAPS[played.map]()
    start = way_along(network, played.route, 10.0).pose(0.0)
    with CarlaStage(host, port, network, start, rig) as stage:
        Loop(stage, played, network, Style(dialect)).run(scenery)
    return scenery
