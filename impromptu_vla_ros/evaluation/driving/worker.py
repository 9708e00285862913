# SPDX-License-Identifier: Apache-2.0
"""
Drive cases one after the other: a line of JSON in for each, one out.

It is a process of its own, since CARLA's client holds the interpreter, and a fault in it ends it.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import CameraImage
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.driving.ablation import (
    Scenery,
    ablated,
    other_scene,
    recorded_scenery,
)
from impromptu_vla_ros.evaluation.driving.case import Case, Result
from impromptu_vla_ros.evaluation.driving.loop import Loop, Style
from impromptu_vla_ros.evaluation.driving.scenarios import scenario
from impromptu_vla_ros.evaluation.driving.score import middles, on_road, score
from impromptu_vla_ros.evaluation.driving.server import WorldServer
from impromptu_vla_ros.evaluation.driving.stage import CarlaStage
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.images import decode
from impromptu_vla_ros.models import Model, create_model
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.rigs import RIGS, Rig

EXPERT = 'expert'
# Models that do not look at pictures: none are made for them unless they are asked for.
BLIND = (EXPERT, 'kinematic', 'recorded')
WIDTH = 640  # pixels of a picture: dialects make about 680 of any that is wider


class Worker:
    """Drive cases, and keep the server and the model from one to the next."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._server: tuple[str, WorldServer] | None = None
        self._model: tuple[Any, Model] | None = None
        self._sceneries: dict[Any, Scenery] = {}

    def drive(self, case: Case) -> Result:
        """Drive one case; an `error` in the result says what prevented it."""
        started = perf_counter()
        try:
            result = self._driven(case)
        except Exception as error:
            result = {'error': f'{type(error).__name__}: {error}{self._buried()}'}
        return {**result, 'seconds': round(perf_counter() - started, 2)}

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server[1].__exit__()
            self._server = None

    def _driven(self, case: Case) -> Result:
        played = scenario(case.scenario, case.seed)
        network = MAPS[played.map]()
        checkpoint, subfolder = (
            case.model_options.get(name, '') for name in ('checkpoint', 'subfolder')
        )
        dialect = load_dialect(case.dialect, checkpoint, subfolder, 1, case.model)
        start = way_along(network, played.route, 10.0).pose(0.0)
        looks = case.pictures or case.model not in BLIND
        cameras = RIGS['front_three' if len(dialect.cameras) == 3 else 'front'].scaled(WIDTH)
        rig = cameras if looks else Rig(())
        host, port = self._address(case)
        folder = case.folder(self._out)
        folder.mkdir(parents=True, exist_ok=True)
        scenery = partial(self._scenery, case, dialect, rig, (host, port))
        between = ablated(case.sees, dialect, scenery)
        with ExitStack() as stack:
            stage = stack.enter_context(CarlaStage(host, port, network, start, rig))
            style = Style(dialect, case.latency, case.retiming)
            loop = Loop(stage, played, network, style, self._model_of(case), between)
            pictures = _Pictures(folder / case.name) if case.pictures else None
            record = loop.run(pictures)
            record.save(folder / f'{case.name}.npz')
            result = score(record, played, network, dialect)
            places = middles(record)
            agree = stage.on_lanes(places) == on_road(network, places)
        return {
            'family': played.family,
            'dialect': dialect.name,
            'score': {**result, 'map_agreement': float(agree.mean())},
            'counts': loop.counts,
        }

    def _address(self, case: Case) -> tuple[str, int]:
        if case.host:
            return case.host, case.port
        if self._server is not None and self._server[0] != case.world:
            self.close()
        if self._server is None:
            self._server = case.world, WorldServer(case.world)
        return '127.0.0.1', self._server[1].port

    def _model_of(self, case: Case) -> Model | None:
        if case.model == EXPERT:
            return None
        wanted = case.model, dict(case.model_options)
        if self._model is None or self._model[0] != wanted:
            self._model = wanted, create_model(case.model, **case.model_options)
        return self._model[1]

    def _scenery(
        self, case: Case, dialect: Dialect, rig: Rig, address: tuple[str, int]
    ) -> Scenery:
        name = other_scene(case.scenario)
        kept = name, dialect.cameras, case.world, case.host
        if kept not in self._sceneries:
            self._sceneries[kept] = recorded_scenery(*address, name, dialect, rig)
        return self._sceneries[kept]

    def _buried(self) -> str:
        """Return what a server that is gone said last; the next case gets a new one."""
        if self._server is None or self._server[1].alive:
            return ''
        words = self._server[1].last_words
        self.close()
        return f'; the server had ended: {words}'


class _Pictures:
    """Keep the front camera's pictures as JPEG, named by their ticks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, tick: int, image: CameraImage) -> None:
        if image.camera != 'front':
            return
        from PIL import Image

        data = io.BytesIO()
        Image.fromarray(decode(image).pixels).save(data, 'JPEG', quality=85)
        (self._folder / f'{tick:05d}.jpg').write_bytes(data.getvalue())


def main() -> None:
    """Answer each line of the standard input until it ends."""
    # The client library writes to the standard output too: ours is kept apart.
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    worker = Worker(Path(sys.argv[1]))
    try:
        for line in sys.stdin:
            result = worker.drive(Case(**json.loads(line)))
            print(json.dumps(result, allow_nan=False), file=answers, flush=True)
    finally:
        worker.close()


if __name__ == '__main__':
    main()
