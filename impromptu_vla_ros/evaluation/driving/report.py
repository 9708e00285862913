# SPDX-License-Identifier: Apache-2.0
"""From a run's folder to its page: films side by side, one process for each core."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from impromptu_vla_ros.core.structs import CameraModel
from impromptu_vla_ros.drawing import TIER_COLOURS
from impromptu_vla_ros.evaluation.drive import summarize
from impromptu_vla_ros.evaluation.driving import figures, moments, video
from impromptu_vla_ros.evaluation.driving.birdseye import Land, painted_land, whole_drive
from impromptu_vla_ros.evaluation.driving.case import Case
from impromptu_vla_ros.evaluation.driving.film import film_picture
from impromptu_vla_ros.evaluation.driving.page import Drive, page
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS, scenario
from impromptu_vla_ros.evaluation.driving.times import Times
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.rigs import RIGS, camera_of

# Drives that are shown and not only counted, failed ones first: a page must stay loadable.
MOST_SHOWN = 60
# Without a plan the way is grey.
NO_PLAN = (190, 196, 204)


TITLE = 'Driven in closed loop'
LEAD = 'Each scenario was driven in closed loop: pictures and motion in, plans out, followed.'


def write_page(
    folder: Path, title: str = TITLE, lead: str = LEAD, notes: Sequence[str] = ()
) -> Path:
    """
    Write `index.html` and the films of a run into its folder; return the page.

    The folder holds what `impromptu-vla drive` keeps: below a folder for each setting a result
    (.json), a record (.npz) and perhaps pictures. Raise FileNotFoundError where it holds none.
    """
    files = results(folder)
    if not files:
        raise FileNotFoundError(f'no results of drives in {folder}: drive some first')
    drives = [_drive(file) for file in files]
    wanted = sorted(range(len(files)), key=lambda k: drives[k].passed)
    chosen = [k for k in wanted if _recorded(files[k])][:MOST_SHOWN]
    for k, shown in zip(chosen, _shown([files[k] for k in chosen], [drives[k] for k in chosen])):
        drives[k] = shown
    told = [*notes, video.missing()]
    if len(chosen) < len(drives):
        told.append(f'{len(chosen)} of {len(drives)} drives are shown, failed ones first.')
    settings = summarize([_content(file) for file in files])['settings']
    html = page(title, lead, drives, settings, told)
    (folder / 'index.html').write_text(html, encoding='utf-8')
    return folder / 'index.html'


def results(folder: Path) -> list[Path]:
    """Return the files of the results below a folder, by setting and in the scenarios' order."""
    found = [file for file in folder.glob('*/*.json') if 'case' in _content(file)]
    return sorted(found, key=_order)


def write_film(
    stem: Path,
    record: Record,
    land: Land,
    pictures: Mapping[int, bytes],
    camera: CameraModel | None,
) -> Path | None:
    """Write the film of a drive; `pictures` are JPEGs by tick, none of them is needed."""
    ahead = float(record.ego_size[3])
    shown = (
        film_picture(moment, land, camera, ahead) for moment in moments.moments(record, pictures)
    )
    return video.write_film(stem, shown, moments.RATE)


def from_above(record: Record, land: Land) -> Image.Image:
    """Return the picture of the whole drive."""
    last = len(record.stamps) - 1
    seconds = np.searchsorted(record.times, np.arange(0.0, record.times[-1], 1.0))
    return whole_drive(
        land,
        record.ego[:, :2],
        [TIER_COLOURS.get(tier, NO_PLAN) for tier in figures.tiers(record)],
        record.actors[:, :, :2],
        [moments.outline(record, last), *moments.others(record, last)],
        [int(k) for k in seconds],
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _recorded(file: Path) -> bool:
    # What could not be driven may lie beside the record of a try before it.
    return 'error' not in _content(file) and file.with_suffix('.npz').is_file()


def _order(file: Path) -> tuple[Any, ...]:
    case = Case(**_content(file)['case'])
    number = list(SCENARIOS).index(case.scenario)
    return case.model, case.latency, case.setting, number, case.seed


def _drive(file: Path) -> Drive:
    result = _content(file)
    case = Case(**result['case'])
    error = result.get('error')
    score = result.get('score') or {'passed': False, 'failures': [f'not driven: {error}']}
    family = result.get('family') or scenario(case.scenario, case.seed).family
    times = Times(**result['times']) if 'times' in result else None
    return Drive(case.name, case.setting, family, score, times)


def _shown(files: Sequence[Path], drives: Sequence[Drive]) -> Iterator[Drive]:
    """Yield the drives with their films."""
    # Nothing is inherited: whoever calls may have threads, which a fork would not survive.
    context = multiprocessing.get_context('spawn')
    jobs = max(1, min(os.cpu_count() or 1, len(files)))
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        made = pool.map(_rendered, files, drives)
        # Silent where nobody watches: in a pipe and in continuous integration.
        yield from tqdm(made, total=len(files), desc='films', unit=' drives', disable=None)


def _rendered(file: Path, drive: Drive) -> Drive:
    case = Case(**_content(file)['case'])
    record = Record.load(file.with_suffix('.npz'))
    network = MAPS[scenario(case.scenario, case.seed).map]()
    land = painted_land(network, record.ego[:, :2])
    kept = sorted(file.with_suffix('').glob('*.jpg'))
    pictures = {int(picture.stem): picture.read_bytes() for picture in kept}
    film = write_film(
        file.with_suffix(''), record, land, pictures, camera_of(RIGS['front'].cameras[0])
    )
    return replace(
        drive,
        record=record,
        film=video.element(film) if film else '',
        whole=from_above(record, land),
    )
