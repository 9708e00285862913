# SPDX-License-Identifier: Apache-2.0
"""The server: a simulation behind CARLA's two ports, on this machine only."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from impromptu_vla_ros.worlds.protocol import payloads
from impromptu_vla_ros.worlds.protocol.actor_calls import ActorCalls
from impromptu_vla_ros.worlds.protocol.actors import Actor
from impromptu_vla_ros.worlds.protocol.batches import Batches
from impromptu_vla_ros.worlds.protocol.blueprints import is_camera
from impromptu_vla_ros.worlds.protocol.calls import Maps, World
from impromptu_vla_ros.worlds.protocol.clock import Clock
from impromptu_vla_ros.worlds.protocol.episode import WORLD_STREAM, Episode
from impromptu_vla_ros.worlds.protocol.rpc import Caller
from impromptu_vla_ros.worlds.protocol.streams import Streams
from impromptu_vla_ros.worlds.protocol.versions import NEWEST, ClientVersion
from impromptu_vla_ros.worlds.simulation import Simulation

LOOPBACK = '127.0.0.1'

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """What is served: port 0 is a free one, `speed` that of time in asynchronous mode."""

    port: int = 2000
    map: str = ''
    speed: float = 1.0
    version: ClientVersion = NEWEST


class Server:
    """One world and all that are connected to it."""

    def __init__(self, simulation: Simulation, maps: Maps, offer: Offer) -> None:
        self._offer = offer
        self._streams = Streams(self._greet)
        self._episode = Episode(simulation, *maps.load(offer.map), offer.version)
        self._clock = Clock(self._step, offer.speed)
        world = World(self._episode, self._clock, self._streams, maps)
        actors = ActorCalls(world)
        self._calls = world.calls() | actors.calls() | Batches(world, actors).calls()

    async def serve(self, ready: Callable[[int], None]) -> None:
        """Serve until SIGTERM or SIGINT; `ready` is told the port."""
        loop = asyncio.get_running_loop()
        ended = _signalled(loop)
        streams = await self._streams.open(LOOPBACK)
        calls = await loop.create_server(lambda: Caller(self._calls), LOOPBACK, self._offer.port)
        going = asyncio.create_task(self._clock.run())
        ready(calls.sockets[0].getsockname()[1])
        await ended.wait()
        going.cancel()
        calls.close()
        streams.close()

    def _greet(self, stream: int) -> None:
        # A world that stands sends nothing: a client would not learn who is in it.
        if stream == WORLD_STREAM:
            self._send_state()

    def _step(self, seconds: float) -> None:
        self._episode.step(seconds)
        self._send_state()
        for actor in self._episode.actors:
            if (
                actor.blueprint.senses
                and self._streams.wanted(actor.number)
                and self._is_due(actor)
            ):
                self._send_sight(actor)

    def _is_due(self, actor: Actor) -> bool:
        every = float(actor.attributes['sensor_tick'])
        # A rounding of the time must not cost a whole step.
        if self._episode.time < actor.due - 1e-6:
            return False
        behind = actor.due + every <= self._episode.time
        actor.due = every + (self._episode.time if behind else actor.due)
        return True

    def _send_state(self) -> None:
        self._streams.send(WORLD_STREAM, payloads.world(self._episode, time.monotonic()))

    def _send_sight(self, actor: Actor) -> None:
        name = actor.blueprint.name
        if name not in payloads.SENSES or (is_camera(name) and not self._clock.renders):
            return
        try:
            for payload in payloads.SENSES[name](actor, self._episode):
                self._streams.send(actor.number, payload)
        except Exception:
            # One sensor that fails must neither stop the world nor the other sensors.
            _log.exception('%s %s sees nothing', name, actor.number)


def _signalled(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Return what is set at SIGTERM or SIGINT."""
    ended = asyncio.Event()

    def end() -> None:
        ended.set()
        # The kernel may send one for each thread of a parent that dies.
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, end)
    return ended
