# SPDX-License-Identifier: Apache-2.0
"""What is to be seen of a comparison: pictures of recordings, and drives from above."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.structs import CameraImage, CameraModel
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.comparing.comparison import Comparison
from impromptu_vla_ros.evaluation.comparing.sides import Results
from impromptu_vla_ros.evaluation.topics import CAMERAS


@dataclass(frozen=True, eq=False)
class Scene:
    """A recording's front pictures by capture stamp, and the camera where it is known."""

    images: dict[int, CameraImage]
    camera: CameraModel | None


def scene_of(bag: Bag, captures: Collection[int], camera_height: float) -> Scene:
    """Return the pictures taken then."""
    camera = bag.camera(camera_height)
    images = {image.stamp: image for image in bag.pictures(CAMERAS[0], captures)}
    return Scene(images, camera and camera[0])


def told(score: dict[str, Any]) -> str:
    """Return what came of a drive."""
    return 'passed' if score['passed'] else '; '.join(score['failures'])


def worst_drives(found: Comparison, most: int) -> list[tuple[str, int]]:
    """Return the drives at which B is worst against A, the worst first, and those only."""

    def worse(drive: tuple[str, int]) -> tuple[float, float]:
        a, b = (side.drives[drive]['score'] for side in (found.a, found.b))
        return float(a['passed']) - float(b['passed']), a['completion'] - b['completion']

    ranked = sorted(found.drives, key=worse, reverse=True)
    return [drive for drive in ranked if worse(drive) > (0.0, 0.0)][:most]


def drives_html(found: Comparison, drives: Sequence[tuple[str, int]]) -> str:
    """Return drives from above, A's beside B's, where their records are kept."""
    cards = ''
    for name, seed in drives:
        sides = ''.join(
            _side(letter, side, (name, seed)) for letter, side in (('A', found.a), ('B', found.b))
        )
        cards += (
            f'<div class="card"><h3>{escape(name)}, seed {seed}</h3>'
            f'<div class="pair">{sides}</div></div>'
        )
    return f'<h2>Drives in which B is worse</h2>{cards}' if cards else ''


def _side(letter: str, side: Results, drive: tuple[str, int]) -> str:
    said = f'{letter}: {told(side.drives[drive]["score"])}'
    path = side.record(drive)
    picture = _from_above(path, drive) if path.is_file() else ''
    return f'<figure>{picture}<figcaption>{escape(said)}</figcaption></figure>'


def _from_above(path: Path, drive: tuple[str, int]) -> str:
    # Only here: it needs what the numbers do not.
    from impromptu_vla_ros.evaluation.driving.birdseye import painted_land
    from impromptu_vla_ros.evaluation.driving.record import Record
    from impromptu_vla_ros.evaluation.driving.report import from_above
    from impromptu_vla_ros.evaluation.driving.scenarios import scenario
    from impromptu_vla_ros.worlds.maps import MAPS

    record = Record.load(path)
    land = painted_land(MAPS[scenario(*drive).map](), record.ego[:, :2])
    buffer = io.BytesIO()
    from_above(record, land).save(buffer, 'JPEG', quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img class="drive" alt="from above" src="data:image/jpeg;base64,{data}">'
