# SPDX-License-Identifier: Apache-2.0
"""
A CARLA world as a car with cameras: tick it, read it, drive it. No ROS, no thread of its own.

`with CarlaClient(...) as client:` has everything that was spawned destroyed and the world's
settings as they were at the end, whatever happens in between.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from impromptu_vla_ros.core.pedals import PedalScale
from impromptu_vla_ros.core.structs import (
    Acceleration,
    CameraImage,
    ControlCommand,
    Odometry,
    Steering,
)
from impromptu_vla_ros.worlds import carla_axes
from impromptu_vla_ros.worlds.belongings import Belongings, Ledger
from impromptu_vla_ros.worlds.camera_feed import stamp_of
from impromptu_vla_ros.worlds.carla_errors import (
    CarlaError,
    ServerSilent,
    asking,
    client_library,
)
from impromptu_vla_ros.worlds.carla_server import PROBE, WorldChoice, chosen_world, connected
from impromptu_vla_ros.worlds.ego_vehicle import EgoChoice, EgoVehicle
from impromptu_vla_ros.worlds.leftovers import brake, cameras_in, ego_in, restore
from impromptu_vla_ros.worlds.rig_feeds import RigFeeds
from impromptu_vla_ros.worlds.rigs import Rig

WARM_UP = 100  # ticks within which every camera must have sent a picture


@dataclass(frozen=True)
class Scene:
    """
    One frame: its stamp (simulated ns), how the ego moves on its rear axle, and the pictures.

    In a ticked world the pictures are of this very frame; else each has a stamp of its own.
    `skipped` counts the frames that went by since the last scene without us: in a ticked world
    another client ticks too. `silent` names cameras of which a picture was due that did not come.
    """

    frame: int
    stamp: int
    odometry: Odometry
    acceleration: Acceleration
    steering: Steering
    images: tuple[CameraImage, ...] = ()
    silent: tuple[str, ...] = ()
    skipped: int = 0


@dataclass
class _Episode:
    """What one connection holds."""

    world: Any
    feeds: RigFeeds
    ego: EgoVehicle | None = None


class CarlaClient:
    """
    A connection to a server, with our car and its cameras in the world.

    Nothing happens before `open`. Every method raises a CarlaError; after one of them `reconnect`
    begins anew. Exactly one client may tick a world. What it has there is noted in `ledger`.
    """

    def __init__(
        self,
        choice: WorldChoice | None = None,
        ego: EgoChoice | None = None,
        rig: Rig | None = None,
        scale: PedalScale | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.choice = choice or WorldChoice()
        self._ego_choice = ego or EgoChoice()
        self._rig = rig or Rig(())
        self._scale = scale or PedalScale()
        self._episode: _Episode | None = None
        self._client: Any = None
        self._frame = 0
        self._speed = 0.0
        self._ledger = ledger or Ledger()

    def __enter__(self) -> CarlaClient:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What there is

    @property
    def is_open(self) -> bool:
        """Return whether the car and its cameras are in the world."""
        return self._episode is not None

    @property
    def world(self) -> Any:
        """Return the carla.World, for what is beyond our car: traffic, maps."""
        return self._opened.world

    @property
    def client(self) -> Any:
        """Return the carla.Client."""
        return self._client

    @property
    def ego(self) -> EgoVehicle:
        """Return our car."""
        ego = self._opened.ego
        assert ego is not None
        return ego

    @property
    def chassis(self) -> carla_axes.Chassis:
        """Return the axles and the steering of our car."""
        return self.ego.chassis

    @property
    def rig(self) -> Rig:
        """Return the cameras."""
        return self._rig

    @property
    def cameras(self) -> dict[str, Any]:
        """Return the carla.Sensor of each camera."""
        return self._opened.feeds.sensors

    @property
    def _opened(self) -> _Episode:
        if self._episode is None:
            raise ServerSilent('not connected: open the client first, or reconnect')
        return self._episode

    # Connecting

    def open(self) -> Scene:
        """Connect, choose the map, put the car and its cameras there; return the first scene."""
        library = client_library()
        self._client = connected(library, self.choice)
        try:
            with asking('preparing the world'):
                return self._prepared(library)
        except BaseException:
            self.close()
            raise

    def reconnect(self) -> Scene:
        """Begin anew, as after a restart of the server; what was ours before is ours again."""
        self.close()
        return self.open()

    def close(self) -> None:
        """
        Destroy what we spawned, brake what we only drove and restore the settings.

        All that as far as the server still answers.
        """
        episode, self._episode = self._episode, None
        if episode is None:
            return
        episode.feeds.stop()
        self._client.set_timeout(min(PROBE, self.choice.timeout))
        try:
            with asking('leaving the world'):
                # Of a server that is gone the client says so at each actor, a time-out later.
                self._client.get_server_version()
                episode.feeds.destroy()
                if episode.ego:
                    if self._held.driven and not episode.ego.owned:
                        with suppress(RuntimeError):  # it may be no more
                            brake(client_library(), episode.ego.actor)
                    episode.ego.destroy()
                restore(episode.world, self._held)
                self._ledger.note(None)
        except CarlaError:
            pass  # the server is gone, and all that was in it; or `open` finds it again

    def _prepared(self, library: Any) -> Scene:
        world = chosen_world(self._client, self.choice)
        # Of a connection that was lost there may be something in the world still.
        self._ledger.note(self._ledger.held or self._nothing_yet(world))
        episode = self._episode = _Episode(world, RigFeeds(self._rig))
        self._apply_settings(world)
        # Before the first frame a client knows of no actors.
        self._go_on()
        role = self._ego_choice.role
        # Beforehand: whoever clears up after us finds out by himself whether it came to it.
        self._note(spawned=self._held.spawned or ego_in(world, role) is None)
        ego = episode.ego = EgoVehicle(library, world, self._ego_choice, self._scale)
        ego.owned = self._held.spawned
        if self._held.driven:
            brake(library, ego.actor)  # or it would go on as it was told last
        self._go_on()
        ego.measure()
        for camera in cameras_in(world, role):
            camera.destroy()
        episode.feeds.spawn(library, world, ego, role)
        return self._warmed_up()

    def _apply_settings(self, world: Any) -> None:
        if self.choice.step is None:
            return
        settings = world.get_settings()
        settings.synchronous_mode = True
        settings.fixed_delta_seconds = self.choice.step
        world.apply_settings(settings)

    def _nothing_yet(self, world: Any) -> Belongings:
        choice, settings = self.choice, world.get_settings()
        return Belongings(
            choice.host,
            choice.port,
            self._ego_choice.role,
            ticked=choice.step is not None,
            synchronous=settings.synchronous_mode,
            step=settings.fixed_delta_seconds,
        )

    @property
    def _held(self) -> Belongings:
        held = self._ledger.held
        assert held is not None
        return held

    def _note(self, **changes: Any) -> None:
        self._ledger.note(replace(self._held, **changes))

    def _warmed_up(self) -> Scene:
        """Go on until every camera has sent a picture: the client does not say when it listens."""
        feeds, end = self._opened.feeds, monotonic() + self.choice.timeout
        for _ in range(WARM_UP):
            self._go_on()
            if feeds.began(0.1) or monotonic() > end:
                break
        feeds.newest()
        return self.tick()

    # Going on

    def tick(self) -> Scene:
        """
        Let one step go by and return what is then.

        A world that is not ours to tick: wait for its next frame.
        """
        before = self._frame
        snapshot = self._go_on()
        stamp = stamp_of(snapshot.timestamp.elapsed_seconds)
        odometry, acceleration, steering = self.ego.read(snapshot, stamp)
        self._speed = odometry.vx
        images = self._pictures(snapshot)
        return Scene(
            snapshot.frame,
            stamp,
            odometry,
            acceleration,
            steering,
            images,
            self._opened.feeds.silent,
            max(0, snapshot.frame - before - 1),
        )

    def apply(self, command: ControlCommand) -> None:
        """Drive as a command says, at the speed of the last scene."""
        self._note(driven=True)
        self.ego.apply(command, self._speed)

    def _go_on(self) -> Any:
        world, timeout = self._opened.world, self.choice.timeout
        with asking('ticking' if self.choice.step else 'waiting for a frame'):
            if self.choice.step is None:
                snapshot = world.wait_for_tick(timeout)
            else:
                world.tick(timeout)
                snapshot = world.get_snapshot()
        self._frame = snapshot.frame
        return snapshot

    def _pictures(self, snapshot: Any) -> tuple[CameraImage, ...]:
        feeds, choice = self._opened.feeds, self.choice
        if choice.step is None:
            return feeds.newest()
        time = snapshot.timestamp.elapsed_seconds
        return feeds.of_frame(snapshot.frame, time, choice.step, choice.picture_timeout)
