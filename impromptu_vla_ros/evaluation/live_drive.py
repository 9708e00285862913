# SPDX-License-Identifier: Apache-2.0
"""A scenario driven over ROS 2 topics: world, bridge, planner and controller as processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.evaluation.driving.director import Director, Instant
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.scenario import Scenario
from impromptu_vla_ros.evaluation.driving.score import progress
from impromptu_vla_ros.evaluation.driving.server import WorldServer
from impromptu_vla_ros.evaluation.driving.times import Times, times_of
from impromptu_vla_ros.evaluation.live import PLANNER, LiveError
from impromptu_vla_ros.evaluation.live_record import latencies, live_record, pictures_by_tick
from impromptu_vla_ros.evaluation.live_topics import listening
from impromptu_vla_ros.evaluation.process import ChildProcess, node_process
from impromptu_vla_ros.worlds.carla_errors import CarlaError
from impromptu_vla_ros.worlds.roads import RoadNetwork

BRIDGE = 'impromptu_vla_ros.nodes.bridge_node'
CONTROLLER = 'impromptu_vla_ros.nodes.controller_node'
EXPERT_PLANNER = 'impromptu_vla_ros.evaluation.live_expert'
EXPERT = 'expert'
# Named beside an expert, which takes its place: it fits every dialect.
BASELINE = 'kinematic'
# How long, s of the wall clock: all processes until the first plan, and one frame.
STARTING, FRAME = 90.0, 20.0
# A car without a planner must stand within this time, simulated s; slower than this it does, m/s.
STOPPING, STANDS = 8.0, 0.1
LOOK = 10  # ticks between two looks how far it got
INPUTS = {f'~/input/{name}': f'carla_bridge/output/{name}' for name in
          ('odometry', 'acceleration', 'steering', 'navigation_command',
           'camera/front/image')}  # fmt: skip
COMMAND = 'carla_bridge/input/command'


@dataclass(frozen=True)
class Drive:
    """
    What is driven and how: a scenario that begins at a stand, who answers, and when time passes.

    `latency` (simulated s) is the expert's. In `mode` realtime the world goes on by the wall
    clock as far as the machine can, in lockstep as fast as it can. `rig`, `width` (px) and
    `period` (s) are the cameras'.
    """

    scenario: Scenario
    network: RoadNetwork
    dialect: Dialect
    world: str = 'kinematic'
    model: str = EXPERT
    latency: float = 0.0
    mode: str = 'realtime'
    rig: str = 'front'
    width: int = 640
    period: float = 0.1
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Driven:
    """
    What came of it: the record, the JPEGs by tick, how it ended, and the real seconds it took.

    `times` are those of its answers. `problem` says what went wrong with the processes, nothing if
    all went well.
    """

    record: Record
    pictures: Mapping[int, bytes]
    end: str
    seconds: float
    times: Times
    problem: str = ''


class LiveDrive:
    """
    The processes of one drive; use it in a `with` statement, and `run` it once.

    At the end every process has ended, in the order controller, planner, bridge, world. Raises
    LiveError, with the last words of a process that is at fault.
    """

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._stack = ExitStack()
        self.server: WorldServer | None = None
        self.children: dict[str, ChildProcess] = {}

    def __enter__(self) -> LiveDrive:
        drive = self._drive
        try:
            with self._in_words():
                server = WorldServer(drive.world, drive.scenario.map)
                self.server = self._stack.enter_context(server)
                director = Director(self.server.port, drive.scenario, drive.network)
                self.director = self._stack.enter_context(director)
            namespace = f'/drive_{os.getpid()}'
            self.listener = self._stack.enter_context(listening(namespace))
            self._start(namespace)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, on_time: Callable[[float], object] | None = None) -> Driven:
        """Drive until the goal, a collision or the end of the time; `on_time` gets the seconds."""
        self._wait('no plan', lambda: self.listener.fresh)
        self.listener.engage(self._check)
        self._wait('no command', lambda: self.listener.driven)
        begun, instants, end, problem = monotonic(), list[Instant](), '', ''
        self.director.frames.take(0.0)
        with self._in_words():
            self.director.let_go()
        while not end:
            with self._in_words():
                end = self._go_on(instants, bool(problem))
            problem = problem or self._problem()
            if on_time is not None and instants:
                on_time(instants[-1].time)
        seconds = monotonic() - begun
        factor, memory = instants[-1].time / seconds, self.children['planner'].peak_memory
        times = times_of(latencies(self.listener, instants), factor, memory)
        drive = self._drive
        record = live_record(drive.scenario, drive.dialect, self.director, self.listener, instants)
        pictures = pictures_by_tick(self.listener, instants)
        return Driven(record, pictures, end, seconds, times, problem)

    # The processes

    def _start(self, namespace: str) -> None:
        drive, port = self._drive, self.server.port
        heard = {'use_sim_time': True, 'vehicle.wheelbase': self.director.wheelbase}
        end = self.director.way.pose(self.director.way.length)
        bridge = {
            'server.port': port,
            'destination': f'{end.x},{end.y}',
            'server.timeout': FRAME,
            'ego.blueprint': '',
            'ego.when_gone': 'exit',
            'mode': drive.mode,
            'rig.name': drive.rig,
            'rig.width': drive.width,
            'rig.period': drive.period,
            'rig.timeout': 5.0,
        }
        planner = {
            **heard,
            'model.name': BASELINE if drive.model == EXPERT else drive.model,
            'dialect': drive.dialect.name,
            'autostart': True,
            'image_transport': 'compressed',
            'qos.reliability': 'reliable',
            **drive.parameters,
        }
        controller = {**heard, 'trigger': 'odometry', 'reliability': 'reliable'}
        follows = {
            '~/input/plan': 'planner/output/plan',
            '~/input/odometry': 'carla_bridge/output/odometry',
            '~/output/command': COMMAND,
        }
        module, arguments = PLANNER, list[str]()
        if drive.model == EXPERT:
            module, played = EXPERT_PLANNER, drive.scenario
            arguments = ['--port', str(port), '--scenario', played.name]
            arguments += ['--seed', str(played.seed), '--latency', str(drive.latency)]
            arguments += ['--dialect', drive.dialect.name]
        for name, process in (
            ('bridge', node_process(BRIDGE, namespace, bridge)),
            ('planner', node_process(module, namespace, planner, INPUTS, arguments)),
            ('controller', node_process(CONTROLLER, namespace, controller, follows)),
        ):
            self.children[name] = self._stack.enter_context(process)

    def _problem(self) -> str:
        """Return which process ended, and its last words."""
        if not self.server.alive:
            return f'the world ended: {self.server.last_words}'
        for name, child in self.children.items():
            if child.exit_code is not None:
                return f'the {name} ended with code {child.exit_code}: {child.last_words()}'
        return ''

    def _check(self) -> None:
        problem = self._problem()
        if problem:
            raise LiveError(problem)

    def _wait(self, lacking: str, reached: Callable[[], bool]) -> None:
        deadline = monotonic() + STARTING
        while not reached():
            self._check()
            self.director.frames.take(0.05)
            if monotonic() > deadline:
                said = '; '.join(f'{n}: {c.last_words()}' for n, c in self.children.items())
                raise LiveError(f'{lacking} after {STARTING:g} s: {said}')

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Raise what the world's client raises as LiveError, with who is to blame."""
        try:
            yield
        except CarlaError as error:
            raise LiveError((self._problem() if self.server else '') or str(error)) from error

    # The drive

    def _go_on(self, instants: list[Instant], stopping: bool) -> str:
        """Take the frames that came; return how the drive ended, nothing while it goes on."""
        deadline = monotonic() + FRAME
        while not (frames := self.director.frames.take(0.2)):
            gone = not self.server.alive or self.children['bridge'].exit_code is not None
            if gone or monotonic() > deadline:
                raise LiveError(self._problem() or f'no frame came for {FRAME:g} s')
        for stamp, snapshot in frames:
            instant = self.director.follow(stamp, snapshot)
            instants.append(instant)
            end = self._end(instants, stopping)
            if end:
                return end
        return ''

    def _end(self, instants: list[Instant], stopping: bool) -> str:
        now, scenario = instants[-1], self._drive.scenario
        hit = self.director.hit(now)
        if hit:
            return f'hit {hit}'
        if stopping and abs(now.odometry.vx) < STANDS:
            return 'stopped'
        if now.time >= scenario.duration:
            return 'time is over'
        if scenario.goal > 0.0 and len(instants) % LOOK == 0:
            poses = (one.odometry.pose for one in instants)
            way = _Way(np.array([(pose.x, pose.y) for pose in poses]))
            if progress(way, scenario, self._drive.network) >= scenario.goal:
                return 'goal reached'
        return ''


@dataclass(frozen=True, eq=False)
class _Way:
    """Of a record what its progress needs."""

    ego: Any
