# SPDX-License-Identifier: Apache-2.0
"""A simulation of kinematic bicycles on flat roads: no engine, and the same bit for bit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.motion import from_frame, wrap
from impromptu_vla_ros.core.structs import FloatArray, Pose
from impromptu_vla_ros.worlds.rendering import Car, Scene
from impromptu_vla_ros.worlds.roads import RoadNetwork, advanced
from impromptu_vla_ros.worlds.simulation import Body, Kind, Lens, Pedals

# The tires' acceleration on a dry road, m/s², in any direction: 0.8 g, at the lower end of the
# 0.8 to 0.9 of dry asphalt (Wong, Theory of Ground Vehicles, peak values of road adhesion).
# The brakes can use all of it.
GRIP = 8.0
# The hand brake holds the rear wheels only, which carry less than half while it acts, m/s².
HAND_BRAKE = 3.5
# Full throttle, m/s², and W/kg where power is the limit: 0 to 100 km/h in some 10 s, as family
# cars do.
THROTTLE = 3.5
POWER = 45.0
# Rolling resistance 0.015 g (Gillespie, Fundamentals of Vehicle Dynamics, radial tires), m/s².
ROLLING = 0.15
# Air drag per m/s squared: ½ · 1.2 kg/m³ · 0.30 · 2.2 m² / 1500 kg, of a family car, 1/m.
AIR = 2.6e-4
# Steering follows with this lag (s), which the controllers of the project were measured with,
# and no faster than this (rad/s of the road wheels: 700 °/s at a steering wheel of ratio 16).
STEER_LAG = 0.2
STEER_RATE = 0.76
# Colours go by numbers, from this one of the first vehicle on: of the first episode of a server.
FIRST = 3
# A longer step is computed in several of at most this, s.
SUBSTEP = 0.01


@dataclass
class _Vehicle:
    """
    One vehicle: `rear` is the pose of its rear axle, `speed` (m/s) that one's along its heading.

    `placed` is where it was put if it does without physics. `steer` is the road wheels' angle.
    """

    kind: Kind
    rear: Pose
    speed: float = 0.0
    steer: float = 0.0
    yaw_rate: float = 0.0
    acceleration: tuple[float, float] = (0.0, 0.0)
    pedals: Pedals = field(default_factory=Pedals)
    friction: float = 1.0
    placed: Body | None = None

    def put(self, body: Body) -> None:
        """Lie and move so; a rear axle moves only along its heading."""
        middle = Pose(body.x, body.y, body.yaw)
        self.rear = advanced(middle, -0.5 * self.kind.wheelbase, 0.0)
        self.speed = body.vx * math.cos(body.yaw) + body.vy * math.sin(body.yaw)
        self.yaw_rate, self.acceleration = body.yaw_rate, (0.0, 0.0)
        if self.placed is not None:
            self.placed = body

    @property
    def braking(self) -> bool:
        """Return whether the brake lights are lit."""
        return self.pedals.brake > 0.0

    def velocity(self) -> tuple[float, float]:
        """Return the velocity of the middle between the axles in the world's axes."""
        c, s = math.cos(self.rear.yaw), math.sin(self.rear.yaw)
        sideways = 0.5 * self.kind.wheelbase * self.yaw_rate
        return self.speed * c - sideways * s, self.speed * s + sideways * c

    def body(self) -> Body:
        """Return how it lies and moves now."""
        if self.placed is not None:
            return self.placed
        middle = advanced(self.rear, 0.5 * self.kind.wheelbase, 0.0)
        vx, vy = self.velocity()
        ax, ay = self.acceleration
        yaw = wrap(middle.yaw)
        return Body(
            middle.x, middle.y, yaw=yaw, vx=vx, vy=vy, yaw_rate=self.yaw_rate, ax=ax, ay=ay
        )

    def step(self, seconds: float) -> None:
        """Drive on for that long."""
        before = self.velocity()
        count = max(1, math.ceil(seconds / SUBSTEP - 1e-9))
        for _ in range(count):
            self._substep(seconds / count)
        vx, vy = self.velocity()
        self.acceleration = (vx - before[0]) / seconds, (vy - before[1]) / seconds

    def _substep(self, seconds: float) -> None:
        wanted = max(-1.0, min(1.0, self.pedals.steer)) * self.kind.max_steer
        self.steer = steered(self.steer, wanted, seconds)
        pull, hold = self._asked()
        curvature = math.tan(self.steer) / self.kind.wheelbase
        along = pull - math.copysign(hold, self.speed)
        # The tires give no more than this in all directions together; the car understeers.
        asked = math.hypot(along, self.speed**2 * curvature)
        given = min(1.0, GRIP * self.friction / asked) if asked else 1.0
        resistance = given * hold + ROLLING + AIR * self.speed**2
        self.speed, distance = _sped(self.speed, given * pull, resistance, seconds)
        self.rear = advanced(self.rear, distance, given * curvature)
        self.yaw_rate = self.speed * given * curvature

    def _asked(self) -> tuple[float, float]:
        """Return what pulls the car ahead and what only ever holds it back, both in m/s²."""
        pedals = self.pedals
        throttle, brake = (max(0.0, min(1.0, one)) for one in (pedals.throttle, pedals.brake))
        pull = throttle * min(THROTTLE, POWER / max(abs(self.speed), 1.0))
        hold = (brake * GRIP + pedals.hand_brake * HAND_BRAKE) * self.friction
        return -pull if pedals.reverse else pull, hold


