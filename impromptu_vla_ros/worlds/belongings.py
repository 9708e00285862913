# SPDX-License-Identifier: Apache-2.0
"""What a client has in a world, noted so that another process can take it out; no dependency."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Belongings:
    """
    What to undo in the world of a server.

    The ego has that `role` name and its cameras' ones begin with it and a slash; `spawned` is
    whether we put it there, `driven` whether it obeys us. `ticked` is whether we ticked the
    world, which was `synchronous` with that `step` (s) before.
    """

    host: str
    port: int
    role: str
    spawned: bool = False
    driven: bool = False
    ticked: bool = False
    synchronous: bool = False
    step: float | None = None


class Ledger:
    """
    Where a client notes what it has in the world: `held`, None for nothing.

    With the descriptor of an open file it outlives the process, and begins with what the last
    one noted there.
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = file
        self.held = None if file is None else _last(file)

    def note(self, held: Belongings | None) -> None:
        """Note what there is from now on."""
        if held == self.held:
            return
        self.held = held
        if self._file is not None:
            content = json.dumps(held and asdict(held))
            os.write(self._file, f'{content}\n'.encode())


def _last(file: int) -> Belongings | None:
    lines = os.pread(file, os.fstat(file).st_size, 0).splitlines()
    content = json.loads(lines[-1]) if lines else None
    return Belongings(**content) if content else None
