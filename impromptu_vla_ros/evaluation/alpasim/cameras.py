# SPDX-License-Identifier: Apache-2.0
"""Which of a simulated car's cameras stand for the front and the front's sides."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from impromptu_vla_ros.core.structs import InputError

# Where nuScenes' three look, degrees to the left, and how far another may look aside of it.
LOOKS = {'front': 0.0, 'front_left': 55.0, 'front_right': -55.0}
ASIDE = 25.0
# The models saw through cameras of 70°.
TRAINED_FOV = 70.0


@dataclass(frozen=True)
class Mounted:
    """A camera by its `name`: where it looks, and how wide, degrees; NaN if it is no pinhole."""

    name: str
    left: float
    fov: float


def matched(
    mounted: Sequence[Mounted], wanted: Collection[str], chosen: Mapping[str, str]
) -> dict[str, str]:
    """
    Return the name of the camera for each of ours, by choice or by where it looks.

    Of those that look there it is the one whose width is nearest to the trained one. Raise
    InputError where there is none.
    """
    names = [camera.name for camera in mounted]
    found = {}
    for ours in wanted:
        fitting = [c for c in mounted if abs(_apart(c.left, LOOKS[ours])) <= ASIDE]
        name = chosen.get(ours)
        if name is None and fitting:
            name = min(fitting, key=lambda camera: _strangeness(camera, LOOKS[ours])).name
        if name is None or name not in names:
            sees = ', '.join(f'{c.name} ({c.left:+.0f}°)' for c in mounted) or 'none'
            raise InputError(
                f'no camera {name!r} for {ours}, which looks {LOOKS[ours]:+.0f}° to the left; '
                f'there are: {sees}. Declare one, or choose with --camera {ours}=ID'
            )
        found[ours] = name
    return found


def _strangeness(camera: Mounted, look: float) -> tuple[float, float]:
    width = abs(camera.fov - TRAINED_FOV) if math.isfinite(camera.fov) else math.inf
    return width, abs(_apart(camera.left, look))


def _apart(one: float, two: float) -> float:
    return (one - two + 180.0) % 360.0 - 180.0
