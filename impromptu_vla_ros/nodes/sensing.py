# SPDX-License-Identifier: Apache-2.0
"""What is said of the sensors beyond what arrives: how cameras see, whether the ego is true."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import degrees
from statistics import quantiles

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from impromptu_vla_ros.core.buffer import ObservationBuffer
from impromptu_vla_ros.core.camera import FOV_BAND, TRAINED_FOV
from impromptu_vla_ros.core.ego_poses import POSE_IS_WRONG
from impromptu_vla_ros.core.ego_watch import EgoWatch
from impromptu_vla_ros.core.navigation import STRAIGHT
from impromptu_vla_ros.core.structs import NANOSECONDS
from impromptu_vla_ros.nodes.calibration import Lens
from impromptu_vla_ros.nodes.health import ERROR, OK, STALE, WARN, Found, status
from impromptu_vla_ros.nodes.parameters import PlannerParameters

LEVELS = {'error': ERROR, 'warn': WARN, 'info': OK}
VIEW_REMEDY = (
    f'the model was trained at about {degrees(TRAINED_FOV):.0f}°: crop the pictures to that, or '
    'take another lens; a wrong camera_info or camera.*.fov_deg says this, too'
)


class Views:
    """How each camera sees, and how far its pictures are from the first camera's in time."""

    def __init__(self, node: Node, cameras: Sequence[str], parameters: PlannerParameters) -> None:
        self._tolerance = parameters.sync.camera_tolerance
        self._lenses = {camera: Lens(node, camera, parameters) for camera in cameras}
        self._skews: dict[str, deque[float]] = {
            camera: deque(maxlen=100) for camera in cameras[1:]
        }
        self._measured = dict.fromkeys(cameras[1:], 0)

    def close(self) -> None:
        """Stop learning how they see."""
        for lens in self._lenses.values():
            lens.close()

    def look(self, buffer: ObservationBuffer, camera: str) -> tuple[Found, dict[str, object]]:
        """Return what is wrong with a camera's view or time, and the values."""
        found, values = self._view(camera)
        if camera not in self._skews:
            return found, values
        skews, since = self._skews[camera], self._measured[camera]
        for stamp, skew in buffer.skews(camera, since):
            self._measured[camera] = max(self._measured[camera], stamp)
            skews.append(skew)
        if skews:
            sizes = [abs(skew) for skew in skews]
            most = quantiles(sizes, n=20, method='inclusive')[18] if len(sizes) > 1 else sizes[0]
            values['skew'] = f'{1e3 * skews[-1]:+.1f} ms against the first camera'
            values['skew p95'] = f'{1e3 * most:.1f} ms'
            if most > self._tolerance:
                apart = f'{1e3 * most:.0f} ms beside those of the first camera'
                text = (
                    f'its pictures are up to {apart}, '
                    f'{1e3 * self._tolerance:.0f} ms allowed: trigger the cameras together'
                )
                found.append((WARN, text))
        return found, values

    def _view(self, camera: str) -> tuple[Found, dict[str, object]]:
        view, source = self._lenses[camera].view
        if not source:
            unknown = f'unknown: publish camera_info, or set camera.{camera}.fov_deg'
            return [], {'field of view': unknown}
        values: dict[str, object] = {'field of view': f'{degrees(view):.0f}° ({source})'}
        if abs(view - TRAINED_FOV) <= FOV_BAND:
            return [], values
        return [(WARN, f'it sees {degrees(view):.0f}° across: {VIEW_REMEDY}')], values


def ego_status(buffer: ObservationBuffer, now: int, max_age: float) -> DiagnosticStatus:
    """Return what contradicts the poses, and where each signal is taken from; `now` in ns."""
    ego, newest = buffer.ego, buffer.ego.odometry.newest
    if newest is None or (now - newest.stamp) / NANOSECONDS > max_age:
        return status('ego', [(STALE, 'no odometry now: nothing to compare')], {})
    values: dict[str, object] = {
        f'{signal} from': source for signal, source in ego.signals.sources.items()
    }
    for each in ego.watch.findings:
        values[each.what] = f'{each.detail}: {each.remedy}'
    return status('ego', _found(ego.watch, newest.stamp), values)


def told_command(buffer: ObservationBuffer) -> str:
    """Return the navigation command that holds now."""
    told = buffer.commands.newest
    return told.command if told is not None else f'{STRAIGHT}: nobody says another'


def _found(watch: EgoWatch, stamp: int) -> Found:
    if not watch.judged:
        return [(OK, 'not compared yet')]
    found = [
        (LEVELS[each.level], f'{each.what} ({each.detail}): {each.remedy}')
        for each in watch.findings
    ]
    if any(each.what in POSE_IS_WRONG for each in watch.findings):
        found.append((ERROR, 'plans are laid at these poses: this cannot be made good here'))
    if distrusted := watch.distrusted(stamp):
        signals = ' and '.join(sorted(distrusted))
        found.append((WARN, f'{signals}: not used until motion shows it right'))
    return found
