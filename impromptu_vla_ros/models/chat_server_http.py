# SPDX-License-Identifier: Apache-2.0
"""JSON over HTTP with one server, within a deadline that nothing the server does can stretch."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from impromptu_vla_ros.models import ModelError

# A server that does not take a connection at once is not in the car.
CONNECT_WITHIN = 1.0
# An answer with 20 log-probabilities of each token is 0.4 MB.
MOST_BYTES = 4 * 2**20
TRIES = 2


class Server:
    """
    One server at `url`, asked by one thread, over one connection that is kept.

    Proxies are not used and redirects not followed. Raises ModelError for a URL that is not
    http or https, or holds more than a host, a port and a path.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ModelError(f'server URL {url!r}: {error}') from error
        known = {'http': _Connection, 'https': _SecureConnection}
        if parts.scheme not in known or not host or parts.query or parts.fragment or '@' in url:
            raise ModelError(f'server URL {url!r} is not like http://127.0.0.1:8000/v1')
        self.url = url.rstrip('/')
        self.path = parts.path.rstrip('/')
        self._connection = known[parts.scheme](host, port)

    def ask(self, path: str, question: Mapping[str, Any] | None, seconds: float) -> Any:
        """
        Return the JSON that the server answers to `question`, sent to `path` of its host.

        Without a question it is only looked at: '' is returned where it answers with nothing.
        Tried once more where the connection fails or the server itself (5xx). Raises
        ModelError with the reason, after `seconds` at the latest.
        """
        started = monotonic()
        until = started + seconds
        for left in reversed(range(TRIES)):
            try:
                status, kind, content = self._exchange(path, question, until)
            except TimeoutError as error:
                self.close()
                said = f'no answer from {self.url} within {monotonic() - started:.2f} s'
                raise ModelError(f'{said}: does it hang, or is it overloaded?') from error
            except (OSError, HTTPException, ValueError) as error:
                self.close()
                if not left:
                    said = str(error)[:200] or type(error).__name__
                    raise ModelError(f'cannot talk with {self.url}: {said}') from error
            except BaseException:
                self.close()
                raise
            else:
                if status < 500 or not left:
                    return self._content(status, kind, content)
        raise AssertionError('unreachable')

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._connection.close()

    def _exchange(
        self, path: str, question: Mapping[str, Any] | None, until: float
    ) -> tuple[int, str, bytes]:
        """Return the status, the content type and the body of one answer."""
        connection = self._connection
        if connection.sock is None:
            connection.timeout = min(CONNECT_WITHIN, _left(until))
            connection.connect()
        connection.sock.until = until
        if question is None:
            connection.request('GET', path)
        else:
            body = json.dumps(question).encode()
            connection.request('POST', path, body, {'Content-Type': 'application/json'})
        with connection.getresponse() as response:
            content = response.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise ModelError(f'{self.url} answers more than {MOST_BYTES >> 20} MiB')
            if response.length:
                raise IncompleteRead(content, response.length)
            return response.status, response.headers.get_content_type(), content

    def _content(self, status: int, kind: str, content: bytes) -> Any:
        said = content[:300].decode(errors='replace').strip()
        if status != 200:
            raise ModelError(f'{self.url} answers HTTP {status}: {said or "nothing"}')
        if not content:
            return ''
        if not kind.endswith('json'):
            raise ModelError(f'{self.url} answers {kind}, not JSON: is it the URL of a server?')
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ModelError(f'{self.url} answers malformed JSON: {said[:80]!r}') from error


class TimedSocket(socket.socket):
    """
    A socket whose waits all end at `until`, in seconds of the steady clock.

    A time-out alone begins anew with every byte, and a server may drip.
    """

    until = 0.0

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left(self.until))
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_left(self.until))
        super().sendall(*arguments)


class _TimedSecureSocket(TimedSocket, ssl.SSLSocket):
    """The same, encrypted."""


class _Connection(HTTPConnection):
    sock: Any

    def connect(self) -> None:
        super().connect()
        self.sock = TimedSocket(fileno=self.sock.detach())


class _SecureConnection(HTTPSConnection):
    sock: Any

    def __init__(self, host: str, port: int | None) -> None:
        context = ssl.create_default_context()
        context.sslsocket_class = _TimedSecureSocket
        super().__init__(host, port, context=context)


def _left(until: float) -> float:
    left = until - monotonic()
    if left <= 0.0:
        raise TimeoutError
    return left
