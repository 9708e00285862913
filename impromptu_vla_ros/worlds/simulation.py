# SPDX-License-Identifier: Apache-2.0
"""
What stands behind the CARLA-protocol server: a simulation, whichever engine computes it.

All axes are right-handed with z up (REP-103), in m, rad and s; the server flips them at the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from impromptu_vla_ros.worlds.roads import RoadNetwork


@dataclass(frozen=True)
class Kind:
    """
    What a vehicle is: its CARLA blueprint `name`, its size in m, and how it steers.

    `max_steer` is the angle of the road wheels, rad, at full steering.
    """

    name: str
    length: float
    width: float
    height: float
    wheelbase: float
    max_steer: float


@dataclass(frozen=True)
class Body:
    """
    How an actor lies and moves in the world's frame.

    The pose is of its origin: for a vehicle the middle between the axles, on the ground.
    Velocities and accelerations are along the world's axes.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    vx: float = 0.0
    vy: float = 0.0
    vz: float = 0.0
    yaw_rate: float = 0.0
    ax: float = 0.0
    ay: float = 0.0
    az: float = 0.0


@dataclass(frozen=True)
class Pedals:
    """What a driver does: throttle and brake in [0, 1], `steer` in [-1, 1], positive left."""

    throttle: float = 0.0
    brake: float = 0.0
    steer: float = 0.0
    reverse: bool = False
    hand_brake: bool = False


@dataclass(frozen=True)
class Lens:
    """
    A pinhole camera: `width` and `height` in pixels, horizontal `fov` in rad.

    Its body (x ahead) sits at `mount` relative to the origin of actor `parent`, or, where that
    is None, in the world.
    """

    width: int
    height: int
    fov: float
    mount: Body
    parent: int | None = None


class Simulation(Protocol):
    """
    A world that is stepped. Actors have the numbers that the server gives them.

    Every call comes from one thread. `step` must be repeatable: the same calls in the same
    order give the same bodies, bit for bit.
    """

    def begin(self, roads: RoadNetwork) -> None:
        """Start a new episode on these roads, without actors."""

    def add(self, number: int, kind: Kind, body: Body) -> None:
        """Put a vehicle there; raise ValueError where another one stands."""

    def remove(self, number: int) -> None:
        """Take a vehicle away."""

    def drive(self, number: int, pedals: Pedals) -> None:
        """Hold the pedals so from the next step on."""

    def place(self, number: int, body: Body) -> None:
        """Move a vehicle there at once, with that velocity."""

    def free(self, number: int, physics: bool) -> None:
        """Without physics a vehicle obeys `place` only, and keeps still between two calls."""

    def grip(self, number: int, friction: float) -> None:
        """Set the friction between a vehicle's tires and the road; 1 is a dry one."""

    def step(self, seconds: float) -> None:
        """Let that much time go by."""

    def body(self, number: int) -> Body:
        """Return how a vehicle lies and moves now."""

    def steering(self, number: int) -> float:
        """Return the angle of a vehicle's road wheels now, rad, positive left."""

    def see(self, lens: Lens) -> NDArray[Any]:
        """Return what a camera sees now: BGRA, uint8 (height, width, 4)."""

    def close(self) -> None:
        """Free what the engine holds."""
