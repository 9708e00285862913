# SPDX-License-Identifier: Apache-2.0
"""
The `carla_bridge` executable: watches over the process of the bridge's node.

CARLA's client is native code, which bytes that it cannot read end without a last word. Then
somebody else has to say why, to brake the car and to clear the world up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from functools import partial
from time import monotonic
from typing import Any

from impromptu_vla_ros.worlds.belongings import Ledger
from impromptu_vla_ros.worlds.parent import end_with_parent

# Which part a child of this executable plays, and the descriptor of its ledger.
PART = 'IMPROMPTU_VLA_CARLA_BRIDGE'
NODE, CLEANER = 'node', 'cleaner'
# What crashes by chance does not so three times a minute: then it is the server's fault.
RESTARTS, CALM = 2, 60.0  # s
# Start, connect, one tick and five calls, of which a loaded server takes up to seconds each.
CLEANING = 30.0  # s
KILLED = 'somebody killed it, or the machine ran out of memory (see dmesg)'
CRASHED = (
    "CARLA's client crashed, as it does on bytes that it cannot read. Is the server of the "
    "client's version (pip show carla), does nothing else listen on its port and the next, and "
    'did a sensor of another client send pictures? Restart the server otherwise'
)


def main() -> int:
    """Run the bridge until SIGINT or SIGTERM; return the exit code."""
    part, _, file = os.environ.pop(PART, '').partition(':')
    if part == NODE:
        from impromptu_vla_ros.nodes import bridge_node

        return bridge_node.main(ledger=Ledger(int(file)))
    if part == CLEANER:
        return _clean(Ledger(int(file)))
    with tempfile.TemporaryFile() as ledger:
        return _Watch(ledger.fileno()).run()


class _Watch:
    """Starts the node, passes signals on to it, and clears up after it."""

    def __init__(self, ledger: int) -> None:
        self._ledger = ledger
        self._node: subprocess.Popen[bytes] | None = None
        self._asked: int | None = None

    def run(self) -> int:
        """Return the node's exit code, 128 and the number of the signal that ended it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._forward)
        crashes = 0
        while True:
            started = monotonic()
            code = self._run_node()
            if code < 0 and self._asked is None:
                _say(f'the node died by {_name(-code)}: {_cause(-code)}')
            self._clear_up()
            if code >= 0 or self._asked is not None:
                return code if code >= 0 else 128 - code
            crashes = 1 if monotonic() - started > CALM else crashes + 1
            if crashes > RESTARTS:
                _say(f'{crashes} crashes, each within {CALM:g} s: it gives up')
                return 128 - code
            _say(f'starts the node again ({crashes} of {RESTARTS})')

    def _run_node(self) -> int:
        self._node = self._started(NODE)
        if self._asked is not None:
            self._node.send_signal(self._asked)
        return self._node.wait()

    def _forward(self, number: int, _: Any) -> None:
        self._asked = number
        if self._node is not None:
            self._node.send_signal(number)

    def _clear_up(self) -> None:
        if Ledger(self._ledger).held is None:
            return
        cleaner = self._started(CLEANER)
        try:
            code = cleaner.wait(CLEANING)
        except subprocess.TimeoutExpired:
            cleaner.kill()
            code = cleaner.wait()
        if code < 0:
            _say(f'what it had in the world stays there: the cleaner died by {_name(-code)}')

    def _started(self, part: str) -> subprocess.Popen[bytes]:
        """Start this very executable again to play a part."""
        return subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, PART: f'{part}:{self._ledger}'},
            pass_fds=[self._ledger],
            # A terminal's Ctrl-C comes from us, once: a second one would end its clearing up.
            start_new_session=True,
            preexec_fn=partial(end_with_parent, os.getpid()),
        )


def _clean(ledger: Ledger) -> int:
    from impromptu_vla_ros.worlds.carla_errors import CarlaError
    from impromptu_vla_ros.worlds.leftovers import take_out

    assert ledger.held is not None
    try:
        _say(f'cleared the world up: {take_out(ledger.held)}')
    except CarlaError as error:
        _say(f'what it had in the world stays there: {error}')
        return 1
    ledger.note(None)
    return 0


def _cause(number: int) -> str:
    return KILLED if number in (signal.SIGKILL, signal.SIGTERM) else CRASHED


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f'signal {number}'


def _say(words: str) -> None:
    print(f'carla_bridge: {words}', file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
