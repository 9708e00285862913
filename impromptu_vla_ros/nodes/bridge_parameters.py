# SPDX-License-Identifier: Apache-2.0
"""The CARLA bridge's parameters, said once, as in parameters.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from impromptu_vla_ros.core.pedals import PedalScale
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.worlds.carla_server import WorldChoice
from impromptu_vla_ros.worlds.ego_vehicle import EgoChoice
from impromptu_vla_ros.worlds.rigs import RIGS

LOCKSTEP, REALTIME = 'lockstep', 'realtime'
RESPAWN, EXIT = 'respawn', 'exit'


@dataclass(frozen=True)
class ServerParameters:
    """Where the world is."""

    host: str = setting('127.0.0.1', 'Host of the CARLA server.')
    port: int = setting(2000, 'Its port; its streams use the next one.', limits=(1, 65535))
    timeout: float = setting(
        WorldChoice().timeout,
        'A server that does not answer for this long counts as gone.',
        'CARLA is slow while it loads; nothing else is heard meanwhile.',
        unit='s',
        limits=(0.1, 120.0),
    )
    retry: float = setting(
        1.0, 'Time between two tries to reconnect.', unit='s', limits=(0.1, 60.0)
    )
    map: str = setting('', 'Map to load, empty: the one that is there.')
    opendrive: str = setting('', 'OpenDRIVE file to make a map of instead.')


@dataclass(frozen=True)
class EgoParameters:
    """Which car is ours."""

    role: str = setting(
        EgoChoice().role, 'Role name of the vehicle; it is adopted if it is there.'
    )
    blueprint: str = setting(
        EgoChoice().blueprint, 'Vehicle to spawn where it is not; empty: adopt only.'
    )
    spawn_point: int = setting(0, "Number of the map's spawn point.", limits=(0, 10_000))
    when_gone: str = setting(
        RESPAWN, 'What to do when the vehicle was destroyed.', choices=(RESPAWN, EXIT)
    )
    drive: bool = setting(
        True, 'Drive it; false only tells what it sees, as for a shadow of another driver.'
    )


@dataclass(frozen=True)
class RigParameters:
    """Its cameras."""

    name: str = setting(
        'front', f'Cameras: {", ".join(RIGS)}, or a .yaml file as worlds/rigs.py reads it.'
    )
    width: int = setting(
        640,
        "Width of all pictures; 0: the rig's own.",
        'nuScenes has 1600, of which the model sees 672.',
        unit='px',
        limits=(0, 4096),
    )
    period: float = setting(
        0.0,
        "Simulated time between pictures; 0: the rig's own, mostly each step.",
        unit='s',
        limits=(0.0, 10.0),
    )
    timeout: float = setting(
        WorldChoice().picture_timeout,
        'A picture that is so late counts as lost, and its camera as silent.',
        unit='s',
        limits=(0.01, 60.0),
    )
    jpeg_quality: int = setting(
        90,
        'Quality of the compressed pictures.',
        'Finer ones are larger, and look the same to the model.',
        limits=(1, 100),
    )
    raw: bool = setting(False, 'Publish uncompressed pictures too.', 'Costs four bytes a pixel.')


@dataclass(frozen=True)
class BridgeParameters:
    """Every parameter of the bridge node; a group's name and a dot precede its fields."""

    mode: str = setting(
        REALTIME,
        'When the world goes on.',
        'realtime: at the rate of the wall clock, whatever the others do; lockstep: each step '
        'waits for the command of the odometry before it (trigger: odometry of the controller).',
        choices=(REALTIME, LOCKSTEP),
    )
    step: float = setting(
        WorldChoice().step,
        'Simulated time per step; 0 rides along with a world that goes by itself or that another '
        'client ticks.',
        'CARLA wants at most 0.1.',
        unit='s',
        limits=(0.0, 0.5),
    )
    speed: float = setting(
        1.0, 'Simulated per real time, in realtime.', unit='s/s', limits=(0.01, 100.0)
    )
    command_timeout: float = setting(
        0.5,
        'Without a new command for this long (steady clock) the car brakes; in lockstep the '
        'world then goes on.',
        'Ten commands at 20 Hz.',
        unit='s',
        limits=(0.02, 60.0),
    )
    brake: float = setting(
        4.0,
        'Deceleration then.',
        'Firm, and steerable on a wet road.',
        unit='m/s^2',
        limits=(0.5, 10.0),
    )
    preset: str = setting(
        'own',
        'Names of the topics.',
        'own: ~/output/…; carla_ros_bridge and autoware: as that bridge and '
        'autoware_carla_interface name theirs.',
        choices=('own', 'carla_ros_bridge', 'autoware'),
    )
    base_frame: str = setting('base_link', 'Child frame of the odometry; on the rear axle.')
    clock: bool = setting(True, 'Publish /clock.')
    destination: str = setting(
        '', "x,y in the map's frame (m): a route leads there, for the navigation command."
    )
    server: ServerParameters = field(default_factory=ServerParameters)
    ego: EgoParameters = field(default_factory=EgoParameters)
    rig: RigParameters = field(default_factory=RigParameters)
    pedals: PedalScale = field(default_factory=PedalScale)
