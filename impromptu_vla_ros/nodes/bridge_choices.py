# SPDX-License-Identifier: Apache-2.0
"""From the bridge's parameters to what its client is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from impromptu_vla_ros.nodes.bridge_parameters import BridgeParameters
from impromptu_vla_ros.nodes.declaring import ParameterError
from impromptu_vla_ros.worlds.carla_server import WorldChoice
from impromptu_vla_ros.worlds.ego_vehicle import EgoChoice
from impromptu_vla_ros.worlds.rigs import Rig, RigError, rig_named


def world_of(given: BridgeParameters) -> WorldChoice:
    """Return which world; raise ParameterError where its map cannot be read."""
    server = given.server
    try:
        opendrive = Path(server.opendrive).read_text('utf-8') if server.opendrive else ''
    except OSError as error:
        raise ParameterError(f'parameter server.opendrive: {error}') from error
    return WorldChoice(
        host=server.host,
        port=server.port,
        timeout=server.timeout,
        picture_timeout=given.rig.timeout,
        map=server.map,
        opendrive=opendrive,
        step=given.step or None,
    )


def ego_of(given: BridgeParameters) -> EgoChoice:
    """Return which car."""
    return EgoChoice(given.ego.role, given.ego.blueprint, given.ego.spawn_point)


def rig_of(given: BridgeParameters) -> Rig:
    """Return the cameras; raise ParameterError where there are none of that name."""
    try:
        rig = rig_named(given.rig.name)
    except RigError as error:
        raise ParameterError(f'parameter rig.name: {error}') from error
    rig = rig.scaled(given.rig.width) if given.rig.width else rig
    return replace(rig, period=given.rig.period or rig.period)


def point_of(text: str) -> tuple[float, float] | None:
    """Return the point that `x,y` is, None for an empty text."""
    if not text:
        return None
    try:
        x, y = map(float, text.split(','))
    except ValueError as error:
        raise ParameterError(f'parameter destination is {text!r}: write x,y in m') from error
    return x, y
