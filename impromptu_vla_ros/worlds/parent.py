# SPDX-License-Identifier: Apache-2.0
"""Ending with the process that started this one."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent(parent: int | None = None) -> None:
    """
    Have the kernel send SIGTERM when the thread that started this process is gone.

    `parent` is that one's process id where it is known; raise OSError where the kernel refuses.
    """
    parent = parent or os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl(PR_SET_PDEATHSIG) failed')
    if os.getppid() != parent:
        # It was gone before the kernel knew.
        os.kill(os.getpid(), signal.SIGTERM)
