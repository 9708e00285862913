# SPDX-License-Identifier: Apache-2.0
"""The stream port: a client connects once for each stream, says which, and is sent payloads."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from impromptu_vla_ros.worlds.protocol import layouts
from impromptu_vla_ros.worlds.protocol.rpc import watch_for_loss

BACKLOG = 64 * 2**20  # bytes that a subscriber may be behind
PATIENCE = 2.0  # s for a connection to say what it wants

_log = logging.getLogger(__name__)


class Streams:
    """
    Who listens to what; `joined` is called with the stream of each new subscription.

    A stream that is not, or no more, is silent: hung up on, the client would come back at once,
    again and again.
    """

    def __init__(self, joined: Callable[[int], None]) -> None:
        self.port = 0
        self._joined = joined
        self._subscribers: defaultdict[int, set[Subscriber]] = defaultdict(set)

    async def open(self, host: str) -> asyncio.Server:
        """Listen at a free port of that host."""
        server = await asyncio.get_running_loop().create_server(lambda: Subscriber(self), host, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def token(self, stream: int) -> bytes:
        """Return what a client needs to subscribe."""
        return layouts.token(stream, self.port)

    def wanted(self, stream: int) -> bool:
        """Return whether anybody listens."""
        return bool(self._subscribers.get(stream))

    def send(self, stream: int, payload: bytes) -> None:
        """Send to all that listen; who is too far behind is cut off, and may come back."""
        data = layouts.framed(payload)
        for subscriber in list(self._subscribers.get(stream, ())):
            subscriber.send(data)

    def join(self, stream: int, subscriber: Subscriber) -> None:
        """Let a subscriber listen from now on."""
        self._subscribers[stream].add(subscriber)
        self._joined(stream)

    def leave(self, stream: int, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        self._subscribers[stream].discard(subscriber)
        if not self._subscribers[stream]:
            del self._subscribers[stream]


class Subscriber(asyncio.Protocol):
    """One connection to the stream port."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._stream: int | None = None
        self._said = b''

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for what it wants."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        watch_for_loss(transport)
        self._limit = asyncio.get_running_loop().call_later(PATIENCE, self.hang_up)

    def data_received(self, data: bytes) -> None:
        """Take the number of the stream; nothing may follow it."""
        self._said += data
        if len(self._said) < 4:
            return
        self._limit.cancel()
        try:
            stream = layouts.read_subscription(self._said)
        except ValueError as error:
            _log.warning('hung up on a subscriber: %s', error)
            self.hang_up()
            return
        self._stream = stream
        self._streams.join(stream, self)

    def send(self, data: bytes) -> None:
        """Send without waiting for it."""
        if self._transport.get_write_buffer_size() > BACKLOG:
            _log.warning('hung up on a subscriber of stream %s: too slow', self._stream)
            self.hang_up()
            return
        self._transport.write(data)

    def hang_up(self) -> None:
        """Close at once; what has not gone out is lost."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._limit.cancel()
        if self._stream is not None:
            self._streams.leave(self._stream, self)
