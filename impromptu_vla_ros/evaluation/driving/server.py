# SPDX-License-Identifier: Apache-2.0
"""A world served in a process of its own, which ends with this one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import impromptu_vla_ros
from impromptu_vla_ros.worlds.carla_errors import NoServer

ROOT = Path(impromptu_vla_ros.__file__).resolve().parents[1]
# MetaDrive takes half a minute on a slow machine to start.
PATIENCE = 60.0


class WorldServer:
    """A server of `impromptu-vla world`, at a free `port`; use it in a `with` statement."""

    def __init__(self, world: str, map: str = 'straight') -> None:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [
                *(_python(world), '-m', 'impromptu_vla_ros.worlds.serve'),
                *('--world', world, '--map', map, '--port', '0', '--end-with-parent'),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, 'PYTHONPATH': module_path()},
            # A Ctrl-C in the terminal is for the parent, which ends it last.
            start_new_session=True,
        )
        self.port = self._told_port(world)

    def __enter__(self) -> WorldServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    @property
    def pid(self) -> int:
        """Return the number of its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    @property
    def last_words(self) -> str:
        """Return the last line that it wrote."""
        self._log.seek(0)
        lines = self._log.read().decode(errors='replace').strip().splitlines()
        return lines[-1].strip() if lines else 'it said nothing'

    def _told_port(self, world: str) -> int:
        output = self._process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], PATIENCE)
        line = output.readline() if ready else b''
        if not line:
            words = self.last_words
            self.__exit__()
            raise NoServer(f'the {world} world did not start: {words}')
        return int(json.loads(line)['port'])


def _python(world: str) -> str:
    """Return the interpreter for a world: MetaDrive has an environment of its own."""
    return metadrive_python() if world == 'metadrive' else sys.executable


def metadrive_python() -> str:
    """Return MetaDrive's interpreter; raise NoServer where its environment is not made."""
    venv = Path(os.environ.get('METADRIVE_VENV', ROOT / '.venv-metadrive'))
    python = venv / 'bin' / 'python'
    if not python.exists():
        raise NoServer(f'{python} is not there: make it with scripts/metadrive.sh')
    return str(python)


def module_path() -> str:
    """Return a module path on which the child finds this very package, source tree or not."""
    ours = [str(ROOT)] if (ROOT / 'package.xml').exists() else []
    return os.pathsep.join(filter(None, [*ours, os.environ.get('PYTHONPATH', '')]))
