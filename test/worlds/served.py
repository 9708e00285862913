# SPDX-License-Identifier: Apache-2.0
"""A world that is served in a process of its own, for a real `carla` client to drive."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

msgpack = pytest.importorskip('msgpack')

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT = 30.0  # s for anything that a server or a client shall do
PLAIN = ('plain_world.py', '--map', 'circuit')
OLD_CLIENT = Path(os.environ.get('VIRTUAL_ENV', sys.prefix)) / 'carla-0.9.15'


def environment(*paths):
    """Return this process's environment in which those folders come first in the module path."""
    path = os.pathsep.join([*map(str, paths), str(ROOT), str(HERE)])
    return {**os.environ, 'PYTHONPATH': path, 'ROS_LOG_DIR': os.environ.get('ROS_LOG_DIR', '/tmp')}


class Served:
    """A server's process: its port, and what it logged so far."""

    def __init__(self, *arguments, port=0):
        self.process = subprocess.Popen(
            [sys.executable, *arguments, '--port', str(port), '--end-with-parent'],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env=environment(),
        )
        self._lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = self.process.stdout.readline()
        assert line, f'no server: {self.log}'
        self.port = json.loads(line)['port']

    def _read(self):
        self._lines.extend(self.process.stderr)

    @property
    def log(self):
        """Return what it logged, all of it once it has ended."""
        if self.process.poll() is not None:
            self._reader.join(LIMIT)
        return ''.join(self._lines)


@contextmanager
def serving(*arguments):
    """Serve until the end of the block."""
    served = Served(*(arguments or PLAIN))
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait(LIMIT)


class RawClient:
    """msgpack-rpc by hand, for what the real client would never send."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), LIMIT)
        self.socket.settimeout(LIMIT)
        self._answers = msgpack.Unpacker()

    def send(self, data):
        """Send bytes as they are."""
        self.socket.sendall(data)

    def call(self, name, *arguments):
        """Make a call; return its answer's error and result."""
        self.send(msgpack.packb([0, 7, name, [[False], *arguments]]))
        while True:
            for _, number, error, result in self._answers:
                assert number == 7
                return error, result
            data = self.socket.recv(65536)
            assert data, 'the server hung up'
            self._answers.feed(data)

    def hung_up(self):
        """Wait for the server to close the connection; return whether it did."""
        try:
            return self.socket.recv(1) == b''
        except ConnectionError:
            return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
