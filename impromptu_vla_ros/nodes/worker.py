# SPDX-License-Identifier: Apache-2.0
"""One thread with a one-slot mailbox: slow work beside an executor, and nothing queues."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

Job = TypeVar('Job')
Result = TypeVar('Result')


@dataclass(frozen=True)
class Outcome(Generic[Job, Result]):
    """What became of a job: its result or its error, after `seconds` of work."""

    job: Job
    result: Result | None
    error: Exception | None
    seconds: float


class Worker(Generic[Job, Result]):
    """
    Do one kind of work on the newest job, in a thread of its own.

    `finished` is called in that thread after each job, to wake the one who takes the outcome.
    A thread cannot be killed: one whose work hangs stays busy, and never holds up the exit.
    """

    def __init__(self, work: Callable[[Job], Result], finished: Callable[[], None]) -> None:
        self._work = work
        self._finished = finished
        self._changed = threading.Condition()
        self._waiting: Job | None = None
        self._outcome: Outcome[Job, Result] | None = None
        self._since: float | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name='model', daemon=True)
        self._thread.start()

    @property
    def busy_for(self) -> float:
        """Return the seconds since a job came whose outcome was not taken yet; 0.0 if none."""
        since = self._since
        return monotonic() - since if since is not None else 0.0

    @property
    def busy(self) -> bool:
        """Return whether the outcome of a job has still to be taken."""
        return self._since is not None

    def submit(self, job: Job) -> None:
        """Hand over a job; it takes the place of one that still waits."""
        with self._changed:
            self._waiting = job
            self._since = monotonic()
            self._changed.notify()

    def take(self) -> Outcome[Job, Result] | None:
        """Return the finished job's outcome, once."""
        with self._changed:
            outcome, self._outcome = self._outcome, None
            if outcome is not None and self._waiting is None:
                self._since = None
            return outcome

    def close(self, timeout: float = 1.0) -> bool:
        """Take no more jobs and call nobody; return whether the thread ended in `timeout` s."""
        with self._changed:
            self._closed = True
            self._waiting = None
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting is not None)
                if self._closed or self._waiting is None:
                    return
                job, self._waiting = self._waiting, None
            started = monotonic()
            result, error = None, None
            try:
                result = self._work(job)
            except Exception as caught:
                error = caught
            outcome = Outcome(job, result, error, monotonic() - started)
            with self._changed:
                if self._closed:
                    return
                self._outcome = outcome
                # Within the lock, so that nothing is woken after close().
                self._finished()
