# SPDX-License-Identifier: Apache-2.0
"""
What the closed loop costs: world, bridge, planner and controller as processes over DDS.

In lockstep and as fast as it goes: each step waits for the controller's command, nobody waits for
the wall clock. The expert answers without latency; the front camera's pictures come at 10 Hz, of
other cameras too where there are several, decoded by the planner, JPEG in between. CPU and memory
(shared pages counted once) are those of all processes, the one that records included. A tick is
50 ms of the world; its times are means, between messages as they were published, and those of the
world's step and of a picture without ROS.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import psutil

from impromptu_vla_ros.core.structs import ControlCommand
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.driving.loop import STEP
from impromptu_vla_ros.evaluation.driving.scenarios import from_a_stand, scenario
from impromptu_vla_ros.evaluation.driving.server import WorldServer, metadrive_python
from impromptu_vla_ros.evaluation.driving.stage import CarlaStage
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.evaluation.live_drive import Drive, LiveDrive
from impromptu_vla_ros.worlds.carla_errors import NoServer
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.rigs import RIGS, Rig

PICTURES = [('front', 320), ('front', 640), ('front_three', 640)]
PERIOD = 0.1
# At least so many simulated seconds per second with the smallest camera, and at most MB in all.
GOALS = {'metadrive': 0.5, 'kinematic': 2.0}
MEGABYTES = 1500.0


@dataclass
class Meter:
    """
    CPU of all processes of a drive, between its first and its last instant, and their memory.

    That is looked at once, at `late` simulated s: it halts the processes for a while.
    """

    live: LiveDrive
    late: float
    begun: dict[str, float] | None = None
    ended: dict[str, float] | None = None
    megabytes: float = 0.0
    looked: float = -1.0

    def __call__(self, time: float) -> None:
        """Look, each simulated second."""
        if time - self.looked < 1.0:
            return
        self.looked = time
        self.ended = {name: _cpu(process) for name, process in self.processes.items()}
        self.begun = self.begun or {**self.ended, 'at': perf_counter()}
        self.ended['at'] = perf_counter()
        if time >= self.late and not self.megabytes:
            used = sum(one.memory_full_info().pss for one in self.processes.values())
            self.megabytes = used / 1e6

    @property
    def processes(self) -> dict[str, psutil.Process]:
        """Return them by name."""
        pids = {name: child.pid for name, child in self.live.children.items()}
        pids |= {'world': self.live.server.pid, 'recorder': os.getpid()}
        return {name: psutil.Process(pid) for name, pid in pids.items()}

    @property
    def cores(self) -> dict[str, float]:
        """Return the cores that each used."""
        spent = self.ended['at'] - self.begun['at']
        names = [name for name in self.begun if name != 'at']
        return {name: (self.ended[name] - self.begun[name]) / spent for name in names}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def measure(world: str, rig: str, width: int, seconds: float) -> dict[str, Any]:
    """Return the numbers of one drive."""
    played = replace(from_a_stand(scenario('roundabout')), duration=seconds)
    network, dialect = MAPS[played.map](), load_dialect('auto', '', '', 1)
    drive = Drive(
        played, network, dialect, world, mode='lockstep', rig=rig, width=width, period=PERIOD
    )
    with LiveDrive(drive) as live:
        meter = Meter(live, 0.75 * seconds)
        driven = live.run(meter)
        came, commanded = live.listener.odometry_sent, live.listener.command_sent
        latencies = [plan.latencies for plan in live.listener.plans if plan.answer]
    stamps = sorted(set(came) & set(commanded))
    control = [commanded[stamp] - came[stamp] for stamp in stamps]
    step = [came[after] - commanded[stamp] for stamp, after in zip(stamps, stamps[1:])]
    cores = meter.cores
    return {
        'factor': float(driven.record.times[-1]) / driven.seconds,
        'cores': sum(cores.values()),
        'cores of each': cores,
        'megabytes': meter.megabytes,
        'bridge and world': 1e3 * float(np.mean(step)),
        'controller': 1e3 * float(np.mean(control)),
        'planner': {
            name: 1e3 * float(np.mean([one[name] for one in latencies if name in one]))
            for name in sorted({name for one in latencies for name in one})
        },
        **alone(world, rig, width, min(200, round(seconds / STEP))),
        'answers per second': len(driven.record.told) / float(driven.record.times[-1]),
    }


def alone(world: str, rig: str, width: int, ticks: int) -> dict[str, float]:
    """Return the milliseconds of a tick of the world, and of its pictures, without ROS."""
    network = MAPS['roundabout']()
    start = way_along(network, scenario('roundabout').route, 10.0).pose(0.0)
    blind, seeing = Rig(()), replace(RIGS[rig].scaled(width), period=PERIOD)
    times = []
    with WorldServer(world) as server:
        for cameras in (blind, seeing):
            with CarlaStage('127.0.0.1', server.port, network, start, cameras) as stage:
                stage.start(start, 0.0, 1.0, [])
                stage.apply(ControlCommand(0, 'following', acceleration=1.0))
                begun = perf_counter()
                for _ in range(ticks):
                    stage.tick()
                times.append(1e3 * (perf_counter() - begun) / ticks)
    # A picture each other tick.
    return {'world': times[0], 'pictures': (times[1] - times[0]) * PERIOD / STEP}


def show(world: str, rig: str, width: int, row: dict[str, Any]) -> None:
    """Print one line."""
    model = row['planner'].get('model', 0.0) + row['planner'].get('decode_images', 0.0)
    print(
        f'{world:10} {rig:12} {width:4}  {row["factor"]:7.2f}  {row["cores"]:5.2f}  '
        f'{row["megabytes"]:5.0f}  {row["world"]:6.1f}  {row["pictures"]:8.1f}  '
        f'{row["bridge and world"]:12.1f}  {row["controller"]:10.1f}  {model:7.1f}',
        flush=True,
    )


def main() -> int:
    """Print the table and whether the goals are met, and write it as JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='4 s with one small camera')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers to FILE')
    arguments = parser.parse_args()
    worlds = ['kinematic', 'metadrive']
    try:
        metadrive_python()
    except NoServer as error:
        print(f'without MetaDrive: {error}')
        worlds.pop()
    print(
        f'{"world":10} {"cameras":12} {"px":>4}  {"x real":>7}  cores     MB  ms: tick  '
        'pictures  bridge+world  controller  planner'
    )
    found: dict[str, Any] = {}
    for world in worlds:
        for rig, width in PICTURES[:1] if arguments.quick else PICTURES:
            row = measure(world, rig, width, 4.0 if arguments.quick else 20.0)
            found[f'{world} {rig} {width}'] = row
            show(world, rig, width, row)
    for world in worlds:
        factor = found[f'{world} front 320']['factor']
        met = 'met' if factor >= GOALS[world] else 'missed'
        print(f'goal: {world}, front camera 320 px wide, at least {GOALS[world]:g} x real: {met}')
    most = max(row['megabytes'] for row in found.values())
    print(f'goal: at most {MEGABYTES:g} MB in all: {"met" if most <= MEGABYTES else "missed"}')
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