def steered(angle: float, wanted: float, seconds: float) -> float:
    """Return the road wheels' angle after that time, which follows the wanted one (rad)."""
    most = STEER_RATE * seconds
    return angle + max(-most, min(most, (wanted - angle) * (1.0 - math.exp(-seconds / STEER_LAG))))


def _sped(speed: float, pull: float, resistance: float, seconds: float) -> tuple[float, float]:
    """
    Return the speed after that time and the distance gone in it.

    `resistance` (m/s², at least 0) slows down to an exact stop, and holds there.
    """
    if speed == 0.0 and abs(pull) <= resistance:
        return 0.0, 0.0
    direction = math.copysign(1.0, speed or pull)
    rate = pull - direction * resistance
    after = speed + rate * seconds
    if after * direction < 0.0:
        return 0.0, -0.5 * speed**2 / rate
    return after, 0.5 * (speed + after) * seconds


class KinematicWorld:
    """
    A Simulation of kinematic bicycles whose tires have a friction circle.

    Vehicles pass through one another: who drives a scenario sees a collision in the bodies.
    The ground is flat, so that z, roll and pitch are 0 but for what is placed without physics.
    """

    def __init__(self) -> None:
        self._vehicles: dict[int, _Vehicle] = {}
        self._first = 0
        self._scene: Scene | None = None

    def begin(self, roads: RoadNetwork) -> None:
        """Start a new episode on these roads, without actors."""
        self._vehicles, self._first = {}, 0
        if self._scene is None or self._scene.network != roads:
            self._scene = Scene(roads)

    def add(self, number: int, kind: Kind, body: Body) -> None:
        """Put a vehicle there; raise ValueError where another one stands."""
        for other, vehicle in self._vehicles.items():
            if overlap(kind, body, vehicle.kind, vehicle.body()):
                raise ValueError(
                    f'vehicle {number} cannot be put at ({body.x:.2f}, {body.y:.2f}): '
                    f'vehicle {other} stands there'
                )
        vehicle = _Vehicle(kind, Pose(body.x, body.y, body.yaw))
        vehicle.put(body)
        self._first = self._first or number
        self._vehicles[number] = vehicle

    def remove(self, number: int) -> None:
        """Take a vehicle away."""
        del self._vehicles[number]

    def drive(self, number: int, pedals: Pedals) -> None:
        """Hold the pedals so from the next step on."""
        self._vehicles[number].pedals = pedals

    def place(self, number: int, body: Body) -> None:
        """Move a vehicle there at once, with that velocity."""
        self._vehicles[number].put(body)

    def free(self, number: int, physics: bool) -> None:
        """Without physics a vehicle obeys `place` only, and keeps still between two calls."""
        vehicle = self._vehicles[number]
        if physics != (vehicle.placed is None):
            body = vehicle.body()
            vehicle.placed = None if physics else body
            # What stops obeying the laws of motion also stops.
            at_rest = Body(body.x, body.y, body.z, body.roll, body.pitch, body.yaw)
            vehicle.put(body if physics else at_rest)

    def grip(self, number: int, friction: float) -> None:
        """Set the friction between a vehicle's tires and the road; 1 is a dry one."""
        if not friction > 0.0:
            raise ValueError(f'the friction is {friction}; it must be more than 0')
        self._vehicles[number].friction = friction

    def step(self, seconds: float) -> None:
        """Let that much time go by, s."""
        if not seconds > 0.0:
            raise ValueError(f'a step takes {seconds} s; it must take more than 0')
        for vehicle in self._vehicles.values():
            if vehicle.placed is None:
                vehicle.step(seconds)

    def body(self, number: int) -> Body:
        """Return how a vehicle lies and moves now."""
        return self._vehicles[number].body()

    def steering(self, number: int) -> float:
        """Return the angle of a vehicle's road wheels now, rad, positive left."""
        return self._vehicles[number].steer

    def see(self, lens: Lens) -> NDArray[Any]:
        """Return what a camera sees now: BGRA, uint8 (height, width, 4)."""
        if self._scene is None:
            raise RuntimeError('there is nothing to see before begin()')
        parent = None if lens.parent is None else self._vehicles[lens.parent].body()
        # Numbers go on from episode to episode, colours begin anew: the same is seen again.
        cars = [
            Car(number - self._first + FIRST, one.kind, one.body(), one.braking)
            for number, one in self._vehicles.items()
        ]
        return self._scene.picture(lens, parent, cars)

    def close(self) -> None:
        """Forget the roads and the vehicles."""
        self._vehicles, self._scene = {}, None


def overlap(kind: Kind, body: Body, other_kind: Kind, other: Body) -> bool:
    """Return whether two vehicles' outlines on the ground overlap."""
    a, b = outline(kind, body), outline(other_kind, other)
    for yaw in (body.yaw, other.yaw):
        for axis in ((math.cos(yaw), math.sin(yaw)), (-math.sin(yaw), math.cos(yaw))):
            along_a, along_b = a @ axis, b @ axis
            if along_a.max() <= along_b.min() or along_b.max() <= along_a.min():
                return False
    return True


def outline(kind: Kind, body: Body) -> FloatArray:
    """Return the corners (4, 2) of a vehicle's outline on the ground in the world's frame."""
    half = 0.5 * np.array([kind.length, kind.width])
    corners = half * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    return from_frame(Pose(body.x, body.y, body.yaw), corners)
