# SPDX-License-Identifier: Apache-2.0
"""What the CARLA bridge says of itself on /diagnostics."""

from __future__ import annotations

from collections import Counter

from impromptu_vla_ros.core.structs import ControlCommand
from impromptu_vla_ros.nodes.bridge_parameters import BridgeParameters
from impromptu_vla_ros.nodes.health import ERROR, OK, WARN, Found
from impromptu_vla_ros.worlds.carla_client import CarlaClient, Scene

TICKED_BY_OTHERS = 'frames ticked by others'  # the count that is a fault
TICKERS_REMEDY = (
    'another client ticks this world too: let exactly one tick it (step: 0 rides along)'
)

Findings = tuple[Found, dict[str, object]]


def world_findings(
    given: BridgeParameters, client: CarlaClient, counts: Counter[str], lost: str, rate: float
) -> Findings:
    """Tell of the server: why it is `lost`, who else ticks, and the rate of its frames, Hz."""
    values: dict[str, object] = {
        'server': f'{given.server.host}:{given.server.port}',
        'rate': f'{rate:.1f} Hz',
        'simulated speed': f'{rate * given.step:.2f}',
        **counts,
    }
    found: Found = [(ERROR, lost)] if lost else []
    if counts[TICKED_BY_OTHERS]:
        found.append((ERROR, f'{TICKERS_REMEDY}: {counts[TICKED_BY_OTHERS]} frames'))
    if client.is_open and not client.chassis.measured:
        found.append((WARN, 'the axles are guessed: the wheels do not say where'))
    return found, values


def camera_findings(client: CarlaClient, scene: Scene | None) -> Findings:
    """Tell which cameras are silent."""
    silent = scene.silent if scene else ()
    found: Found = [(ERROR, f'camera {name} is silent: was it destroyed?') for name in silent]
    return found, {'cameras': ', '.join(client.rig.names)}


def command_findings(
    drives: bool, told: ControlCommand, why: str, topic: str, publishers: int
) -> Findings:
    """Tell what the car was told, `why` it brakes, and that one commander is enough."""
    values: dict[str, object] = {
        'topic': topic,
        'mode': told.mode,
        'acceleration': f'{told.acceleration:.2f} m/s^2',
        'tire angle': f'{told.tire_angle:.3f} rad',
    }
    if not drives:
        return [(OK, 'it only looks on')], values
    found: Found = [(WARN, f'brakes: {why}')] if why else []
    if publishers > 1:
        found.append((WARN, f'{publishers} publish {topic}: keep one'))
    return found, values
