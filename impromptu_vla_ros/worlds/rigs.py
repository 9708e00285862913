# SPDX-License-Identifier: Apache-2.0
"""The cameras on a car, as data: presets, and any other one from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import radians
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.camera import matrix_from_fov, mounted
from impromptu_vla_ros.core.structs import CameraModel


class RigError(ValueError):
    """Say what is wrong with a rig, and what would mend it."""


@dataclass(frozen=True)
class Mount:
    """
    One pinhole camera.

    Its body (x ahead) sits at x, y, z (m) and yaw, pitch, roll (deg, REP-103: yaw + looks left,
    pitch + looks down) in base_link, on the rear axle. `width` and `height` are in pixels, `fov`
    is horizontal, in deg.
    """

    name: str
    x: float = 1.7
    y: float = 0.0
    z: float = 1.5
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    width: int = 1600
    height: int = 900
    fov: float = 70.0


@dataclass(frozen=True)
class Rig:
    """Cameras; `period` (s, simulated) is the time between pictures, 0 for one every step."""

    cameras: tuple[Mount, ...]
    period: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Return the cameras' names."""
        return tuple(mount.name for mount in self.cameras)

    def scaled(self, width: int) -> Rig:
        """Return the same rig with pictures that wide, of the same shape."""
        return replace(
            self,
            cameras=tuple(
                replace(mount, width=width, height=round(mount.height * width / mount.width))
                for mount in self.cameras
            ),
        )


# nuScenes' cameras (Caesar et al. 2020), positions and yaws of its calibration to a centimetre
# and a degree; all see 70 degrees but the back one, 110.
NUSCENES = (
    Mount('front', 1.70, 0.02, 1.51),
    Mount('front_left', 1.52, 0.49, 1.51, yaw=55.0),
    Mount('front_right', 1.55, -0.49, 1.50, yaw=-56.0),
    Mount('back', 0.03, 0.00, 1.58, yaw=180.0, fov=110.0),
    Mount('back_left', 1.04, 0.48, 1.59, yaw=108.0),
    Mount('back_right', 1.01, -0.48, 1.56, yaw=-110.0),
)
# As the light-weight sensor mapping of autoware_carla_interface: one camera of 120 degrees.
WIDE = Mount('front', width=1080, height=720, fov=120.0)

RIGS: Mapping[str, Rig] = {
    'none': Rig(()),
    'front': Rig(NUSCENES[:1]),
    'front_three': Rig(NUSCENES[:3]),
    'nuscenes': Rig(NUSCENES),
    'wide': Rig((WIDE,)),
}


def camera_of(mount: Mount) -> CameraModel:
    """Return a rig's camera as a pinhole on the vehicle."""
    matrix = matrix_from_fov(mount.width, mount.height, radians(mount.fov))
    angles = [radians(angle) for angle in (mount.roll, mount.pitch, mount.yaw)]
    place = (mount.x, mount.y, mount.z)
    return mounted(matrix, mount.width, mount.height, place, angles)


def rig_named(name: str) -> Rig:
    """Return a preset, or the rig of a .yaml file; raise RigError for what is neither."""
    if name in RIGS:
        return RIGS[name]
    if not name.endswith(('.yaml', '.yml')):
        raise RigError(f'there is no rig {name!r}: take {", ".join(RIGS)}, or a .yaml file')
    import yaml

    try:
        content = yaml.safe_load(Path(name).read_text(encoding='utf-8'))
    except (OSError, yaml.YAMLError) as error:
        raise RigError(f'rig {name} cannot be read: {error}') from error
    return rig_from(content)


def rig_from(content: Any) -> Rig:
    """
    Return the rig that `content` says; raise RigError where it says none.

    It is what a YAML file holds: `cameras`, a Mount's fields by name, and perhaps `period`.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get('cameras'), Mapping):
        raise RigError('a rig has `cameras:`, and below that one group of numbers per name')
    mounts = [_mount(str(name), given or {}) for name, given in content['cameras'].items()]
    period = content.get('period', 0.0)
    if not isinstance(period, int | float) or period < 0.0:
        raise RigError(f'period is {period!r}: take seconds, 0 for one picture every step')
    return Rig(tuple(mounts), float(period))


def _mount(name: str, given: Any) -> Mount:
    known = [field.name for field in fields(Mount) if field.name != 'name']
    if not name.isidentifier():
        raise RigError(f'camera {name!r}: take letters, digits and _, for it names topics')
    if not isinstance(given, Mapping) or set(given) - set(known):
        raise RigError(f'camera {name} has {given!r}: it may have {", ".join(known)}')
    if not all(isinstance(value, int | float) for value in given.values()):
        raise RigError(f'camera {name}: all values are numbers, not {given!r}')
    mount = Mount(name, **given)
    if not (mount.width >= 1 and mount.height >= 1 and 0.0 < mount.fov < 180.0):
        raise RigError(f'camera {name}: it needs pixels, and a fov within 0 and 180 degrees')
    return replace(mount, width=int(mount.width), height=int(mount.height))
