# SPDX-License-Identifier: Apache-2.0
"""Record lessons: drive through situations by chance, each with a seed of its own."""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.dialects import DIALECTS, NANO
from impromptu_vla_ros.evaluation.driving.loop import Loop, Style
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.models import Model
from impromptu_vla_ros.training.lessons.cells import TOKENS
from impromptu_vla_ros.training.lessons.direct_stage import FIRST, DirectStage
from impromptu_vla_ros.training.lessons.files import Drive, lessons_hash, write_lessons
from impromptu_vla_ros.training.lessons.pupil import Pupil
from impromptu_vla_ros.training.lessons.situations import dealt, situation
from impromptu_vla_ros.training.lessons.tutor import Tutor

# The share of pictures that get lost: what comes at 10 Hz is more than driving needs.
LOST = 0.5
# The share of drives without detours.
STRAIGHT_ON = 0.25
# Who drives by a model is this late at most, s: each drive draws its own.
LATEST = 0.5
# A way is looked at so far beyond what is driven, m.
BEYOND = 200.0


class Driver(Protocol):
    """Makes who drives, in another process: it can be sent there, and known again."""

    def __call__(self) -> Model: ...

    def __hash__(self) -> int: ...


@cache
def _made(driver: Driver | None) -> Model | None:
    """Return who drives, None for the expert; a model is made once per process."""
    return driver() if driver is not None else None


def recorded(
    seed: int,
    index: int,
    model: Model | None = None,
    longest: float = math.inf,
    families: tuple[str, ...] = (),
) -> Drive:
    """
    Return the lessons of one drive, of its first `longest` seconds.

    The expert drives it where no `model` does. It is of some `families`, of any where none are.
    """
    random = np.random.default_rng([seed, index])
    family, dialect = dealt(index, families), DIALECTS[NANO]
    made = situation(family, random, f'{family} {seed} {index}')
    seconds = min(made.scenario.duration, longest)
    scenario = replace(made.scenario, duration=seconds, lost=LOST, seed=index)
    far = scenario.duration * max(scenario.cruise, scenario.speed) + BEYOND
    way = way_along(made.network, scenario.route, far)
    stage = DirectStage(made.network, FIRST + int(random.integers(8)))
    tutor = Tutor(way, dialect, stage.ego)
    strays = model is None and random.random() >= STRAIGHT_ON
    pupils: list[Pupil] = []

    def taught(driver: Model) -> Model:
        looks = model is not None
        pupils.append(Pupil(driver, stage, tutor, dialect, random, strays, looks))
        return pupils[0]

    style = Style(dialect, random.uniform(0.0, LATEST) if model is not None else 0.0)
    Loop(stage, scenario, made.network, style, model, taught, made.beside).run()
    (pupil,) = pupils
    prompts, answers, picture = zip(*pupil.lessons) if pupil.lessons else ((), (), ())
    near = np.array(pupil.near, np.float32).reshape(-1, TOKENS)
    return Drive(family, tuple(pupil.jpegs), prompts, answers, np.array(picture, np.int64), near)


def record(
    out: Path,
    drives: int,
    seed: int,
    jobs: int = 1,
    driver: Driver | None = None,
    families: tuple[str, ...] = (),
) -> None:
    """
    Record that many drives into a folder, in parallel; those that are there already stay.

    The expert drives where there is no other `driver`, in all families where no `families` are.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f'{seed:04d}-{index:06d}.npz' for index in range(drives)]
    left = [index for index, path in enumerate(paths) if not path.exists()]
    work = partial(_record_one, out, seed, driver, families)
    with ProcessPoolExecutor(jobs, get_context('spawn')) as pool:
        asked = [pool.submit(work, index) for index in left]
        bar = tqdm(as_completed(asked), 'drives', drives, initial=drives - len(left), disable=None)
        for done in bar:
            done.result()


def _record_one(
    out: Path, seed: int, driver: Driver | None, families: tuple[str, ...], index: int
) -> None:
    drive = recorded(seed, index, _made(driver), families=families)
    write_lessons(out / f'{seed:04d}-{index:06d}.npz', drive)


def main() -> None:
    """Record lessons as the command line says."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('out', type=Path, help='folder for the files')
    parser.add_argument('--drives', type=int, default=400)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--jobs', type=int, default=1)
    given = parser.parse_args()
    record(given.out, given.drives, given.seed, given.jobs)
    print(f'{given.out}: {lessons_hash(given.out)}')


if __name__ == '__main__':
    main()
