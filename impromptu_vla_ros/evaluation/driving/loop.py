# SPDX-License-Identifier: Apache-2.0
"""The closed loop in lockstep: the world waits for every decision, and time is the world's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.codec import AnswerError
from impromptu_vla_ros.core.controller import Controller
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.driving import overlap
from impromptu_vla_ros.core.navigation import navigation_command
from impromptu_vla_ros.core.planner import Planner, Vehicle
from impromptu_vla_ros.core.structs import (
    NANOSECONDS,
    Acceleration,
    Answer,
    CameraImage,
    ControlCommand,
    NavigationCommand,
    NotReady,
    Odometry,
    Plan,
    Pose,
    Query,
    Steering,
)
from impromptu_vla_ros.core.told import told_plan
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.ego import Ego
from impromptu_vla_ros.evaluation.driving.expert import Expert
from impromptu_vla_ros.evaluation.driving.notes import Notes
from impromptu_vla_ros.evaluation.driving.record import Record
from impromptu_vla_ros.evaluation.driving.scenario import Scenario
from impromptu_vla_ros.evaluation.driving.sight import Sight
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.models import Model, ModelError, respond
from impromptu_vla_ros.worlds.roads import RoadNetwork

# Ticks, s, and how many of them lie between two plans, and two pictures.
STEP, PER_PLAN, PER_PICTURE = 0.05, 2, 2
# Stamps of a drive begin here, whatever the world's clock says: its history lies before.
START = 1_000 * NANOSECONDS
# The ego's history before the start: straight on, with the speed of the start, s.
PAST = 3.5
# The ego's way goes this far beyond what it can drive in time, m.
BEYOND = 60.0
BLANK = bytes(3)


class Scene(Protocol):
    """What a tick of a world shows."""

    @property
    def odometry(self) -> Odometry: ...

    @property
    def acceleration(self) -> Acceleration: ...

    @property
    def steering(self) -> Steering: ...

    @property
    def images(self) -> tuple[CameraImage, ...]: ...


class Stage(Protocol):
    """A world that is set for a scenario; it goes on by `STEP` at each tick."""

    ego: Ego
    wheelbase: float

    def start(self, pose: Pose, speed: float, friction: float, players: list[Player]) -> Scene:
        """Put everybody on their places and return what is then."""

    def apply(self, command: ControlCommand) -> None:
        """Drive the ego so from now on."""

    def place(self, players: list[Player]) -> None:
        """Move the others to where they are by the next tick."""

    def tick(self) -> Scene:
        """Let one step go by."""


@dataclass(frozen=True)
class Style:
    """
    How the answers are used.

    `latency` (s, simulated) passes between a picture and its answer. Without `retiming` an answer
    is laid where the car is when it arrives, as naive servers do.
    """

    dialect: Dialect
    latency: float = 0.0
    retiming: bool = True


@dataclass(frozen=True)
class _Waiting:
    """An answer under way: to which query, and when it is due (ns)."""

    query: Query
    text: str
    due: int


class Loop:
    """
    One drive through a scenario on a stage; `run` it once.

    The expert drives where no `model` does; `between` may put something before who drives. The
    car starts `beside` the route's start, as seen from there.
    """

    def __init__(
        self,
        stage: Stage,
        scenario: Scenario,
        network: RoadNetwork,
        style: Style,
        model: Model | None = None,
        between: Callable[[Model], Model] = lambda model: model,
        beside: Pose | None = None,
    ) -> None:
        self._stage, self._scenario, self._style = stage, scenario, style
        dialect, vehicle = style.dialect, Vehicle(stage.wheelbase)
        self._planner = Planner(dialect, vehicle)
        self._controller = Controller(vehicle)
        self._players = [Player(actor, network) for actor in scenario.actors]
        length = scenario.goal + scenario.duration * max(scenario.cruise, scenario.speed)
        way = way_along(network, scenario.route, length + BEYOND)
        self._start = motion.moved(way.pose(0.0), beside or Pose(0.0, 0.0, 0.0))
        self._sight = Sight()
        self._expert = Expert(
            way, scenario.cruise, scenario.friction, dialect, stage.ego, self._sight.view
        )
        self._model = between(model or self._expert)
        self._route = way.points[:, :2]
        self._lots = np.random.default_rng([scenario.seed, 7])
        self._waiting: _Waiting | None = None
        self._notes = Notes([actor.name for actor in scenario.actors])

    def run(self, on_picture: Callable[[int, CameraImage], None] | None = None) -> Record:
        """Drive until the time is over or something is hit; `on_picture` gets every picture."""
        scenario = self._scenario
        scene = self._stage.start(self._start, scenario.speed, scenario.friction, self._players)
        self._remember_past(scene)
        self._controller.engage(True)
        for tick in range(round(scenario.duration / STEP) + 1):
            now = START + round(tick * STEP * NANOSECONDS)
            odometry = replace(scene.odometry, stamp=now)
            self._sense(odometry, scene, now)
            pictured = tick % PER_PICTURE == 0 and self._see(scene, odometry, tick, on_picture)
            self._ask_and_tell(now)
            if tick % PER_PLAN == 0:
                plan = self._planner.plan(now)
                if plan is not None:
                    self._controller.follow(plan)
                    self._notes.plan(plan)
            command = self._controller.command(now)
            self._notes.tick(now, odometry, scene, self._players, command, pictured)
            if self._hit(odometry.pose):
                break
            self._stage.apply(command)
            moving = self._stage.ego.moving(odometry)
            for player in self._players:
                player.step(tick * STEP, STEP, moving)
            self._stage.place(self._players)
            scene = self._stage.tick()
        ego = self._stage.ego
        size = (ego.length, ego.width, ego.ahead, self._stage.wheelbase)
        return self._notes.record([actor.size for actor in scenario.actors], size)

    @property
    def counts(self) -> dict[str, int]:
        """Return what became of the questions."""
        return dict(self._planner.counts)

    def _remember_past(self, scene: Scene) -> None:
        speed, frame_id = self._scenario.speed, scene.odometry.frame_id
        for k in range(round(PAST / STEP), 0, -1):
            stamp = START - round(k * STEP * NANOSECONDS)
            pose = motion.moved(self._start, Pose(-speed * k * STEP, 0.0, 0.0))
            odometry = Odometry(stamp, pose, speed, 0.0, 0.0, frame_id)
            for sample in (odometry, Acceleration(stamp, 0.0, 0.0), Steering(stamp, 0.0)):
                self._planner.observe(sample)
            self._controller.observe(odometry)

    def _sense(self, odometry: Odometry, scene: Scene, now: int) -> None:
        self._planner.observe(odometry)
        self._planner.observe(replace(scene.acceleration, stamp=now))
        self._planner.observe(replace(scene.steering, stamp=now))
        command = navigation_command(self._route, odometry.pose, odometry.vx)
        self._planner.observe(NavigationCommand(now, command))
        self._controller.observe(odometry)

    def _see(self, scene: Scene, odometry: Odometry, tick: int, on_picture: Any) -> bool:
        """Show the planner the pictures of now, unless they are lost; return whether it saw."""
        time, lot = tick * STEP, self._lots.random()
        held = any(since <= time < until for since, until in self._scenario.drops)
        if held or lot < self._scenario.lost:
            return False
        self._sight.remember(time, odometry, scene.acceleration.ax, self._players)
        for image in self._pictures(scene.images, odometry.stamp):
            self._planner.observe(image)
            if on_picture is not None and scene.images:
                on_picture(tick, image)
        return True

    def _pictures(self, images: tuple[CameraImage, ...], now: int) -> Iterable[CameraImage]:
        if images:
            return [replace(image, stamp=now) for image in images]
        # Nobody looks: a picture of one black pixel says when it was taken.
        cameras = self._style.dialect.cameras
        return [CameraImage(camera, now, 'rgb8', BLANK, 1, 1, 3) for camera in cameras]

    def _ask_and_tell(self, now: int) -> None:
        self._tell_if_due(now)
        if self._waiting is not None:
            return
        query = self._planner.ask(now)
        if isinstance(query, NotReady):
            return
        try:
            text = respond(self._model, query).text
        except ModelError:
            self._planner.refuse()
            return
        due = now + round(self._style.latency * NANOSECONDS)
        self._waiting = _Waiting(query, text, due)
        self._tell_if_due(now)

    def _tell_if_due(self, now: int) -> None:
        waiting = self._waiting
        if waiting is None or now < waiting.due:
            return
        query = waiting.query
        if not self._style.retiming and self._style.latency > 0.0:
            # As if the answer were about the picture that is newest when it arrives.
            newest = self._planner.ask(now)
            if isinstance(newest, NotReady):
                return
            query = newest
        self._waiting = None
        try:
            told = self._planner.tell(query, Answer(waiting.text), now)
        except AnswerError:
            return
        meant = self._meant(waiting, told)
        reference = self._expert.answer(waiting.query).text
        self._notes.told(meant, told.capture_stamp, now, waiting.text, reference)

    def _meant(self, waiting: _Waiting, told: Plan) -> Plan:
        """Return the answer laid where its picture was taken, which is what it means."""
        stamp = waiting.query.stamp
        odometry = self._sight.at(stamp).odometry
        return told_plan(
            self._style.dialect,
            waiting.text,
            stamp,
            odometry.pose,
            told.frame_id,
            odometry.vx,
        )

    def _hit(self, pose: Pose) -> bool:
        box = self._stage.ego.box(pose)
        return any(overlap(box, player.box) for player in self._players)
