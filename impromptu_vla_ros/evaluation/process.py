# SPDX-License-Identifier: Apache-2.0
"""A child process that never outlives its parent and says what it died of."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import impromptu_vla_ros

PR_SET_PDEATHSIG = 1
# How long the child may take to end by itself, s.
PATIENCE = 10.0


class ChildProcess:
    """
    A Python module run beside this one, with what it says kept in a file.

    Use it in a `with` statement: at the end the child gets SIGINT, and SIGKILL if it does
    not listen. Should this process be killed, the child is killed too.
    """

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        self._log = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            [sys.executable, '-m', module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=_environment(),
            # A Ctrl-C in the terminal is for the parent, which ends the child in order.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == 'linux' else None,
        )

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._log.close()

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of a child that ended by itself, else None."""
        return self._child.poll()

    @property
    def peak_memory(self) -> float | None:
        """Return the child's largest resident set so far, MB; None where nobody tells."""
        try:
            status = Path(f'/proc/{self.pid}/status').read_text(encoding='ascii')
        except OSError:
            return None
        found = [line.split()[1] for line in status.splitlines() if line.startswith('VmHWM')]
        return int(found[0]) * 1024 / 1e6 if found else None

    def end(self) -> None:
        """End the child: SIGINT, and SIGKILL after ten seconds."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()

    def last_words(self, lines: int = 5) -> str:
        """Return the last lines the child wrote, in one line."""
        self._log.seek(0)
        said = self._log.read().decode(errors='replace').strip().splitlines()
        return ' | '.join(line.strip() for line in said[-lines:]) or 'it said nothing'


@contextmanager
def node_process(
    module: str,
    namespace: str,
    parameters: Mapping[str, Any],
    remappings: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[ChildProcess]:
    """
    Run a ROS node in a namespace, with /clock and /diagnostics of its own.

    So nothing else on the network is disturbed. `remappings` are topics by their names in the
    node, `arguments` those of the module itself.
    """
    names = [f'__ns:={namespace}']
    names += [f'/{topic}:={namespace}/{topic}' for topic in ('clock', 'diagnostics')]
    names += [f'{name}:={topic}' for name, topic in (remappings or {}).items()]
    remaps = [argument for name in names for argument in ('-r', name)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'parameters.yaml'
        content = {'/**': {'ros__parameters': dict(parameters)}}
        file.write_text(json.dumps(content), encoding='utf-8')
        ros = ['--ros-args', *remaps, '--params-file', str(file)]
        with ChildProcess(module, [*arguments, *ros]) as child:
            yield child


def _environment() -> dict[str, str]:
    """Return the environment in which the child finds this very package, source tree or not."""
    environment = dict(os.environ)
    root = Path(impromptu_vla_ros.__file__).resolve().parents[1]
    if (root / 'package.xml').exists():
        paths = [str(root), environment.get('PYTHONPATH', '')]
        environment['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
    return environment


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
