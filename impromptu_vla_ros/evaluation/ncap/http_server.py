# SPDX-License-Identifier: Apache-2.0
"""
/alive, /reset and /infer over HTTP, within limits of size, time and number.

The simulator takes any answer of /alive for ready, and reads no status of /infer: an error's body
would end its run. So /infer always answers 200, where it must with a stop and the reason.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Protocol

from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.evaluation.ncap.request import MOST_BYTES, Request, read_request
from impromptu_vla_ros.evaluation.ncap.run import FAILED, REFUSED, Reply
from impromptu_vla_ros.models.chat_server_http import TimedSocket

# A client may take so long to send a request, and to read its answer; 35 MB over Wi-Fi fit.
SECONDS = 30.0
# The simulator has one connection at a time; more are for whoever looks whether it is alive.
CONNECTIONS = 4

LOG = logging.getLogger('impromptu_vla.ncap')


class Answering(Protocol):
    """Answer the requests of one run, one after the other."""

    def infer(self, request: Request) -> Reply:
        """Return the answer to a request."""
        ...


class Runs:
    """
    The run that goes on, and one thread that answers it.

    `begin` makes a new run. Nothing waits longer than `patience` s: an answer that takes longer
    is a stop, and the model may finish meanwhile.
    """

    def __init__(self, begin: Callable[[], Answering], patience: float) -> None:
        self._begin, self._patience = begin, patience
        self._run = begin()
        self._free = threading.Lock()
        self._asked: SimpleQueue[tuple[Answering, bytes, SimpleQueue[Reply]]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def reset(self) -> None:
        """Forget the run; whatever is still thought about it is not heard of any more."""
        self._run = self._begin()

    def infer(self, body: bytes) -> Reply:
        """Return the answer to the body of a request."""
        until = monotonic() + self._patience
        if not self._free.acquire(timeout=self._patience):
            reply = Reply(
                FAILED, f'the model thinks about another question for {self._patience} s'
            )
        else:
            heard: SimpleQueue[Reply] = SimpleQueue()
            self._asked.put((self._run, body, heard))
            try:
                reply = heard.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                reply = Reply(FAILED, f'the model gave no answer within {self._patience} s')
        if reply.reason:
            LOG.warning('%s: %s', reply.kind, reply.reason)
        return reply

    def _work(self) -> None:
        while True:
            run, body, heard = self._asked.get()
            try:
                heard.put(_answer(run, body))
            finally:
                self._free.release()
            # Else 35 MB stay until the next question.
            del run, body, heard


def _answer(run: Answering, body: bytes) -> Reply:
    try:
        return run.infer(read_request(body))
    except InputError as error:
        return Reply(REFUSED, str(error))
    except Exception as error:  # Whatever it is must not end the simulator's run.
        LOG.exception('a request failed')
        return Reply(FAILED, f'{type(error).__name__}: {error}')


class NcapServer(ThreadingHTTPServer):
    """
    Serve runs at `host` and `port`; what it listens on is `server_port`.

    It listens as soon as it is made: make it when the model is ready.
    """

    daemon_threads = True

    def __init__(self, runs: Runs, host: str = '127.0.0.1', port: int = 9000) -> None:
        self.runs = runs
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__((host, port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is place for one more."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line that a client went away."""
        LOG.info('a client went away', exc_info=LOG.isEnabledFor(logging.DEBUG))


class Handler(BaseHTTPRequestHandler):
    """One request on one connection, which is closed then."""

    server: NcapServer
    protocol_version = 'HTTP/1.1'

    def setup(self) -> None:
        """Let the whole request come within its time, byte by byte or at once."""
        self.request = TimedSocket(fileno=self.request.detach())
        self.request.until = monotonic() + SECONDS
        super().setup()

    def finish(self) -> None:
        """Close the connection, which the server itself no longer holds."""
        super().finish()
        self.request.close()

    def log_message(self, form: str, *arguments: Any) -> None:
        """Log what the standard library would print."""
        LOG.debug(form, *arguments)

    def do_GET(self) -> None:
        """Say that the model is ready."""
        self._send(200, True) if self.path == '/alive' else self._send(
            404, {'detail': 'Not Found'}
        )

    def do_POST(self) -> None:
        """Begin a run, or answer one of its requests."""
        if self.path not in ('/infer', '/reset'):
            self._send(404, {'detail': 'Not Found'})
            return
        try:
            body = self._body()
        except InputError as error:
            LOG.warning('%s: %s', REFUSED, error)
            self._send(200, Reply(REFUSED, str(error)).data())
            return
        if self.path == '/reset':
            self.server.runs.reset()
            self._send(200, True)
        else:
            self._send(200, self.server.runs.infer(body).data())

    def _body(self) -> bytes:
        said = self.headers.get('Content-Length', '')
        if not said.isascii() or not said.isdigit() or len(said) > 18:
            raise InputError(f'a request without its length ({said[:40]!r}) is not read')
        length = int(said)
        if length > MOST_BYTES:
            self._read_over(length)
            raise InputError(f'the request has {length} bytes, {MOST_BYTES} are taken')
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError('the request ended early')
        return body

    def _read_over(self, length: int) -> None:
        """Let the client finish: else it would not read why it is refused."""
        while length > 0 and (part := self.rfile.read(min(length, 2**16))):
            length -= len(part)

    def _send(self, status: int, content: Any) -> None:
        body = json.dumps(content, allow_nan=False).encode()
        self.request.until = monotonic() + SECONDS
        self.close_connection = True
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(body)
