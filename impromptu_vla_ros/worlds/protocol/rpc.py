# SPDX-License-Identifier: Apache-2.0
"""
msgpack-rpc over TCP as CARLA speaks it.

The first argument of a call is metadata. An answer is [[1, value]], or [[false]] where there is
no value, or [[0, [text]]] for an error; the client raises that text as RuntimeError.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

import msgpack

Call = Callable[..., Any]

LARGEST = 16 * 2**20  # bytes of one request; the largest is a map's OpenDRIVE text
MOST = 2**16  # elements of one array in a request
QUIET, BETWEEN, TRIES = 10, 5, 3  # s, s and times: when a peer that is gone is noticed

_log = logging.getLogger(__name__)


class Bare:
    """A value that is answered as it is."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Caller(asyncio.Protocol):
    """One client's connection: its calls are answered in their order, each before the next."""

    def __init__(self, calls: Mapping[str, Call]) -> None:
        self._calls = calls
        self._requests = msgpack.Unpacker(
            max_buffer_size=LARGEST, max_array_len=MOST, max_map_len=0, unicode_errors='replace'
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a peer that vanished without a word is noticed after half a minute."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        watch_for_loss(transport)

    def data_received(self, data: bytes) -> None:
        """Answer the calls that are complete; hang up where the bytes make no sense."""
        try:
            self._requests.feed(data)
            for request in self._requests:
                self._receive(request)
        except (msgpack.UnpackException, ValueError) as error:
            peer = self._transport.get_extra_info('peername')
            _log.warning('hung up on %s: no msgpack-rpc: %s', peer, error or type(error).__name__)
            self._transport.abort()

    def _receive(self, request: Any) -> None:
        match request:
            case [0, int(number), str(name), [*arguments]]:
                answer = [1, number, None, answer_to(self._calls, name, arguments)]
                self._transport.write(msgpack.packb(answer))
            case [2, str(name), [*arguments]]:
                answer_to(self._calls, name, arguments)
            case _:
                raise ValueError(f'neither a request nor a notification: {request!r:.80}')


def answer_to(calls: Mapping[str, Call], name: str, arguments: list[Any]) -> Any:
    """Make a call whose first argument is metadata; return its answer, an error included."""
    try:
        if name not in calls:
            raise ValueError(f'this server has no {name!r}: it serves a part of CARLA only')
        value = calls[name](*arguments[1:])
    except ValueError as error:
        _log.warning('%s: %s', name, error)
        return refusal(str(error))
    except Exception as error:
        # Whatever arguments a client sends: its call fails, and the server goes on.
        _log.exception('%s failed', name)
        return refusal(f'{name} failed: {type(error).__name__}: {error}')
    if isinstance(value, Bare):
        return value.value
    return [[False]] if value is None else [[1, value]]


def refusal(text: str) -> list[Any]:
    """Return the answer that is an error."""
    return [[0, [text]]]


def watch_for_loss(transport: asyncio.Transport) -> None:
    """Have the kernel ask a quiet peer whether it is still there."""
    connection: socket.socket = transport.get_extra_info('socket')
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, QUIET)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, BETWEEN)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, TRIES)
